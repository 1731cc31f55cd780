from decimal import Decimal

from odoo.tests import TransactionCase

from ..fields import exact


class TestAmount(TransactionCase):
    def price(self, **values):
        return self.env["steward.price"].create(
            {"model_name": "m", "rate_input": 1, **values}
        )

    def stored(self, price):
        price.flush_recordset()
        self.env.cr.execute(
            "SELECT rate_output::text FROM steward_price WHERE id = %s", [price.id]
        )
        return self.env.cr.fetchone()[0]

    def test_unknown_is_null_and_zero_is_zero(self):
        price = self.price()
        for value, stored, read in [
            (False, None, False),
            (0, "0.000000000", 0.0),
            (None, None, False),
            (Decimal("123456.123456789"), "123456.123456789", 123456.123456789),
            (0.1, "0.100000000", 0.1),
            (Decimal("0.0000000004"), "0.000000000", 0.0),
        ]:
            with self.subTest(value=value):
                price.rate_output = value
                self.assertEqual(price.rate_output, read)
                self.assertEqual(self.stored(price), stored)
                price.invalidate_recordset()
                self.assertEqual(price.rate_output, read)
                self.assertIs(price.rate_output is False, read is False)

    def test_exact(self):
        price = self.price(rate_output=Decimal("0.123456789"))
        price.invalidate_recordset()
        self.assertEqual(exact(price.rate_output), Decimal("0.123456789"))
        self.assertIsNone(exact(price.rate_cached))

    def test_searching_for_unknown_finds_no_zero(self):
        unknown, free = self.price(), self.price(model_name="n", rate_output=0)
        both = [("id", "in", (unknown | free).ids)]
        prices = self.env["steward.price"]
        self.assertEqual(prices.search([*both, ("rate_output", "=", False)]), unknown)
        self.assertEqual(prices.search([*both, ("rate_output", "=", 0)]), free)
        self.assertEqual(prices.search([*both, ("rate_output", "!=", False)]), free)

    def test_sums_leave_unknown_out(self):
        ids = (self.price() | self.price(model_name="n", rate_output=2)).ids
        [(total,)] = self.env["steward.price"]._read_group(
            [("id", "in", ids)], aggregates=["rate_output:sum"]
        )
        self.assertEqual(total, 2)
