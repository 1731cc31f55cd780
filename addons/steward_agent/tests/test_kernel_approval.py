import math

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.approval import (
    WHEN,
    Call,
    Rule,
    deciding,
    differing,
    exceeds,
    fingerprint,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
some = st.none() | st.integers(1, 3)
link = st.builds(lambda number: {"id": number, "name": "Ann"}, st.integers(1, 9))
before = st.just(False) | st.integers(2, 9) | link | st.lists(link, max_size=3)
rules = st.builds(
    Rule,
    id=st.integers(1, 99),
    when=st.sampled_from(list(WHEN)),
    agents=st.sampled_from(["all", "chat"]),
    agent=some,
    company=some,
    tool=some,
    risk=st.none() | st.sampled_from(["write", "external"]),
    amount=st.sampled_from(["a", "a.b"]),
    threshold=st.floats(0, 10),
)
calls = st.builds(
    Call,
    kind=st.sampled_from(["chat", "playbook"]),
    agent=st.integers(1, 3),
    company=st.integers(1, 3),
    tool=st.integers(1, 3),
    risk=st.sampled_from(["write", "external"]),
    arguments=plain,
)


class TestApprovalRules(BaseCase):
    @given(st.lists(rules, max_size=6), calls, st.booleans())
    def test_only_a_rule_that_fits_decides(self, known_rules, call, known):
        found = deciding(known_rules, call, lambda: known)
        if found:
            self.assertTrue(found.fits(call))
            self.assertNotEqual(found.when, "never")
            before = known_rules[: known_rules.index(found)]
            self.assertTrue(all(r.when == "above" for r in before if r.fits(call)))

    @given(st.lists(rules, max_size=6), calls, st.booleans())
    def test_what_does_not_fit_changes_nothing(self, known_rules, call, known):
        fitting = [rule for rule in known_rules if rule.fits(call)]
        self.assertEqual(
            deciding(known_rules, call, lambda: known),
            deciding(fitting, call, lambda: known),
        )

    @given(st.lists(rules, max_size=6), calls)
    def test_always_first_asks(self, known_rules, call):
        rule = Rule(100, "always")
        self.assertIs(deciding([rule, *known_rules], call, lambda: True), rule)

    @given(plain, st.sampled_from(["a", "a.b", "b.c.a"]), st.floats(0, 100))
    def test_any_arguments_can_be_looked_at(self, arguments, path, threshold):
        self.assertIsInstance(exceeds(arguments, path, threshold), bool)

    def test_amounts(self):
        for arguments, above in (
            ({"a": 10}, False),
            ({"a": 10.01}, True),
            ({"a": -11}, True),
            ({"a": math.nan}, True),
            ({"a": math.inf}, True),
            ({"a": "9"}, True),
            ({"a": True}, True),
            ({"a": None}, True),
            ({"a": [1] * 10}, False),
            ({"a": [1] * 11}, True),
            ({"a": {"b": 99}}, True),
            ({}, False),
            ([], False),
            ([{"a": 3}, {"a": 30}], True),
            (None, False),
        ):
            with self.subTest(arguments=arguments):
                self.assertEqual(exceeds(arguments, "a", 10), above)

    @given(plain, plain)
    def test_a_fingerprint_tells_calls_apart(self, one, other):
        same = fingerprint(["t"], one) == fingerprint(["t"], other)
        # as JSON: True is not 1 there
        self.assertEqual(same, repr(_ordered(one)) == repr(_ordered(other)))
        self.assertNotEqual(fingerprint(["t"], one), fingerprint(["u"], one))

    @given(st.dictionaries(st.sampled_from("abcd"), before, max_size=4), st.data())
    def test_what_differs_is_told_and_nothing_else(self, shown, data):
        names = sorted(shown)
        others = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
        now = {
            name: "another" if name in others else renamed(value)
            for name, value in shown.items()
        }
        self.assertEqual(differing(told(shown), told(now)), sorted(others))

    def test_records_and_fields_that_come_and_go(self):
        one, other = told({"a": 1}), told({"a": 1}, record=8)
        self.assertEqual(differing(one, other), ["a"])
        self.assertEqual(differing(one, one + other), ["a"])
        self.assertEqual(differing(told({}), one), ["a"])
        self.assertEqual(differing([], []), [])


def told(values, record=7):
    """What a preview tells of these values before a change."""
    changes = [
        {"field": field, "before": value, "after": "x"}
        for field, value in values.items()
    ]
    return [{"model": "res.partner", "id": record, "changes": changes}]


def renamed(value):
    """The same links, by other names."""
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return {**value, "name": "Eve"} if isinstance(value, dict) else value


def _ordered(value):
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
