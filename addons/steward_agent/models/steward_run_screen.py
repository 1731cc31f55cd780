import textwrap
from datetime import UTC

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.tools import SQL, format_datetime

from ..kernel.control import ENDED

CHANGED = "steward.run"  # the bus's name for: this run has something new
SLICE = 5000  # steps in one answer
TITLE = 60  # characters of a task in a run's name
MAX_TOLD = 20  # runs of one batch whose screens are told; the others look by themselves
READABLE = ("truncated", "full")  # ways of keeping that leave a text to read

_COLUMNS = {  # of a trace, and where they come from
    "id": "id",
    "span": "span_id",
    "parent": "COALESCE(parent_span_id, '')",
    "kind": "kind",
    "name": "name",
    "status": "status",
    "start": "extract(epoch FROM started_at)::float8 * 1000",
    "duration": "duration_ms",
    "model": "COALESCE(model, '')",
    "tokens_in": "tokens_in",
    "tokens_out": "tokens_out",
    "cost": "cost::float8",
    "cost_source": "COALESCE(cost_source, '')",
}
_SELECTED = SQL(", ").join(map(SQL, _COLUMNS.values()))


class StewardRun(models.Model):
    """What people see of runs, and how they see it at once."""

    _name = "steward.run"
    _inherit = ["steward.run", "bus.listener.mixin"]
    _rec_names_search = ["agent_name", "task", "trace_id"]

    duration_ms = fields.Float("Duration (ms)", aggregator="avg")
    tokens_in = fields.Integer("Tokens in")
    tokens_out = fields.Integer("Tokens out")
    cost = fields.Float(help="The known part, if some steps have no known price.")

    approval_ids = fields.One2many("steward.approval", "run_id", readonly=True)
    approval_count = fields.Integer(compute="_compute_approval_count")
    session_count = fields.Integer(compute="_compute_session_count")
    is_over = fields.Boolean(compute="_compute_is_over")
    sentence = fields.Char("How it stands", compute="_compute_sentence")
    wish_sentence = fields.Char(compute="_compute_sentence")

    @api.depends("agent_name", "task", "trace_id")
    def _compute_display_name(self):
        for run in self:
            task = (run.task or run.trace_id).partition("\n")[0]
            parts = (run.agent_name, textwrap.shorten(task, TITLE, placeholder="…"))
            run.display_name = ": ".join(filter(None, parts))

    @api.depends("approval_ids")
    def _compute_approval_count(self):
        for run in self:
            run.approval_count = len(run.approval_ids)

    @api.depends("session")
    def _compute_session_count(self):
        counts = {
            (company.id, session): count
            for company, session, count in self._read_group(
                [("session", "in", self.filtered("session").mapped("session"))],
                ["company_id", "session"],
                ["__count"],
            )
        }
        for run in self:
            key = (run.company_id.id, run.session)
            # 0 rather than 1: alone in its session is no session to look at
            run.session_count = counts.get(key, 1) if counts.get(key, 1) > 1 else 0

    @api.depends("state")
    def _compute_is_over(self):
        for run in self:
            run.is_over = run.state in ENDED

    @api.depends("state", "waits_for", "wakes_at", "reason", "error", "desired_state")
    @api.depends_context("lang", "tz")
    def _compute_sentence(self):
        for run in self:
            run.sentence = run._get_sentence()
            run.wish_sentence = run._get_wish_sentence()

    def _get_sentence(self):
        """How a run stands, for people; hook."""

        def since(moment):
            return format_datetime(self.env, moment, dt_format="d MMM, HH:mm")

        why = (self.error or self.reason or "").strip().partition("\n")[0]
        match self.state, self.waits_for:
            case "queued", "place":
                return self.env._("Waits until other runs have made room.")
            case "queued", _waits:
                return self.env._("Is about to start.")
            case "running", _waits if self.started_at:
                return self.env._(
                    "At work since %(moment)s.", moment=since(self.started_at)
                )
            case "running", _waits:
                return self.env._("At work.")
            case "waiting", "person":
                asked = self.approval_ids.filtered(lambda a: a.state == "pending")
                moment = min(asked.mapped("create_date"), default=self.write_date)
                return self.env._(
                    "Waits for a person since %(moment)s.", moment=since(moment)
                )
            case "waiting", _waits if self.wakes_at:
                return self.env._("Goes on at %(moment)s.", moment=since(self.wakes_at))
            case "waiting", _waits:
                return self.env._("Waits.")
            case "paused", _waits:
                return self.env._("Paused, until somebody lets it go on.")
            case "completed", _waits:
                return self.env._("Done.")
            case "cancelled", _waits:
                return self.env._("Given up by whoever runs it.")
            case "terminated", _waits:
                return self.env._("Stopped by a person. %(why)s", why=why).strip()
            case "timed_out", _waits:
                return self.env._("Stopped at a limit. %(why)s", why=why).strip()
            case "lost", _waits:
                return self.env._("Nobody knows how it ended. %(why)s", why=why).strip()
        return self.env._("Failed. %(why)s", why=why).strip()

    def _get_wish_sentence(self):
        """What somebody asked for and is not so yet; hook."""
        if not self.desired_state or self.desired_state == self.state:
            return False
        if self.source == "reported":
            return {
                "paused": self.env._(
                    "Its agent is asked to pause when it reports next."
                ),
                "running": self.env._(
                    "Its agent is asked to go on when it reports next."
                ),
                "terminated": self.env._(
                    "Its agent is asked to stop when it reports next."
                ),
            }[self.desired_state]
        return {
            "paused": self.env._("It will pause at its next step."),
            "running": self.env._("It will go on at once."),
            "terminated": self.env._("It will stop at its next step."),
        }[self.desired_state]

    # -- the trace -----------------------------------------------------------------

    @api.model
    def trace(self, run: int | str, after: int = 0, limit: int = SLICE) -> dict:
        """Tell the steps of a run, without what went in and out of them.

        :param run: its id, or its trace id
        :param after: only steps with a higher id, to ask for what is new
        :param limit: how many steps at most
        :return: ``{"run": {"id", "trace_id", "state", "is_over", "steps", "start"?,
            "end"?}, "columns": {name: [value of each step]}, "more": bool}``; times are
            milliseconds since 1970, and what is not known is ``False``
        """
        run = self._for_trace(run)
        self.env["steward.step"].check_access("read")
        if type(after) is not int or type(limit) is not int:
            raise Invalid(self.env._("“After” and “limit” are whole numbers."))
        limit = max(1, min(limit, SLICE))
        # before the steps: a step that comes in between is told of by the next answer
        told = run._as_head()
        rows = self.env.execute_query(
            SQL(
                "SELECT %s FROM steward_step WHERE run_id = %s AND period = %s"
                " AND id > %s ORDER BY id LIMIT %s",
                _SELECTED,
                run.id,
                run.month,
                after,
                limit,
            )
        )
        columns = zip(*rows, strict=True) if rows else ([] for _column in _COLUMNS)
        return {
            "run": told,
            "columns": {
                name: [False if value is None else value for value in column]
                for name, column in zip(_COLUMNS, columns, strict=True)
            },
            "more": len(rows) == limit,
        }

    @api.model
    def _for_trace(self, run):
        if type(run) is int:
            found = self.browse(run).exists()
            if not found:
                raise Invalid(self.env._("There is no run %(id)s.", id=run))
        else:
            # sudo: steward.run - only to find it; what follows is the user's own right
            found = self._find_own(run).sudo(False)
        found.check_access("read")
        return found

    def _as_head(self):
        """What a trace says of its run."""
        head = {
            "id": self.id,
            "trace_id": self.trace_id,
            "state": self.state,
            "is_over": self.is_over,
            "steps": self.step_count,
        }
        for name, moment in (("start", self.started_at), ("end", self.ended_at)):
            if moment:
                head[name] = moment.replace(tzinfo=UTC).timestamp() * 1000
        return head

    # -- news ----------------------------------------------------------------------

    def _tell_screens(self):
        """Tell who looks at these runs that there is something new, once it is kept."""
        # sudo: steward.run - who reports need not see runs
        runs = self.sudo()[:MAX_TOLD]
        for run in runs:
            run._bus_send(CHANGED, {"id": run.id}, subchannel=CHANGED)
        if runs:
            self.env["steward.dashboard"]._touch(runs.company_id)

    @api.model
    def _get_channels(self, ids):
        """The channels of those of these runs that the user may read."""
        if not self.has_access("read"):
            return []
        return [(run, CHANGED) for run in self.search([("id", "in", ids)])]

    # -- buttons -------------------------------------------------------------------

    def _get_open_action(self):
        """Its form; where retention has deleted it, a sentence."""
        if not self:
            raise Refused(self.env._("This run is no longer kept."))
        return self._get_records_action()

    def action_open_agent(self) -> dict:
        """Show who did it."""
        self.ensure_one()
        return self.agent_id._get_records_action()

    def action_open_approvals(self) -> dict:
        """Show what people were asked; the one question that waits, at once."""
        self.ensure_one()
        pending = self.approval_ids.filtered(lambda a: a.state == "pending")
        approvals = pending if len(pending) == 1 else self.approval_ids
        return approvals._get_records_action(name=self.env._("Approvals"))

    def action_open_failure(self) -> dict:
        """Show how often the same failed."""
        self.ensure_one()
        failure = self.env["steward.failure"].search(
            [
                ("company_id", "=", self.company_id.id),
                ("fingerprint", "=", self.fingerprint),
            ]
        )
        return failure._get_records_action(name=self.env._("Failure"))

    def action_open_session(self) -> dict:
        """Show the runs that belong together."""
        self.ensure_one()
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward_agent.action_runs"),
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("session", "=", self.session),
            ],
            "context": {},
        }

    def action_run_again(self) -> dict:
        """Ask for the same once more."""
        self.ensure_one()
        action = self.agent_id.action_run()
        if self.task and self.agent_id.capture in READABLE:
            action["context"] = {**action["context"], "default_task": self.task}
        return action

    def action_judge(self) -> dict:
        """Say whether it did what it should."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "steward_agent.action_judge"
        )
        action["context"] = {
            "default_run_id": self.id,
            "default_verdict": self.verdict,
            "default_score": str(self.score),
            "default_comment": self.comment,
            "default_intent": self.intent,
        }
        return action
