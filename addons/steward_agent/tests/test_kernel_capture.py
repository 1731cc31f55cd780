import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.fingerprint import parameterize
from odoo.addons.steward.kernel.redactor import Redactor, sensitive_kind
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.capture import FULL, TRUNCATED, Capture, hashed
from ..kernel.ledger import MAX_INT
from .test_kernel_ledger import anything

KNOWN = "correct horse battery"
SETTINGS = ("none", "hashed", "truncated", "full")


def step(**more):
    empty = dict.fromkeys(
        ("model", "provider", "error_type", "input", "output", "error_message")
    )
    return {**empty, "name": "search", "attributes": None, **more}


class TestCapture(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        redactor = Redactor()
        redactor.learn(KNOWN)
        cls.capture = Capture(redactor, sensitive_kind, parameterize)

    def kept(self, setting, **more):
        row = step(**more)
        self.capture.step(row, setting)
        return row

    @given(anything, anything, anything, st.sampled_from(SETTINGS))
    def test_whatever_it_is_can_be_stored(self, contents, message, attributes, setting):
        row = self.kept(
            setting,
            input=contents,
            output=[contents, KNOWN],
            error_message=message,
            attributes=attributes,
        )
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        text.encode()
        self.assertNotIn("\\u0000", text.replace("\\\\", ""))
        self.assertNotIn(KNOWN, text)
        self.carried(row["attributes"])
        self.capture.text(contents, setting)
        self.capture.message(message, setting)

    def carried(self, value):
        """Whether XML-RPC could carry it."""
        if isinstance(value, dict):
            for member in value.values():
                self.assertIsNotNone(member)
                self.carried(member)
        elif isinstance(value, list):
            for member in value:
                self.assertIsNotNone(member)
                self.carried(member)
        elif isinstance(value, int | float):
            self.assertLessEqual(abs(value), MAX_INT)

    def test_settings(self):
        told = {
            "input": f"use {KNOWN}",
            "error_message": "order 7 of bob@example.com",
            "attributes": {"n": 1, "text": "for Bob"},
        }
        none, hash_, truncated, full = (self.kept(s, **told) for s in SETTINGS)
        self.assertIsNone(none["input"])
        self.assertEqual(hash_["input"], hashed("use [redacted:known]"))
        for row in (truncated, full):
            self.assertEqual(row["input"], "use [redacted:known]")
            self.assertEqual(row["attributes"], told["attributes"])
        for row in (none, hash_):
            self.assertEqual(row["error_message"], "order <num> of <email>")
            self.assertEqual(row["attributes"], {"n": 1})
        self.assertIsNone(self.capture.text("x", "none"))
        self.assertIsNone(self.capture.text(None, "full"))
        self.assertEqual(self.capture.text("x", "hashed"), hashed("x"))
        self.assertEqual(self.capture.text(KNOWN, "full"), "[redacted:known]")
        self.assertEqual(self.capture.message("in 30 s", "none"), "in <num> s")
        self.assertEqual(self.capture.message("in 30 s", "full"), "in 30 s")

    def test_limits(self):
        text = "word " * 10**6
        for setting, limit in (("truncated", TRUNCATED), ("full", FULL)):
            kept = self.kept(setting, output=text)["output"]
            self.assertLessEqual(len(kept), limit + 50)
            self.assertIn("characters cut]", kept)
        many = self.kept("full", attributes={f"k{n}": n for n in range(300)})
        self.assertEqual(len(many["attributes"]), 101)
        long = self.kept("full", attributes={"x": "word " * 10**6})
        self.assertEqual(len(long["attributes"]["x"]), 1001)
        large = self.kept("full", attributes={"x": ["word " * 1000] * 1000})
        self.assertEqual(large["attributes"], {"…": "too much to be kept"})

    def test_attributes(self):
        for given_, expected in (
            ({"a": 1, "b": True, "c": "x", "d": 0.5}, None),
            ({"password": "hunter2"}, {"password": "[redacted:password]"}),
            ({"a": KNOWN}, {"a": "[redacted:known]"}),
            ({"a": {"b": [KNOWN, None]}}, {"a": {"b": ["[redacted:known]", ""]}}),
            ({"a": 3e9, "b": 2**31, "c": None}, {"a": "3000000000.0", "b": str(2**31)}),
            ({"a": "x\0"}, {"a": "x\ufffd"}),
            ({7: "x"}, {"7": "x"}),
            ([1], {"value": [1]}),
            ("x", {"value": "x"}),
        ):
            with self.subTest(given_):
                kept = self.kept("full", attributes=given_)["attributes"]
                self.assertEqual(kept, expected or given_)
