"""Builders of reports; other addons may use them, too."""

from datetime import datetime

from odoo.tests import TransactionCase, new_test_user

at = datetime.fromisoformat  # a moment in UTC without a zone, as Odoo has them
NOON = "2026-11-21T12:00:00Z"


def run(trace="t1", agent="Invoices", **more):
    return {"trace_id": trace, "agent": agent, "started_at": NOON, **more}


def step(span="s1", trace="t1", **more):
    return {
        "trace_id": trace,
        "span_id": span,
        "kind": "tool_call",
        "name": "search",
        "started_at": NOON,
        **more,
    }


class LedgerCase(TransactionCase):
    """A company with everybody who may or may not report."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: new_test_user(
                cls.env, f"ledger_{role}", groups=f"steward.group_{role}"
            )
            for role in ("agent", "viewer", "operator", "reviewer")
        }
        cls.users["employee"] = new_test_user(cls.env, "ledger_employee")
        cls.runs = cls.env["steward.run"]
        cls.steps = cls.env["steward.step"]

    def report(self, *rows, user="operator", runs=None, steps=None):
        """Report rows; runs and steps are told apart by their keys."""
        batch = {
            "runs": [row for row in rows if "span_id" not in row],
            "steps": [row for row in rows if "span_id" in row],
        }
        if runs is not None or steps is not None:
            batch = {"runs": runs, "steps": steps}
        user = self.users[user] if isinstance(user, str) else user
        answer = self.runs.with_user(user).report(batch)
        self.assertSerializable(answer)
        return answer

    def accept(self, *rows, **how):
        answer = self.report(*rows, **how)
        self.assertEqual(answer["rejected"], [])
        return answer

    def assertSerializable(self, value):  # noqa: N802 - as unittest names them
        """Whether XML-RPC could carry it."""
        if isinstance(value, dict):
            for key, member in value.items():
                self.assertIsInstance(key, str)
                self.assertSerializable(member)
        elif isinstance(value, list):
            for member in value:
                self.assertSerializable(member)
        else:
            self.assertIsInstance(value, str | int | float | bool)
            if isinstance(value, int):
                self.assertLess(abs(value), 2**31)

    def run_of(self, trace="t1"):
        return self.runs.search([("trace_id", "=", trace)])
