import re

from odoo import api, fields, models, tools
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel.schema import Problems
from odoo.exceptions import ValidationError

from ..kernel import playbook as kernel
from ..kernel.specification import CODE

EXAMPLE = """\
name: {name}
steps:
  - name: Count the partners
    tool: count_records
    arguments: {{model: res.partner}}
    save: partners
  - stop: "{{{{ partners.count }}}} partners"
"""


class StewardPlaybook(models.Model):
    """An ordered list of steps, written as YAML, that needs no model."""

    _name = "steward.playbook"
    _inherit = ["steward.versioned.mixin", "mail.thread"]
    _description = "Playbook"
    _order = "name"

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True, help="How agents and other playbooks call it: letters, dashes."
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    text = fields.Text(
        "YAML",
        required=True,
        default=lambda self: EXAMPLE.format(name=self.env._("My playbook")),
    )
    description = fields.Text(compute="_compute_content")
    steps = fields.Json(compute="_compute_content", help="What the screen shows.")
    problems = fields.Text(compute="_compute_content", help="By line of the text.")
    needs = fields.Char(
        "Needs the app", help="Technical name of an app whose records it works on."
    )
    missing = fields.Char(compute="_compute_missing")
    version_id = fields.Many2one(
        "steward.playbook.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.playbook.version", "playbook_id", "Versions", readonly=True
    )
    agent_ids = fields.One2many("steward.agent", "playbook_id", "Agents")
    agent_count = fields.Integer(compute="_compute_agent_count")

    _code_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))", "There is a playbook with this code already."
    )

    @api.depends("text", "code", "company_id")
    def _compute_content(self):
        for playbook in self:
            try:
                parsed = playbook._parse()
            except Problems as error:
                playbook.problems = str(error)
                playbook.description = False
                playbook.steps = []
            else:
                playbook.problems = False
                playbook.description = parsed.description
                playbook.steps = _outline(parsed.steps)

    @api.depends("needs")
    def _compute_missing(self):
        installed = self.env["ir.module.module"]._installed()
        for playbook in self:
            playbook.missing = (
                playbook.needs
                and playbook.needs not in installed
                and self.env._(
                    "It works on records of the app %(app)s, which is not installed.",
                    app=playbook.needs,
                )
            )

    @api.depends("agent_ids")
    def _compute_agent_count(self):
        for playbook in self:
            playbook.agent_count = len(playbook.agent_ids)

    @api.constrains("code")
    def _check_code(self):
        for playbook in self:
            if not re.fullmatch(CODE, playbook.code):
                raise ValidationError(
                    self.env._(
                        "%(code)s cannot be a code: take small letters, digits and"
                        " dashes, as stale-quotations.",
                        code=playbook.code,
                    )
                )

    @api.constrains("text", "code", "company_id")
    def _check_text(self):
        for playbook in self:
            try:
                playbook._parse()
            except Problems as error:
                raise ValidationError(
                    self.env._("The playbook cannot be used.\n%(why)s", why=error)
                ) from error

    @api.constrains("active", "needs")
    def _check_needs(self):
        for playbook in self.filtered("active"):
            if playbook.missing:
                raise ValidationError(playbook.missing)

    # -- versions ----------------------------------------------------------------

    def _definition(self):
        return self.text or ""

    def _definition_values(self, text):
        return {"text": text}

    # -- reading -------------------------------------------------------------------

    def _parse(self, text=None):
        """Read a text, or its own, and check it against the tools there are.

        :rtype: kernel.Playbook
        :raises Problems: all that is wrong with it
        """
        self.ensure_one()
        return kernel.parse(
            self.text or "" if text is None else text,
            self._known_tools(),
            self._known_calls(),
            self.code or None,
        )

    def _parsed(self):
        """The playbook as its newest version has it."""
        return self._current_version()._parsed()

    def _known_tools(self):
        """Names of the tools that a playbook of this company may call."""
        # sudo: steward.tool - that a tool exists is no secret to who writes playbooks
        tools_there = self.env["steward.tool"].sudo().search(self._shared_domain())
        return set(tools_there.mapped("name"))

    def _known_calls(self):
        """Code -> codes that it calls, of the playbooks this one may call."""
        # sudo: steward.playbook - a circle through what one may not see is one, too
        playbooks = self.sudo().search(
            [*self._shared_domain(), ("id", "!=", self._origin.id)]
        )
        return {
            playbook.code: sorted(playbook._current_version()._parsed().calls())
            for playbook in playbooks
        }

    def _tools_called(self, company):
        """Names of all tools that it may call, by the playbooks it runs, too."""
        parsed = self._parsed()
        found = parsed.tools()
        for code in parsed.calls():
            found |= self._by_code(code, company)._tools_called(company)
        return found

    def _shared_domain(self):
        return [("company_id", "in", [self.company_id.id, False])]

    @api.model
    def _by_code(self, code, company):
        """The playbook with this code: the company's own, or the shared one."""
        domain = [("code", "=", code), ("company_id", "in", [company.id, False])]
        found = self.search(domain, order="company_id", limit=1)  # NULL comes last
        if not found:
            raise Invalid(
                self.env._("There is no playbook with the code %(code)s.", code=code)
            )
        return found

    # -- screens -------------------------------------------------------------------

    def check_text(self, text: str) -> list[str]:
        """Tell what is wrong with a text before it is saved.

        :param text: of the playbook
        :return: sentences with line and column; none if all is well
        """
        self.check_access("read")
        try:
            (self or self.new({}))._parse(text)
        except Problems as error:
            return [str(problem) for problem in error.problems]
        return []

    @api.model
    def move_step(self, text: str, start: int, to: int) -> str:
        """Move a top step of a text, with its comments, to another place.

        :param text: of the playbook
        :param start: which step, from 0
        :param to: its new place, from 0
        :return: the text
        """
        self.check_access("read")
        try:
            return kernel.moved(text, start, to)
        except (Problems, ValueError) as error:
            raise Invalid(str(error)) from error

    def action_agents(self) -> dict:
        """Show the agents that follow this playbook."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_agents"
        )
        return {**action, "domain": [("playbook_id", "in", self.ids)]}


class StewardPlaybookVersion(models.Model):
    """The text of a playbook at one time: what runs are pinned to."""

    _name = "steward.playbook.version"
    _inherit = "steward.version.mixin"
    _description = "Version of a Playbook"
    _version_of = "playbook_id"

    playbook_id = fields.Many2one(
        "steward.playbook", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="playbook_id.company_id", store=True)

    _number_uniq = models.UniqueIndex("(playbook_id, number)")

    def _parsed(self):
        """The playbook of this version; what was sound when it was saved stays so.

        :rtype: kernel.Playbook
        """
        self.ensure_one()
        # sudo: steward.playbook.version - an executor reads it for any run
        return self._parsed_text(self.id, self.sudo().checksum)

    @tools.ormcache("version_id", "checksum")
    def _parsed_text(self, version_id, checksum):  # noqa: ARG002 - part of the key
        # sudo: steward.playbook.version - as above
        return kernel.parse(self.sudo().text)

    def _checked_input(self, given):
        """The input of a run, or a refusal that names what is missing or unknown."""
        try:
            kernel.given_inputs(self._parsed(), given)
        except ValueError as error:
            raise Invalid(
                self.env._("The run cannot start: %(why)s.", why=error)
            ) from error
        return given

    def _check_can_run(self):
        # sudo: steward.playbook - why it cannot run is told to who starts it
        if missing := self.sudo().playbook_id.missing:
            raise Refused(missing)


def _outline(steps, depth=0):
    rows = []
    for step in steps:
        rows.append(
            {
                "key": step.key,
                "kind": step.kind,
                "title": step.name or step.title(),
                "detail": step.title() if step.name else "",
                "line": step.line,
                "depth": depth,
            }
        )
        for _purpose, below in step.groups():
            rows += _outline(below, depth + 1)
    return rows
