import doctest
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import allowance as kernel
from ..kernel.allowance import LEAST, Money, TooLittle, allowance

AMOUNT = st.decimals(0, 100, places=6)


@tagged("post_install", "-at_install")
class TestAllowance(BaseCase):
    def test_doctests(self):
        found = doctest.testmod(kernel, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
        self.assertFalse(found.failed)

    @given(
        st.integers(0, 10**6),
        st.none() | st.integers(LEAST, 10**5),
        st.none() | st.integers(0, 10**6),
        st.none() | st.builds(Money, AMOUNT, AMOUNT, AMOUNT),
    )
    def test_no_limit_is_ever_passed(self, question, wanted, tokens_left, money):
        try:
            most = allowance(question, wanted, tokens_left, money)
        except TooLittle:
            return
        if most is None:
            self.assertTrue(wanted is None and tokens_left is None)
            return
        self.assertGreaterEqual(most, LEAST)
        if wanted is not None:
            self.assertLessEqual(most, wanted)
        if tokens_left is not None:
            self.assertLessEqual(question + most, tokens_left)
        if money is not None:
            self.assertLessEqual(money.question + most * money.token, money.left)

    def test_what_costs_nothing(self):
        free = Money(Decimal(1), Decimal(0), Decimal(0))
        self.assertEqual(allowance(10, 50, None, free), 50)
        self.assertIsNone(allowance(10, None, None, free))

    def test_too_little(self):
        with self.assertRaisesRegex(TooLittle, "money"):
            allowance(10, 50, None, Money(Decimal(0), Decimal(0), Decimal(0)))
        with self.assertRaisesRegex(TooLittle, "tokens"):
            allowance(10, 50, 20)
