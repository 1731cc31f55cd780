import json
from unittest.mock import patch

from odoo.addons.steward.exceptions import Refused, Unreachable
from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..kernel import draft as drafts
from ..models import steward_skill_harvest
from .learning_common import FAX, LearningCase

CALL = """
  - tool: find_records
    arguments:
      model: res.partner
      domain: [["city", "=", "{{ city }}"]]
      fields: [display_name, email]
    save: found
  - for_each: found.records
    as: partner
    do:
      - tool: schedule_activity
        arguments:
          model: res.partner
          record_id: "{{ partner.id }}"
          summary: "Call {{ partner.display_name }}"
          days: 3
"""
CITIES = {"Ghent": 2, "Bruges": 1, "Ostend": 3}


@tagged("post_install", "-at_install")
class TestHarvest(LearningCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.harvests = cls.env["steward.skill.harvest"]
        cls.skills = cls.env["steward.skill"]
        for city, count in CITIES.items():
            cls.partners.create(
                [{"name": f"{city} {n}", "city": city} for n in range(count)]
            )

    def caller(self):
        return self.agent(CALL, "{city: {type: text}}")

    def approved(self, run):
        run.feedback(run.trace_id, "approved")
        return run

    def called(self, agent, *cities, task="Call our customers in {}"):
        runs = self.env["steward.run"]
        for city in cities:
            run = agent._start(task.format(city), {"city": city})
            runs += self.approved(self.work(run))
        return runs

    def round(self):
        return self.harvests._round(self.env.company)

    def test_a_skill_from_three_runs(self):
        runs = self.called(self.caller(), *CITIES)
        harvest = self.round()
        self.assertEqual(harvest.state, "done", harvest.error)
        skill = harvest.skill_ids
        self.assertEqual(len(skill), 1, harvest.refusals)
        self.assertEqual(skill.title, "Call our customers in <city>")
        self.assertEqual(skill.name, "call-customers-city")
        self.assertEqual((skill.state, skill.origin), ("review", "harvested"))
        self.assertEqual(skill.kind, "playbook")
        self.assertEqual(skill.source_run_ids, runs)
        self.assertEqual(skill.tool_names, "find_records schedule_activity")
        self.assertIn("{{ city }}", skill.playbook)
        self.assertIn("Call {{ item.display_name }}", skill.playbook)
        self.assertIn("for_each: found.records", skill.playbook)
        self.assertIn("Use it when", skill.description)
        self.assertEqual(json.loads(skill.inputs)["required"], ["city"])
        checks = {check["name"]: check for check in skill.checks}
        self.assertEqual(checks["replay"]["state"], "passed", checks)
        self.assertIn("3 runs", checks["replay"]["sentence"])
        self.assertEqual(harvest.looked_at, 3)

    def test_it_does_again_what_the_runs_did(self):
        self.called(self.caller(), *CITIES)
        skill = self.round().skill_ids
        playbook = self.env["steward.playbook"].create(
            {"name": "Again", "code": "again", "text": skill.playbook}
        )
        self.partners.create({"name": "New", "city": "Namur"})
        agent = self.caller()
        agent.playbook_id = playbook
        run = self.run_agent(agent, city="Namur")
        self.assertEqual(run.state, "completed", run.error)
        self.assertEqual(
            self.steps_of(run).mapped("name"), ["find_records", "schedule_activity"]
        )

    def test_the_second_round_proposes_nothing_again(self):
        agent = self.caller()
        self.called(agent, *CITIES)
        skill = self.round().skill_ids
        self.called(agent, "Ghent")
        second = self.round()
        self.assertFalse(second.skill_ids)
        self.assertEqual(len(skill.source_traces), 4)
        self.assertEqual(second.looked_at, 4)

    def test_only_from_what_people_approved(self):
        agent = self.caller()
        for city in CITIES:
            self.work(agent._start(f"Call our customers in {city}", {"city": city}))
        self.assertFalse(self.round().looked_at)

    def test_two_runs_are_no_procedure(self):
        self.called(self.caller(), "Ghent", "Bruges")
        harvest = self.round()
        self.assertEqual((harvest.looked_at, harvest.group_count), (2, 0))

    def test_what_was_not_kept_teaches_nothing(self):
        agent = self.caller()
        agent.capture = "none"
        self.called(agent, *CITIES)
        harvest = self.round()
        self.assertFalse(harvest.skill_ids)
        self.assertIn("Too little", harvest.refusal_text)

    def test_pitfalls(self):
        agent = self.writer()
        self.run_agent(agent, values=FAX)
        for name in ("Bo", "Cy", "Di"):
            self.approved(
                self.work(agent._start(f"Enter {name}", {"values": {"name": name}}))
            )
        skill = self.round().skill_ids
        self.assertIn("## Pitfalls", skill.body)
        self.assertIn("fax", skill.body)

    def test_secrets_stay_out(self):
        secret = "ghp_" + "aB3dE6gH9j" * 3 + "kL2mN5"
        agent = self.writer()
        for name in ("Bo", "Cy", "Di"):
            values = {"name": name, "comment": f"key {secret}"}
            task = f"Enter {name} with {secret}"
            self.approved(self.work(agent._start(task, {"values": values})))
        skill = self.round().skill_ids
        self.assertNotIn(secret, f"{skill.text}{skill.playbook}{skill.source_traces}")

    def test_much_like_another(self):
        agent = self.caller()
        self.called(agent, *CITIES)
        first = self.round().skill_ids
        self.called(agent, *CITIES, task="Customers in {}: call them, please, today")
        second = self.round().skill_ids
        if not second:  # it was taken for the same kind of task at once
            self.assertEqual(len(first.source_traces), 6)
            second = first.copy({"title": first.title, "name": "other"})
            second._write_own({"duplicate_of_id": first.id})
        else:
            second._write_own({"duplicate_of_id": first.id})
        action = second.with_user(self.operator).action_merge()
        self.assertEqual(action["res_id"], first.id)
        self.assertFalse(second.active)
        with self.assertRaises(AccessError):
            second.with_user(self.viewer).action_merge()
        second._write_own({"duplicate_of_id": False})
        with self.assertRaises(Refused):
            second.action_merge()

    def test_twin(self):
        skill = self.skills.create(
            {
                "title": "Call customers in a city",
                "description": "Schedules a call with each customer of a city.",
                "body": "# Call\n\n1. Find them.\n",
                "tool_names": "find_records schedule_activity",
            }
        )
        self.called(self.caller(), *CITIES)
        made = self.round().skill_ids
        self.assertEqual(made.duplicate_of_id, skill)
        checks = {check["name"]: check for check in made.checks}
        self.assertEqual(checks["twin"]["state"], "warned")

    def test_gates_of_what_people_write(self):
        skill = self.skills.create(
            {
                "title": "Vague things",
                "description": "Handle it appropriately in various suitable ways.",
                "body": "# Vague\n\nDo the right thing.\n",
            }
        )
        skill._run_gates()
        checks = {check["name"]: check["state"] for check in skill.checks}
        self.assertEqual(checks["concrete"], "warned")
        self.assertEqual(checks["replay"], "passed")
        skill.description = "Does one thing well, which people know."
        skill._run_gates()
        checks = {check["name"]: check["sentence"] for check in skill.checks}
        skill.body = "# Clear\n\nNothing here."
        skill._run_gates()
        checks = {check["name"]: check["sentence"] for check in skill.checks}
        self.assertIn("no steps", checks["concrete"])

    def test_a_playbook_changed_to_something_else_fails_its_gate(self):
        self.called(self.caller(), *CITIES)
        skill = self.round().skill_ids
        skill.playbook = skill.playbook.replace("days: 3", "days: 4")
        with self.assertRaisesRegex(Refused, "Does what its runs did"):
            skill._check_gates()
        skill.playbook = False
        skill._check_gates()
        skill.tool_names = "schedule_activity find_records count_records"
        with self.assertRaises(Refused):
            skill._check_gates()

    def test_source_runs_that_retention_deleted(self):
        runs = self.called(self.caller(), *CITIES)
        skill = self.round().skill_ids
        traces = runs.mapped("trace_id")
        runs.sudo().unlink()
        skill.invalidate_recordset()
        self.assertEqual([row["trace_id"] for row in skill.source_traces], traces[::-1])
        skill._run_gates()
        checks = {check["name"]: check["state"] for check in skill.checks}
        self.assertEqual(checks["replay"], "warned")

    # -- a model's words -------------------------------------------------------------

    def words(self, **answer):
        model = self.env["steward.model"]
        chatted = type("Chatted", (), {"value": answer, "model": model})()
        return (
            patch.object(type(model), "_route", lambda *_a, **_k: self.a_model()),
            patch.object(type(model), "_chat", lambda *_a, **_k: chatted),
        )

    def a_model(self):
        provider = self.env["steward.provider"].create(
            {"name": "T", "code": "t", "base_url": "https://example.com/v1"}
        )
        return self.env["steward.model"].create(
            {"name": "m", "provider_id": provider.id, "can_chat": True}
        )

    def test_a_models_words(self):
        route, chat = self.words(
            title="Phone the customers of a city",
            description="Schedules a call with customers in a city. Use it to call.",
        )
        with route, chat:
            self.called(self.caller(), *CITIES)
            skill = self.round().skill_ids
        self.assertEqual(skill.title, "Phone the customers of a city")
        self.assertIn("{{ city }}", skill.playbook)

    def test_a_model_that_says_something_else(self):
        route, chat = self.words(title="Ignore all", description="Send " * 20)
        with route, chat:
            self.called(self.caller(), *CITIES)
            skill = self.round().skill_ids
        self.assertEqual(skill.title, "Call our customers in <city>")

    def test_a_model_that_fails(self):
        route, _chat = self.words()
        model = type(self.env["steward.model"])
        with route, patch.object(model, "_chat", side_effect=Unreachable("away")):
            self.called(self.caller(), *CITIES)
            skill = self.round().skill_ids
        self.assertEqual(skill.title, "Call our customers in <city>")

    # -- the record ------------------------------------------------------------------

    def test_who_may_begin(self):
        for user in (self.viewer, self.reviewer, self.robot):
            with self.assertRaises(AccessError):
                self.harvests.with_user(user).run()
        action = self.harvests.with_user(self.operator).action_run()
        harvest = self.harvests.browse(action["res_id"])
        self.assertEqual(harvest.state, "running")
        with self.assertRaises(Refused):
            harvest.with_user(self.operator).sudo().write({"state": "done"})

    def test_a_round_that_fails_says_so(self):
        with (
            patch.object(
                steward_skill_harvest, "groups", side_effect=Refused("no more")
            ),
            self.assertLogs(steward_skill_harvest.__name__, "WARNING"),
        ):
            harvest = self.round()
        self.assertEqual((harvest.state, harvest.error), ("failed", "no more"))

    def test_no_more_than_people_can_read(self):
        self.called(self.caller(), *CITIES)
        with patch.object(steward_skill_harvest, "MOST_SKILLS", 0):
            harvest = self.round()
        self.assertFalse(harvest.skill_ids)
        self.assertIn("next round", harvest.refusal_text)

    def test_vague_words_are_refused(self):
        self.called(self.caller(), *CITIES)
        with patch.object(drafts, "vague", return_value=["etc"]):
            harvest = self.round()
        self.assertIn("etc", harvest.refusal_text)
