import json
import xmlrpc.client
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.plain import plain
from . import kernel_common  # noqa: F401

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.datetimes()
    | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.integers() | st.text("abc"), inner)
    ),
    max_leaves=20,
)


class TestPlain(BaseCase):
    @given(values)
    def test_both_wires_carry_it(self, value):
        value = plain(value)
        json.dumps(value, allow_nan=False)
        xmlrpc.client.dumps((value,))
        self.assertEqual(plain(value), value, "plain already")

    def test_kinds(self):
        self.assertEqual(plain(Decimal("NaN")), False)
        self.assertEqual(plain({"a": float("inf"), "b": -(2**31)}), {"b": -(2.0**31)})
        self.assertEqual(
            plain(datetime(2026, 1, 2, tzinfo=UTC)), "2026-01-02 00:00:00+00:00"
        )
