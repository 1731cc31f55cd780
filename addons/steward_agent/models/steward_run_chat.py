import json
import logging
import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused, StewardError
from odoo.addons.steward.kernel.redactor import REDACTOR
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ..kernel.control import ENDED
from ..kernel.conversation import messages_of, spoken
from ..kernel.machine import Variables
from .steward_agent_chat import TASK_LIMIT
from .steward_run_screen import READABLE

_logger = logging.getLogger(__name__)

KEEP_DAYS = 30  # that a conversation can be gone on with


class StewardRun(models.Model):
    """Runs of agents that think: what was said in them, and how they go on."""

    _inherit = "steward.run"

    context_used = fields.Boolean(
        "Was told what is known",
        readonly=True,
        help="Whether it was looked up; the tokens say how much there was.",
    )
    context_tokens = fields.Integer("Tokens of what is known", readonly=True)
    context_saved = fields.Integer(
        "Tokens saved",
        readonly=True,
        help="About how many more the whole documents would have taken.",
    )
    degraded = fields.Char(
        "Without a model because",
        readonly=True,
        help="It followed its agent's playbook, as no model answered.",
    )
    can_continue = fields.Boolean(compute="_compute_can_continue")

    @api.depends("agent_id", "state")
    def _compute_can_continue(self):
        for run in self:
            run.can_continue = bool(run._get_continuable())

    # -- the API -------------------------------------------------------------------

    @api.model
    def say(self, trace_id: str, text: str, pictures: list | None = None) -> dict:
        """Say something more in a conversation with an agent.

        A run that is still at work hears it before the model's next answer. One that
        has ended, has ended: another one goes on from what was said, in the same
        session.

        :param trace_id: of a run of an agent that thinks
        :param text: what to say
        :param pictures: to look at, as for ``steward.agent.execute``
        :return: ``{"run_id", "trace_id", "state", "session"}`` of the run that answers
        """
        run = self._find_own(trace_id)
        run._check_continuable()
        # sudo: steward.agent - an Agent's account does not see the list
        agent = run.agent_id.with_env(self.env)
        agent._check_may_run()
        text = str(text or "").strip()
        if not (text or pictures) or len(text) > TASK_LIMIT:
            raise Invalid(
                self.env._("Say at most %(most)s characters.", most=TASK_LIMIT)
            )
        agent._check_about(run)
        seen = agent._looked_at(pictures, run._model_now()) if pictures else ()
        with self._own_transaction() as cr:
            run = run.with_env(self.env(cr=cr))
            # whoever ends the run waits for this row, or is seen here
            cr.execute(
                "SELECT state FROM steward_run WHERE id = %s FOR UPDATE",
                [run.id],
                log_exceptions=False,
            )
            [(state,)] = cr.fetchall()
            if state in ENDED:
                run = run._follow(text, seen)
            else:
                kept = run._keep_pictures(seen, run.id)
                said = {"by": self.env.uid, "text": text, "pictures": kept}
                run._keep_variables({f"said:{time.time_ns():020}": said})
            # sudo: steward.run - told to who may run its agent
            answering = run.sudo()
            answering.invalidate_recordset()
            return {
                "run_id": answering.id,
                "trace_id": answering.trace_id,
                "state": answering.state,
                **({"session": answering.session} if answering.session else {}),
            }

    @api.model
    def said(self, trace_id: str) -> list[dict]:
        """Tell what a person and an agent said to each other in a run, so far.

        :param trace_id: which run
        :return: ``[{"by": "person" | "agent", "text"}]``, those of the runs before it
            in its session included
        """
        run = self._find_own(trace_id)
        # sudo: steward.run - given back: what follows is the user's own right
        run.sudo(False).check_access("read")
        memory = run._memory() if run._may_hear() else {}
        told = spoken(messages_of(memory), memory.get("#boundary", ""))
        return [{**one, "text": REDACTOR.redact(one["text"])} for one in told]

    # -- going on --------------------------------------------------------------------

    def _get_continuable(self):
        """Those that can be gone on with: what was said in them may be kept. Hook."""
        return self.filtered(
            lambda run: run.agent_id.kind == "chat" and run.agent_id.capture in READABLE
        )

    def _check_continuable(self):
        self.ensure_one()
        if self.source != "here" or self.agent_id.kind != "chat":
            raise Refused(self.env._("Nobody talks with this run: it does not chat."))
        if self.state not in ENDED:
            return
        if self.agent_id.capture not in READABLE:
            raise Refused(
                self.env._(
                    "%(agent)s keeps nothing of what was said; begin anew.",
                    agent=self.agent_name,
                )
            )
        if not messages_of(self._memory()):
            raise Refused(
                self.env._(
                    "This conversation is older than %(days)s days and was forgotten;"
                    " begin anew.",
                    days=KEEP_DAYS,
                )
            )

    def _follow(self, text, pictures=()):
        """Start the run that goes on from this one, with the caller's rights."""
        # sudo: steward.run - its agent and session, for who may run the agent
        run = self.sudo()
        if not run.session:
            run._write_own({"session": run.trace_id})
        # sudo: steward.agent - given back: it is started with the caller's rights
        agent = run.agent_id.sudo(self.env.su)
        return agent._start(text, session=run.session, pictures=pictures)

    def _answer_late(self):
        """Somebody spoke while the run ended: another one answers."""
        if self.agent_id.kind != "chat":
            return
        try:
            with self._own_transaction() as cr:
                cr.execute(
                    "DELETE FROM steward_run_variable AS said USING steward_run AS run"
                    " WHERE run.id = said.run_id AND run.id = %s"
                    " AND run.state = ANY(%s) AND said.name LIKE 'said:%%'"
                    " RETURNING said.name, said.value",
                    [self.id, list(ENDED)],
                )
                said = [row for _name, row in sorted(cr.fetchall())]
                if said:
                    self.invalidate_recordset()
                    # with the rights of who spoke last, as it is now
                    env = self.env(cr=cr, user=said[-1]["by"], su=False)
                    text = "\n".join(row["text"] for row in said)
                    self.with_env(env)._follow(text, self._pictures_said(said))
        except (StewardError, AccessError) as error:
            _logger.info("run %s: nobody answers any more: %s", self.id, error)

    def _memory(self):
        """What the run remembers."""
        self.ensure_one()
        self.env.cr.execute(
            "SELECT name, value FROM steward_run_variable WHERE run_id = %s", [self.id]
        )
        return Variables(dict(self.env.cr.fetchall()))

    def _about(self):
        """The record that it is about: ``{"model", "id", "name"}``, or None."""
        return self._memory().get("#record")

    def _remember(self, answer):
        """Keep what was answered without a model, so that it can be gone on from."""
        number = len(messages_of(self._memory()))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        message = {"role": "assistant", "content": REDACTOR.redact(text)}
        self._keep_variables({f"message:{number:06}": message})

    @api.autovacuum
    def _gc_conversations(self):
        """Forget conversations that nobody went on with for long."""
        before = fields.Datetime.now() - timedelta(days=KEEP_DAYS)
        self.env.cr.execute(
            "DELETE FROM steward_run_variable AS said USING steward_run AS run"
            " WHERE run.id = said.run_id AND run.state = ANY(%s) AND run.ended_at < %s",
            [list(ENDED), before],
        )

    # -- models ----------------------------------------------------------------------

    def _check_can_switch(self, model):
        if self.source == "here" and self.agent_id.kind == "chat":
            if self.state in ENDED:
                raise Invalid(self.env._("This run has ended."))
            # sudo: steward.run - models that the caller may not see, of this company
            self.sudo()._switchable(model)
            return
        super()._check_can_switch(model)

    def _switchable(self, name):
        """The model of a name that this run could go on with.

        :raises StewardError: when there is none; why it cannot
        """
        found = self.env["steward.model"].search(
            Domain("name", "=", name or "")
            & Domain("company_id", "in", [self.company_id.id, False])
            & Domain("provider_id.active", "=", True)
        )
        if not found:
            raise Invalid(
                self.env._("No model %(name)s is connected.", name=name or "")
            )
        able = found.filtered("can_chat")
        if self.agent_id.tool_ids:
            able = able.filtered("can_tools")
        if not able:
            raise Refused(
                self.env._(
                    "%(name)s cannot chat, or not use the tools of %(agent)s.",
                    name=name,
                    agent=self.agent_name,
                )
            )
        return able[0]

    # -- screens -----------------------------------------------------------------------

    def _get_sentence(self):
        sentence = super()._get_sentence()
        if self.degraded and self.state == "completed":
            return self.env._(
                "Done by its playbook, as no model answered. %(why)s", why=self.degraded
            )
        return sentence
