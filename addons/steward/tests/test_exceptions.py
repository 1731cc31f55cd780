import psycopg2
import requests

from odoo.addons.steward import exceptions
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.http import serialize_exception
from odoo.tests import BaseCase
from odoo.tools import mute_logger


def every_kind(root=exceptions.StewardError):
    yield root
    for kind in root.__subclasses__():
        yield from every_kind(kind)


def ours(kind):
    return kind.__module__ == exceptions.__name__


class TestErrors(BaseCase):
    def test_the_web_client_shows_them_as_warnings(self):
        """By their own name it does not know them: "Oops! Something went wrong"."""
        told = serialize_exception(exceptions.Invalid("Choose another name."))
        self.assertEqual(
            told["context"], {"exception_class": "odoo.exceptions.UserError"}
        )
        self.assertEqual(told["arguments"], ("STEWARD-INVALID: Choose another name.",))

    def test_codes_are_stable_and_unique(self):
        codes = {kind: kind.code for kind in every_kind()}
        self.assertEqual(len(set(codes.values())), len(codes))
        self.assertEqual(
            {kind.__name__: code for kind, code in codes.items() if ours(kind)},
            {
                "StewardError": "STEWARD-ERROR",
                "Retryable": "STEWARD-RETRY",
                "Locked": "STEWARD-LOCKED",
                "CircuitOpen": "STEWARD-CIRCUIT-OPEN",
                "Refused": "STEWARD-REFUSED",
                "AddressRefused": "STEWARD-ADDRESS-REFUSED",
                "Exhausted": "STEWARD-EXHAUSTED",
                "RateLimited": "STEWARD-RATE-LIMITED",
                "Occupied": "STEWARD-OCCUPIED",
                "Invalid": "STEWARD-INVALID",
                "External": "STEWARD-EXTERNAL",
                "Unreachable": "STEWARD-UNREACHABLE",
                "TimedOut": "STEWARD-TIMED-OUT",
                "BadAnswer": "STEWARD-BAD-ANSWER",
                "RemoteError": "STEWARD-REMOTE-ERROR",
                "SecretUnavailable": "STEWARD-SECRET-UNAVAILABLE",
                "Bug": "STEWARD-BUG",
            },
        )

    def test_user_reads_code_and_sentence(self):
        error = exceptions.RateLimited("Too many calls.")
        self.assertIsInstance(error, UserError)
        self.assertEqual(str(error), "STEWARD-RATE-LIMITED: Too many calls.")

    def test_conversion(self):
        for error, kind in (
            (exceptions.Refused("no"), exceptions.Refused),
            (psycopg2.errors.LockNotAvailable(), exceptions.Locked),
            (psycopg2.errors.SerializationFailure(), exceptions.Locked),
            (psycopg2.OperationalError(), exceptions.Retryable),
            (requests.ReadTimeout(), exceptions.TimedOut),
            (requests.ConnectionError(), exceptions.Unreachable),
            (AccessError("not yours"), exceptions.Refused),
            (ValidationError("odd"), exceptions.Invalid),
            (UserError("odd"), exceptions.Invalid),
        ):
            with self.subTest(error=type(error).__name__):
                self.assertIs(type(exceptions.converted(error)), kind)

    def test_bug_tells_no_internals(self):
        with self.assertLogs("odoo.addons.steward.exceptions", "ERROR") as logs:
            error = exceptions.converted(KeyError("password=hunter2"))
        self.assertIsInstance(error, exceptions.Bug)
        self.assertNotIn("hunter2", str(error))
        incident = logs.records[0].getMessage().split()[-1]
        self.assertIn(incident, str(error))

    def test_remote_status_decides(self):
        for status, retryable, blames in (
            (429, True, True),
            (503, True, True),
            (501, False, True),
            (400, False, False),
            (401, False, False),
            (None, False, True),
        ):
            with self.subTest(status=status):
                error = exceptions.RemoteError("It failed.", status_code=status)
                self.assertEqual(error.retryable, retryable)
                self.assertEqual(error.blames_remote, blames)

    @mute_logger("odoo.addons.steward.exceptions")
    def test_problem(self):
        error = exceptions.CircuitOpen("It rests.", retry_after=12.3)
        body, status, headers = exceptions.as_problem(error)
        self.assertEqual(status, 503)
        self.assertEqual(headers["Retry-After"], "12")
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertEqual(body["code"], "STEWARD-CIRCUIT-OPEN")
        self.assertEqual(body["detail"], "It rests.")
        body, status, headers = exceptions.as_problem(ValueError("secret inside"))
        self.assertEqual(status, 500)
        self.assertNotIn("secret inside", str(body))
        self.assertNotIn("Retry-After", headers)
