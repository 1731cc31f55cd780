from datetime import date, datetime, timedelta

from odoo import fields
from odoo.addons.steward.kernel.period import Period
from odoo.addons.steward_agent.tests.chat_common import ChatCase, says
from odoo.tests import tagged

from .common import patient_search
from .learning_common import FAX, LearningCase


@tagged("post_install", "-at_install")
class TestTrial(LearningCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.skills = cls.env["steward.skill"]
        cls.skill = cls.skills.create(
            {
                "title": "Call customers",
                "description": "Schedules a call with each customer of a city.",
                "body": "# Call\n\n1. Find them.\n2. Call them.\n",
                "trial_share": 25,
            }
        )
        cls.skill._write_own(
            {"state": "approved", "approved_version_id": cls.skill.version_id.id}
        )

    def used(self, arm, good, bad, days=10):
        at = fields.Datetime.now() - timedelta(days=days)
        self.env["steward.skill.use"]._create_own(
            [
                {
                    "skill_id": self.skill.id,
                    "version_id": self.skill.version_id.id,
                    "trace_id": f"{arm}-{state}-{n}-{days}",
                    "company_id": self.env.company.id,
                    "arm": arm,
                    "used_at": at,
                    "state": state,
                    "cost": 0.01,
                    "step_count": 3,
                    "duration_ms": 2000,
                }
                for state, count in (("completed", good), ("failed", bad))
                for n in range(count)
            ]
        )
        self.skill.invalidate_recordset()

    def test_it_helps(self):
        self.used("with", 285, 15)
        self.used("without", 70, 30)
        self.assertEqual(self.skill.trial_verdict, "helps")
        self.assertIn("285 of 300 runs went well (95 %)", self.skill.trial_text)
        self.assertIn("95 % confidence", self.skill.trial_text)
        self.assertIn("3.0 steps, 2.0 s", self.skill.trial_text)

    def test_too_early_and_uneven(self):
        self.assertFalse(self.skill.trial_verdict)
        self.used("with", 30, 0)
        self.assertEqual(self.skill.trial_verdict, "early")
        self.assertIn("Without it: no run", self.skill.trial_text)
        self.used("with", 400, 20, days=9)
        self.assertEqual(self.skill.trial_verdict, "uneven")
        self.skill.trial_share = 0
        self.assertFalse(self.skill.trial_verdict)

    def test_a_harmful_one_should_go(self):
        self.used("with", 120, 180)
        self.used("without", 90, 10)
        self.assertEqual(self.skills._reconsider(), self.skill)
        self.assertIn("better without", self.skill.deprecation)
        self.assertTrue(self.skill.activity_ids)
        self.assertFalse(self.skills._reconsider())  # once
        self.skill.with_user(self.reviewer).action_deprecate()
        self.assertFalse(self.skill.deprecation)

    def test_confidence_follows_use(self):
        self.used("with", 40, 0)
        self.skills._reconsider()
        high = self.skill.confidence
        self.assertGreater(high, 0.85)
        self.used("with", 0, 90, days=5)
        self.assertEqual(self.skills._reconsider(), self.skill)
        self.assertLess(self.skill.confidence, high)
        self.assertIn("%", self.skill.deprecation)
        self.used("with", 900, 0, days=4)
        self.skills._reconsider()
        self.assertFalse(self.skill.deprecation)

    def test_one_that_nobody_uses(self):
        self.skill.approved_version_id.sudo()._write_own(
            {"approved_at": fields.Datetime.now() - timedelta(days=100)}
        )
        self.skills._reconsider()
        self.assertIn("90 days", self.skill.deprecation)


@tagged("post_install", "-at_install")
class TestDaily(LearningCase):
    def lines(self, name, day=None):
        daily = self.env["steward.daily"]
        parts = daily._get_parts()
        record = daily._create_own([{"day": day or date(2026, 11, 17), "parts": []}])
        return [str(line) for line in parts[name][1](record)]

    def test_a_night(self):
        agent = self.writer()
        for run in self.wrote(agent, "Bo", "Cy", "Di", "Ed"):
            run.feedback(run.trace_id, "approved")
        for name in "ab":
            self.failure_of(self.run_agent(agent, values={**FAX, "name": name}))
        self.assertIn("Proposed", "".join(self.lines("skills")))
        guardrail = self.guardrails.search([("state", "=", "review")])
        self.assertFalse(guardrail)
        self.assertIn("Proposed", "".join(self.lines("guardrails")))
        guardrail = self.guardrails.search([("state", "=", "review")])
        guardrail.with_user(self.reviewer).action_approve()
        self.run_agent(agent, values=FAX)
        self.assertEqual(self.lines("guardrails"), ["1 hits were judged."])
        self.assertEqual(self.lines("effect"), [])
        week = "\n".join(self.lines("learnt", date(2026, 11, 16)))
        self.assertIn("1 guardrails put in force", week)
        self.assertIn("prevented 1 failures", week)
        self.assertIn("1 proposals wait", week)
        self.assertEqual(self.lines("learnt"), [])  # on Mondays only

    def test_once_is_no_habit(self):
        self.failure_of(self.run_agent(self.writer(), values=FAX))
        self.assertEqual(self.lines("guardrails"), [])

    def look(self, *names, start=None):
        """Cards as a Viewer sees them, of a day that has begun and goes on."""
        self.env.flush_all()
        board = self.env["steward.dashboard"].with_user(self.viewer)
        if not start:  # not a calendar's day: midnight may come meanwhile
            start = fields.Datetime.now() - timedelta(hours=12)
        period = Period(start, start + timedelta(days=1), timedelta(hours=1))
        return {name: board._get_cards()[name](period) for name in names}

    def test_cards(self):
        agent = self.writer()
        self.wrote(agent, "Bo", "Cy", "Di")
        for name in "ab":
            failure = self.failure_of(
                self.run_agent(agent, values={**FAX, "name": name})
            )
        guardrail = self.guardrails._propose_for(failure)
        names = ["skill_review", "guardrails", "errors_repeated", "skills_over_time"]
        names.append("skill_effect")
        cards = self.look(*names)
        told = self.env["steward.dashboard"].with_user(self.viewer).data("day")
        self.assertFalse([name for name in names if "error" in told["cards"][name]])
        waits = {part["name"]: part["value"] for part in cards["skill_review"]["parts"]}
        self.assertEqual(waits["guardrails"], 1)
        again, first, _prevented = cards["errors_repeated"]["series"]
        self.assertEqual((sum(again["values"]), sum(first["values"])), (1, 1))
        guardrail.with_user(self.reviewer).action_approve()
        self.run_agent(agent, values=FAX)
        self.hits._settle()
        cards = self.look(*names)
        did = {part["name"]: part["value"] for part in cards["guardrails"]["parts"]}
        self.assertEqual((did["in_force"], did["prevented"]), (1, 1))
        self.assertEqual(sum(cards["errors_repeated"]["series"][2]["values"]), 1)

    def test_skills_on_the_dashboard(self):
        skill = self.env["steward.skill"].create(
            {
                "title": "Call customers",
                "description": "Schedules a call with each customer of a city.",
                "body": "# Call\n\n1. Find them.\n",
            }
        )
        skill._write_own({"approved_version_id": skill.version_id.id, "use_count": 3})
        skill.version_id.sudo()._write_own({"approved_at": fields.Datetime.now()})
        cards = self.look("skills_over_time", "skill_effect")
        written = cards["skills_over_time"]["series"][0]
        self.assertEqual(written["values"][-1], 1)
        [row] = cards["skill_effect"]["rows"]
        self.assertEqual((row["uses"], row["effect"]), (3, "Not measured"))
        cards = self.look(
            "skills_over_time", start=datetime.fromisoformat("2030-01-01")
        )
        series = cards["skills_over_time"]["series"][0]
        self.assertEqual(series["values"][0], 1)


@tagged("post_install", "-at_install")
class TestThinking(ChatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patient_search())
        cls.env["steward.approval.rule"].search([]).active = False

    def guardrail(self, action, **values):
        guardrail = self.env["steward.guardrail"].create(
            {
                "name": "No partners",
                "action": action,
                "definition": '{"tool": "create_record"}',
                "text": "Partners are made in the shop.",
                **values,
            }
        )
        guardrail._write_own({"approved_version_id": guardrail.version_id.id})
        return guardrail

    def test_a_warning_is_told_once(self):
        make = ("create_record", {"model": "res.partner", "values": {"name": "Ann X"}})
        guardrail = self.guardrail("warn")
        self.answers(says("", make), says("", make), says("Done."))
        run = self.ask(self.chat_agent())
        self.assertEqual(run.state, "completed")
        calls = self.steps_of(run).filtered(lambda step: step.kind == "tool_call")
        self.assertEqual(calls.mapped("status"), ["error", "ok"])
        self.assertIn("made in the shop", calls[0].error_message)
        self.env["steward.guardrail.hit"]._settle()
        self.assertEqual(guardrail.hit_ids.outcome, "false_alarm")

    def test_it_is_told_before_it_begins(self):
        self.guardrail("block")
        self.guardrail("block", text="Not for it.", definition='{"tool": "no_tool"}')
        self.answers(says("I know."))
        self.ask(self.chat_agent(context_share="100"))
        told = str(self.asked[0]["messages"])
        self.assertIn("Partners are made in the shop.", told)
        self.assertNotIn("Not for it.", told)

    def test_a_context_without_a_run(self):
        guardrail = self.guardrail("block")
        context = self.env["steward.agent"].with_user(self.viewer).context("partners")
        [row] = context["guardrails"]
        self.assertEqual(row["guardrail_id"], guardrail.id)
