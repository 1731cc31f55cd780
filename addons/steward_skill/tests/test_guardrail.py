import json
import time
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward_agent import executor
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ..exceptions import Guarded
from ..models import steward_guardrail
from .learning_common import FAX, LearningCase

FAX_RULE = {
    "tool": "create_record",
    "arguments": [{"path": "values.fax", "is": "present"}],
}
CHANGE = {**FAX_RULE, "change": {"drop": ["values.fax"]}}


@tagged("post_install", "-at_install")
class TestGuardrail(LearningCase):
    def test_from_a_failure_to_a_run_that_works(self):
        """The whole way: it fails, a guardrail is proposed, approved, and it works."""
        agent = self.writer()
        self.wrote(agent, "Bo", "Cy", "Di", "Ed")
        runs = [self.run_agent(agent, values={**FAX, "name": name}) for name in "ab"]
        self.assertEqual([run.state for run in runs], ["failed", "failed"])
        failure = self.failure_of(runs[0])
        self.assertEqual(failure.times, 2)
        guardrail = self.guardrails._propose_for(failure)
        self.assertEqual((guardrail.state, guardrail.action), ("review", "rewrite"))
        self.assertEqual(
            json.loads(guardrail.definition)["change"], {"drop": ["values.fax"]}
        )
        self.assertIn("Catches 2 of 2", guardrail.test_result)
        self.assertIn("0 of 4", guardrail.test_result)
        # as long as nobody approved it, nothing changes
        self.assertEqual(self.run_agent(agent, values=FAX).state, "failed")
        guardrail.with_user(self.reviewer).action_approve()
        self.assertEqual(guardrail.state, "approved")
        self.assertEqual(guardrail.approved_version_id.approver_id, self.reviewer)
        run = self.run_agent(agent, values=FAX)
        self.assertEqual((run.state, run.output), ("completed", "Ann"))
        self.assertNotIn("fax", self.steps_of(run).input)
        self.assertEqual(self.hits._settle(), 1)
        self.assertEqual((guardrail.hit_count, guardrail.prevented_count), (1, 1))
        self.assertFalse(self.guardrails._propose_for(failure))  # there is one

    def test_blocked(self):
        guardrail = self.in_force(definition=FAX_RULE)
        agent = self.writer()
        run = self.run_agent(agent, values=FAX)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertIn("Do not do this.", run.error)
        [step] = self.steps_of(run)
        self.assertEqual(step.error_type, Guarded.code)
        self.assertFalse(self.partners.search([("name", "=", "Ann")]))
        self.assertEqual(
            self.run_agent(agent, values={"name": "Ann"}).state, "completed"
        )
        self.assertEqual(guardrail.hit_count, 1)

    def test_a_person_is_asked(self):
        rule = {
            "tool": "create_record",
            "arguments": [{"path": "values.city", "is": "like", "value": "G*"}],
        }
        guardrail = self.in_force("approve", definition=rule)
        agent = self.writer()
        run = self.run_agent(agent, values={"name": "Ann", "city": "Ghent"})
        self.assertEqual((run.state, run.waits_for), ("waiting", "person"))
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        self.assertEqual(approval.guardrail_id, guardrail)
        self.assertIn("Do not do this.", approval.message_ids[0].body)
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(approval.id, "refuse", "no")
        self.assertEqual(self.work(run).state, "failed")
        self.hits._settle()
        self.assertEqual(guardrail.hit_ids.outcome, "prevented")

    def test_asked_in_vain(self):
        rule = {"tool": "create_record"}
        guardrail = self.in_force("approve", definition=rule)
        run = self.run_agent(self.writer(), values={"name": "Ann"})
        approval = self.env["steward.approval"].search([("run_id", "=", run.id)])
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(approval.id, "approve")
        self.assertEqual(self.work(run).state, "completed")
        self.hits._settle()
        self.assertEqual(guardrail.hit_ids.mapped("outcome"), ["false_alarm"])

    def test_waiting(self):
        """After a failure of that run it waits, and then goes on."""
        steps = """
  - tool: count_records
    arguments: {model: res.partnr}
    on_error: continue
  - tool: count_records
    arguments: {model: res.partner}
"""
        rule = {"tool": "count_records", "context": {"failures": 1}, "wait": 50}
        guardrail = self.in_force("retry", definition=rule)
        run = self.run_agent(self.agent(steps))
        self.assertEqual((run.state, run.waits_for), ("waiting", "time"))
        self.assertEqual(self.steps_of(run)[-1].category, "external")
        run.sudo()._write_own({"wakes_at": "2020-01-01"})
        now = time.time() + 60
        with patch("time.time", lambda: now):
            self.work(run)
        self.assertEqual(run.state, "completed")
        self.hits._settle()
        self.assertEqual(guardrail.hit_ids.mapped("outcome"), ["prevented"])

    def test_going_in_circles(self):
        steps = "\n".join(
            ["  - {tool: count_records, arguments: {model: res.partner}}"] * 4
        )
        rule = {"tool": "count_*", "context": {"repeats": 3}}
        self.in_force(definition=rule)
        run = self.run_agent(self.agent(steps))
        self.assertEqual(self.steps_of(run).mapped("status"), ["ok"] * 3 + ["error"])

    def test_a_warning_lets_a_playbook_go_on(self):
        guardrail = self.in_force("warn", definition={"tool": "create_record"})
        run = self.run_agent(self.writer(), values={"name": "Ann"})
        self.assertEqual(run.state, "completed")
        self.hits._settle()
        self.assertEqual(guardrail.hit_ids.outcome, "false_alarm")

    def test_a_warning_is_of_the_call_that_met_it(self):
        """However long that call took; another that ended before is another."""
        guardrail = self.in_force("warn", definition={"tool": "create_record"})
        for duration, outcome in ((61_000, "false_alarm"), (59_000, "prevented")):
            run = self.run_agent(self.writer(), values={"name": "Ann"})
            self.env.flush_all()
            self.cr.execute(
                "UPDATE steward_step SET started_at = started_at - interval '1 minute',"
                " duration_ms = %s WHERE run_id = %s",
                [duration, run.id],
            )
            self.hits._settle()
            hit = guardrail.hit_ids.filtered(lambda hit, run=run: hit.run_id == run)
            self.assertEqual(hit.outcome, outcome)

    def test_other_companies_and_agents(self):
        other = self.env["res.company"].create({"name": "Other"})
        agent = self.writer()
        self.in_force(definition=FAX_RULE, company_id=other.id)
        self.in_force(definition={**FAX_RULE, "context": {"agents": ["nobody"]}})
        self.in_force(definition={**FAX_RULE, "context": {"kinds": ["chat"]}})
        run = self.run_agent(agent, values=FAX)
        self.assertNotIn("Do not do this", run.error)

    # -- review ----------------------------------------------------------------------

    def test_who_approves(self):
        guardrail = self.guardrail().with_user(self.author)
        guardrail.text = "Written by me."
        for user in (self.author, self.viewer, self.robot):
            with self.subTest(user.login), self.assertRaises(AccessError):
                guardrail.with_user(user).action_approve()
        self.author.group_ids += self.env.ref("steward.group_reviewer")
        with self.assertRaisesRegex(Refused, "have written"):
            guardrail.action_approve()
        with self.assertRaises(Refused):
            guardrail.with_user(self.reviewer).write({"state": "approved"})

    def test_written_ahead_of_a_failure(self):
        """It is tried with good runs alone, and says so."""
        self.wrote(self.writer(), "Bo", "Cy")
        guardrail = self.guardrail(definition=FAX_RULE)
        guardrail.with_user(self.reviewer).action_approve()
        self.assertEqual(guardrail.state, "approved")
        self.assertIn("no failed run", guardrail.test_result)
        self.assertIn("0 of 2", guardrail.test_result)
        noisy = self.guardrail(definition={"tool": "create_record"})
        with self.assertRaisesRegex(Refused, "cannot be put in force"):
            noisy.with_user(self.reviewer).action_approve()

    def test_one_that_disturbs_is_not_approved(self):
        agent = self.writer()
        self.wrote(agent, "Bo", "Cy")
        failure = self.failure_of(self.run_agent(agent, values=FAX))
        self.wrote(agent, "Di", "Ed")
        guardrail = self.guardrails._propose_for(failure)
        guardrail.write(
            {"action": "block", "definition": json.dumps({"tool": "create_record"})}
        )
        with self.assertRaisesRegex(Refused, "disturbs 4 of 4"):
            guardrail.with_user(self.reviewer).action_approve()

    def test_edited_while_somebody_looked(self):
        agent = self.writer()
        self.wrote(agent, "Bo", "Cy", "Di")
        failure = self.failure_of(self.run_agent(agent, values=FAX))
        guardrail = self.guardrails._propose_for(failure)
        looked_at = guardrail.version_id.number
        guardrail.text = "Something else."
        approve = self.guardrails.with_user(self.reviewer).approve
        with self.assertRaisesRegex(Refused, "changed meanwhile"):
            approve(guardrail.id, looked_at)
        screen = guardrail.with_user(self.reviewer).with_context(seen_version=looked_at)
        with self.assertRaisesRegex(Refused, "changed meanwhile"):
            screen.action_approve()
        self.assertEqual(
            approve(guardrail.id, looked_at + 1),
            {"id": guardrail.id, "state": "approved", "version": looked_at + 1},
        )
        with self.assertRaises(Invalid):
            approve(0, 1)

    def test_what_is_in_force_stays_while_it_is_rewritten(self):
        guardrail = self.in_force(definition=FAX_RULE)
        guardrail.definition = json.dumps({"tool": "no_such_tool"})
        self.assertEqual(guardrail.state, "draft")
        self.assertEqual(self.run_agent(self.writer(), values=FAX).category, "rights")
        guardrail.with_user(self.reviewer).action_retire()
        run = self.run_agent(self.writer(), values=FAX)
        self.assertNotEqual(run.category, "rights")

    def test_another_worker_put_it_in_force(self):
        """A run at work hears of it at its next step."""
        guardrail = self.in_force(definition=FAX_RULE)
        version = guardrail.approved_version_id
        guardrail._write_own({"approved_version_id": False})
        self.assertFalse(self.guardrails._in_force()[1])
        self.env.flush_all()
        self.cr.execute(
            "UPDATE steward_guardrail SET approved_version_id = %s WHERE id = %s",
            [version.id, guardrail.id],
        )
        self.cr.execute("INSERT INTO orm_signaling_default DEFAULT VALUES")
        self.env.invalidate_all()
        self.assertFalse(self.guardrails._in_force()[1])  # as this worker knows it
        with patch.object(executor, "CATCH_UP", -1):
            run = self.run_agent(self.writer(), values=FAX)
        self.assertEqual(run.category, "rights")

    def test_what_cannot_be_checked(self):
        for definition in ("{", "[]", "{}", '{"tool": "a", "if": 1}'):
            with self.subTest(definition), self.assertRaises(ValidationError):
                self.guardrails.create(
                    {"name": "x", "text": "x", "definition": definition}
                )

    def test_submit_return_keep(self):
        guardrail = self.guardrail()
        guardrail.with_user(self.author).action_submit()
        self.assertEqual(guardrail.state, "review")
        guardrail.with_user(self.reviewer).action_return()
        self.assertEqual(guardrail.state, "draft")
        self.assertIn("no failed run", guardrail.test_result)
        guardrail.with_user(self.author).action_test()
        with self.assertRaises(AccessError):
            guardrail.with_user(self.viewer).action_submit()

    def test_versions_restore(self):
        guardrail = self.guardrail(definition=FAX_RULE)
        guardrail.write({"definition": json.dumps({"tool": "b"}), "text": "new"})
        first = guardrail.version_ids.filtered(lambda one: one.number == 1)
        first.action_restore()
        self.assertEqual(json.loads(guardrail.definition), FAX_RULE)
        self.assertEqual(guardrail.text, "Do not do this.")
        self.assertEqual(guardrail.copy().state, "draft")

    def test_summary(self):
        rule = {**FAX_RULE, "context": {"agents": ["a"], "failures": 1, "repeats": 2}}
        guardrail = self.guardrail(definition=rule)
        self.assertEqual(
            guardrail.summary,
            "create_record · values.fax present · a · failed before (1) · same call"
            " before (2) → Block",
        )
        self.assertFalse(guardrail.evidence_text)
        self.assertEqual(guardrail.action_hits()["domain"][0][2], guardrail.id)
        self.assertIn("domain", guardrail.action_source())

    # -- proposals -------------------------------------------------------------------

    def test_nothing_to_propose(self):
        """Where nothing tells good from bad, nothing is made up."""
        agent = self.agent("  - fail: It is Monday.")
        failure = self.failure_of(self.run_agent(agent))
        self.assertFalse(self.guardrails._propose_for(failure))
        failure.last_run_id.sudo().unlink()
        self.assertFalse(self.guardrails._propose_for(failure))

    def test_arguments_that_were_not_kept(self):
        agent = self.writer(capture="none")
        failure = self.failure_of(self.run_agent(agent, values=FAX))
        self.assertFalse(self.guardrails._propose_for(failure))

    def test_what_would_have_caught_nothing_is_not_proposed(self):
        """Waiting before the next try helps where there was a next try."""
        run = self.start(self.writer(), values={})
        for number, proposed in enumerate((0, 1)):
            run._ingest([], [self.timed_out(run, number)])
            run._write_own({"state": "failed"})
            made = self.guardrails._propose_for(self.failure_of(run))
            self.assertEqual(len(made), proposed)
        self.assertEqual((made.action, made.test_passed), ("retry", True))

    def timed_out(self, run, number):
        return {
            "trace_id": run.trace_id,
            "span_id": f"try-{number}",
            "kind": "tool_call",
            "name": "orders.lookup",
            "started_at": f"{fields.Datetime.now().isoformat()}Z",
            "error_type": "TimeoutError",
            "error_message": "The shop did not answer.",
        }

    def test_rights_are_for_the_agent_that_lacks_them(self):
        steps = "  - {tool: find_records, arguments: {model: ir.rule}}"
        agent = self.agent(steps)
        failure = self.failure_of(self.run_agent(agent))
        guardrail = self.guardrails._propose_for(failure)
        definition = json.loads(guardrail.definition)
        self.assertEqual(definition["context"], {"agents": [agent.code]})
        self.assertEqual((guardrail.action, guardrail.category), ("block", "rights"))

    def test_asked_for_by_a_person(self):
        agent = self.writer()
        self.wrote(agent, "Bo", "Cy", "Di")
        failure = self.failure_of(self.run_agent(agent, values=FAX))
        self.assertFalse(failure.guardrail_ids)
        for user in (self.viewer, self.robot):
            with self.assertRaises(AccessError):
                failure.with_user(user).action_propose_guardrail()
        action = failure.with_user(self.operator).action_propose_guardrail()
        guardrail = self.guardrails.browse(action["res_id"])
        failure.invalidate_recordset()
        self.assertEqual(failure.guardrail_ids, guardrail)
        self.assertEqual(guardrail.evidence_text, "The error says so.")
        with self.assertRaises(Invalid):
            failure.with_user(self.operator).action_propose_guardrail()

    def test_the_same_failure_elsewhere(self):
        """One that the guardrail against it does not meet gets its own, once."""
        steps = """
  - tool: find_records
    arguments: {model: "{{ model }}", limit: "{{ limit }}"}
"""
        inputs = "{model: {type: text}, limit: {type: integer}}"
        agent = self.agent(steps, inputs)
        made = []
        for model in ("res.partner", "res.bank", "res.partner"):
            for limit in (1, 2, 3):
                self.run_agent(agent, model=model, limit=limit)
            run = self.run_agent(agent, model=model, limit=9000)
            made.append(len(self.guardrails._propose_for(self.failure_of(run))))
        self.assertEqual(made, [1, 1, 0])

    # -- how they do -----------------------------------------------------------------

    def test_noisy_ones_should_retire(self):
        guardrail = self.in_force("warn", owner_id=self.author.id)
        agent = self.writer()
        for number in range(10):
            self.run_agent(agent, values={"name": f"P{number}"})
        self.hits._settle()
        self.assertEqual(guardrail.false_alarm_count, 10)
        self.assertTrue(guardrail.last_hit_at)
        self.assertEqual(self.guardrails._propose_retirements(), guardrail)
        self.assertIn("10 of its 10", guardrail.retirement)
        self.assertEqual(guardrail.activity_ids.user_id, self.author)
        self.assertFalse(self.guardrails._propose_retirements())  # once
        guardrail.with_user(self.reviewer).action_keep()
        self.assertFalse(guardrail.retirement or guardrail.activity_ids)
        hit = guardrail.hit_ids[0]
        hit.with_user(self.reviewer).action_right()
        self.assertEqual((hit.outcome, hit.judged_by_id), ("prevented", self.reviewer))
        self.assertEqual(hit.action_open_run()["res_id"], hit.run_id.id)
        hit._write_own({"run_id": False})
        with self.assertRaises(Refused):
            hit.action_open_run()
        hit.with_user(self.operator).action_false_alarm()
        self.assertEqual(hit.outcome, "false_alarm")
        for user in (self.viewer, self.robot):
            with self.assertRaises(AccessError):
                hit.with_user(user).action_right()

    def test_it_failed_all_the_same(self):
        agent = self.writer()
        failed = self.run_agent(agent, values=FAX)
        guardrail = self.in_force("warn")
        guardrail._write_own({"fingerprint": failed.fingerprint})
        self.run_agent(agent, values=FAX)
        self.hits._settle()
        self.assertEqual(guardrail.hit_ids.outcome, "missed")
        guardrail.hit_ids._write_own({"at": "2020-01-01"})
        self.hits._gc_old()
        self.assertFalse(guardrail.hit_ids)

    def test_nothing_is_asked_of_the_database_without_guardrails(self):
        run = self.start(self.writer(), values={"name": "Ann"})
        guards = self.guardrails.sudo()
        guards._in_force()
        attempt = self.attempt(run)
        with (
            self.assertQueryCount(0),
            patch.object(
                steward_guardrail.kernel.Guards, "met", side_effect=AssertionError
            ),
        ):
            guards._check(attempt)

    def attempt(self, run):
        from odoo.addons.steward_agent.models.steward_guard import Attempt

        tool = self.env.ref("steward_agent.tool_create_record")
        given = {"model": "res.partner", "values": {"name": "Ann"}}
        company = run.company_id or self.env.company
        return Attempt(run, run.agent_id, company, tool, tool.name, given, self.env)

    def test_no_run(self):
        """Other doors than runs pass the same check."""
        guardrail = self.in_force(
            definition={"tool": "create_record", "context": {"repeats": 1}}
        )
        attempt = self.attempt(self.env["steward.run"])
        self.guardrails.sudo()._check(attempt)
        guardrail.definition = json.dumps({"tool": "create_record"})
        guardrail._write_own({"approved_version_id": guardrail.version_id.id})
        with self.assertRaises(Guarded):
            self.guardrails.sudo()._check(attempt)
        self.assertFalse(guardrail.hit_ids.run_id)

    def test_a_changed_rule_is_no_rule_for_changes(self):
        with self.assertRaises(ValidationError):
            self.guardrail("block", definition=CHANGE)
