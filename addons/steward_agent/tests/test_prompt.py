import time
from unittest.mock import patch

from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward_llm.tests.common import ModelKit
from odoo.addons.steward_llm.tests.openai_server import CHAT
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, HttpCase, new_test_user, tagged

from .common import AgentCase


class PromptCase(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prompts = cls.env["steward.prompt"]
        cls.prompt = cls.make()

    @classmethod
    def make(cls, text="Answer {{ customer }} kindly.", **values):
        return cls.prompts.create(
            {"name": "Answers", "code": "answers", "text": text, **values}
        )

    def versions(self, *texts):
        """The versions that these texts make, after the first."""
        for text in texts:
            self.prompt.text = text
        return self.prompt.version_ids.sorted("number")


@tagged("post_install", "-at_install")
class TestPrompt(PromptCase):
    def test_each_change_is_a_version(self):
        self.prompt.write({"text": "Be brief, {{ customer }}.", "change_note": "long"})
        self.prompt.variables = "customer: {description: Who asks}"
        self.prompt.name = "Other"  # which no model is told
        versions = self.prompt.version_ids.sorted("number")
        self.assertEqual(versions.mapped("number"), [1, 2, 3])
        self.assertEqual(versions[1].note, "long")
        self.assertEqual(versions[0].content, "Answer {{ customer }} kindly.")
        self.assertEqual(versions[0].author_id, self.env.user)
        self.assertEqual(versions[2].display_name, "answers@3")
        self.assertIn("+text: Be brief", versions[1].diff)
        versions[0].action_restore()
        self.assertEqual(self.prompt.text, "Answer {{ customer }} kindly.")
        self.assertFalse(self.prompt.variables)
        self.assertEqual(self.prompt.version_number, 4)

    def test_versions_never_change(self):
        version = self.prompt.version_id
        for user in (self.env.user, self.reviewer, self.operator):
            with self.subTest(user=user.login):
                with self.assertRaises(UserError):
                    version.with_user(user).write({"text": "other"})
                with self.assertRaises(UserError):
                    version.with_user(user).unlink()

    def test_filling_in(self):
        version = self.prompt.version_id
        told = version._render({"customer": "{{ run }} \n# Ann"})
        self.assertEqual(told, "Answer {{ run }} \n# Ann kindly.")
        for values in ({}, {"customer": 3}, {"customer": "a", "other": 1}):
            with self.subTest(values), self.assertRaises(Invalid):
                version._render(values)

    def test_what_is_no_prompt(self):
        with self.assertRaises(ValidationError):
            self.prompt.text = "{{ customer"
        with self.assertRaises(ValidationError):
            self.prompt.variables = "customr: {type: text}"
        with self.assertRaises(ValidationError):
            self.make(code="No Code")

    def test_what_is_wrong_is_told_while_it_is_written(self):
        form = Form(self.prompt)
        form.text = "{{ a }} {{ b"
        self.assertIn("}}", form.problem)
        form.text = "{{ a }} {{ b }}"
        self.assertFalse(form.problem)
        self.assertEqual(form.variable_names, "a, b")

    def test_a_copy(self):
        copy = self.prompt.copy()
        self.assertNotEqual(copy.code, self.prompt.code)
        self.assertEqual(copy.version_number, 1)
        self.assertFalse(copy.label_ids)

    def test_who_writes(self):
        self.prompt.with_user(self.operator).text = "Mine"
        for user in (self.viewer, self.reviewer, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.prompt.with_user(user).text = "Mine, too"

    # -- labels ------------------------------------------------------------------------

    def test_nothing_is_in_production_by_itself(self):
        with self.assertRaisesRegex(Refused, "production"):
            self.prompt._version()

    def test_labels_move(self):
        first, second = self.versions("Two")
        first._bear("production", "It works")
        self.assertEqual(self.prompt._version(), first)
        self.assertFalse(self.prompt.is_released)
        second._bear("production")
        self.assertEqual(self.prompt._version(), second)
        self.assertTrue(self.prompt.is_released)
        self.assertFalse(first.label_ids)
        newest, oldest = self.prompt.move_ids
        self.assertEqual((oldest.version_id, oldest.note), (first, "It works"))
        self.assertEqual((newest.before_id, newest.version_id), (first, second))
        self.assertEqual(newest.user_id, self.env.user)

    def test_who_moves_production(self):
        version = self.prompt.version_id
        for user in (self.operator, self.viewer, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                version.with_user(user)._bear("production")
        version.with_user(self.operator)._bear("candidate")
        with self.assertRaises(AccessError):
            version.with_user(self.viewer)._bear("candidate")
        version.with_user(self.reviewer)._bear("production")
        self.assertEqual(self.prompt._version(), version)

    def test_agents_move_nothing(self):
        self.robot.group_ids |= self.env.ref("steward.group_reviewer")
        with self.assertRaises(AccessError):
            self.prompt.version_id.with_user(self.robot)._bear("candidate")
        with self.assertRaises(Refused):
            self.env["steward.tool"]._checked_method("steward.prompt", "move_label")

    def test_other_labels_can_be_protected(self):
        version = self.prompt.version_id
        version.with_user(self.operator)._bear("canary")
        label = self.prompt.label_ids
        with self.assertRaises(AccessError):
            label.with_user(self.operator).is_protected = True
        label.with_user(self.reviewer).is_protected = True
        with self.assertRaises(AccessError):
            version.with_user(self.operator)._bear("canary")
        with self.assertRaises(Refused):
            label.with_user(self.reviewer).version_id = False

    def test_production_stays_protected(self):
        self.prompt.version_id._bear("production")
        with self.assertRaises(ValidationError):
            self.prompt.label_ids.with_user(self.reviewer).is_protected = False

    def test_for_programs(self):
        self.versions("Two")
        prompts = self.prompts.with_user(self.reviewer)
        told = prompts.move_label("answers", "production", 1)
        self.assertEqual(
            told, {"prompt": "answers", "label": "production", "version": 1}
        )
        self.assertEqual(prompts.move_label("answers", "production", 2)["before"], 1)
        for arguments in (
            ("answrs", "production", 1),
            ("answers", "production", 9),
            ("answers", "Not A Label", 1),
        ):
            with self.subTest(arguments), self.assertRaises(Invalid):
                prompts.move_label(*arguments)
        with self.assertRaises(AccessError):
            prompts.with_user(self.operator).move_label("answers", "production", 1)

    def test_releasing_on_the_screen(self):
        self.prompt.version_id._bear("production")
        self.versions("Two")
        action = self.prompt.with_user(self.reviewer).action_release()
        wizards = self.env["steward.prompt.labelling"].with_user(self.reviewer)
        form = Form(wizards.with_context(**action["context"]))
        self.assertEqual(form.before_id.number, 1)
        self.assertIn("+text: Two", form.diff)
        form.note = "Shorter"
        form.save().action_move()
        self.assertEqual(self.prompt._version().number, 2)
        self.assertEqual(self.prompt.move_ids[0].note, "Shorter")

    def test_other_companies(self):
        other = self.env["res.company"].create({"name": "Other"})
        theirs = self.make(code="theirs", company_id=other.id)
        theirs.version_id._bear("production")
        mine = self.prompts.with_user(self.reviewer)
        self.assertNotIn(theirs, mine.search([]))
        for records in (theirs.version_ids, theirs.label_ids, theirs.move_ids):
            self.assertFalse(
                records.with_user(self.reviewer).search([("id", "in", records.ids)])
            )
        with self.assertRaises(Invalid):
            mine.move_label("theirs", "candidate", 1)
        with self.assertRaises(AccessError):
            theirs.version_id.with_user(self.reviewer)._bear("candidate")

    # -- runs --------------------------------------------------------------------------

    def test_how_its_runs_went(self):
        first, second = self.versions("Two")
        runs = self.env["steward.run"]
        agent = self.agent("\n  - stop: done\n")
        for version, state, cost in (
            (first, "completed", 0.25),
            (first, "completed", 0.0),
            (first, "failed", 0.05),
            (first, "running", 0.1),
            (second, "running", 0.0),
        ):
            run = self.start(agent).sudo()
            run._write_own(
                {"prompt_version_id": version.id, "state": state, "cost": cost}
            )
        self.assertEqual(first.run_count, 4)
        self.assertAlmostEqual(first.success_rate, 2 / 3)
        self.assertAlmostEqual(first.run_cost, 0.1)
        self.assertEqual((second.run_count, second.ended_count), (1, 0))
        self.assertEqual(self.prompt.run_count, 5)
        self.assertEqual(runs.search_count(first.action_runs()["domain"]), 4)
        self.assertEqual(runs.search_count(self.prompt.action_runs()["domain"]), 5)

    def test_a_list_takes_few_queries(self):
        versions = self.versions(*map(str, range(10)))
        self.env.invalidate_all()
        versions = versions.browse(versions.ids)
        with self.assertQueryCount(3):  # the user, its partner, and one for all runs
            versions.mapped("run_count")
            versions.mapped("success_rate")


@tagged("post_install", "-at_install")
class TestPlayground(ModelKit, PromptCase):
    """Two sides on one input, asked of a provider's server."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # a model that its provider does not offer any longer
        cls.gone = cls.chat.copy({"name": "gone"})
        cls.env["steward.price"].create(
            {"model_name": "gpt-test", "rate_input": 100.0, "rate_output": 1000.0}
        )

    def playground(self, user=None, **values):
        versions = self.versions("Two for {{ customer }}")
        playgrounds = self.env["steward.prompt.playground"].with_user(
            user or self.operator
        )
        return playgrounds.create(
            {
                "prompt_id": self.prompt.id,
                "left_version_id": versions[0].id,
                "right_version_id": versions[1].id,
                "left_model_id": self.chat.id,
                "right_model_id": self.chat.id,
                "values": "customer: Ann",
                "input": "Hi",
                **values,
            }
        )

    def test_side_by_side(self):
        used = {"prompt_tokens": 12, "completion_tokens": 3}
        self.server.reply("Hello", usage=used)
        self.server.reply("Good day", usage=used)
        wizard = self.playground(max_tokens=70)
        with patch.object(self.server, "_chat", self.slowly):
            wizard.action_try()
        asked = self.server.asked(CHAT)
        told = [one["messages"][0]["content"] for one in asked]
        self.assertEqual(told, ["Answer Ann kindly.", "Two for Ann"])
        self.assertEqual(asked[0]["messages"][1], {"role": "user", "content": "Hi"})
        self.assertEqual((asked[0]["model"], asked[0]["max_tokens"]), ("gpt-test", 70))
        self.assertEqual(
            (wizard.left_answer, wizard.right_answer), ("Hello", "Good day")
        )
        self.assertEqual(wizard.right_told, "Two for Ann")
        self.assertAlmostEqual(wizard.left_cost, 12 * 100e-6 + 3 * 1000e-6)
        self.assertEqual(wizard.left_used, "12 in, 3 out")
        self.assertGreater(wizard.left_seconds, 0)

    def slowly(self, peer):
        """Some hundredths of a second, as are told, on a fast machine, too."""
        time.sleep(0.02)
        type(self.server)._chat(self.server, peer)

    def test_what_it_cost_is_kept(self):
        self.playground().action_try()
        usage = self.env["steward.usage"].search([("model_name", "=", "gpt-test")])
        versions = usage.mapped("prompt_version")
        self.assertCountEqual(versions, ["answers@1", "answers@2"])

    def test_one_side_that_fails_stops_no_other(self):
        self.server.reply("Hello")
        wizard = self.playground(left_model_id=self.gone.id)
        wizard.action_try()
        self.assertIn("gone does not exist", wizard.left_problem)
        self.assertFalse(wizard.left_answer)
        self.assertIs(wizard.left_cost, False)
        self.assertEqual(wizard.right_answer, "Hello")

    def test_a_second_try_forgets_the_first(self):
        wizard = self.playground()
        wizard.action_try()
        wizard.left_model_id = self.gone
        wizard.action_try()
        self.assertFalse(wizard.left_answer or wizard.left_used)
        self.assertTrue(wizard.right_answer)

    def test_what_is_missing(self):
        wizard = self.playground(values="customer:")
        wizard.action_try()
        self.assertIn("'customer' is missing", wizard.left_problem)
        self.assertFalse(self.server.asked(CHAT))
        wizard = self.playground(right_model_id=False)
        wizard.action_try()
        self.assertIn("Choose", wizard.right_problem)
        for values in ("- a", "a: ["):
            with self.subTest(values), self.assertRaises(Invalid):
                self.playground(values=values).action_try()

    def test_a_variable_that_one_side_does_not_know(self):
        wizard = self.playground()
        self.prompt.text = "Two for {{ customer }} and {{ other }}"
        wizard.right_version_id = self.prompt.version_id
        wizard.values = "{customer: Ann, other: Bob}"
        wizard.action_try()
        self.assertFalse(wizard.left_problem)
        self.assertEqual(wizard.right_told, "Two for Ann and Bob")

    def test_what_it_proposes(self):
        first, _second = self.versions("Two {{ n }}")
        self.prompt.variables = "n: {type: integer, default: 3, description: How many}"
        first._bear("production")
        action = self.prompt.with_user(self.operator).action_try()
        playgrounds = self.env["steward.prompt.playground"].with_user(self.operator)
        form = Form(playgrounds.with_context(**action["context"]))
        self.assertEqual(form.left_version_id, first)
        self.assertEqual(form.right_version_id, self.prompt.version_id)
        self.assertEqual(form.values, "customer: \nn: 3  # How many")
        wizard = form.save()
        self.assertEqual(wizard._given(), {"n": 3})
        both = self.prompt.version_ids.sorted("number")[:2]
        chosen = both.action_try()["context"]
        self.assertEqual(chosen["default_right_version_id"], both[1].id)
        with self.assertRaises(Invalid):
            self.prompt.version_ids.action_try()
        labelled = wizard.action_label()
        self.assertEqual(
            labelled["context"]["default_version_id"], wizard.right_version_id.id
        )

    def test_who_tries(self):
        self.playground(self.reviewer).action_try()
        employee = new_test_user(self.env, "somebody", "base.group_user")
        for user in (self.viewer, employee, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.playground(user)


@tagged("post_install", "-at_install")
class TestPromptScreen(HttpCase, PromptCase):
    def test_releasing(self):
        self.prompt.name = "Kind replies"
        self.prompt.version_id._bear("production")
        self.versions("Shorter")
        self.start_tour(
            "/odoo/steward-prompts", "steward_prompt", login="rev", timeout=180
        )
        self.assertEqual(self.prompt._version().content, "Shorter")
