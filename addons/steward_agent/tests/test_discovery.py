from unittest.mock import patch

import numpy as np

from odoo import Command
from odoo.addons.steward.exceptions import Invalid, Unreachable
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .chat_common import ChatCase


@tagged("post_install", "-at_install")
class TestDiscovery(ChatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["steward.agent"].search([]).active = False
        cls.agents = cls.env["steward.agent"].with_user(cls.viewer)

    def setUp(self):
        super().setUp()
        self.tidy = self.chat_agent(
            tools=("count_records",),
            name="Address keeper",
            description="Tidies the data of partners.",
        )
        self.chase = self.chat_agent(
            name="Reminder", description="Chases unpaid invoices."
        )

    def near(self, *nearness):
        """Let these be how near the agents are in meaning, in the order of names."""

        def embed(_model, texts, purpose="document"):
            if purpose == "query":
                return np.array([[1.0, 0.0]])
            return np.array([[n, 0.0] for n in nearness])

        kind = type(self.env["steward.model"])
        model = self.model
        self.enterContext(patch.object(kind, "_embed", embed))
        self.enterContext(patch.object(kind, "_default_embedding", lambda _self: model))

    def unable(self):
        kind = type(self.env["steward.model"])
        model = self.model
        fail = patch.object(kind, "_embed", side_effect=Unreachable("Nobody answers."))
        self.enterContext(fail)
        self.enterContext(patch.object(kind, "_default_embedding", lambda _self: model))

    def test_by_words(self):
        self.unable()
        [found] = self.agents.discover("tidy my partners")
        self.assertEqual(found["code"], self.tidy.code)
        self.assertEqual(found["tools"], ["count_records"])
        self.assertEqual(self.agents.discover("weather"), [])
        with self.assertRaises(Invalid):
            self.agents.discover(" ")

    def test_by_meaning(self):
        self.near(0.1, 0.9)
        [found] = self.agents.discover("who owes us money?")
        self.assertEqual(found["code"], self.chase.code)
        self.near(0.9, 0.9)
        self.assertEqual(len(self.agents.discover("anything", limit=1)), 1)

    def test_with_the_model_that_is_there(self):
        """Also where nothing was set up: the built-in one that needs nothing."""
        [found, *_others] = self.agents.discover("Chase the unpaid invoices")
        self.assertEqual(found["code"], self.chase.code)
        self.assertGreater(found["score"], 0.4)

    def test_tools(self):
        self.unable()
        tools = self.env["steward.tool"].with_user(self.viewer)
        found = tools.discover("count the records of a model")
        self.assertEqual(found[0]["name"], "count_records")
        self.assertIn(self.tidy.code, found[0]["agents"])
        self.assertEqual(found[0]["risk"], "read")

    def test_in_the_list(self):
        self.unable()
        search = self.agents.search
        self.assertEqual(search([("meaning", "ilike", "tidy partners")]), self.tidy)
        self.assertEqual(search([("meaning", "ilike", "")]), self.tidy + self.chase)
        [tool] = self.env["steward.tool"].search(
            [("meaning", "ilike", "count records"), ("name", "=", "count_records")]
        )
        self.assertTrue(tool)

    def test_only_what_one_may_read(self):
        self.unable()
        employee = new_test_user(self.env, "emp", "base.group_user")
        for user in (employee, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.agents.with_user(user).discover("tidy partners")
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.env["steward.tool"].with_user(user).discover("count")
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "other",
            "steward.group_viewer",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        self.assertEqual(self.agents.with_user(other).discover("tidy partners"), [])
