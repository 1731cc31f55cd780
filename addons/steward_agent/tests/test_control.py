from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import AgentCase

STEPS = """
  - for_each: [1, 2, 3]
    do:
      - {tool: count_records, arguments: {model: res.partner}}
"""


@tagged("post_install", "-at_install")
class TestControl(AgentCase):
    def setUp(self):
        super().setUp()
        self.run_ = self.start(self.agent(STEPS))
        self.runs = self.env["steward.run"].with_user(self.operator)
        self.trace = self.run_.trace_id

    def test_a_queued_run_pauses_at_once(self):
        answer = self.runs.pause(self.trace)
        self.assertEqual(answer, {"trace_id": self.trace, "state": "paused"})
        self.work(self.run_)
        self.assertEqual((self.run_.state, self.run_.step_count), ("paused", 1))
        self.assertEqual(self.steps_of(self.run_).kind, "human")

    def test_it_goes_on(self):
        self.runs.pause(self.trace)
        self.jobs_of(self.run_).unlink()
        self.assertEqual(self.runs.resume(self.trace)["state"], "queued")
        self.assertEqual(len(self.jobs_of(self.run_)), 1)
        self.work(self.run_)
        self.assertEqual(self.run_.state, "completed")

    def test_a_worker_is_told(self):
        self.run_.sudo()._claim("one")
        answer = self.runs.pause(self.trace)
        self.assertEqual((answer["state"], answer["desired"]), ("running", "paused"))
        self.run_.sudo()._claim("one")
        self.work_as("one")
        self.assertEqual(self.run_.state, "paused")
        self.assertFalse(self.run_.desired_state)

    def work_as(self, job):
        self.run_.sudo().with_context(job_uuid=job)._execute()

    def test_a_wish_can_be_taken_back(self):
        self.run_.sudo()._claim("one")
        self.runs.pause(self.trace)
        self.runs.resume(self.trace)
        self.work_as("one")
        self.assertEqual(self.run_.state, "completed")

    def test_stopping(self):
        self.run_.sudo()._claim("one")
        self.runs.terminate(self.trace, "wrong month")
        self.work_as("one")
        self.assertEqual(self.run_.state, "terminated")
        self.assertEqual(self.run_.reason, "wrong month")
        again = self.runs.terminate(self.trace, "again")
        self.assertEqual(again["state"], "terminated")
        with self.assertRaises(Invalid):
            self.runs.resume(self.trace)

    def test_a_wish_in_the_last_moment(self):
        """It comes when the worker has looked for wishes for the last time."""
        run = self.start(self.agent("\n  - wait: 1 hour\n"))
        executor = run.sudo()
        real = type(executor)._fulfil_wish

        def late(this):
            this.env["steward.run.wish"].sudo().create(
                {"run_id": this.id, "desired_state": "terminated", "version": 1}
            )
            this.env.flush_all()
            return real(this)

        self.patch(type(executor), "_fulfil_wish", late)
        self.work(run)
        self.assertEqual(run.state, "terminated")

    def test_who_may_steer(self):
        for user in (self.viewer, self.robot, self.reviewer):
            runs = self.env["steward.run"].with_user(user)
            with self.subTest(user=user.login):
                for call in (
                    lambda: runs.pause(self.trace),  # noqa: B023
                    lambda: runs.resume(self.trace),  # noqa: B023
                    lambda: runs.terminate(self.trace, ""),  # noqa: B023
                    lambda: runs.switch_model(self.trace, "x"),  # noqa: B023
                ):
                    with self.assertRaises(AccessError):
                        call()

    def test_other_companies_runs_are_not_there(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.operator.write({"company_ids": other.ids, "company_id": other.id})
        with self.assertRaises(Invalid):
            self.runs.pause(self.trace)

    def test_a_playbook_has_no_model_to_switch(self):
        with self.assertRaises(Refused):
            self.runs.switch_model(self.trace, "gpt-x")

    def test_an_agent_elsewhere_is_told_with_its_next_report(self):
        reports = self.env["steward.run"].with_user(self.robot)
        now = "2026-11-21T10:00:00Z"
        run = {"trace_id": "far", "agent": "far", "started_at": now}
        reports.report({"runs": [run]})
        self.assertEqual(self.runs.pause("far")["desired"], "paused")
        answer = reports.report({"runs": [run]})
        self.assertEqual(answer["control"], {"far": "paused"})
        self.assertNotIn("models", answer)
        self.runs.switch_model("far", "small")
        self.assertEqual(self.runs.status("far")["desired"], "paused")
        answer = reports.report({"runs": [run]})
        self.assertEqual(answer["models"], {"far": "small"})
