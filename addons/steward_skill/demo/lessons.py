"""What a small company learnt in two weeks, for demonstration databases.

The runs are told to the ledger as those of `steward_agent`. What is learnt of them is
not told: the guardrails are proposed, tried, met and judged by the code that does so
every night.
"""

from datetime import timedelta

from odoo import fields
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward_agent.demo.week import begin, iso
from odoo.addons.steward_agent.ledger import Entry, Reporter
from odoo.addons.steward_agent.models.steward_guard import Attempt

GONE = "mike"  # a colleague who has left, whom the contact form still offers
REQUESTS = [
    "Do you deliver to Ostend?",
    "Samples of the new colours",
    "An offer for 40 litres of primer",
    "Opening hours at Easter",
    "Who advises on façades?",
]
TASK = "Pass on a request from the contact form"
APPROVED = 10  # days ago


class Lessons:
    """Tells runs, and lets them be learnt from."""

    def __init__(self, env):
        self.env = env
        self.now = fields.Datetime.now().replace(second=0, microsecond=0)
        self.partners = env["res.partner"].search([("is_company", "=", True)], limit=5)
        self.guardrails = env["steward.guardrail"]

    def tell(self):
        for number, day in enumerate((14, 13, 12, 12, 11)):
            run = self._request(f"early-{number}", day, number)
            run.feedback(run.trace_id, "approved")
        failed = self._request("gone-1", 12, 0, GONE)
        self._request("gone-2", 11, 3, GONE)
        self._put_in_force(self._guardrail_against(failed))
        for number, day in enumerate((9, 6, 4)):
            self._request(f"later-{number}", day, number, GONE)
        self._request("stopped", 3, 4, GONE, stopped=True)
        rita = self.env.ref("steward.demo_reviewer").login
        asked_for = self._request("rita", 2, 1, rita)
        self.env["steward.guardrail.hit"]._settle()
        self._false_alarm(asked_for)

        for number, day in enumerate((13, 8, 6)):
            self._addresses(f"group-{number}", day, 50)
        self._addresses("all-1", 5, 5000)
        failed = self._addresses("all-2", 1, 5000)
        self._guardrail_against(failed)
        self.env["steward.skill.harvest"]._round(self.env.company)

    # -- runs ------------------------------------------------------------------------

    def _request(self, name, day, number, to="", stopped=False):
        """A request from the contact form is passed on."""
        agent = self.env.ref("steward_skill.demo_agent_requests")
        subject = REQUESTS[number]
        run, began = self._begin(agent, f"request-{name}", day, TASK)
        asked = {
            "model": "res.partner",
            "record_id": self.partners[number % len(self.partners)].id,
            "summary": subject,
            "days": 2,
            **({"user": to} if to else {}),
        }
        asked = self._guarded(run, "schedule_activity", asked, began)
        if stopped:
            return self._end(run, began, "cancelled", reason="Olivia answers by phone.")
        if asked.get("user") == GONE:
            error = f"There is no user {GONE}."
            return self._step(run, "schedule_activity", asked, began, error=error)
        result = {"id": 200 + number, "created": True}
        self._step(run, "schedule_activity", asked, began, result)
        return self._end(run, began, "completed", output=f"Passed on: {subject}")

    def _addresses(self, name, day, most):
        """Somebody starts the round through the address book."""
        agent = self.env.ref("steward_agent.demo_agent_partners")
        task = "Look after our address book"
        run, began = self._begin(agent, f"addresses-{name}", day, task)
        domain = [["is_company", "=", True], ["email", "=", False]]
        asked = {"model": "res.partner", "domain": domain, "limit": most}
        if most > 1000:
            error = "The limit is from 1 to 1000."
            return self._step(run, "find_records", asked, began, error=error)
        self._step(run, "find_records", asked, began, {"records": []})
        return self._end(run, began, "completed", output="Nobody to ask.")

    def _begin(self, agent, trace, day, task):
        began = self.now - timedelta(days=day, minutes=40 + len(task))
        run = begin(agent, trace, began, task)
        return run, began

    def _guarded(self, run, name, asked, at):
        """What is asked of a tool after the guardrails have looked at it."""
        tool = self.env.ref(f"steward_agent.tool_{name}")
        attempt = Attempt(
            run, run.agent_id, run.company_id, tool, name, dict(asked), self.env
        )
        self.guardrails._prepare(attempt)
        hits = self.env["steward.guardrail.hit"].search([("run_id", "=", run.id)])
        hits._write_own({"at": at})
        return attempt.arguments

    def _step(self, run, name, asked, at, result=None, error=None):
        step = {
            "trace_id": run.trace_id,
            "span_id": f"{run.trace_id}-1",
            "kind": "tool_call",
            "name": name,
            "started_at": iso(at),
            "duration_ms": 31,
            "input": asked,
            "output": result,
        }
        if error:
            step |= {"error_type": Invalid.code, "error_message": error}
        # as `_ingest`, but failures are counted now: a guardrail is proposed at once
        self.env.flush_all()
        entry = Entry(
            self.env, run.company_id, Reporter(self.env.uid, True, is_us=True)
        )
        entry.take([], [step])
        self.env["steward.failure"]._count(entry.failures)
        self.env.invalidate_all()
        return self._end(run, at, "failed", error=error) if error else run

    def _end(self, run, began, state, **more):
        ended = began + timedelta(milliseconds=40)
        values = {"state": state, "ended_at": ended, "duration_ms": 40.0}
        run._write_own({**values, **more})
        run._count_ended()
        return run

    # -- what is made of them --------------------------------------------------------

    def _guardrail_against(self, run):
        self.env.flush_all()
        failure = self.env["steward.failure"].search(
            [("fingerprint", "=", run.fingerprint)]
        )
        return self.guardrails._propose_for(failure)

    def _put_in_force(self, guardrail):
        rita = self.env.ref("steward.demo_reviewer")
        guardrail.with_user(rita).action_approve()
        version = guardrail.approved_version_id
        version._write_own({"approved_at": self.now - timedelta(days=APPROVED)})

    def _false_alarm(self, run):
        """Rita is there: she should have been asked."""
        hit = self.env["steward.guardrail.hit"].search([("run_id", "=", run.id)])
        hit.with_user(self.env.ref("steward.demo_reviewer")).action_false_alarm()
