import io
import logging

from odoo.tests import BaseCase

from .. import log
from ..kernel import redactor


class TestLog(BaseCase):
    def setUp(self):
        super().setUp()
        self.logger = logging.getLogger("odoo.addons.steward.tests.log")
        self.out = io.StringIO()
        self.handler = logging.StreamHandler(self.out)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.logger.addHandler(self.handler)  # later than the filter
        self.addCleanup(self.logger.removeHandler, self.handler)
        self.logger.propagate = False
        self.addCleanup(setattr, self.logger, "propagate", True)

    def written(self):
        return self.out.getvalue()

    def test_handler_added_later(self):
        self.logger.error("token=%s for %d", "abcdef", 7)
        self.assertEqual(self.written(), "ERROR token=[redacted:token] for 7\n")

    def test_installed_once(self):
        installed = logging.Logger.callHandlers
        log.install()
        self.assertIs(logging.Logger.callHandlers, installed)
        log.uninstall()
        try:
            self.logger.error("password=abc")
        finally:
            log.install()
        self.assertIn("abc", self.written())
        log.uninstall()
        log.uninstall()
        log.install()

    def test_traceback_and_its_exception(self):
        """The text is redacted; who reads the exception itself still finds it."""
        kept = []
        other = logging.Handler()
        other.emit = kept.append
        self.logger.addHandler(other)
        self.addCleanup(self.logger.removeHandler, other)
        try:
            raise ValueError("api_key=abcdef123")
        except ValueError:
            self.logger.exception("failed")
        self.assertIn("Traceback", self.written())
        self.assertIn("[redacted:key]", self.written())
        self.assertNotIn("abcdef123", self.written())
        self.assertIs(kept[0].exc_info[0], ValueError)

    def test_filters_of_the_logger_see_the_arguments(self):
        """Those of Odoo's payment providers mask them."""

        def mask(record):
            record.args = ("masked",)
            return True

        self.logger.addFilter(mask)
        self.addCleanup(self.logger.removeFilter, mask)
        self.logger.error("data %s", {"reference": "x"})
        self.assertIn("data masked", self.written())

    def test_wrong_arguments_lose_no_line(self):
        self.logger.error("%d left of %d", *["password=abc"])
        self.assertIn("[redacted:password]", self.written())

    def test_failing_redactor_loses_no_line(self):
        def fail(*_args):
            raise RuntimeError("secret of its own")

        self.patch(redactor.LogFilter, "filter", fail)
        self.logger.error("password=abc")
        self.assertEqual(
            self.written(),
            "ERROR [a log line that could not be redacted: RuntimeError]\n",
        )

    def test_bytes_cycles_and_megabytes(self):
        cycle = {"password": "abc"}
        cycle["self"] = cycle
        self.logger.error("got %s and %s", cycle, b"pwd=abc")
        self.logger.error("x" * 5_000_000)
        self.assertNotIn("abc", self.written())
        self.assertLess(len(self.written()), 300_000)

    def test_level_is_looked_at_first(self):
        self.logger.setLevel(logging.ERROR)
        self.addCleanup(self.logger.setLevel, logging.NOTSET)

        class Loud:
            def __str__(self):
                raise AssertionError("formatted for nobody")

        self.logger.info("%s", Loud())
        self.assertFalse(self.written())
