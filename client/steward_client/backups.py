"""The commands ``steward backup|restore|drill``: what Odoo does about backups."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from .client import Client
from .errors import NotFound, Refused, Unreachable

PACE = 1.0  # seconds between looks at work that goes on
OPEN = ("queued", "running")
FIELDS = (
    *("id", "moment", "database", "kind", "state", "level", "verify_ok", "bytes"),
    *("duration", "protected", "label", "error"),
)
DRILL_FIELDS = ("id", "began_at", "state", "ok", "rto_seconds", "rpo_seconds", "error")


def listed(
    client: Client, model: str, fields: tuple[str, ...], order: str, limit: int
) -> list[dict[str, Any]]:
    """Records of a model, as the user may see them."""
    found = client.call(
        model, "search_read", domain=[], fields=list(fields), order=order, limit=limit
    )
    return list(found)


def wait(client: Client, job: str, *, show: bool) -> dict[str, Any]:
    """How an operation ended, once Odoo has taken it over.

    A server that is away for a while is what a restore looks like from outside.

    :param show: tell progress on the error output
    """
    ids: list[int] = []
    shown = ""
    silent_since: float | None = None
    while True:
        try:
            if not ids:
                ids = client.call(
                    "steward.operation", "search", domain=[("uuid", "=", job)]
                )
            found = client.call("steward.operation", "status", operations=ids)
            silent_since = None
        except Unreachable:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > client.timeout:
                raise
            time.sleep(PACE)
            continue
        if not found:
            raise NotFound(f"Odoo knows no operation {job}.")
        now: dict[str, Any] = found[0]
        line = f"{now.get('progress', 0):5.1f} %  {now.get('step', now['state'])}"
        if show and line != shown:
            click.echo(line, err=True)
            shown = line
        if now["state"] not in OPEN and now.get("applied"):
            return now
        time.sleep(PACE)


def conclude(client: Client, told: dict[str, Any], waits: bool, as_json: bool) -> None:
    """Tell what was begun; with ``--wait`` how it ended, and exit 1 if not well."""
    jobs = [one["job"] for one in told.get("backups", [told])]
    ended = []
    if waits:
        ended = [wait(client, job, show=not as_json) for job in jobs]
        told = {**told, "operations": ended}
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    elif not waits:
        click.echo(f"begun: {', '.join(jobs)}")
    for one in ended:
        if not as_json:
            click.echo(f"{one['title']}: {one['state']}{_reason(one)}")
    if any(one["state"] != "done" for one in ended):
        sys.exit(1)


def _reason(one: dict[str, Any]) -> str:
    return f". {one['error']}" if one.get("error") else ""


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Print records, one a line."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [
        max(len(line[i]) for line in [list(columns), *cells])
        for i in range(len(columns))
    ]
    for line in [list(columns), *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _cell(value: Any) -> str:
    """A value for people.

    >>> _cell(False), _cell(1536.0), _cell("x")
    ('', '1,536', 'x')
    """
    if value is False or value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}"
    return str(value)


def expect_passed(client: Client, drill: int) -> None:
    """A drill that found something has ended, and has not passed."""
    [found] = client.call("steward.drill", "read", ids=[drill], fields=["ok", "error"])
    if not found["ok"]:
        raise Refused(str(found["error"] or "The drill did not pass."))
