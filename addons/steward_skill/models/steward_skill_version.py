import difflib

from markupsafe import Markup

from odoo import Command, api, fields, models

from ..kernel import side_by_side
from ..kernel import skill_format as kernel
from .steward_skill import BESIDE, KINDS

FILES = {  # a field -> the file that it is in a skill's folder
    "playbook": kernel.PLAYBOOK,
    "inputs": kernel.INPUTS,
    "outputs": kernel.OUTPUTS,
}
CONTEXT = 3  # lines around a change
# a kind of row -> classes of its two sides
_SIDES = {
    "changed": ("bg-danger-subtle", "bg-success-subtle"),
    "removed": ("bg-danger-subtle", ""),
    "added": ("", "bg-success-subtle"),
    "same": ("", ""),
}


class StewardSkillVersion(models.Model):
    """A skill at one time: what agents are told, and runs are counted for."""

    _name = "steward.skill.version"
    _inherit = ["steward.version.mixin", "steward"]
    _description = "Version of a Skill"
    _version_of = "skill_id"
    # what is found out about it later; what it says never changes
    _version_facts = ("approver_id", "approved_at", "checks")
    _steward_own_fields = _version_facts

    skill_id = fields.Many2one(
        "steward.skill", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="skill_id.company_id", store=True)
    title = fields.Char(readonly=True)
    description = fields.Text(readonly=True)
    kind = fields.Selection(KINDS, readonly=True)
    trigger_words = fields.Char("Trigger words", readonly=True)
    tool_names = fields.Char("Tools it needs", readonly=True)
    depends_on = fields.Char("Skills it needs", readonly=True)
    body = fields.Text("Instructions", readonly=True)
    playbook = fields.Text("Playbook (YAML)", readonly=True)
    inputs = fields.Text("Inputs (JSON Schema)", readonly=True)
    outputs = fields.Text("Outputs (JSON Schema)", readonly=True)
    file_ids = fields.Many2many("steward.skill.file", string="Files", readonly=True)
    approver_id = fields.Many2one("res.users", "Approved by", readonly=True)
    approved_at = fields.Datetime("Approved", readonly=True)
    checks = fields.Json(
        readonly=True,
        help="Of the quality gates: [{name, title, state, sentence}].",
    )

    side_by_side = fields.Html(
        "Changes side by side", compute="_compute_side_by_side", sanitize=False
    )
    checks_shown = fields.Html(
        "Quality gates", compute="_compute_checks_shown", sanitize=False
    )

    _number_uniq = models.UniqueIndex("(skill_id, number)")

    @api.depends("text", "skill_id.approved_version_id")
    @api.depends_context("compared_to")
    def _compute_side_by_side(self):
        """What a Reviewer decides about: beside what agents are told now."""
        for version in self:
            version.side_by_side = version._beside(version._compared_version())

    @api.depends("checks")
    def _compute_checks_shown(self):
        for version in self:
            version.checks_shown = _as_list(version.checks or [])

    def _compared_version(self):
        """The version to compare this with: the one in use, or the one before."""
        self.ensure_one()
        number = self.env.context.get("compared_to")
        in_use = self.skill_id.approved_version_id
        if not number:
            newer = in_use and in_use.number < self.number
            number = in_use.number if newer else self.number - 1
        return self.skill_id.version_ids.filtered(lambda v: v.number == number)

    @api.depends("number", "skill_id.name")
    def _compute_display_name(self):
        for version in self:
            version.display_name = version._reference()

    def _reference(self):
        """How the ledger calls it, as ``close-period@3``."""
        return f"{self.skill_id.name}@{self.number}"

    def _documents(self):
        """All that this version says: name of a file -> its text."""
        self.ensure_one()
        texts = {kernel.DOCUMENT: self.text}
        texts |= {FILES[name]: self[name] for name in BESIDE if self[name]}
        # a file is told by its fingerprint: it need not be a text
        return texts | {f.path: f"{f._fingerprint()}\n" for f in self.file_ids}

    def _diff_from(self, other):
        before = other._documents() if other else {}
        after = self._documents()
        lines = []
        for name in sorted(before.keys() | after.keys(), key=_first):
            changes = difflib.unified_diff(
                before.get(name, "").splitlines(),
                after.get(name, "").splitlines(),
                lineterm="",
                n=CONTEXT,
            )
            found = list(changes)[2:]
            if found:
                lines += [f"@ {name}", *found]
        return lines

    def _beside(self, other):
        """The texts of another version and of this one, as a table."""
        if not other:
            return False
        before, after = other._documents(), self._documents()
        shown = Markup()
        for name in sorted(before.keys() | after.keys(), key=_first):
            rows = side_by_side.rows(before.get(name, ""), after.get(name, ""))
            if rows:
                shown += Markup(
                    '<tr><th colspan="2" class="text-bg-light">{}</th></tr>{}'
                ).format(name, Markup().join(map(_as_row, rows)))
        if not shown:
            return False
        heads = [
            self.env._("Version %(n)s", n=version.number) for version in (other, self)
        ]
        return Markup(
            '<table class="o_steward_side_by_side table table-sm table-borderless'
            ' font-monospace mb-0"><thead><tr><th>{}</th><th>{}</th></tr></thead>'
            "<tbody>{}</tbody></table>"
        ).format(*heads, shown)

    def _folder(self):
        """This version as a folder, ready to be handed out."""
        self.ensure_one()
        files = [
            kernel.File(FILES[name], self[name].encode())
            for name in BESIDE
            if self[name]
        ]
        files += [
            kernel.File(file.path, file._bytes(), file.is_executable)
            for file in self.file_ids
        ]
        return kernel.Folder(self.skill_id.name, self.text, tuple(sorted(files)))

    def action_restore(self) -> dict:
        """Bring the skill back to what it was in this version.

        :return: the skill's form
        """
        self.ensure_one()
        self.skill_id.write(
            {
                "text": self.text,
                **{name: self[name] for name in BESIDE},
                "file_ids": [Command.set(self.file_ids.ids)],
                "change_note": self.env._("As in version %(n)s", n=self.number),
            }
        )
        return self.skill_id.get_formview_action()


def _first(name):
    return name != kernel.DOCUMENT, name


def _as_row(row):
    if row.kind == "gap":
        return Markup('<tr><td colspan="2" class="text-muted">…</td></tr>')
    return Markup('<tr><td class="{}">{}</td><td class="{}">{}</td></tr>').format(
        _SIDES[row.kind][0], row.left or "", _SIDES[row.kind][1], row.right or ""
    )


_SIGNS = {
    "passed": "fa-check-circle text-success",
    "warned": "fa-exclamation-triangle text-warning",
    "failed": "fa-times-circle text-danger",
}


def _as_list(checks):
    """What the quality gates found, for people; nothing when none was asked."""
    rows = Markup().join(
        Markup(
            '<li><i class="fa {}" role="img" aria-label="{}"></i> <b>{}</b> {}</li>'
        ).format(
            _SIGNS.get(check["state"], ""),
            check["state"],
            check["title"],
            check["sentence"],
        )
        for check in checks
    )
    return (
        Markup('<ul class="list-unstyled mb-0">{}</ul>').format(rows) if rows else False
    )
