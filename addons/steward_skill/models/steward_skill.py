from odoo import Command, api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.schema import Problems, SchemaProblem, load
from odoo.addons.steward_agent.kernel.playbook import circle
from odoo.exceptions import ValidationError

from ..kernel import composition
from ..kernel import skill_format as kernel

KINDS = [("instruction", "Instruction"), ("playbook", "Playbook")]
STATES = [
    ("draft", "Draft"),
    ("review", "In review"),
    ("approved", "Approved"),
    ("deprecated", "Deprecated"),
]
ORIGINS = [
    ("written", "Written"),
    ("imported", "Imported"),
    ("harvested", "From runs"),
]
# a field -> the part of the document that it holds
PARTS = {
    "name": "name",
    "title": "title",
    "description": "description",
    "body": "body",
    "trigger_words": "triggers",
    "tool_names": "tools",
    "depends_on": "needs",
}
# who may read what is not approved yet; agents and employees read versions
DRAFT = "steward.group_viewer"
# what a version keeps beside the document
BESIDE = ("playbook", "inputs", "outputs")
SCHEMAS = ("inputs", "outputs")


class StewardSkill(models.Model):
    """How a kind of task is done well: written down, reviewed, found by agents.

    Its document is a ``SKILL.md`` of the open Agent Skills format; the fields that
    hold its parts and the document always say the same. The state is that of the
    newest version; agents use ``approved_version_id``, whatever is being written or
    reviewed meanwhile.
    """

    _name = "steward.skill"
    _inherit = ["steward.versioned.mixin", "mail.thread", "mail.activity.mixin"]
    _description = "Skill"
    _order = "title, id"
    _rec_name = "title"
    _rec_names_search = ("title", "name")
    _steward_own_fields = (
        *("version_id", "state", "approved_version_id", "origin", "playbook_id"),
        *("review_since", "confidence", "use_count", "last_used_at"),
        *("source_run_ids", "source_traces", "harvest_id", "duplicate_of_id"),
    )

    # the document; see kernel/skill_format.py
    name = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="How agents call it: small letters, digits and dashes, 64 at most.",
    )
    title = fields.Char(required=True, tracking=True)
    description = fields.Text(
        required=True,
        help="What it does and when to use it: agents choose by this. 1024 characters"
        " at most.",
    )
    text = fields.Text(
        "SKILL.md", groups=DRAFT, help="The whole document; made of the fields."
    )
    body = fields.Text("Instructions", groups=DRAFT, help="Markdown.")
    trigger_words = fields.Char(
        "Trigger words",
        help="Words and phrases of tasks it is for, with commas between them.",
    )
    tool_names = fields.Char("Tools it needs", help="Their names, with spaces between.")
    depends_on = fields.Char(
        "Skills it needs", help="Their names, with spaces between."
    )
    playbook = fields.Text(
        "Playbook (YAML)",
        groups=DRAFT,
        help="Steps that need no model; then it can be run.",
    )
    kind = fields.Selection(KINDS, compute="_compute_kind", store=True)
    inputs = fields.Text("Inputs (JSON Schema)", groups=DRAFT)
    outputs = fields.Text("Outputs (JSON Schema)", groups=DRAFT)
    file_ids = fields.Many2many(
        "steward.skill.file",
        string="Files",
        copy=False,
        domain="[('skill_id', '=', id)]",
        help="Kept with the skill and handed out; nothing executes them.",
    )

    # where it belongs
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    owner_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        tracking=True,
        help="Who looks after it.",
    )
    group_ids = fields.Many2many(
        "res.groups", string="Only for", help="Empty: for everybody of the company."
    )
    category = fields.Char(index=True)
    tag_ids = fields.Many2many("steward.skill.tag", string="Tags")

    # how it stands
    state = fields.Selection(
        STATES,
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        tracking=True,
        group_expand=True,
        index=True,
    )
    review_since = fields.Datetime("Waits since", readonly=True, copy=False)
    version_id = fields.Many2one(
        "steward.skill.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.skill.version", "skill_id", "Versions", readonly=True
    )
    approved_version_id = fields.Many2one(
        "steward.skill.version",
        "In use",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The version that agents are told.",
    )
    approved_number = fields.Integer(
        "Version in use", related="approved_version_id.number", aggregator=None
    )
    dependency_ids = fields.Many2many(
        "steward.skill",
        string="Builds on",
        compute="_compute_dependency_ids",
        help="The skills it needs, as far as they are there.",
    )
    playbook_id = fields.Many2one(
        "steward.playbook",
        "Runs as",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        help="The playbook of the version in use; other playbooks may call it.",
    )

    # where it comes from
    origin = fields.Selection(
        ORIGINS, required=True, readonly=True, default="written", copy=False
    )
    harvest_id = fields.Many2one(
        "steward.skill.harvest", readonly=True, copy=False, index="btree_not_null"
    )
    source_run_ids = fields.Many2many(
        "steward.run", string="Learnt from", readonly=True, copy=False
    )
    source_traces = fields.Json(
        readonly=True,
        copy=False,
        help="[{trace_id, steps: [span_id]}]; stays when the runs are gone.",
    )
    duplicate_of_id = fields.Many2one(
        "steward.skill",
        "Much like",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
    )

    # what it is good for
    confidence = fields.Float(
        readonly=True,
        copy=False,
        default=0.5,
        aggregator="avg",
        help="How sure it is that it helps, from 0 to 1: by its use.",
    )
    use_count = fields.Integer("Uses", readonly=True, copy=False)
    last_used_at = fields.Datetime("Last used", readonly=True, copy=False)
    trial_share = fields.Integer(
        "Runs without it (%)",
        default=10,
        help="That many of the runs it fits are not told it, so that its effect can be"
        " measured. 0: no trial.",
    )

    _name_uniq = models.UniqueIndex(
        "(name, COALESCE(company_id, 0))", "There is a skill with this name already."
    )
    _share_bounds = models.Constraint(
        "CHECK (trial_share BETWEEN 0 AND 90)", "Between 0 and 90 percent."
    )

    @api.depends("playbook")
    def _compute_kind(self):
        for skill in self:
            has_steps = (skill.playbook or "").strip()
            skill.kind = "playbook" if has_steps else "instruction"

    @api.depends("depends_on", "company_id")
    def _compute_dependency_ids(self):
        for skill in self:
            names = kernel.names_of(skill.depends_on or "")
            skill.dependency_ids = skill._by_names(names, skill.company_id)

    @api.onchange("title")
    def _onchange_title(self):
        if self.title and not self._origin:
            self.name = kernel.slug(self.title)

    # -- what it may be ----------------------------------------------------------------

    @api.constrains("depends_on", "name", "company_id")
    def _check_circle(self):
        for skill in self.filtered("depends_on"):
            way = circle(skill.name, skill._needs_there())
            if way:
                raise ValidationError(
                    self.env._(
                        "Skills that need each other in a circle lead nowhere: %(way)s",
                        way=" → ".join(way),
                    )
                )

    @api.constrains("playbook", "name", "company_id")
    def _check_playbook(self):
        for skill in self.filtered("playbook"):
            try:
                skill._read_playbook(skill.playbook)
            except Problems as error:
                raise ValidationError(
                    self.env._("The playbook cannot be used.\n%(why)s", why=error)
                ) from error

    @api.constrains(*SCHEMAS)
    def _check_schemas(self):
        for skill in self:
            for name in SCHEMAS:
                text = (skill[name] or "").strip()
                try:
                    is_schema = not text or isinstance(load(text, "json").value, dict)
                except SchemaProblem as error:
                    raise ValidationError(
                        self.env._(
                            "%(field)s cannot be read: %(why)s",
                            field=self._fields[name].string,
                            why=error,
                        )
                    ) from error
                if not is_schema:
                    raise ValidationError(
                        self.env._(
                            "%(field)s: a JSON Schema is an object.",
                            field=self._fields[name].string,
                        )
                    )

    @api.model
    def _read_playbook(self, text):
        """Read a playbook as one of this skill's company.

        :raises Problems: all that is wrong with it
        """
        # sudo: steward.playbook - which ones there are decides whether it is sound
        playbooks = self.env["steward.playbook"].sudo()
        return playbooks.new(
            {"code": self.name, "company_id": self.company_id.id}
        )._parse(text)

    # -- the document ------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._completed(vals) for vals in vals_list])

    def write(self, vals):
        if not {"text", *PARTS} & set(vals):
            return super().write(vals)
        for skill in self:
            super(StewardSkill, skill).write(skill._completed(vals))
        return True

    def unlink(self):
        # sudo: steward.skill.file - the files go with the skill, from the disk, too
        files = self.env["steward.skill.file"].sudo()
        files = files.search([("skill_id", "in", self.ids)])
        done = super().unlink()
        files.exists().unlink()
        return done

    def copy_data(self, default=None):
        rows = super().copy_data(default)
        for skill, row in zip(self, rows, strict=True):
            if "name" not in (default or {}):
                taken = skill.with_context(active_test=False).search_count([])
                row["name"] = f"{skill.name[:56].rstrip('-')}-{taken + 1}"
                row["title"] = self.env._("%(title)s (copy)", title=skill.title)
                row["text"] = skill.text
        return rows

    def _completed(self, vals):
        """Values in which the document and its parts say the same.

        A document that is given counts; then the parts that are given beside it.
        """
        vals = dict(vals)
        given = {field: vals[field] or "" for field in PARTS if field in vals}
        parts = {PARTS[field]: value for field, value in given.items()}
        text = vals.get("text") or self.text
        try:
            if text:
                text = kernel.changed(text, **parts) if parts else text
            else:
                name = parts.pop("name", "") or kernel.slug(parts.get("title", ""))
                text = kernel.written(name, parts.pop("description", ""), **parts)
            said = kernel.parse(text)
        except Problems as error:
            raise ValidationError(
                self.env._("The skill cannot be kept as it is.\n%(why)s", why=error)
            ) from error
        return {
            **vals,
            "text": text,
            "name": said.name,
            "title": said.title,
            "description": said.description,
            "body": said.body,
            "trigger_words": ", ".join(said.triggers),
            "tool_names": " ".join(said.tools),
            "depends_on": " ".join(said.needs),
        }

    # -- versions ----------------------------------------------------------------------

    def _definition(self):
        return self.text or ""

    def _definition_values(self, text):
        return {"text": text}

    def _definition_checksum(self, text):
        beside = [self[name] or "" for name in BESIDE]
        files = sorted(
            self.file_ids.mapped(lambda file: f"{file.path}\0{file._fingerprint()}")
        )
        return super()._definition_checksum("\0\0".join([text, *beside, *files]))

    def _version_values(self):
        return {
            **{
                name: self[name] for name in (*PARTS, *BESIDE, "kind") if name != "name"
            },
            "file_ids": [Command.set(self.file_ids.ids)],
        }

    def _keep_version(self, note=None):
        before = self.version_id
        done = super()._keep_version(note)
        if before and self.version_id != before:
            self._on_changed()
        return done

    def _on_changed(self):
        """What was approved was another text: the new one has to be, too. Hook."""
        if self.state in ("approved", "deprecated"):
            self._write_own({"state": "draft"})

    # -- what it builds on -------------------------------------------------------------

    @api.model
    def _by_names(self, names, company):
        """The skills of these names: a company's own rather than a shared one."""
        if not names:
            return self.browse()
        found = self.search(
            [("name", "in", list(names)), ("company_id", "in", [company.id, False])]
        )
        own = found.filtered("company_id")
        return own + (found - own).filtered(lambda s: s.name not in own.mapped("name"))

    def _needs_there(self):
        """Name -> names that it needs, of this skill and of all it may build on."""
        # sudo: steward.skill - a circle through what one may not see is one, too
        there = self.sudo().search_fetch(
            [("company_id", "in", [self.company_id.id, False])],
            ["name", "depends_on", "company_id"],
        )
        needs = {}
        for skill in there.sorted(lambda s: bool(s.company_id)):  # own ones win
            needs[skill.name] = kernel.names_of(skill.depends_on or "")
        return needs | {self.name: kernel.names_of(self.depends_on or "")}

    def _in_order(self):
        """The names of this skill and all it needs, each after what it needs."""
        return composition.order(self.name, self._needs_there())

    def _lacking(self):
        """The names of skills that it needs, and that are not there."""
        return composition.missing(self.name, self._needs_there())

    # -- by name -----------------------------------------------------------------------

    @api.model
    def _named(self, name):
        """The skill of this name that the user may read.

        :raises Invalid: when there is none
        """
        found = self._by_names([str(name)], self.env.company)
        if not found:
            raise Invalid(
                self.env._("There is no skill with the name %(name)s.", name=name)
            )
        return found


class StewardSkillTag(models.Model):
    """A word by which people group skills."""

    _name = "steward.skill.tag"
    _description = "Tag of a Skill"
    _order = "name"

    name = fields.Char(required=True)
    color = fields.Integer()

    _name_uniq = models.UniqueIndex("(lower(name))", "There is this tag already.")

    @api.model
    def _named(self, names):
        """The tags of these names; those that are missing are made."""
        known = {tag.name.lower(): tag for tag in self.search([])}
        missing = [name for name in names if name.lower() not in known]
        made = self.create([{"name": name} for name in missing])
        known |= {tag.name.lower(): tag for tag in made}
        return self.union(*(known[name.lower()] for name in names))
