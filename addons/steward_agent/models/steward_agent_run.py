import json
import time
import uuid

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.modules import module
from odoo.tools import SQL, Query

from ..kernel.control import ENDED
from ..kernel.machine import inputs_of
from ..kernel.playbook import given_inputs
from ..ledger import CAPTURE

WAIT_AT_MOST = 60  # seconds that `execute` waits for a run
LOOK_EVERY = 0.05  # seconds
_NEEDED_OF_TOOL = (
    *("name", "active", "company_id", "kind", "model", "method", "action_id", "risk"),
    *("timeout", "rate_limit_id", "idempotent", "max_characters"),
)
_ALLOWED = """
    steward_tool.id IN (
        SELECT steward_tool_id FROM steward_agent_steward_tool_rel
         WHERE steward_agent_id = %s
    ) AND name = %s AND (company_id = %s OR company_id IS NULL) AND active
"""


class StewardAgent(models.Model):
    """How runs of an agent begin, whatever asks for them."""

    _inherit = "steward.agent"

    run_count = fields.Integer("Runs", compute="_compute_run_count")

    def _compute_run_count(self):
        counts = self.env["steward.run"]._read_group(
            [("agent_id", "in", self.ids)], ["agent_id"], ["__count"]
        )
        by_agent = dict(counts)
        for agent in self:
            agent.run_count = by_agent.get(agent, 0)

    # -- the API -------------------------------------------------------------------

    @api.model
    def execute(
        self,
        agent: str,
        task: str,
        input: dict | None = None,
        idempotency_key: str | None = None,
        wait: bool = False,
        session: str | None = None,
        record: dict | None = None,
        pictures: list | None = None,
    ) -> dict:
        """Let an agent do something.

        :param agent: its code
        :param task: what to do, in words
        :param input: values for its playbook, or for its prompt
        :param idempotency_key: the same key again leads to the same run
        :param wait: answer when it has ended, or after a minute
        :param session: of an agent that chats: what its runs have in common; it goes
            on from what was said in that session
        :param record: what the task is about, as ``{"model", "id"}``; an agent that
            chats is told of it
        :param pictures: to look at, for an agent that chats with a model that sees: of
            each the id of an attachment that you may read, or ``{"media_type",
            "data"}`` with base64
        :return: ``{"run_id", "trace_id", "state", "output"?}``
        """
        found = self._by_code(agent)
        found._check_may_run()
        about = {"session": session, "record": record}
        if pictures:
            about["pictures"] = found._looked_at(pictures)
        # in a transaction of its own: a worker must find the run, also if we wait
        with self._own_transaction() as cr:
            run = found.with_env(self.env(cr=cr))._start(
                task, input, key=idempotency_key, **about
            )
            run_id = run.id
        return self.env["steward.run"].browse(run_id)._outcome(wait)

    def action_run(self) -> dict:
        """Ask what to do, then run."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_run_agent"
        )
        action["context"] = {"default_agent_id": self.id}
        return action

    def _tool_named(self, name):
        """The agent's tool of this name, among those allowed; or an empty one."""
        # sudo: steward.tool - the user it runs as need not see the list of tools
        tools = self.env["steward.tool"].sudo()
        # by hand: this happens before each step, and a domain takes longer to
        # understand than its query takes
        self.env.flush_all()
        query = Query(self.env, tools._table, tools._table_sql)
        query.add_where(_ALLOWED, [self.id, name, self.company_id.id])
        query.order, query.limit = "company_id", 1  # NULL, the shared one, is last
        return tools._fetch_query(query, [tools._fields[n] for n in _NEEDED_OF_TOOL])

    def action_runs(self) -> dict:
        """Show the runs of these agents."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_runs"
        )
        return {**action, "domain": [("agent_id", "in", self.ids)], "context": {}}

    # -- beginning -------------------------------------------------------------------

    @api.model
    def _by_code(self, code):
        agents = self.search([("code", "=", str(code))])
        agent = agents.filtered(lambda a: a.company_id == self.env.company) or agents
        if not agent:
            raise Invalid(
                self.env._("There is no agent with the code %(code)s.", code=code)
            )
        return agent[0]

    def _check_may_run(self):
        """Operators run agents; an Agent's own account may run its own."""
        self.ensure_one()
        user = self.env.user
        if self.env.su or user.has_group("steward.group_operator"):
            return
        if user != self.user_id:
            raise AccessError(self.env._("Only Operators run agents."))

    def _check_ready(self):
        """Refuse to start what cannot run. Hook of strategies."""
        # sudo: steward.playbook - the right to run the agent is all it takes
        playbook = self.sudo().playbook_id
        names = {"agent": self.name}
        reason = None
        if self.kind == "external":
            reason = self.env._(
                "%(agent)s works elsewhere: it is started there, and reports.", **names
            )
        elif not self.active:
            reason = self.env._("%(agent)s is archived.", **names)
        elif not playbook and self.kind == "playbook":
            reason = self.env._("%(agent)s has no playbook.", **names)
        else:
            reason = self._why_not_as(self.user_id)
        if reason:
            raise Refused(reason)
        if playbook:
            playbook._current_version()._check_can_run()

    def _start(self, task, input=None, key=None, **about):
        """Queue a run. The same key again: the same run.

        :param input: values for the playbook, checked against what it declares
        :param about: ``session``, ``record`` and ``pictures``, for agents that chat
        :return: the run
        """
        self.ensure_one()
        # sudo: steward.agent - the right to run is checked at the door
        agent = self.sudo()
        runs = agent.env["steward.run"]
        if key:
            # callers with the same key take turns, and the later ones find the run
            self.env.cr.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))",
                [f"steward.run/{key}", agent.id],
                log_exceptions=False,
            )
            if run := runs.search(agent._key_domain(key)):
                return run
        agent._check_ready()
        agent.env["steward.budget"]._check_left(
            {"company": agent.company_id.id, "agent": agent.id, "user": self.env.uid}
        )
        # with the caller's own rights: what the run is about must be his to see
        values, variables = self._prepare(task, input or {}, **about)
        run = runs._create_own(
            {
                "trace_id": uuid.uuid4().hex,
                "company_id": agent.company_id.id,
                "month": fields.Date.today().replace(day=1),
                "agent_id": agent.id,
                "agent_name": agent.name,
                "agent_version": agent._current_version().number,
                "source": "here",
                "user_id": agent.user_id.id,
                "asked_by_id": self.env.uid,
                "idempotency_key": key,
                "task": CAPTURE.text(task, agent.capture),
                "input": CAPTURE.text(input, agent.capture) if input else False,
                "state": "queued",
                **values,
            }
        )
        run._keep_variables(*variables.take_changes())
        run._enqueue()
        return run

    def _prepare(self, task, input, session=None, record=None, pictures=()):
        """What a run begins with: values of its own, and its variables. Hook."""
        if session or record is not None or pictures:
            raise Invalid(
                self.env._("Only an agent that chats has a session or pictures.")
            )
        # sudo: steward.agent - the right to run is checked at the door
        playbook = self.sudo().playbook_id
        version = playbook._current_version()
        given = version._checked_input(input)
        variables = inputs_of(given_inputs(version._parsed(), given))
        variables["#task"] = task
        variables["#playbooks"] = playbook._pinned(self.company_id)
        return {"playbook_version_id": version.id}, variables

    def _key_domain(self, key):
        return [("agent_id", "=", self.id), ("idempotency_key", "=", key)]


class StewardPlaybook(models.Model):
    _inherit = "steward.playbook"

    def _inputs(self):
        """What a run has to be told, by name."""
        return self._parsed().inputs if self else {}

    def _pinned(self, company):
        """The versions that a run begun now follows to its end.

        :return: code -> id of the version; "" is the playbook itself
        """
        version = self._current_version()
        pinned, left = {"": version.id}, sorted(version._parsed().calls())
        while left:
            code = left.pop()
            if code not in pinned:
                version = self._by_code(code, company)._current_version()
                pinned[code] = version.id
                left += sorted(version._parsed().calls())
        return pinned


class StewardRun(models.Model):
    _inherit = "steward.run"

    asked_by_id = fields.Many2one("res.users", "Asked for by", readonly=True)

    def _keep_variables(self, changed, deleted=()):
        """Keep what the machine remembers."""
        if deleted:
            self.env.cr.execute(
                "DELETE FROM steward_run_variable WHERE run_id = %s AND name = ANY(%s)",
                [self.id, list(deleted)],
            )
        if changed:
            rows = [(self.id, name, json.dumps(v)) for name, v in changed.items()]
            self.env.cr.execute(self._variables_sql(rows))

    @api.model
    def _variables_sql(self, rows):
        return SQL(
            "INSERT INTO steward_run_variable (run_id, name, value) VALUES %s"
            " ON CONFLICT (run_id, name) DO UPDATE SET value = EXCLUDED.value",
            SQL(", ").join(rows),
        )

    def _budget_subject(self):
        self.ensure_one()
        return {
            "company": self.company_id.id,
            "user": self.asked_by_id.id or None,
            "agent": self.agent_id.id or None,
            "provider": None,
            "model": None,
        }

    def _outcome(self, wait):
        """How a run stands, for who started it; at its end, or after a minute.

        Workers do the work, so each look is a transaction of its own.
        """
        if wait and module.current_test:
            self.sudo()._execute()  # sudo: steward.run - as its job would
        until = time.monotonic() + (WAIT_AT_MOST if wait else 0)
        while True:
            with self._own_transaction() as cr:
                cr.execute(
                    "SELECT trace_id, state, output FROM steward_run WHERE id = %s",
                    [self.id],
                )
                trace_id, state, output = cr.fetchone()
            at_rest = state in ENDED or state in ("paused", "waiting")
            if at_rest or time.monotonic() >= until:
                break
            time.sleep(LOOK_EVERY)
        answer = {"run_id": self.id, "trace_id": trace_id, "state": state}
        return answer if output is None else {**answer, "output": output}


class StewardRunVariable(models.Model):
    """What a run remembers between two steps."""

    _name = "steward.run.variable"
    _description = "Variable of a Run"
    _log_access = False

    run_id = fields.Many2one("steward.run", required=True, ondelete="cascade")
    name = fields.Char(required=True)
    value = fields.Json(groups=fields.NO_ACCESS)

    _name_uniq = models.UniqueIndex("(run_id, name)")
