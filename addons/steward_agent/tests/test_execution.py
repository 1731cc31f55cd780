from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .. import executor
from .common import AgentCase, Killed

MAKE = """
  - for_each: names
    as: name
    do:
      - tool: create_record
        arguments: {model: res.partner, values: {name: "{{ name }}"}}
        save: made
"""


@tagged("post_install", "-at_install")
class TestExecution(AgentCase):
    def partners_named(self, *names):
        return self.partners.search([("name", "in", names)])

    def test_a_run_does_its_work_as_its_user(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.run_agent(agent, names=["Ann X", "Bob X"])
        self.assertEqual(run.state, "completed", run.error)
        made = self.partners_named("Ann X", "Bob X")
        self.assertEqual(len(made), 2)
        self.assertEqual(made.create_uid, self.robot)
        steps = self.steps_of(run)
        self.assertEqual(steps.mapped("name"), ["create_record"] * 2)
        self.assertEqual(steps.mapped("status"), ["ok", "ok"])
        self.assertEqual(steps.mapped("iteration"), ["0", "1"])
        self.assertEqual(run.step_count, 2)
        self.assertTrue(run.started_at and run.ended_at)

    def test_nothing_is_left_behind(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.run_agent(agent, names=["Ann X"])
        self.assertFalse(self.env["steward.run.variable"].search([]))
        self.assertFalse(run.position)
        self.assertFalse(run.lease_until)

    def test_the_rights_are_those_of_its_user(self):
        agent = self.agent(
            """
  - tool: create_record
    arguments: {model: res.company, values: {name: Mine}}
"""
        )
        run = self.run_agent(agent)
        self.assertEqual(run.state, "failed")
        self.assertEqual(run.category, "rights")
        self.assertFalse(self.env["res.company"].search([("name", "=", "Mine")]))
        step = self.steps_of(run)
        self.assertEqual(step.status, "error")
        self.assertEqual(step.category, "rights")

    def test_other_companies_stay_unseen(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.robot.company_ids |= other
        self.partners.create({"name": "Hidden X", "company_id": other.id})
        agent = self.agent(
            """
  - tool: find_records
    arguments: {model: res.partner, domain: [["name", "=", "Hidden X"]]}
    save: found
  - stop: "{{ len(found.records) }}"
"""
        )
        self.assertEqual(self.run_agent(agent).output, "0")

    def test_a_user_archived_meanwhile(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"])
        self.robot.active = False
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertIn("archived", run.error)
        self.assertFalse(self.partners_named("Ann X"))

    def test_a_tool_that_is_not_the_agents(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"])
        agent.tool_ids -= agent.tool_ids.filtered(lambda t: t.name == "create_record")
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertFalse(self.partners_named("Ann X"))

    def test_risks_have_to_be_allowed(self):
        agent = self.agent(MAKE, "{names: {type: list}}", may_write=False)
        run = self.run_agent(agent, names=["Ann X"])
        self.assertEqual((run.state, run.category), ("failed", "rights"))

    # -- crashes -----------------------------------------------------------------

    def test_a_worker_that_dies_at_each_step(self):
        """What was committed is not done again, what was not is done once."""
        agent = self.agent(MAKE, "{names: {type: list}}")
        names = ["Ann X", "Bob X", "Cid X"]
        for method in ("_act", "_record", "_checkpoint", "_commit"):
            with self.subTest(method=method):
                self._interrupted(agent, method, names)

    def _interrupted(self, agent, method, names):
        self.partners_named(*names).unlink()
        run = self.start(agent, names=names)
        for _round in range(len(names) * 2):
            # a killed process loses what it did not commit
            with self.dies_at(method), self.env.cr.savepoint() as savepoint:
                try:
                    self.work(run)
                except Killed:
                    savepoint.rollback()
            self.env.invalidate_all()
            run.sudo()._write_own({"state": "queued"})
        self.work(run)
        self.assertEqual(run.state, "completed")
        made = self.partners_named(*names)
        self.assertEqual(sorted(made.mapped("name")), names)

    def test_a_colliding_transaction_is_tried_again(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"])
        real, left = executor.Executor._act, [2]

        def act(this, *args):
            if left[0]:
                left[0] -= 1
                raise psycopg2.errors.SerializationFailure
            return real(this, *args)

        with (
            patch.object(executor.Executor, "_act", act),
            patch.object(executor.Executor, "_rollback", lambda _this: None),
            patch.object(executor.time, "sleep"),
        ):
            self.work(run)
        self.assertEqual(run.state, "completed")
        self.assertEqual(len(self.partners_named("Ann X")), 1)

    def test_two_workers_on_one_run(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"]).sudo()
        self.assertTrue(run._claim("one"))
        self.assertIsNone(run._claim("two"))

    def test_the_same_job_may_go_on(self):
        """queue_job starts a job anew only when its process is gone."""
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"]).sudo()
        first = run._claim("one")
        again = run._claim("one")
        self.assertGreater(again.fence, first.fence)
        self.assertEqual(run.deaths, 1)

    def test_who_was_declared_dead_writes_nothing(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"]).sudo()
        late = run._claim("one")
        run._claim("one")
        with patch.object(executor.Executor, "_rollback", lambda _this: None):
            executor.Executor(run, late).work()
        self.assertFalse(self.partners_named("Ann X"))
        self.assertEqual(run.state, "running")

    def test_the_watch_finds_a_dead_worker(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"]).sudo()
        self.jobs_of(run).unlink()
        run._claim("gone")
        past = fields.Datetime.now() - timedelta(seconds=1)
        run._write_own({"lease_until": past})
        run._cron_watch()
        self.assertEqual(len(self.jobs_of(run)), 1)
        self.work(run)
        self.assertEqual(run.state, "completed")

    def test_a_step_that_kills_its_workers(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X"]).sudo()
        for _death in range(4):
            run._claim("one")
        past = fields.Datetime.now() - timedelta(seconds=1)
        run._write_own({"lease_until": past})
        run._cron_watch()
        self.assertEqual(run.state, "lost")
        self.assertIn("died", run.reason)

    # -- limits ------------------------------------------------------------------

    def test_places_of_an_agent(self):
        agent = self.agent(MAKE, "{names: {type: list}}", max_runs=1)
        first = self.start(agent, names=["Ann X"]).sudo()
        second = self.start(agent, names=["Bob X"]).sudo()
        self.assertTrue(first._claim("one"))
        self.assertIsNone(second._claim("two"))
        self.assertEqual((second.state, second.waits_for), ("queued", "place"))
        self.jobs_of(second).unlink()
        first._write_own({"state": "queued"})
        self.work(first)
        self.assertEqual(len(self.jobs_of(second)), 1)

    def test_places_of_a_company(self):
        self.env["ir.config_parameter"].set_param("steward.runs_at_a_time", "1")
        one = self.start(self.agent(MAKE, "{names: {type: list}}"), names=[]).sudo()
        two = self.start(self.agent(MAKE, "{names: {type: list}}"), names=[]).sudo()
        self.assertTrue(one._claim("one"))
        self.assertIsNone(two._claim("two"))

    def test_too_many_steps(self):
        agent = self.agent(MAKE, "{names: {type: list}}", max_steps=2)
        run = self.run_agent(agent, names=list("abcdef"))
        self.assertEqual(run.state, "timed_out")
        self.assertIn("2 steps", run.reason)
        self.assertLessEqual(run.step_count, 3)

    def test_room_for_others(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        run = self.start(agent, names=["Ann X", "Bob X"])
        self.jobs_of(run).unlink()
        with patch.object(executor, "SLICE", -1):
            self.work(run)
        self.assertEqual(run.state, "queued")
        self.assertEqual(run.step_count, 1)
        self.assertEqual(len(self.jobs_of(run)), 1)
        self.work(run)
        self.assertEqual(run.state, "completed")

    # -- waiting -------------------------------------------------------------------

    def test_waiting_holds_no_worker(self):
        agent = self.agent("\n  - wait: 2 hours\n  - stop: late\n")
        run = self.run_agent(agent)
        self.assertEqual((run.state, run.waits_for), ("waiting", "time"))
        self.assertTrue(self.jobs_of(run).filtered("eta"))
        self.work(run)  # too early: nobody may claim it
        self.assertEqual(run.state, "waiting")
        past = fields.Datetime.now() - timedelta(seconds=1)
        run.sudo()._write_own({"wakes_at": past})
        later = executor.time.time() + 3 * 3600
        with patch.object(executor.time, "time", lambda: later):
            self.work(run)
        self.assertEqual((run.state, run.output), ("completed", "late"))

    def test_a_person_decides(self):
        agent = self.agent(
            """
  - {human: "Go on with {{ run.task }}?", save: said}
  - stop: "{{ said.answer }} by {{ said.by }}"
"""
        )
        run = self.run_agent(agent)
        self.assertEqual((run.state, run.waits_for), ("waiting", "person"))
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        [waiting] = [a for a in approvals.pending() if a["trace_id"] == run.trace_id]
        self.assertEqual(waiting["question"], "Go on with a task?")
        answer = approvals.decide(waiting["id"], "approve", "fine")
        self.assertEqual(answer["state"], "approved")
        self.assertEqual(run.state, "queued")
        self.work(run)
        self.assertEqual(run.output, "approve by rev")
        step = self.steps_of(run)
        self.assertEqual((step.kind, step.status), ("human", "ok"))

    def test_a_person_refuses(self):
        agent = self.agent('\n  - {human: "Sure?"}\n')
        run = self.run_agent(agent)
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        approval.with_user(self.reviewer).action_refuse()
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))

    def test_who_may_decide(self):
        agent = self.agent('\n  - {human: "Sure?", choices: [red, blue]}\n')
        run = self.run_agent(agent)
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        for user in (self.viewer, self.robot, self.operator):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                approval.with_user(user).decide(approval.id, "red", "")
        mine = approval.with_user(self.reviewer)
        with self.assertRaises(Invalid):
            mine.decide(approval.id, "green", "")
        mine.decide(approval.id, "blue", "")
        with self.assertRaises(Refused):
            mine.decide(approval.id, "red", "")
        self.assertEqual(approval.choice, "blue")

    def test_nobody_decides_in_time(self):
        agent = self.agent('\n  - {human: "Sure?", expires: 1 day}\n')
        run = self.run_agent(agent)
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        past = fields.Datetime.now() - timedelta(seconds=1)
        approval._write_own({"expires_at": past})
        with self.assertRaises(Refused):
            approval.with_user(self.reviewer).decide(approval.id, "approve", "")
        approval._cron_expire()
        self.work(run)
        self.assertEqual(run.state, "failed")
        self.assertIn("in time", run.error)

    def test_decisions_are_not_forged(self):
        agent = self.agent('\n  - {human: "Sure?"}\n')
        run = self.run_agent(agent)
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        with self.assertRaises(Refused):
            approval.with_user(self.reviewer).write({"state": "approved"})

    # -- starting --------------------------------------------------------------------

    def test_execute(self):
        agent = self.agent("\n  - stop: done\n")
        agents = self.env["steward.agent"].with_user(self.operator)
        answer = agents.execute(agent.code, "do it", wait=True)
        self.assertEqual((answer["state"], answer["output"]), ("completed", "done"))

    def test_the_same_key_is_the_same_run(self):
        agent = self.agent("\n  - stop: done\n")
        agents = self.env["steward.agent"].with_user(self.operator)
        one = agents.execute(agent.code, "do it", idempotency_key="k")
        two = agents.execute(agent.code, "do it", idempotency_key="k")
        self.assertEqual(one["run_id"], two["run_id"])

    def test_who_may_run(self):
        agent = self.agent("\n  - stop: done\n")
        with self.assertRaises(AccessError):
            self.env["steward.agent"].with_user(self.viewer).execute(agent.code, "do")
        self.env["steward.agent"].with_user(self.operator).execute(agent.code, "do")

    def test_inputs_are_checked(self):
        agent = self.agent(MAKE, "{names: {type: list}}")
        with self.assertRaises(Invalid):
            self.start(agent)
        with self.assertRaises(Invalid):
            self.start(agent, names="Ann")

    def test_agents_that_cannot_run(self):
        agent = self.agent("\n  - stop: done\n")
        agent.active = False
        with self.assertRaises(Refused):
            self.start(agent)

    def test_an_external_call_whose_worker_died(self):
        """It may have been made: it is not made again unless that does no harm."""
        agent = self.agent(
            """
  - tool: create_record
    arguments: {model: res.partner, values: {name: Ann X}}
"""
        )
        tool = agent.tool_ids.filtered(lambda tool: tool.name == "create_record")
        tool.risk = "external"
        agent.may_call_out = True
        for idempotent, state in ((False, "failed"), (True, "completed")):
            tool.idempotent = idempotent
            run = self.start(agent)
            with self.dies_at("_perform"), suppress(Killed):
                self.work(run)
            run.sudo()._write_own({"state": "queued"})
            self.work(run)
            self.assertEqual(run.state, state)
        self.assertEqual(len(self.partners_named("Ann X")), 1)
