import json
import math
import operator

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import expression
from ..kernel.expression import (
    FUNCTIONS,
    ExpressionError,
    Missing,
    evaluate,
    names,
    names_in,
    render,
)

NOW = "2026-03-02 10:30:00"
VARIABLES = {
    "__now__": NOW,
    "n": 3,
    "half": 0.5,
    "text": "Azure",
    "none": None,
    "yes": True,
    "empty": [],
    "list": [3, 1, 2],
    "partner": {"name": "Azure", "email": None, "keys": "member"},
    "lines": [{"qty": 2, "to": "b"}, {"qty": 5, "to": "a"}, {"qty": 5, "to": "c"}],
}

numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc_", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


class TestEvaluate(BaseCase):
    def check(self, cases):
        for text, value in cases.items():
            with self.subTest(text):
                found = evaluate(text, VARIABLES)
                self.assertEqual(found, value)
                self.assertIs(type(found), type(value))

    def refused(self, cases):
        for text, words in cases.items():
            with self.subTest(text[:60]):
                with self.assertRaises(ExpressionError) as caught:
                    evaluate(text, VARIABLES)
                self.assertIn(words, str(caught.exception))

    def test_operators(self):
        self.check(
            {
                "1 + 2 * 3": 7,
                "-n + +n": 0,
                "7 // 2": 3,
                "7 / 2": 3.5,
                "7 % 4": 3,
                "5 - 7": -2,
                "'a' + text": "aAzure",
                "list + [4]": [3, 1, 2, 4],
                "1 < n <= 3": True,
                "3 >= n > 3": False,
                "'a' < 'b'": True,
                "[1, 2] < [1, 3]": True,
                "n == 3 and n != 4": True,
                "none is None": True,
                "none is not null": False,
                "not yes": False,
                "0 or 'x'": "x",
                "0 and 1 / 0": 0,
                "2 in list": True,
                "4 not in list": True,
                "'zu' in text": True,
                "'name' in partner": True,
                "4 in partner": False,
                "4 not in partner": True,
                "'much' if n > 2 else 'little'": "much",
                "[1, (2, 3)]": [1, [2, 3]],
                "{'a': n, text: [n]}": {"a": 3, "Azure": [3]},
                "true or false": True,
                "1,": [1],
                "(\n n\n + 1)": 4,
                "{{ n + 1 }}": 4,
                "join(['a', 'b'], '\n')": "a\nb",
                r"join(['a', 'b'], '\n')": "a\nb",
            }
        )

    def test_parts(self):
        self.check(
            {
                "partner.name": "Azure",
                "partner['name']": "Azure",
                "partner.keys": "member",  # a member, never a method
                "list[0] + list[-1]": 5,
                "text[:2]": "Az",
                "list[1:]": [1, 2],
                "list[-2:-1]": [1],
                "[l.qty for l in lines if l.qty > 2]": [5, 5],
                "[k for k in partner]": ["name", "email", "keys"],
                "[n for n in list] + [n]": [3, 1, 2, 3],  # its own n, and the outer
            }
        )

    def test_functions(self):
        self.check(
            {
                "len(text) + len(list) + len(partner)": 11,
                "sum([1, 2.5])": 3.5,
                "min(list) + max(4, 5)": 6,
                "min(['b', 'a'])": "a",
                "round(2.567, 1)": 2.6,
                "round(2.5)": 2,
                "abs(-3)": 3,
                "int('12') + int(3.9)": 15,
                "float('2.5')": 2.5,
                "str(true) + str(none) + str(2)": "true2",
                "bool(list)": True,
                "lower('A') + upper('b') + strip(' c ')": "aBc",
                "join(list)": "3, 1, 2",
                "join(['a', 'b'], '-')": "a-b",
                "split('a, b')": ["a", "b"],
                "split('a|b', '|')": ["a", "b"],
                "sorted(list)": [1, 2, 3],
                "[l.to for l in sorted(lines, by='qty', descending=true)]": [
                    "a",
                    "c",
                    "b",
                ],
                "unique([1, 2, 1, {'a': 1}, {'a': 1}])": [1, 2, {"a": 1}],
                "any([0, 1])": True,
                "all([0, 1])": False,
                "keys({'a': 1}) + values({'a': 1})": ["a", 1],
                "first(list) + last(list)": 5,
                "first(empty)": None,
                "default(partner.email, 'none')": "none",
                "default(partner.phone, 'none')": "none",
                "default(empty[0], otherwise=n)": 3,
                "default([l.no for l in lines], 'none')": "none",
                "default(n, 1 / 0)": 3,
                "format(3.14159, 2)": "3.14",
                "format('2026-01-31', '%d.%m.%Y, 100%%')": "31.01.2026, 100%",
            }
        )

    def test_times(self):
        self.check(
            {
                "today()": "2026-03-02",
                "now()": NOW,
                "days('2026-01-31')": 30,
                "days('2026-03-04T08:00:00Z', '2026-03-01')": -3,
                "hours('2026-03-02 10:00:00')": 0.5,
                "hours('2026-03-02', end='2026-03-03')": 24.0,
                "date_add(today(), days=-1)": "2026-03-01",
                "date_add('2026-01-31', months=1)": "2026-02-28",
                "date_add('2026-01-15', months=-2)": "2025-11-15",
                "date_add('2026-03-02', hours=36)": "2026-03-03 12:00:00",
                "date_add(now(), minutes=45)": "2026-03-02 11:15:00",
                "today() < '2026-03-02 00:00:00'": True,
            }
        )

    def test_refusals(self):
        self.refused(
            {
                "": "empty",
                "{{ }}": "empty",
                "1 +": "no expression",
                "a) + (b": "parentheses",
                "x" * 2001: "longer than",
                "\0": "no expression",
                "'\ud800'": "no expression",
                "(" * 500 + ")" * 500: "no expression",
                "-" * 1500 + "1": "nested too deeply",
                "nobody": "there is no variable 'nobody'",
                "partnr.name": "did you mean 'partner'",
                "today": "write today()",
                "__now__": "there is no variable",
                "partner.nam": "did you mean 'name'",
                "none.name": "none is null, which has no 'name'",
                "none[0]": "has no parts",
                "n[:1]": "neither text nor a list",
                "list[::2]": "a start and an end only",
                "list[1:2, 3]": "a start and an end only",
                "list[9]": "none at 9",
                "list[0.5]": "not a whole number",
                "list['a']": "is not a number",
                "partner[1]": "is not text",
                "1 + 'a'": "is not a number",
                "'a' + 1": "use str()",
                "yes + 1": "is not a number",
                "'a' * 3": "is not a number",
                "1 < 'a'": "cannot be compared",
                "[1] < ['a']": "lists cannot be compared",
                "sorted(partner)": "is not a list",
                "1 / 0": "divides by zero",
                "1 in n": "holds nothing",
                "1 in text": "is not text",
                "1e308 * 10": "is not a number",
                "9223372036854775807 * 9": "too large a number",
                "len(n)": "has no length",
                "min([])": "no smallest",
                "round(1, 99)": "digits",
                "round(1, 0.5)": "digits",
                "int('x')": "not a whole number",
                "float('x')": "is not a number",
                "float('nan')": "is not a number",
                "split('a', '')": "separator",
                "keys(1)": "no members",
                "days('soon')": "not a date",
                "days('0001-01-01T00:00:00+14:00')": "not a date",
                "date_add('2026-01-01', days=1e9)": "too far away",
                "date_add('2026-01-01', months=99999999)": "too far away",
                "date_add('2026-01-01', days='x')": "is not a number",
                "format('2026-01-01', '%999999999d')": "in a pattern",
                "format(1, 16)": "decimals",
                "format(1, 'x')": "is not a number",
                "{1: 2}": "is not text",
            }
        )

    def test_malice(self):
        """Ways out of other evaluators; here there is nothing behind the door."""
        self.refused(
            {
                "().__class__.__mro__": "begins with an underscore",
                "text.__class__": "begins with an underscore",
                "partner._x": "begins with an underscore",
                "text.format(n)": "no methods",
                "'{0.__class__}'.format(n)": "no methods",
                "partner.get('name')": "no methods",
                "(lambda: 1)()": "no methods",
                "len.__globals__": "begins with an underscore",
                "__import__('os')": "no function '__import__'",
                "eval('1')": "no function 'eval'",
                "open('/etc/passwd')": "no function 'open'",
                "getattr(text, 'x')": "no function 'getattr'",
                "range(10)": "no function 'range'",
                "lambda: 1": "'lambda' is not known",
                "f'{n}'": "f before it",
                "9 ** 9": "'**' is not known",
                "1 << 60": "not known",
                "~n": "not known",
                "b'x'": "is not known",
                "1j": "is not known",
                "...": "is not known",
                "{1, 2}": "a set is not known",
                "[*list]": "'*' is not known",
                "{**partner}": "'**' is not known",
                "len(*list)": "'*' is not known",
                "len(**partner)": "len(): missing",
                "(n := 4)": "':=' is not known",
                "(x for x in list)": "without [ ]",
                "{x for x in list}": "a set is not known",
                "{x: x for x in list}": "made with 'for'",
                "[x for x in list for y in list]": "one 'for",
                "[x for x, y in lines]": "one 'for",
                "[x async for x in list]": "'async'",
                "'\\ud800'": "cannot be stored",
                "'\\0'": "cannot be stored",
                "n; n": "no expression",
                "n = 4": "no expression",
                "import os": "no expression",
                "yield": "not known",
                "await n": "not known",
                "len(1, 2)": "len(): too many",
                "len(value=1, x=2)": "len(): got an unexpected",
            }
        )

    def test_work_is_bounded(self):
        big = {"big": list(range(50_000)), "text": "x" * 1_500_000, "t": "x" * 100_000}
        for text in (
            "[[x for x in big] for y in big]",
            "[t + 'x' for y in big]",
            "[sorted(big) for y in big]",
            "[y in big for y in big]",
            "[big == big for y in big]",
            "[big != big for y in big]",
            "[t[1:] for y in big]",
        ):
            with self.subTest(text), self.assertRaises(ExpressionError) as caught:
                evaluate(text, big)
            self.assertIn("too much work", str(caught.exception))
        for text in ("text + text", "big + big + big"):
            with self.subTest(text), self.assertRaises(ExpressionError) as caught:
                evaluate(text, big)
            self.assertIn("too large", str(caught.exception))

    def test_only_plain_data(self):
        class Record(dict):
            pass

        for value in (Record(a=1), object(), (1, 2), {1}, len):
            with self.assertRaises(ExpressionError) as caught:
                evaluate("x", {"x": value})
            self.assertIn("not plain data", str(caught.exception))

    def test_no_clock(self):
        with self.assertRaises(ExpressionError):
            evaluate("now()", {})

    @given(numbers, numbers, st.sampled_from(["+", "-", "*", "<", "<=", "==", ">"]))
    def test_it_counts_as_python_does(self, one, other, sign):
        operators = {
            "+": operator.add,
            "-": operator.sub,
            "*": operator.mul,
            "<": operator.lt,
            "<=": operator.le,
            "==": operator.eq,
            ">": operator.gt,
        }
        found = evaluate(f"a {sign} b", {"a": one, "b": other})
        self.assertEqual(found, operators[sign](one, other))

    @given(json_values)
    def test_a_value_goes_through(self, value):
        self.assertEqual(evaluate("x", {"x": value}), value)
        self.assertEqual(render("{{ x }}", {"x": value}), value)
        self.assertEqual(evaluate("[y for y in x]", {"x": [value]}), [value])
        self.assertEqual(evaluate("unique(x)", {"x": [value] * 3}), [value])

    @given(
        st.text(max_size=60)
        | st.text("[](){}.,:'\"+-*/%<>= xnlforinif_09", max_size=40)
    )
    def test_whatever_is_typed(self, text):
        """A value that JSON knows, or a sentence: nothing else ever comes out."""
        try:
            value = evaluate(text, {"x": 1, "n": [1, 2], "l": {"a": "b"}})
        except ExpressionError as error:
            self.assertTrue(str(error))
        else:
            json.dumps(value, allow_nan=False)
            self.assertLessEqual(names(text), {"x", "n", "l", "r", "o", "f", "i", "_"})

    @given(st.sampled_from(FUNCTIONS), st.lists(json_values, max_size=3))
    def test_functions_take_anything(self, function, values):
        variables = {f"v{i}": value for i, value in enumerate(values)}
        try:
            found = evaluate(
                f"{function}({', '.join(variables)})", {**variables, "__now__": NOW}
            )
        except ExpressionError as error:
            self.assertTrue(str(error))
        else:
            self.assertFalse(isinstance(found, float) and not math.isfinite(found))


class TestRender(BaseCase):
    def test_types(self):
        cases = [
            ("{{ n }}", 3),
            (" {{ n }}", " 3"),
            ("{{ n }}{{ n }}", "33"),
            ("{{ lines[0] }} x", '{"qty": 2, "to": "b"} x'),
            ("no braces", "no braces"),
            ("}} { {", "}} { {"),
            ("{{ '}}' }}", "}}"),
            ("{{ {'a': {'b': n}} }}", {"a": {"b": 3}}),
            ({"a": ["{{ none }}", 1, None]}, {"a": [None, 1, None]}),
        ]
        for tree, value in cases:
            with self.subTest(tree):
                self.assertEqual(render(tree, VARIABLES), value)

    def test_refusals(self):
        for tree in ("{{ n", "a {{ 'b }}", "{{ }}", ["{{ x }}"], {"a": "{{ 1 + }}"}):
            with self.subTest(tree), self.assertRaises(ExpressionError):
                render(tree, VARIABLES)
        with self.assertRaises(ExpressionError):
            render("{{ t }}{{ t }}", {"t": "x" * 1_500_000})
        with self.assertRaises(Missing):
            render("{{ x }}", {})

    @given(st.text(max_size=80))
    def test_text_without_braces_stays(self, text):
        text = text.replace("{{", "")
        self.assertEqual(render(text, {}), text)

    @given(json_values)
    def test_a_tree_without_braces_stays(self, tree):
        self.assertEqual(render(tree, {}), tree)


class TestNames(BaseCase):
    def test_free_names(self):
        for text, free in {
            "1 + 2": set(),
            "true": set(),
            "a.b[c] + len(d)": {"a", "c", "d"},
            "[x.a + y for x in z if x.b == w]": {"y", "z", "w"},
            "default(a, otherwise=b)": {"a", "b"},
            "[x for x in x]": {"x"},
            "{{ a }}": {"a"},
        }.items():
            with self.subTest(text):
                self.assertEqual(names(text), free)

    def test_in_trees(self):
        tree = {"a": ["{{ x }}-{{ y.z }}", 3, "{{ [i for i in w] }}"], "b": None}
        self.assertEqual(names_in(tree), {"x", "y", "w"})
        with self.assertRaises(ExpressionError):
            names_in(["{{ 1 + }}"])

    @given(st.text("xyz+ ()[].,", max_size=20))
    def test_what_is_named_is_enough(self, text):
        """With the names it asks for, no variable is missing."""
        try:
            variables = dict.fromkeys(names(text), 1)
            evaluate(text, variables)
        except ExpressionError as error:
            self.assertNotIn("there is no variable", str(error))

    def test_nearest(self):
        self.assertEqual(expression.near("qqq", ["abc"]), "")
