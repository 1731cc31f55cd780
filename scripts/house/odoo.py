"""How Odoo is configured and called, and what its log may say."""

import configparser
import io
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from house import commands, files
from house.cluster import Server
from house.console import Problem, tail
from house.settings import ADDONS, EXAMPLE_CONF, ROOT, Settings

# lines of WARNING or worse that an install or a test run may have, each with its why
KNOWN_LINES = (
    # Odoo tries these extensions; the embedded PostgreSQL ships without contrib
    re.compile(r'bad query: b?.?CREATE EXTENSION .*pg_trgm|extension "pg_trgm" is not'),
    re.compile(r"Unable to create PostgreSQL extensions"),
    # /xmlrpc/2 goes away in Odoo 20; the suite serves it as long as Odoo does
    re.compile(r"The /(xmlrpc|jsonrpc)\S* endpoints? (is|are) deprecated"),
)
LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+ \d+ (?P<level>\w+) \S+ (?P<logger>[\w.]+): (?P<text>.*)$"
)
RAISED = re.compile(r"^[\w.]+(Error|Exception|Warning|Interrupt): ")  # of a traceback


def write_conf(
    settings: Settings,
    name: str,
    server: Server,
    values: dict[str, str],
    file: str | None = None,
) -> Path:
    """Render a configuration: the example, the user's own for ``run``, our values.

    :param name: which data folder it works in: ``run`` or ``test``
    :param file: how the file is called, unless as the folder
    """
    parser = configparser.RawConfigParser()
    parser.read(EXAMPLE_CONF, encoding="utf-8")
    if name == "run" and settings.user_conf:
        parser.read(ROOT / "odoo.conf", encoding="utf-8")
    options = {
        "addons_path": _addons_path(parser.get("options", "addons_path", fallback="")),
        "data_dir": str(settings.data / "filestore" / name),
        **server.conf,
        **values,
    }
    for key, value in options.items():
        parser.set("options", key, value)
    text = io.StringIO()
    parser.write(text)
    path = settings.data / "conf" / f"{file or name}.conf"
    files.write(path, text.getvalue())
    (settings.data / "filestore" / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _addons_path(wanted: str) -> str:
    paths = [part.strip() for part in wanted.split(",") if part.strip()]
    return ",".join(dict.fromkeys([*paths, str(ADDONS)]))


def environment(settings: Settings) -> dict[str, str]:
    """The environment of an Odoo process; ``venv/bin`` first, for its reload."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "ODOO_RC"))}
    kept.pop("PYTHONPATH", None)
    kept["PATH"] = f"{settings.venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return kept


def call(settings: Settings, conf: Path, *arguments: str, log: Path, what: str) -> None:
    """Run Odoo to its end; a bad exit, or a bad line in its log, is a Problem.

    Odoo answers 0 after many an error, so the log decides as well.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    done = subprocess.run(
        [settings.odoo, *arguments, "-c", conf],
        env=environment(settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = files.read(log).splitlines()
    bad = complaints(lines)
    if done.returncode or bad:
        reasons = [line for line in lines if RAISED.match(line)][-2:]
        shown = "\n".join(f"    {line}" for line in [*bad[:8], *reasons]) or tail(log)
        code = f"exit code {done.returncode}, " if done.returncode else ""
        full = any(commands.NO_SPACE in line for line in lines)
        remedy = commands.FREE_SPACE if full else "read the lines above"
        reason = ": the disk is full" if full else ""
        raise Problem(f"{what}{reason} ({code}see {log})\n{shown}", remedy)


def complaints(lines: Iterable[str]) -> list[str]:
    """The lines of a log that are WARNING or worse and not known.

    >>> complaints(["2026-01-01 10:00:00,000 1 INFO db odoo.x: fine"])
    []
    >>> len(complaints(["2026-01-01 10:00:00,000 1 ERROR db odoo.x: not fine"]))
    1
    """
    found = []
    for line in lines:
        match = LOG_LINE.match(line)
        if (
            match
            and match["level"] in ("WARNING", "ERROR", "CRITICAL")
            and not any(known.search(match["text"]) for known in KNOWN_LINES)
        ):
            found.append(line)
    return found
