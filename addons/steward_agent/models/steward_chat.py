from datetime import UTC

from odoo import api, fields, models
from odoo.addons.steward.exceptions import StewardError
from odoo.addons.steward.kernel.redactor import REDACTOR
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

from ..kernel.conversation import messages_of
from ..kernel.ledger import FAILED
from ..kernel.transcript import lines
from .steward_run_screen import READABLE

MOST_AGENTS = 100  # to choose from
MOST_RUNS = 20  # of a conversation that is told of
RECENT = 8  # conversations to go on with
LOOKED_AT = 200  # runs among which these are looked for


class StewardAgent(models.Model):
    """Whom people can chat with."""

    _inherit = "steward.agent"

    @api.model
    def to_chat_with(self) -> dict:
        """Tell which agents the user may chat with, and about what he did last.

        :return: ``{"agents": [{"id", "code", "name", "description", "problem"?,
            "blind"?}], "recent": [{"trace_id", "agent", "title", "state", "at"}]}``;
            with a problem it cannot run now; ``blind`` says why it can be shown no
            pictures; times are milliseconds since 1970
        """
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators run agents."))
        agents = self.search([("kind", "=", "chat")], limit=MOST_AGENTS)
        return {
            "agents": [agent._as_partner() for agent in agents],
            "recent": self.env["steward.run"]._recent_talks(),
        }

    @api.model
    def can_be_told(self, agent: str, record: dict) -> dict:
        """Tell whether an agent can be asked about a record.

        :param agent: its code
        :param record: ``{"model", "id"}``
        :return: ``{"name"}`` of the record, or ``{"reason"}`` why not
        """
        found = self._by_code(agent)
        found._check_may_run()
        try:
            return {"name": found._told_about(record)["name"]}
        except StewardError as error:
            return {"reason": error.sentence}

    def action_chat(self) -> dict:
        """Open the chat with this agent."""
        self.ensure_one()
        return _client_action(agent=self.code)

    def _as_partner(self):
        """How an agent stands in the list of those to chat with. Hook."""
        told = {
            "id": self.id,
            "code": self.code,
            "name": self.name,
            "description": (self.description or "").partition("\n")[0],
        }
        try:
            self._check_ready()
        except StewardError as error:
            told["problem"] = error.sentence
        if why := self._why_blind():
            told["blind"] = why
        return told

    def _prepare(self, task, input, session=None, record=None, pictures=()):
        """Remember also how much of what a run knows was said in earlier ones."""
        values, variables = super()._prepare(task, input, session, record, pictures)
        if variables.get("#strategy") == "chat":
            own = 2 if "#record" in variables else 1
            variables["#carried"] = len(messages_of(variables)) - own
        return values, variables


class StewardRun(models.Model):
    """A run as a conversation on the screen."""

    _inherit = "steward.run"

    is_chat = fields.Boolean(compute="_compute_is_chat")

    @api.depends("agent_id.kind", "source")
    def _compute_is_chat(self):
        for run in self:
            run.is_chat = run.source == "here" and run.agent_id.kind == "chat"

    # -- the API -------------------------------------------------------------------

    @api.model
    def transcript(self, trace_id: str) -> dict:
        """Tell a run of an agent that chats as people read it.

        :param trace_id: which run
        :return: ``{"run": {...}, "lines": [{"by": "person" | "agent" | "tool", "text",
            "place", "pictures"?: [{"id", "name", "mimetype"}], "changed"?: {"model",
            "ids"}, ...}], "asked": [approvals that stand at no line], "before": [trace
            ids of earlier runs of the conversation], "next"?: of the one after it}``
        """
        run = self._find_own(trace_id).with_env(self.env)
        run.check_access("read")
        self.env["steward.step"].check_access("read")
        approvals = {
            (row["step"], row["place"]): row for row in run._approvals_to_tell()
        }
        told = run._lines_to_tell()
        for line in told:
            if approval := approvals.pop(("call", line.get("place")), None):
                line["approval"] = approval
        before, after = run._beside()
        return {
            "run": run._as_talk(),
            "lines": told,
            "asked": list(approvals.values()),
            "before": before,
            **({"next": after} if after else {}),
        }

    def action_chat(self) -> dict:
        """Show this run as the conversation that it is, and go on with it."""
        self.ensure_one()
        return _client_action(trace_id=self.trace_id)

    # -- how it is told ---------------------------------------------------------------

    @api.model
    def _recent_talks(self):
        """The user's last conversations, one line for each session."""
        runs = self.search(
            Domain("asked_by_id", "=", self.env.uid)
            & Domain("source", "=", "here")
            & Domain("agent_id.kind", "=", "chat"),
            limit=LOOKED_AT,
        )
        latest = {}
        for run in runs:
            latest.setdefault(run.session or run.trace_id, run)
        return [
            {
                "trace_id": run.trace_id,
                "agent": run.agent_name,
                "title": (run.task or "").partition("\n")[0] or self.env._("A picture"),
                "state": run.state,
                "at": run.create_date.replace(tzinfo=UTC).timestamp() * 1000,
            }
            for run in list(latest.values())[:RECENT]
        ]

    def _as_talk(self):
        """What the screen says of a run as a whole."""
        user = self.env.user
        operator = user.has_group("steward.group_operator")
        judge = operator or user.has_group("steward.group_reviewer")
        told = {
            **self._as_head(),
            "agent": self.agent_name,
            "agent_id": self.agent_id.id,
            "code": self.agent_id.code,
            "sentence": self.sentence,
            "wish": self.wish_sentence,
            "failed": self.state in FAILED,
            "degraded": self.degraded,
            "may_speak": operator and self._can_be_answered(),
            "may_steer": operator and not self.is_over,
            "may_judge": self.is_over and (judge or self.user_id == user),
            "verdict": self.verdict,
            "model": self.model,
            "tokens": self.tokens_in + self.tokens_out,
            "cost": self.cost,
            "unpriced": self.unpriced_count,
        }
        if told["may_speak"] and (why := self._why_blind()):
            told["blind"] = why
        if about := self.sudo()._about():  # sudo: steward.run - its own memory
            told["about"] = about
        return told

    def _can_be_answered(self):
        return self.agent_id.active and (not self.is_over or self.can_continue)

    def _may_hear(self):
        """Whether the user may read what was said: as much as is kept of it for all.

        An agent that keeps nothing is heard by whoever talks with it, and by nobody
        else.
        """
        kept = self.agent_id.capture in READABLE
        return kept or self.asked_by_id == self.env.user

    def _lines_to_tell(self):
        # sudo: steward.run - what was said, to who may hear it
        memory = self.sudo()._memory() if self._may_hear() else {}
        said, own = messages_of(memory), memory.get("#carried", 0)
        before, mine = said[:own], said[own:]
        if not mine:
            return self._kept_lines()
        steps = self._calls_by_place()
        told = []
        sources = memory.get("#sources", ())
        writing = self._writing_tools()
        for line in lines(mine, memory.get("#boundary", ""), sources, before):
            row = {**line._asdict(), "text": REDACTOR.redact(line.text)}
            arguments = row.pop("arguments")
            row["pictures"] = self._pictures_to_tell(line.pictures)
            if line.by == "tool":
                row |= steps.pop(("call", line.place), {})
                tool = row.get("status") == "ok" and writing.get(line.text)
                if tool and (changed := _changed(tool, arguments)):
                    row["changed"] = changed
            told.append(row)
        # a playbook that stood in for the model called these, and said what is last
        others = [{"by": "tool", "place": "", **step} for step in steps.values()]
        last = len(told) - bool(self.degraded and told[-1]["by"] == "agent")
        unheard = [
            {
                "by": "person",
                "text": REDACTOR.redact(one["text"]),
                "place": "",
                "pictures": self._pictures_to_tell(_shown(one)),
                "unheard": True,
            }
            for one in _unheard(memory)
        ]
        return told[:last] + others + told[last:] + unheard

    def _writing_tools(self):
        """The tools of its agent that change something, by name."""
        # sudo: steward.run - its agent, which who reads the run may not see
        tools = self.sudo().agent_id._allowed_tools()
        return {tool.name: tool for tool in tools if tool.risk != "read"}

    def _kept_lines(self):
        """What the ledger has of a conversation that was forgotten."""
        pairs = (("person", self.task), ("agent", self.output or self.error))
        return [{"by": by, "text": text, "place": ""} for by, text in pairs if text]

    def _calls_by_place(self):
        """The calls of tools that the ledger knows of: the last attempt of each."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT step_key, iteration, id, name, status, duration_ms,
                       error_message
                  FROM steward_step
                 WHERE run_id = %s AND period = %s AND kind = 'tool_call'
                 ORDER BY id
                """,
                self.id,
                self.month,
            )
        )
        return {
            (key, iteration or ""): {
                "text": name,
                "step": step,
                "status": status,
                "ms": duration,
                "problem": problem or "",
            }
            for key, iteration, step, name, status, duration, problem in rows
        }

    def _approvals_to_tell(self):
        """What people were asked, and what would change, as far as one may know."""
        states = dict(
            self.env["steward.approval"]
            ._fields["state"]
            ._description_selection(self.env)
        )
        return [
            {
                "step": approval.step_key,
                "place": approval.iteration or "",
                "id": approval.id,
                "question": approval.question,
                "state": approval.state,
                "word": states[approval.state],
                "by": approval.decided_by_id.name or "",
                "comment": approval.comment or "",
                "can_decide": approval.can_decide,
                "choices": [
                    {"word": word, "label": label}
                    for word, label in approval._decisions()
                ],
                "of": approval.asked_ids.mapped("name"),
                "what": approval._told()
                if approval.kind == "tool" and approval.state == "pending"
                else [],
            }
            for approval in self.approval_ids.sorted("id")
            if approval.state != "void"
        ]

    def _beside(self):
        """The runs of the same conversation before this one, and the one after it."""
        if not self.session:
            return [], None
        runs = self.search(
            Domain("session", "=", self.session)
            & Domain("agent_id", "=", self.agent_id.id)
            & Domain("company_id", "=", self.company_id.id),
            order="id",
        )
        before = runs.filtered(lambda run: run.id < self.id)
        after = (runs - before - self)[:1]
        return before[-MOST_RUNS:].mapped("trace_id"), after.trace_id


def _changed(tool, arguments):
    """Which records a call has changed: ``{"model", "ids"}``, or None."""
    if tool._only_previews(arguments):
        return None
    model, ids = tool._target(arguments)
    return {"model": model, "ids": ids} if model and ids else None


def _unheard(memory):
    """What people said and the model has not been told yet."""
    return [memory[name] for name in sorted(memory) if name.startswith("said:")]


def _shown(said):
    return [picture["attachment"] for picture in said.get("pictures", ())]


def _client_action(**params):
    return {"type": "ir.actions.client", "tag": "steward_chat", "params": params}
