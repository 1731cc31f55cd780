# ruff: noqa: E501 - a table is read by its lines
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.schema import Problems, load
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import playbook, specification
from ..kernel.specification import CAPTURES, UNITS, dump, parse

words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40
) | st.sampled_from(
    ["no", "1.10", "null", "~", "2026-01-02", "12:30", "a\nb\n", " a", "|"]
)
codes = st.from_regex(specification.CODE.replace("$", r"\Z"), fullmatch=True)
specifications = st.fixed_dictionaries(
    {"name": words, "code": codes},
    optional={
        "format": st.just(1),
        "description": words,
        "run_as": words,
        "playbook": codes,
        "tools": st.lists(st.sampled_from(["a", "b_c", "d1"]), unique=True),
        "limits": st.fixed_dictionaries(
            {}, optional={"steps": st.integers(1, 10_000), "cost": st.floats(0, 100)}
        ),
        "capture": st.sampled_from(list(CAPTURES)),
        "schedule": st.fixed_dictionaries(
            {
                "every": st.integers(1, 1000),
                "unit": st.sampled_from(list(UNITS)),
                "task": words,
            }
        ),
    },
)


class TestSpecification(BaseCase):
    @given(specifications)
    def test_nothing_is_lost(self, written):
        self.assertEqual(parse(dump(written)), written)
        self.assertEqual(parse(json.dumps(written), "json"), written)

    @given(words)
    def test_any_text_stays_text(self, text):
        self.assertEqual(load(dump({"description": text})).value["description"], text)

    def test_problems(self):
        for text, told in {
            "": "should be a group of keys",
            "name: [": "line 1",
            "name: a": "'code' is missing",
            "name: a\ncode: b\nlimits: {step: 3}": "line 3, column 10: limits: 'step' is not known here; did you mean 'steps'?",
            "name: a\ncode: b\ncapture: ful": "did you mean 'full'?",
            "name: a\ncode: b\nschedule: {every: 0, unit: days, task: c}": "at least 1",
            "name: a\ncode: b\ntools: [a, a]": "lists the same thing twice",
            "name: a\ncode: b\nformat: 2": "should be 1",
        }.items():  # fmt: skip
            with self.subTest(text), self.assertRaises(Problems) as caught:
                parse(text)
            self.assertIn(told, str(caught.exception))

    def test_positions(self):
        self.assertEqual(specification.position('{"a": 1,\n\t"b": 2}', "/b"), (2, 2))

    def test_the_published_schemas_are_these(self):
        data = Path(__file__).parent.parent / "static" / "schemas"
        for name, schema in {
            "agent": specification.SCHEMA,
            "playbook": playbook.SCHEMA,
        }.items():
            with self.subTest(name):
                written = json.loads((data / f"{name}.schema.json").read_text("utf-8"))
                self.assertEqual(written, json.loads(json.dumps(schema)))
