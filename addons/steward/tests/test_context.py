from unittest.mock import patch

from odoo.tests import TransactionCase
from odoo.tools import mute_logger

from ..exceptions import Invalid, Refused
from ..kernel.context import Item


class TestContext(TransactionCase):
    """Who knows something is heard; who fails is left out, and that is told."""

    def assemble(self, providers, budget=200, task="close the year"):
        model = self.registry["steward.context"]
        with patch.object(model, "_get_providers", lambda _self: providers):
            return self.env["steward.context"]._assemble(task, budget)

    def test_nobody_knows_anything(self):
        told = self.assemble({})
        self.assertEqual((told["text"], told["tokens"]), ("", 0))
        self.assertFalse(told["degraded"])
        self.assertNotIn("reason", told)

    def test_told_with_numbers_to_cite(self):
        asked = []

        def passages(task, tokens):
            asked.append((task, tokens))
            return [Item("Lock the dates.", "Closing", "/doc", 0.5, {"chunk_id": 7})]

        told = self.assemble({"passages": passages})
        self.assertEqual(asked, [("close the year", 200)])
        [row] = told["passages"]
        self.assertEqual((row["number"], row["chunk_id"]), (1, 7))
        self.assertIn("[1] Closing (/doc)\nLock the dates.", told["text"])

    @mute_logger(
        "odoo.addons.steward.models.steward_context", "odoo.addons.steward.exceptions"
    )
    def test_who_fails_stops_nobody(self):
        def broken(_task, _tokens):
            self.env.cr.execute("SELECT 1 / 0")

        def refused(_task, _tokens):
            raise Refused("Not for you.")

        with mute_logger("odoo.sql_db"):
            told = self.assemble(
                {
                    "memory": broken,
                    "skills": refused,
                    "passages": lambda *_about: [Item("Lock the dates.")],
                }
            )
        self.assertTrue(told["degraded"])
        self.assertIn("Skills: Not for you.", told["reason"])
        self.assertIn("Lock the dates.", told["text"])

    def test_budgets_that_are_none(self):
        for budget in (0, -1, 10**9, "many", None, 1.5):
            with self.subTest(budget=budget), self.assertRaises(Invalid):
                self.assemble({}, budget)
