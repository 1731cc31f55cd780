import base64
import logging
import re

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import StewardError
from odoo.addons.steward.kernel.schema import Problem, Problems
from odoo.exceptions import ValidationError

from ..kernel import specification as kernel
from ..kernel.expression import near

_logger = logging.getLogger(__name__)

POWERFUL = (
    "base.group_system",
    "base.group_erp_manager",
    "steward.group_administrator",
    "steward.group_reviewer",  # who approves cannot be who is approved
)
AT_ONCE = 100  # agents that the scheduler starts in one go


class StewardAgent(models.Model):
    """Somebody that works: here by a playbook, or elsewhere and reports."""

    _name = "steward.agent"
    _inherit = ["steward.versioned.mixin", "mail.thread", "mail.activity.mixin"]
    _description = "Agent"
    _order = "name"
    _steward_own_fields = ("version_id", "schedule_failed")

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True,
        copy=False,
        help="How programs call it: small letters, digits and dashes.",
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    kind = fields.Selection(
        list(kernel.KINDS.items()), required=True, default="playbook"
    )
    description = fields.Text()
    user_id = fields.Many2one(
        "res.users",
        "Runs as",
        tracking=True,
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        help="Its rights are the agent's rights: nothing more, in no door.",
    )
    playbook_id = fields.Many2one(
        "steward.playbook", ondelete="restrict", index="btree_not_null", tracking=True
    )
    playbook_missing = fields.Char(related="playbook_id.missing")
    tool_ids = fields.Many2many(
        "steward.tool",
        string="Tools",
        help="It may call these and no others.",
    )
    lacking = fields.Char(
        compute="_compute_lacking",
        help="Tools its playbook calls and it does not have.",
    )
    may_write = fields.Boolean(
        "May change records", default=True, help="Use tools that write."
    )
    may_destroy = fields.Boolean(
        "May destroy", help="Use tools whose effect cannot be taken back."
    )
    may_call_out = fields.Boolean(
        "May call out", help="Use tools that reach beyond this database."
    )
    max_steps = fields.Integer(default=500, help="A run with more steps is stopped.")
    max_seconds = fields.Integer(default=3600, help="A run that takes longer stops.")
    max_cost = fields.Float("Cost limit (USD)", help="Of one run. 0: no limit.")
    max_runs = fields.Integer("At a time", default=2, help="Runs at the same time.")
    capture = fields.Selection(
        list(kernel.CAPTURES.items()),
        string="Keep inputs and outputs",
        required=True,
        default="truncated",
    )

    schedule_on = fields.Boolean("On schedule", tracking=True)
    schedule_every = fields.Integer("Every", default=1)
    schedule_unit = fields.Selection(list(kernel.UNITS.items()), default="days")
    schedule_task = fields.Char(
        "What to do", help="The task that a run on schedule is given."
    )
    next_run = fields.Datetime(copy=False, help="When the schedule starts it next.")
    schedule_failed = fields.Char("Last not started because", readonly=True, copy=False)

    version_id = fields.Many2one(
        "steward.agent.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.agent.version", "agent_id", "Versions", readonly=True
    )

    export_file = fields.Binary(compute="_compute_export")
    export_name = fields.Char(compute="_compute_export")

    _code_uniq = models.UniqueIndex(
        "(company_id, code)", "There is an agent with this code already."
    )
    _sensible = models.Constraint(
        "CHECK (max_steps > 0 AND max_seconds > 0 AND max_runs > 0 AND max_cost >= 0"
        " AND schedule_every > 0)",
        "Limits are above zero; only the cost may be zero, which is no limit.",
    )
    _due = models.Index("(next_run) WHERE schedule_on AND active")

    @api.depends("playbook_id.text", "tool_ids.name")
    def _compute_lacking(self):
        for agent in self:
            playbook = agent.playbook_id
            wanted = playbook._tools_called(agent.company_id) if playbook else set()
            lacking = sorted(wanted - set(agent._allowed_tools().mapped("name")))
            agent.lacking = ", ".join(lacking) or False

    @api.constrains("code")
    def _check_code(self):
        for agent in self:
            if not re.fullmatch(kernel.CODE, agent.code):
                raise ValidationError(
                    self.env._(
                        "%(code)s cannot be a code: take small letters, digits and"
                        " dashes, as stale-quotations.",
                        code=agent.code,
                    )
                )

    @api.constrains("user_id", "kind", "company_id", "active")
    def _check_user(self):
        for agent in self.filtered("active"):
            if reason := agent._why_not_as(agent.user_id):
                raise ValidationError(reason)

    def _why_not_as(self, user):
        """Why the agent cannot run as this user, or None.

        Looked at when the agent is saved, and again at each start: users change.
        """
        self.ensure_one()
        if not user:
            if self.kind == "external":
                return None
            return self.env._(
                "%(agent)s needs a user to run as: what the user may do, it may do.",
                agent=self.name,
            )
        # sudo: res.users - groups and companies of the one it runs as
        user = user.sudo()
        if user.id:  # these two: a user has a hundred fields
            user.fetch(("active", "share"))

        def names():
            company = self.company_id.name
            return {"agent": self.name, "user": user.name, "company": company}

        if user._is_superuser() or any(map(user._has_group, POWERFUL)):
            return self.env._(
                "%(agent)s cannot run as %(user)s, who is an administrator or a"
                " Reviewer. Make a user of its own for it, with the rights it needs.",
                **names(),
            )
        if not user.active:
            return self.env._(
                "%(agent)s cannot run as %(user)s, who is archived.", **names()
            )
        if user.share:
            return self.env._(
                "%(agent)s cannot run as %(user)s, who is not an internal user.",
                **names(),
            )
        if self.company_id.id not in user._get_company_ids():
            return self.env._(
                "%(agent)s cannot run as %(user)s, who is not of %(company)s.",
                **names(),
            )
        return None

    @api.constrains("tool_ids", "playbook_id", "company_id")
    def _check_companies(self):
        for agent in self:
            # sudo: steward.agent - also tools and playbooks that one does not see
            seen = agent.sudo()
            for record in (*seen.tool_ids, *seen.playbook_id):
                if record.company_id and record.company_id != agent.company_id:
                    raise ValidationError(
                        self.env._(
                            "%(name)s belongs to another company than %(agent)s.",
                            name=record.display_name,
                            agent=agent.name,
                        )
                    )

    @api.constrains("kind", "playbook_id", "active")
    def _check_playbook(self):
        for agent in self.filtered("active"):
            if agent.playbook_id and agent.kind == "external":
                raise ValidationError(
                    self.env._(
                        "%(agent)s works elsewhere, where no playbook of this database"
                        " is followed.",
                        agent=agent.name,
                    )
                )
            if agent.playbook_id and not agent.playbook_id.active:
                raise ValidationError(
                    self.env._(
                        "The playbook %(playbook)s is archived.",
                        playbook=agent.playbook_id.name,
                    )
                )

    @api.constrains("schedule_on", "schedule_unit", "schedule_task", "kind")
    def _check_schedule(self):
        for agent in self.filtered("schedule_on"):
            if agent.kind == "external" or not agent.schedule_unit:
                raise ValidationError(
                    self.env._(
                        "Only an agent that works here, at an interval, has a schedule."
                    )
                )
            if not (agent.schedule_task or "").strip():
                raise ValidationError(
                    self.env._("Say what %(agent)s is to do.", agent=agent.name)
                )

    @api.model_create_multi
    def create(self, vals_list):
        agents = super().create(vals_list)
        agents._plan()
        return agents

    def write(self, vals):
        done = super().write(vals)
        timing = {"schedule_on", "schedule_every", "schedule_unit"}
        if timing & set(vals) and "next_run" not in vals:
            self._plan(anew=True)
        return done

    def copy_data(self, default=None):
        """A copy works beside the original, so it waits until somebody wants it."""
        rows = super().copy_data(default)
        for agent, row in zip(self, rows, strict=True):
            row.setdefault("code", f"{agent.code[:50]}-{self.search_count([]) + 1}")
            row["schedule_on"] = False
            if "name" not in (default or {}):
                row["name"] = self.env._("%(name)s (copy)", name=agent.name)
        return rows

    # -- tools -------------------------------------------------------------------

    def _allowed_tools(self):
        """The tools this agent may call: its own, in use, of its company or shared."""
        self.ensure_one()
        # sudo: steward.tool - the user it runs as need not see the list of tools
        chosen = self.sudo().tool_ids
        return chosen.filtered(
            lambda t: (
                t.active and t.company_id in (t.company_id.browse(), self.company_id)
            )
        )

    # -- schedule ----------------------------------------------------------------

    def _plan(self, anew=False):
        """Set when the schedule starts next; nothing without one."""
        for agent in self:
            if not agent.schedule_on:
                agent.next_run = False
            elif anew or not agent.next_run:
                agent.next_run = agent._after(fields.Datetime.now())

    def _after(self, moment):
        return moment + relativedelta(**{self.schedule_unit: self.schedule_every})

    @api.model
    def _cron_start_due(self):
        """Start the agents whose time has come; one that cannot start says why."""
        due = self.search(
            [("schedule_on", "=", True), ("next_run", "<=", fields.Datetime.now())],
            order="next_run",
            limit=AT_ONCE,
        ).try_lock_for_update()
        for agent in due:
            planned = agent.next_run
            failed = False
            try:
                with self.env.cr.savepoint():
                    agent._start(
                        agent.schedule_task, key=f"schedule {planned.isoformat()}"
                    )
            except StewardError as error:
                failed = error.sentence
                _logger.info("%s was not started: %s", agent.code, error)
            # times that were missed are not made up for: one run tells the same
            now = fields.Datetime.now()
            following = agent._after(planned)
            agent.next_run = following if following > now else agent._after(now)
            agent._write_own({"schedule_failed": failed})
        if len(due) == AT_ONCE:
            self.env.ref("steward_agent.cron_start_due")._trigger()

    # -- as a document -------------------------------------------------------------

    def _definition(self):
        return kernel.dump(self._specification())

    def _definition_values(self, text):
        return self._values_of(kernel.parse(text), text)

    def _specification(self):
        """The agent as the document that it can be made of again."""
        self.ensure_one()
        # sudo: steward.agent - logins and codes of what it is made of
        agent = self.sudo()
        found = {
            "format": kernel.FORMAT,
            "name": agent.name,
            "code": agent.code,
            "kind": agent.kind,
            "tools": sorted(agent.tool_ids.mapped("name")),
            "may": [word for word, name in kernel.PERMISSIONS.items() if agent[name]],
            "limits": {
                "steps": agent.max_steps,
                "seconds": agent.max_seconds,
                "cost": agent.max_cost,
                "at_a_time": agent.max_runs,
            },
            "capture": agent.capture,
        }
        if agent.description:
            found["description"] = agent.description
        if agent.user_id:
            found["run_as"] = agent.user_id.login
        if agent.playbook_id:
            found["playbook"] = agent.playbook_id.code
        if agent.schedule_on:
            found["schedule"] = {
                "every": agent.schedule_every,
                "unit": agent.schedule_unit,
                "task": agent.schedule_task,
            }
        return found

    @api.model
    def _values_of(self, specification, text, company=None):
        """The values of an agent that a document tells of.

        What the document leaves out is as usual, so that the same document always
        means the same agent.

        :raises Problems: for names that this database does not have
        """
        company = company or self.company_id or self.env.company
        problems = []

        def found(model, field, name, key):
            shared = [("company_id", "in", [company.id, False])]
            records = self.env[model].search([] if model == "res.users" else shared)
            record = records.filtered(lambda r: r[field] == name)
            record = record.filtered("company_id")[:1] or record[:1]
            if not record:
                problems.append(
                    Problem(
                        *kernel.position(text, f"/{key}"),
                        f"/{key}",
                        self.env._(
                            "%(name)s is not in this database%(hint)s",
                            name=repr(name),
                            hint=near(name, records.mapped(field)),
                        ),
                    )
                )
            return record

        limits = specification.get("limits", {})
        schedule = specification.get("schedule", {})
        tools = [
            found("steward.tool", "name", name, f"tools/{index}").id
            for index, name in enumerate(specification.get("tools", []))
        ]
        login = specification.get("run_as")
        code = specification.get("playbook")
        values = {
            "name": specification["name"],
            "code": specification["code"],
            "kind": specification.get("kind", "playbook"),
            "description": specification.get("description", False),
            "user_id": found("res.users", "login", login, "run_as").id
            if login
            else False,
            "playbook_id": found("steward.playbook", "code", code, "playbook").id
            if code
            else False,
            "tool_ids": [fields.Command.set([i for i in tools if i])],
            **{
                name: word in specification.get("may", ["write"])
                for word, name in kernel.PERMISSIONS.items()
            },
            "max_steps": limits.get("steps", 500),
            "max_seconds": limits.get("seconds", 3600),
            "max_cost": limits.get("cost", 0.0),
            "max_runs": limits.get("at_a_time", 2),
            "capture": specification.get("capture", "truncated"),
            "schedule_on": bool(schedule),
            "schedule_every": schedule.get("every", 1),
            "schedule_unit": schedule.get("unit", "days"),
            "schedule_task": schedule.get("task", False),
        }
        if problems:
            raise Problems(problems)
        return values

    @api.depends("version_id")
    def _compute_export(self):
        for agent in self:
            agent.export_file = base64.b64encode(agent._definition().encode())
            agent.export_name = f"{agent.code}.yaml"

    def action_export(self) -> dict:
        """Download the agent as YAML, ready to be imported elsewhere."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/steward.agent/{self.id}/export_file"
            f"/{self.code}.yaml?download=true",
            "target": "download",
        }


class StewardAgentVersion(models.Model):
    """The document of an agent at one time."""

    _name = "steward.agent.version"
    _inherit = "steward.version.mixin"
    _description = "Version of an Agent"
    _version_of = "agent_id"

    agent_id = fields.Many2one(
        "steward.agent", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="agent_id.company_id", store=True)

    _number_uniq = models.UniqueIndex("(agent_id, number)")
