from unittest.mock import patch

import psycopg2

from odoo.addons.steward.exceptions import Locked
from odoo.tests import TransactionCase

RENAME = "UPDATE res_partner SET name = %s WHERE id = %s"


class TestOwnTransaction(TransactionCase):
    """In a test it joins the test's transaction; the real one: tests/test_engine.py."""

    def test_joins_the_test(self):
        partner = self.env["res.partner"].create({"name": "Seen"})
        with self.env["steward"]._own_transaction() as cr:
            cr.execute(
                "UPDATE res_partner SET name = 'Changed' WHERE id = %s", [partner.id]
            )
            self.assertEqual(cr.rowcount, 1)
        self.assertEqual(partner.name, "Changed")

    def test_error_undoes_the_block_alone(self):
        partner = self.env["res.partner"].create({"name": "Seen"})
        with (
            self.assertRaises(ZeroDivisionError),
            self.env["steward"]._own_transaction() as cr,
        ):
            cr.execute(
                "UPDATE res_partner SET name = 'Lost' WHERE id = %s", [partner.id]
            )
            raise ZeroDivisionError
        self.env.invalidate_all()
        self.assertEqual(partner.name, "Seen")

    def test_lock_becomes_a_sentence(self):
        target = "odoo.addons.steward.models.steward.module.current_test"
        with (
            patch(target, None),
            self.assertRaises(Locked) as caught,
            self.env["steward"]._own_transaction(),
        ):
            raise psycopg2.errors.LockNotAvailable
        self.assertIn("Try again in a moment", str(caught.exception))

    def test_settings_of_the_real_one(self):
        target = "odoo.addons.steward.models.steward.module.current_test"
        with patch(target, None), self.env["steward"]._own_transaction() as cr:
            cr.execute(
                "SELECT current_setting('transaction_isolation'),"
                " current_setting('lock_timeout')"
            )
            self.assertEqual(cr.fetchone(), ("read committed", "500ms"))
