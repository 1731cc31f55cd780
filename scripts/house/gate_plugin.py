"""A pytest plugin: what a green test run has to be besides green.

* A WARNING or worse in the log makes the test during which it was written fail.
* A browser test that could not run fails in CI and is told loudly elsewhere.
* With ``--each-addon``, every addon must have run at least one test.
* With ``--counts FILE``, the totals go to a file, for the one closing line.
* With ``--reached FILE``, so do the lines of ours that the tests reached.
"""

import json
import logging
import os
from collections import Counter
from pathlib import Path

import pytest

from house.odoo import KNOWN_LINES
from house.reach import Reach
from house.settings import ROOT

BROWSER_WORDS = ("chrome", "chromium", "websocket-client", "browser")


class _Listener(logging.Handler):
    """Keeps what is logged at WARNING or above, from whatever thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a broken log line is a finding too
            text = f"log line that cannot be formatted: {error!r}"
        if text.startswith("Chrome executable not found"):
            return  # the test says so by being skipped, and that is judged below
        if not any(known.search(text) for known in KNOWN_LINES):
            first = text.strip().splitlines()[0] if text.strip() else ""
            self.lines.append(f"{record.levelname} {record.name}: {first[:300]}")


class Gate:
    def __init__(self, config: pytest.Config) -> None:
        self.each_addon = config.getoption("--each-addon")
        self.counts_file = config.getoption("--counts")
        self.counts: Counter[str] = Counter(passed=0, failed=0, skipped=0)
        self.ran: Counter[str] = Counter()
        self.no_browser: list[str] = []
        self.silent: list[str] = []
        self.listener = _Listener()
        self.in_ci = os.environ.get("CI", "") not in ("", "0", "false")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self):
        del self.listener.lines[:]
        root = logging.getLogger()
        root.addHandler(self.listener)
        yield
        root.removeHandler(self.listener)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        report = outcome.get_result()
        if call.when == "teardown" and self.listener.lines and report.passed:
            report.outcome = "failed"
            report.longrepr = "the log holds, during this test:\n" + "\n".join(
                self.listener.lines[:20]
            )
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2]
            if any(word in reason.lower() for word in BROWSER_WORDS):
                self.no_browser.append(item.nodeid)
                if self.in_ci:
                    report.outcome = "failed"
                    report.longrepr = f"a browser test could not run: {reason}"

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            self.counts["skipped"] += 1
        elif report.failed:
            self.counts["failed"] += 1
        elif report.when == "call" and not hasattr(report, "context"):  # no subtest
            self.counts["passed"] += 1
            self.ran[report.nodeid.split("/tests/")[0].rpartition("/")[2]] += 1

    def pytest_collectreport(self, report):
        if report.failed:
            self.counts["failed"] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        for name in filter(None, self.each_addon.split(",")):
            if not self.ran[name]:
                self.silent.append(name)
                self.counts["failed"] += 1
        if not sum(self.counts.values()):
            self.counts["failed"] += 1
            self.silent.append("the whole run")
        if self.counts["failed"] and session.exitstatus in (0, 5):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.counts_file:
            Path(self.counts_file).write_text(json.dumps(self.counts))

    def pytest_terminal_summary(self, terminalreporter):
        for name in self.silent:
            terminalreporter.write_line(f"NO TEST RAN: {name}", red=True, bold=True)
        if self.no_browser:
            terminalreporter.write_sep("!", "BROWSER TESTS DID NOT RUN", red=True)
            for test in self.no_browser:
                terminalreporter.write_line(f"  {test}")
            terminalreporter.write_line("  install chromium: apt-get install chromium")


def pytest_addoption(parser):
    group = parser.getgroup("steward")
    group.addoption("--each-addon", default="", help="addons that must run a test")
    group.addoption("--counts", default="", help="write the totals to this file")
    group.addoption(
        "--reached", default="", help="write the reached lines to this file"
    )


def pytest_load_initial_conftests(early_config):
    """Before anything of ours is imported."""
    file = early_config.known_args_namespace.reached
    if file:
        reach = Reach([str(ROOT / "addons"), str(ROOT / "client")])
        reach.watch()
        early_config.add_cleanup(lambda: reach.save(Path(file)))


def pytest_configure(config):
    config.pluginmanager.register(Gate(config), "steward-gate")
