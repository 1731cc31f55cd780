from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.query import OPERATORS, QueryProblem, read_domain

values = st.none() | st.booleans() | st.integers(1, 9) | st.text(max_size=5)
anything = st.recursive(
    values, lambda inner: st.lists(inner, max_size=4) | st.just({}), max_leaves=12
)
conditions = st.tuples(st.sampled_from(["name", "a.b"]), st.just("="), values).map(list)


def operands(items):
    """How many complete expressions a list in Polish notation holds; None if broken."""
    stack = 0
    for item in reversed(items):
        if item in ("&", "|"):
            if stack < 2:
                return None
            stack -= 1
        elif item == "!":
            if stack < 1:
                return None
        else:
            stack += 1
    return stack


class TestDomain(BaseCase):
    @given(st.lists(st.sampled_from(["&", "|", "!"]) | conditions, max_size=8))
    def test_operators_have_what_they_stand_before(self, written):
        try:
            read = read_domain(written)
        except QueryProblem:
            self.assertIsNone(operands(written))
        else:
            self.assertIsNotNone(operands(written))
            self.assertEqual(
                [i if isinstance(i, str) else list(i) for i in read], written
            )

    @given(anything)
    def test_anything_else_is_refused(self, written):
        try:
            read = read_domain(written)
        except QueryProblem as problem:
            self.assertTrue(str(problem))
        else:
            self.assertIsInstance(written, list)
            for item in read:
                if not isinstance(item, str):
                    path, operator, _value = item
                    self.assertIsInstance(path, str)
                    self.assertIn(operator, OPERATORS)

    def test_values(self):
        for condition in (
            ["a", "in", [[1]]],
            ["a", "in", [{}]],
            ["a", "=", {}],
            ["a", "child_of", True],
            ["a", ["="], 1],
            ["a", "<", True],
            ["a", "not ilike", "_"],
            ["a", "in", 3],
            ["a", "=", [3]],
        ):
            with self.subTest(condition), self.assertRaises(QueryProblem):
                read_domain([condition])
        with self.assertRaises(QueryProblem):
            read_domain([["a", "=", 1]] * 300)
