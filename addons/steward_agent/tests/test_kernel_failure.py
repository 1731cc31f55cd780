from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.failure import CATEGORIES, category_of, policy

NAMES = {name for name, _label in CATEGORIES}


class TestFailure(BaseCase):
    def test_what_libraries_say(self):
        for expected, error_type, message in (
            ("budget", "openai.RateLimitError", "429: insufficient_quota"),
            ("budget", "STEWARD-BUDGET-EXHAUSTED", ""),
            ("budget", "", "Error code: 402 - Payment Required"),
            ("context", "BadRequestError", "context_length_exceeded"),
            ("context", "MissingError", "Record does not exist or has been deleted."),
            ("prompt", "OutputParserException", "Could not parse"),
            ("prompt", "BadRequestError", "flagged by the content filter"),
            ("rights", "odoo.exceptions.AccessError", "You are not allowed to …"),
            ("rights", "AuthenticationError", "401 invalid api key"),
            ("rights", "STEWARD-REFUSED", "No."),
            ("external", "openai.RateLimitError", "429"),
            ("external", "requests.ConnectionError", "Connection refused"),
            ("external", "TimeoutError", ""),
            ("external", "STEWARD-TIMED-OUT", "The service did not answer in time."),
            ("external", "InternalServerError", "503 Service Unavailable"),
            ("tool", "odoo.exceptions.UserError", "Nothing to invoice"),
            ("tool", "STEWARD-INVALID", "Unknown field 'amout'"),
            ("tool", "STEWARD-OUTDATED", "Approved was something else."),
            ("bug", "KeyError", "'partner'"),
            ("bug", None, None),
        ):
            with self.subTest(error_type=error_type, message=message):
                self.assertEqual(category_of(error_type, message), expected)

    def test_the_kind_of_step_helps(self):
        self.assertEqual(category_of("KeyError", "x", "tool_call"), "tool")
        self.assertEqual(category_of("KeyError", "x", "retrieval"), "context")
        self.assertEqual(category_of("KeyError", "x", "decision"), "bug")

    @given(st.none() | st.text(), st.none() | st.text(), st.text())
    def test_always_one_of_them_and_always_the_same(self, error_type, message, kind):
        found = category_of(error_type, message, kind)
        self.assertIn(found, NAMES)
        self.assertEqual(category_of(error_type, message, kind), found)

    def test_policies(self):
        self.assertTrue(policy("external").retries)
        for category in NAMES:
            self.assertGreaterEqual(policy(category).retries, 0)
        for category in ("rights", "bug"):
            self.assertFalse(any(policy(category)))
