from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import pricing
from ..kernel.pricing import Quote, Rates, Usage, cost, flat

counts = st.integers(0, 10**9)
money = st.decimals(0, 1000, places=6)
rates = st.builds(Rates, *[money] * 5)


class TestPricing(BaseCase):
    @given(counts, counts, counts, counts, counts, money)
    def test_one_rate_for_all_is_the_sum_of_tokens(self, i, o, c, w, r, rate):
        """Whatever is cached or reasoning: no token is paid twice, none is free."""
        usage = Usage(i, o, c, w, r)
        expected = pricing.rounded((i + o) * rate / 10**6)
        self.assertEqual(cost(usage, flat(Rates(*[rate] * 5))), expected)
        self.assertEqual(cost(usage, flat(Rates(rate, rate))), expected)

    @given(counts, counts, counts, rates)
    def test_cheaper_cache_never_costs_more(self, i, o, c, told):
        cheap = told._replace(cached=min(told.cached, told.input))
        plain = told._replace(cached=None)
        usage = Usage(i, o, c)
        self.assertLessEqual(cost(usage, flat(cheap)), cost(usage, flat(plain)))

    @given(counts, counts, rates)
    def test_more_tokens_never_cost_less(self, i, o, told):
        less, more = Usage(i, o), Usage(i + 1, o + 1)
        self.assertLessEqual(cost(less, flat(told)), cost(more, flat(told)))

    def test_each_kind_has_its_rate(self):
        told = flat(Rates(*map(Decimal, (1, 2, 4, 8, 16))))
        million = 10**6
        for usage, dollars in [
            (Usage(million), 1),
            (Usage(0, million), 2),
            (Usage(million, 0, million), 4),
            (Usage(million, 0, 0, million), 8),
            (Usage(0, million, 0, 0, million), 16),
            (
                Usage(3 * million, 2 * million, million, million, million),
                1 + 4 + 8 + 18,
            ),
        ]:
            with self.subTest(usage=usage):
                self.assertEqual(cost(usage, told), dollars)

    def test_unknown_is_not_zero(self):
        only_in = flat(Rates(Decimal(1)))
        self.assertEqual(cost(Usage(1000), only_in), Decimal("0.001"))
        self.assertIsNone(cost(Usage(1000, 1), only_in))
        self.assertIsNone(cost(Usage(1), ()))
        self.assertEqual(cost(Usage(), ()), 0)

    def test_tiers(self):
        price = pricing.tiered(
            [(0, Rates(Decimal(1))), (100, Rates(Decimal(2))), (200, Rates(Decimal(3)))]
        )
        found = [pricing.rates_for(n, price).input for n in (0, 100, 101, 200, 201)]
        self.assertEqual(found, [1, 1, 2, 2, 3])
        self.assertEqual(pricing.rates_for(5, price[1:]), Rates())

    def test_charge(self):
        quote = Quote(flat(Rates(Decimal(1))), "computed", 7, "v")
        self.assertEqual(
            pricing.charge(Usage(10**6), quote), (Decimal(1), "computed", 7, "v")
        )
        self.assertEqual(
            pricing.charge(Usage(10**6, estimated=True), quote).source, "estimated"
        )
        # it is told which price lacked a rate
        self.assertEqual(pricing.charge(Usage(0, 1), quote), (None, "unknown", 7, "v"))
        self.assertEqual(pricing.charge(Usage(), None), (None, "unknown", None, ""))

    def test_believable(self):
        for told, expected in [
            (Decimal("1.23456789012"), Decimal("1.234567890")),
            (Decimal(0), 0),
            (Decimal("-0.01"), None),
            (Decimal("Infinity"), None),
            (Decimal(10**9), None),
            (None, None),
        ]:
            self.assertEqual(pricing.believable(told), expected)
