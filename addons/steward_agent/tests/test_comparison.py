from odoo import Command
from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .chat_common import ChatCase, says

COUNT = ("count_records", {"model": "res.partner"})
COUNT_USERS = ("count_records", {"model": "res.users"})
FIND = ("find_records", {"model": "res.partner", "limit": 1})


@tagged("post_install", "-at_install")
class TestComparison(ChatCase):
    def two(self):
        agent = self.chat_agent()
        self.answers(says("", COUNT), says("There are 7.\nThat is all."))
        first = self.ask(agent)
        self.answers(
            says("", COUNT_USERS), says("", FIND), says("There are 8.\nThat is all.")
        )
        return first, self.ask(agent)

    def compared(self, first, second, user=None):
        runs = self.env["steward.run"].with_user(user or self.viewer)
        return runs.compare(first.id, second.id)

    def test_two_runs(self):
        first, second = self.two()
        told = self.compared(first, second)
        left, right = told["runs"]
        self.assertEqual((left["steps"], right["steps"]), (3, 5))
        self.assertEqual(left["model"], "test-1")
        self.assertEqual(
            told["output"],
            [
                ("gone", "There are 7."),
                ("new", "There are 8."),
                ("same", "That is all."),
            ],
        )
        kinds = [
            (row.get("left", {}).get("name"), row.get("right", {}).get("name"))
            for row in told["steps"]
        ]
        self.assertEqual(len(kinds), 5)
        self.assertIn(("count_records", "count_records"), kinds)
        self.assertIn((None, "find_records"), kinds)
        [counted] = [
            row
            for row in told["steps"]
            if row.get("left", {}).get("kind") == "tool_call"
        ]
        self.assertEqual(counted["differs"], ["input", "output"])

    def test_two_steps(self):
        first, second = self.two()
        rows = self.compared(first, second)["steps"]
        [row] = [
            row
            for row in rows
            if "input" in row["differs"] and row["left"]["kind"] == "tool_call"
        ]
        runs = self.env["steward.run"].with_user(self.viewer)
        told = runs.compare_steps(row["left"]["id"], row["right"]["id"])
        lines = " ".join(line for _kind, line in told["input"])
        self.assertIn("res.partner", lines)
        self.assertIn("res.users", lines)
        with self.assertRaises(Invalid):
            runs.compare_steps(row["left"]["id"], 0)

    def test_a_run_with_itself(self):
        first, second = self.two()
        with self.assertRaises(Invalid):
            self.compared(first, first)
        with self.assertRaises(Invalid):
            first.action_compare()
        action = (second + first).with_user(self.viewer).action_compare()
        self.assertEqual(action["params"], {"run": first.id, "other": second.id})
        params = first.action_compare_with()["params"]
        self.assertEqual(self.env["steward.run"].search(params["domain"]), second)

    def test_who_may_not(self):
        first, second = self.two()
        employee = new_test_user(self.env, "emp", "base.group_user")
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "other",
            "steward.group_viewer",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        step = self.steps_of(first)[0]
        for user in (employee, self.robot, other):
            runs = self.env["steward.run"].with_user(user)
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                runs.compare(first.id, second.id)
        with self.assertRaises(AccessError):
            self.env["steward.run"].with_user(employee).compare_steps(step.id, step.id)
        with self.assertRaises(Invalid):
            self.env["steward.run"].with_user(other).compare_steps(step.id, step.id)
