from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,  # noqa: F401 - in a hint that is a text
    NotRequired,
    Required,
    TypedDict,
)
from unittest.mock import patch

import jsonschema
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.schema import (
    MAX_DEPTH,
    MAX_PROBLEMS,
    MAX_SIZE,
    MAX_VALUES,
    Document,
    Problem,
    SchemaProblem,
    from_signature,
    load,
    validate,
)
from . import kernel_common  # noqa: F401

if TYPE_CHECKING:
    from nowhere import Record

texts = st.text("ab:# -'\"{}[]&*!|>%@~/\\\n\tnoy10.é😀", max_size=8)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=12,
).filter(lambda tree: "<<" not in json.dumps(tree))


class TestLoad(BaseCase):
    def refused(
        self, text: str, line: int, column: int, says: str, format: str = "yaml"
    ) -> Problem:
        with self.assertRaises(SchemaProblem) as caught:
            load(text, format)
        problem = caught.exception.problem
        self.assertIn(says, problem.message)
        self.assertEqual((problem.line, problem.column), (line, column), problem)
        self.assertEqual(str(caught.exception), str(problem))
        return problem

    @given(trees)
    def test_json_round_trip(self, tree):
        for indent in (None, 2, "\t"):
            text = json.dumps(tree, indent=indent)
            self.assertEqual(load(text, "json").value, tree)

    @given(trees)
    def test_yaml_reads_what_others_wrote(self, tree):
        # in double quotes where needed: what PyYAML writes for 1.1 means the same here
        text = yaml.safe_dump(tree, default_style='"', allow_unicode=True)
        read = load(_without_tags(text)).value
        self.assertEqual(read, _as_texts(tree))

    @given(st.text(max_size=40), st.sampled_from(["yaml", "json"]))
    def test_any_text_is_read_or_refused_with_a_place(self, text, format):
        try:
            load(text, format)
        except SchemaProblem as error:
            self.assertGreaterEqual(error.problem.line, 1)
            self.assertGreaterEqual(error.problem.column, 1)
            self.assertTrue(error.problem.message)

    def test_text_stays_text(self):
        for text in (
            *("no", "yes", "on", "off", "y", "n", "No", "tRUE"),
            *("1.10.0", "12:30", "12:30:00", "190:20:30", "2026-01-02"),
            *("2026-01-02T03:04:05Z", "007", "0x1F", "0o17", "0b1", "1_000", "+5"),
            *(".5", "5.", "1e", ".inf", "-.inf", ".nan", "NaN", "=", "nULL", "0777"),
        ):
            with self.subTest(text):
                self.assertEqual(load(f"a: {text}").value, {"a": text})

    def test_what_json_knows_is_more_than_text(self):
        for text, value in (
            *(("true", True), ("True", True), ("false", False), ("FALSE", False)),
            *(("null", None), ("~", None), ("", None), ("Null", None)),
            *(
                ("0", 0),
                ("-12", -12),
                ("1.5", 1.5),
                ("1e3", 1000.0),
                ("-2.5E-1", -0.25),
            ),
        ):
            with self.subTest(text):
                read = load(f"a: {text}").value["a"]
                self.assertEqual(read, value)
                self.assertIs(type(read), type(value))
        self.assertEqual(load("a: '5'\nb: \"no\"\nc: |\n  1").value["a"], "5")
        self.assertEqual(load("c: |-\n  1").value, {"c": "1"})

    def test_keys_are_texts(self):
        self.assertEqual(
            load("1: a\nno: b\ntrue: c\n~: d\n2026-01-02: e").value,
            {"1": "a", "no": "b", "true": "c", "~": "d", "2026-01-02": "e"},
        )

    def test_empty(self):
        for text in ("", "# nothing", "---\n", "\ufeff"):
            self.assertEqual(load(text), Document(None, load(text).positions))
        self.assertEqual(load("").position("/a/b"), (1, 1))
        self.assertEqual(load("\ufeffa: 1").value, {"a": 1})
        self.assertEqual(load("\ufeff[1]", "json").value, [1])

    def test_positions(self):
        yaml_text = "a:\n  - b: 1\n    c/d~e: [x, {f: 2}]\n  -\n   - y\n'k': v"
        document = load(yaml_text)
        for path, place in (
            ("", (1, 1)),
            ("/a", (1, 1)),
            ("/a/0", (2, 5)),
            ("/a/0/b", (2, 5)),
            ("/a/0/c~1d~0e", (3, 5)),
            ("/a/0/c~1d~0e/1", (3, 16)),
            ("/a/0/c~1d~0e/1/f", (3, 17)),
            ("/a/1/0", (5, 6)),
            ("/k", (6, 1)),
            ("/k/none/here", (6, 1)),
            ("/none", (1, 1)),
        ):
            with self.subTest(path):
                self.assertEqual(document.position(path), place)
        document = load('{\n  "a": [1,\n    {"b/c": "\\u00e9\\""}]\n}', "json")
        for path, place in (("", (1, 1)), ("/a/0", (2, 9)), ("/a/1/b~1c", (3, 6))):
            self.assertEqual(document.position(path), place)

    def test_aliases_are_copies(self):
        document = load("a: &x {n: [1]}\nb: *x\nc: [*x, *x]")
        value = document.value
        self.assertEqual(
            value, {k: [{"n": [1]}] * 2 if k == "c" else {"n": [1]} for k in "abc"}
        )
        value["b"]["n"].append(2)
        self.assertEqual(value["a"], {"n": [1]})
        self.assertEqual(value["c"], [{"n": [1]}] * 2)
        self.assertEqual(document.position("/c/1/n/0"), (3, 9))
        self.assertEqual(load("a: &x no\nb: &x 2\nc: *x").value["c"], 2)

    def test_billion_laughs(self):
        lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
        for before, name in zip("abcdefgh", "bcdefghi", strict=True):
            lines.append(f"{name}: &{name} [{', '.join(['*' + before] * 10)}]")
        self.refused("\n".join(lines), 5, 20, f"{MAX_VALUES:,} values")

    def test_deep_laughs(self):
        # each anchor hangs at the bottom of the next: few values, but deep
        half = MAX_DEPTH // 2 - 1
        text = f"a: &a {'[' * half}{']' * half}\nb: &b {'[' * half}*a{']' * half}\n"
        self.assertTrue(load(text).value)
        text += f"c: {'[' * half}*b{']' * half}"
        self.refused(text, 3, 4 + half, f"deeper than {MAX_DEPTH}")
        deep = {"a": 1}
        for _ in range(MAX_DEPTH - 2):
            deep = {"a": deep}
        text = f"a: &a {json.dumps(deep)}\n"
        self.assertTrue(load(text + "b: *a"))
        self.refused(text + "b: [*a]", 2, 5, f"deeper than {MAX_DEPTH}")

    def test_too_deep(self):
        for format in ("yaml", "json"):
            self.assertTrue(load("[" * MAX_DEPTH + "]" * MAX_DEPTH, format))
            deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
            self.refused(deep, 1, MAX_DEPTH + 1, "deeper", format)
        self.refused("[" * 9_999, 1, MAX_DEPTH + 1, "deeper")
        self.refused("[" * 9_999 + "]" * 9_999, 1, 1, "deeper", "json")

    def test_too_large(self):
        self.assertTrue(load('"' + "x" * (MAX_SIZE - 2) + '"', "json"))
        for format in ("yaml", "json"):
            self.refused("x" * (MAX_SIZE + 1), 1, 1, "longer than 256 KiB", format)
        many = "[" + "1," * MAX_VALUES + "1]"
        self.refused(many, 1, 2 * MAX_VALUES, "50,000 values", "json")

    def test_refuses_in_yaml(self):
        for text, line, column, says in (
            ("a: 1\nb:\n  c: 1\n  c: 2", 4, 3, "'c' is given twice; see line 3"),
            ("a: 1\n'a': 2", 2, 1, "given twice"),
            ("1: a\n'1': b", 2, 1, "given twice"),
            ("a: *x", 1, 4, "no anchor &x"),
            ("a: &x [1, *x]", 1, 11, "no anchor &x"),
            ("a: &x {b: *x}", 1, 11, "no anchor &x"),
            ("!!python/object/apply:os.system [ls]", 1, 1, "tags"),
            ("a: !!binary aGk=", 1, 4, "tags"),
            ("a: !!str 5", 1, 4, "tags"),
            ("a: &x {b: 1}\nc:\n  <<: *x", 3, 3, "merge keys"),
            ("? [a, b]\n: c", 1, 3, "a key is a plain text"),
            ("&a x: 1\n*a : 2", 2, 1, "a key is a plain text"),
            ("a: 1\n---\nb: 2", 2, 1, "second document"),
            ("a: 1\n}", 2, 1, "expected"),
            ("a:\n\t- b", 2, 1, "a tab cannot indent"),
            ("a: [1,\n", 2, 1, "expected"),
            ("a: 1\n b: 2", 2, 3, "mapping values"),
            ("a:\n  b: \0", 2, 6, "YAML does not allow"),
            ('a: "\\0"', 1, 4, "cannot be stored"),
            ('"\\ud800": 1', 1, 1, "cannot be stored"),
            ("a: 1e999", 1, 4, "too large"),
            ("a: -1e999", 1, 4, "too large"),
            ("a: " + "9" * 5000, 1, 4, "too large"),
        ):
            with self.subTest(text[:40]):
                self.refused(text, line, column, says)

    def test_refuses_in_json(self):
        for text, line, column, says in (
            ('{"a": 1,\n "a": 2}', 2, 2, "'a' is given twice; see line 1"),
            ('{"a": NaN}', 1, 7, "NaN is not JSON"),
            ("[-Infinity]", 1, 2, "-Infinity is not JSON"),
            ("[1e999]", 1, 2, "too large"),
            ("9" * 5000, 1, 1, "too large"),
            ('["\\u0000"]', 1, 2, "cannot be stored"),
            ('{"\\ud800": 1}', 1, 2, "cannot be stored"),
            ("[1,\n2,]", 2, 3, "Expecting value"),
            ("", 1, 1, "Expecting value"),
            ("1 2", 1, 3, "Extra data"),
            ("{'a': 1}", 1, 2, "double quotes"),
        ):
            with self.subTest(text[:40]):
                self.refused(text, line, column, says, "json")

    def test_a_half_pair_is_refused_and_a_whole_one_read(self):
        self.assertEqual(load('["\\ud83d\\ude00"]', "json").value, ["😀"])

    def test_a_problem_names_the_path(self):
        problem = self.refused("a:\n  b/c: 1\n  b/c: 2", 3, 3, "twice")
        self.assertEqual(problem.path, "/a/b~1c")
        self.assertEqual(
            str(problem), "line 3, column 3: a.b/c: 'b/c' is given twice; see line 2"
        )


def _as_texts(tree: Any) -> Any:
    """What a tree becomes when all of its scalars are quoted."""
    if isinstance(tree, dict):
        return {key: _as_texts(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_as_texts(value) for value in tree]
    return tree if isinstance(tree, str) else str(_scalar(tree))


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value).splitlines()[0]


def _without_tags(text: str) -> str:
    """PyYAML tags quoted scalars that are no texts."""
    for tag in ("null", "bool", "int", "float"):
        text = text.replace(f"!!{tag} ", "")
    return text


class TestValidate(BaseCase):
    def problems(self, text: str, schema: Any) -> list[str]:
        return [str(problem) for problem in validate(load(text), schema)]

    def assert_problem(self, text: str, schema: Any, *expected: str):
        self.assertEqual(self.problems(text, schema), list(expected))

    def test_valid(self):
        self.assert_problem("a: 1", {"properties": {"a": {"type": "integer"}}})
        self.assert_problem("a: 1", True)
        self.assert_problem("a: 1000.0", {"properties": {"a": {"type": "integer"}}})

    def test_unknown_key(self):
        schema = {
            "properties": {"schedule": {}, "tools": {}},
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
        }
        self.assert_problem(
            "tools: 1\nx-note: 1\n\nshedule: 1\nzzz: 1\ntool: 1",
            schema,
            "line 4, column 1: 'shedule' is not known here; did you mean 'schedule'?",
            "line 5, column 1: 'zzz' is not known here",
            # 'tools' is there already
            "line 6, column 1: 'tool' is not known here",
        )
        problem = validate(load("a: 1\nb/c: 2"), {"additionalProperties": False})[1]
        self.assertEqual((problem.line, problem.path), (2, ""))

    def test_missing_key(self):
        schema = {"properties": {"a": {"required": ["b", "c", "d"]}}}
        self.assert_problem(
            "x: 1\na:\n  c: 1",
            schema,
            "line 2, column 1: a: 'b' is missing",
            "line 2, column 1: a: 'd' is missing",
        )

    def test_wrong_type(self):
        for type_, wanted in (
            ("string", "text"),
            ("integer", "a whole number"),
            ("boolean", "true or false"),
            ("array", "a list"),
            (["null", "object"], "empty or a group of keys"),
        ):
            schema = {"items": {"type": type_}}
            message = f"line 2, column 3: 0: should be {wanted}, not the number 1.5"
            self.assert_problem("\n- 1.5", schema, message)
        for text, found in (
            ("no", "the text 'no'"),
            ("true", "true"),
            ("", "empty"),
            ("[1]", "a list"),
            ("{a: 1}", "a group of keys"),
            ("x" * 500, "the text 'xxx"),
        ):
            (problem,) = self.problems(f"- {text}", {"items": {"type": "number"}})
            self.assertIn(f"should be a number, not {found}", problem)
            self.assertLess(len(problem), 200)

    def test_not_one_of(self):
        schema = {"items": {"enum": ["read", "write", None, 3]}}
        self.assert_problem(
            "- read\n- raed\n- zzz\n- 4\n-",
            schema,
            "line 2, column 3: 1: should be 'read', 'write', empty or 3; "
            "did you mean 'read'?",
            "line 3, column 3: 2: should be 'read', 'write', empty or 3, "
            "not the text 'zzz'",
            "line 4, column 3: 3: should be 'read', 'write', empty or 3, "
            "not the number 4",
        )
        self.assert_problem(
            "no",
            {"const": False},
            "line 1, column 1: should be false, not the text 'no'",
        )

    def test_limits(self):
        for schema, value, message in (
            ({"minimum": 3}, "2", "should be at least 3"),
            ({"maximum": 3}, "4", "should be at most 3"),
            ({"exclusiveMinimum": 3}, "3", "should be more than 3"),
            ({"exclusiveMaximum": 3}, "3", "should be less than 3"),
            ({"multipleOf": 3}, "4", "should be a multiple of 3"),
            ({"minLength": 1}, "''", "should not be empty"),
            ({"minLength": 2}, "a", "should have at least 2 characters"),
            ({"maxLength": 2}, "abc", "should have at most 2 characters"),
            ({"minItems": 1}, "[]", "should not be empty"),
            ({"minItems": 2}, "[a]", "should list at least 2"),
            ({"maxItems": 0}, "[a]", "should list at most 0"),
            ({"uniqueItems": True}, "[a, a]", "lists the same thing twice"),
            ({"minProperties": 1}, "{}", "should not be empty"),
            ({"minProperties": 2}, "{a: 1}", "should have at least 2 keys"),
            ({"maxProperties": 1}, "{a: 1, b: 2}", "should have at most 1 keys"),
            ({"pattern": "^a"}, "b", "should match the pattern ^a"),
            (False, "b", "the text 'b' is not allowed here"),
        ):
            with self.subTest(schema):
                self.assert_problem(value, schema, f"line 1, column 1: {message}")

    def test_alternatives_by_type(self):
        schema = {"anyOf": [{"type": "string"}, {"type": "null"}, {"enum": [0, 1]}]}
        self.assert_problem(
            "5",
            schema,
            "line 1, column 1: should be text, empty, 0 or 1, not the number 5",
        )

    def test_alternatives_by_a_word(self):
        def step(kind: str, key: str) -> dict[str, Any]:
            return {
                "type": "object",
                "properties": {"kind": {"const": kind}, key: {"type": "string"}},
                "required": ["kind", key],
                "additionalProperties": False,
            }

        schema = {"items": {"oneOf": [step("email", "to"), step("call", "url")]}}
        self.assert_problem(
            "- kind: email\n  too: x\n- kind: call\n- kind: cal\n- kind: fax\n- 7\n"
            "- kind: call\n  url: 5",
            schema,
            "line 1, column 3: 0: 'to' is missing",
            "line 2, column 3: 0: 'too' is not known here; did you mean 'to'?",
            "line 3, column 3: 1: 'url' is missing",
            "line 4, column 3: 2.kind: should be 'email' or 'call'; "
            "did you mean 'call'?",
            "line 5, column 3: 3.kind: should be 'email' or 'call', not the text 'fax'",
            "line 6, column 3: 4: should be a group of keys, not the number 7",
            "line 8, column 3: 5.url: should be text, not the number 5",
        )

    def test_alternatives_by_nearness(self):
        schema = {
            "anyOf": [
                {"type": "string"},
                {"required": ["a", "b", "c"]},
                {"type": "object", "properties": {"a": {"type": "integer"}}},
            ]
        }
        self.assert_problem(
            "a: x",
            schema,
            "line 1, column 1: a: should be a whole number, not the text 'x'",
        )

    def test_several_alternatives_fit(self):
        schema = {"oneOf": [{"type": "integer"}, {"minimum": 3}]}
        self.assert_problem(
            "5",
            schema,
            "line 1, column 1: fits several of the allowed forms; "
            "it should fit only one",
        )

    def test_any_other_rule_speaks_for_itself(self):
        (problem,) = self.problems("x", {"not": {"type": "string"}})
        self.assertIn("should not be valid under", problem)
        (problem,) = self.problems("x" * 999, {"not": {"type": "string"}})
        self.assertLess(len(problem), 200)
        self.assertTrue(problem.endswith("…"))

    def test_references_within_the_schema(self):
        schema = {
            "$defs": {"node": {"type": "object", "properties": {"n": {"$ref": "#"}}}},
            "$ref": "#/$defs/node",
        }
        self.assert_problem(
            "n: {n: 5}",
            schema,
            "line 1, column 5: n.n: should be a group of keys, not the number 5",
        )

    def test_a_problem_within_an_alias_is_told_where_the_alias_stands(self):
        schema = {"additionalProperties": {"properties": {"n": {"type": "string"}}}}
        places = [
            (problem.line, problem.path)
            for problem in validate(load("a: &x {n: 1}\nb: *x"), schema)
        ]
        self.assertEqual(places, [(1, "/a/n"), (2, "/b/n")])

    def test_in_the_order_of_the_lines_and_not_too_many(self):
        text = "".join(f"- {n}\n" for n in range(3 * MAX_PROBLEMS))
        lines = [p.line for p in validate(load(text), {"items": {"type": "string"}})]
        self.assertEqual(lines, list(range(1, MAX_PROBLEMS + 1)))

    def test_a_wrong_schema_is_refused(self):
        for schema, says in (
            ({"type": "strin"}, "type: the schema itself is wrong: 'strin'"),
            ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern: the sch"),
            ({"$ref": "#"}, "refers to itself without end"),
            ({"$ref": "#/nowhere"}, "which it does not hold"),
            (5, "the schema itself is wrong"),
        ):
            with self.subTest(schema), self.assertRaises(SchemaProblem) as caught:
                validate(load("a"), schema)
            self.assertIn(says, str(caught.exception))

    def test_nothing_is_fetched(self):
        for address in ("http://127.0.0.1:9/schema.json", "file:///etc/passwd"):
            with (
                patch("urllib.request.urlopen") as opened,
                patch("socket.socket.connect") as connected,
                self.assertRaisesRegex(SchemaProblem, "does not hold"),
            ):
                validate(load("a"), {"$ref": address})
            opened.assert_not_called()
            connected.assert_not_called()

    @settings(max_examples=40)
    @given(trees)
    def test_agrees_with_jsonschema(self, tree):
        schema = {
            "anyOf": [
                {
                    "type": ["array", "null"],
                    "items": {"type": "string", "minLength": 2},
                },
                {"type": "object", "additionalProperties": {"type": "integer"}},
                {"type": "number", "minimum": 0},
            ]
        }
        found = validate(load(json.dumps(tree), "json"), schema)
        valid = jsonschema.Draft202012Validator(schema).is_valid(tree)
        self.assertEqual(not found, valid, found)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(TypedDict):
    """One line
    of an order.
    """

    product: str
    quantity: NotRequired[float]


class Partial(TypedDict, total=False):
    name: Required[str]
    lines: list[Line]


class Endless(TypedDict):
    child: list[Endless]


class Weird(enum.Enum):
    A = object()


class TestFromSignature(BaseCase):
    def hint(self, annotation: str) -> Any:
        def function(self, x): ...

        function.__annotations__["x"] = annotation
        return from_signature(function)["properties"]["x"]

    def test_hints(self):
        for hint, schema in (
            ("str", {"type": "string"}),
            ("int", {"type": "integer"}),
            ("float", {"type": "number"}),
            ("bool", {"type": "boolean"}),
            ("None", {"type": "null"}),
            ("Literal['a', 2, None, True]", {"enum": ["a", 2, None, True]}),
            ("list[int]", {"type": "array", "items": {"type": "integer"}}),
            (
                "dict[str, list[bool]]",
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "array",
                        "items": {"type": "boolean"},
                    },
                },
            ),
            ("str | None", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
            (
                "__import__('typing').Optional[int]",
                {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            ),
            ("Color", {"enum": ["red", "blue"]}),
            (
                "Line",
                {
                    "type": "object",
                    "description": "One line\nof an order.",
                    "properties": {
                        "product": {"type": "string"},
                        "quantity": {"type": "number"},
                    },
                    "required": ["product"],
                    "additionalProperties": False,
                },
            ),
        ):
            with self.subTest(hint):
                self.assertEqual(self.hint(hint), schema)
        partial = self.hint("Partial")
        self.assertEqual(partial["required"], ["name"])
        self.assertEqual(partial["properties"]["lines"]["items"], self.hint("Line"))
        self.assertNotIn("description", partial)

    def test_what_has_no_exact_schema_is_refused(self):
        for hint, says in (
            ("Any", ": Any has no exact JSON Schema; use str"),
            ("object", "object has no exact"),
            ("bytes", "bytes has no exact"),
            ("list", "list has no exact"),
            ("dict", "dict has no exact"),
            ("dict[int, str]", r"dict\[int, str\] has no exact"),
            ("tuple[int, ...]", "tuple"),
            ("list[Any]", ": Any has no exact"),
            ("Callable[[], None]", "Callable"),
            ("Record", "'Record' is not defined"),
            ("Weird", "holds a value that is not JSON"),
            ("Literal[b'x']", "holds a value that is not JSON"),
            ("Endless", "Endless holds itself"),
        ):
            with self.subTest(hint), self.assertRaisesRegex(SchemaProblem, says):
                self.hint(hint)

    def test_what_cannot_be_called_by_name_is_refused(self):
        def star(self, *names: str): ...
        def stars(self, **values: str): ...
        def positional(a: int, /): ...
        def bare(self, a): ...

        for function, name, says in (
            (star, "names", r"\*args"),
            (stars, "values", r"\*args"),
            (positional, "a", "positional only"),
            (bare, "a", "no type hint"),
        ):
            with self.subTest(says), self.assertRaisesRegex(SchemaProblem, says) as got:
                from_signature(function)
            problem = got.exception.problem
            self.assertEqual(problem.line, function.__code__.co_firstlineno)
            self.assertEqual(problem.path, f"/{name}")
            self.assertIn(function.__qualname__, problem.message)

    def test_self_is_skipped_also_when_bound(self):
        class Model:
            def search(self, a: int) -> Record: ...
            def no_self(a: int, self: int): ...  # noqa: N805

        names = list(from_signature(Model.search)["properties"])
        self.assertEqual(names, ["a"])
        self.assertEqual(from_signature(Model().search), from_signature(Model.search))
        # a second "self" is an argument like any other
        names = list(from_signature(Model.no_self)["properties"])
        self.assertEqual(names, ["a", "self"])

    def test_decorated(self):
        def logged(function: Callable) -> Callable:
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)

            return wrapper

        @logged
        def search(self, a: Color, b: int = 3):
            """Find.

            :param a: which
            """

        schema = from_signature(search)
        self.assertEqual(schema["description"], "Find.")
        self.assertEqual(
            schema["properties"],
            {
                "a": {"enum": ["red", "blue"], "description": "which"},
                "b": {"type": "integer", "default": 3},
            },
        )

    def test_defaults(self):
        def function(
            a: int,
            b: str = "x",
            c: Color = Color.BLUE,
            d: str | None = None,
            e: list[int] = (1, 2),
            f: int = object(),
            g: float = float("inf"),
            *,
            h: bool,
            i: bool = False,
        ): ...

        schema = from_signature(function)
        self.assertEqual(schema["required"], ["a", "h"])
        defaults = {
            name: member["default"]
            for name, member in schema["properties"].items()
            if "default" in member
        }
        expected = {"b": "x", "c": "blue", "d": None, "e": [1, 2], "i": False}
        self.assertEqual(defaults, expected)

    def test_docstring(self):
        def function(self, a: int, bc: int, d: int, e: int):
            """Do this: at once.

            In *two* paragraphs.

            :param a: the first,
                on two lines

                and a third: here
            :param list[int] bc: typed
            :param: nameless
            :param d:
                below
            :type d: int
                of what
            :param zz: no parameter of this
            :return: nothing :) at all
            :raises ValueError: never

            After all.
            """

        schema = from_signature(function)
        self.assertEqual(
            schema["description"],
            "Do this: at once.\n\nIn *two* paragraphs.\n\nAfter all.",
        )
        told = {n: p.get("description") for n, p in schema["properties"].items()}
        self.assertEqual(
            told,
            {
                "a": "the first, on two lines and a third: here",
                "bc": "typed",
                "d": "below",
                "e": None,
            },
        )

    def test_without_a_docstring(self):
        def function(self): ...

        self.assertEqual(
            from_signature(function),
            {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
        )

    def test_a_function_without_python_code(self):
        with self.assertRaisesRegex(SchemaProblem, "line 1"):
            from_signature(print)

    def test_the_schema_checks_arguments(self):
        def order(
            self, partner: str, lines: list[Line], color: Color | None = None
        ): ...

        schema = from_signature(order)
        good = "partner: a\nlines: [{product: x, quantity: 2}]\ncolor: red"
        self.assertEqual(validate(load(good), schema), [])
        found = validate(load("lines: [{quantity: 2}]\ncolor: rad\nnote: x"), schema)
        self.assertEqual(
            [str(problem) for problem in found],
            [
                "line 1, column 1: 'partner' is missing",
                "line 1, column 9: lines.0: 'product' is missing",
                (
                    "line 2, column 1: color: should be 'red', 'blue' or empty; "
                    "did you mean 'red'?"
                ),
                "line 3, column 1: 'note' is not known here",
            ],
        )
