"""The commands ``steward approvals|approve|refuse``: what agents ask people."""

from __future__ import annotations

import json
from typing import Any

import click

from .client import Client


def decide(
    client: Client, numbers: tuple[int, ...], decision: str, reason: str, as_json: bool
) -> None:
    """Decide one after the other; the first that cannot be ends it."""
    for number in numbers:
        told = client.call(
            *("steward.approval", "decide"), id=number, decision=decision, reason=reason
        )
        if as_json:
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo(f"{told['id']}: {told['state']}. Its run goes on.")


def show(waiting: list[dict[str, Any]]) -> None:
    """Print what waits for a decision: who asks, what would change, until when."""
    for one in waiting:
        click.echo(f"{one['id']}  {one['question']}")
        click.echo(f"    {one['agent']}: {_line(one['task'])}")
        for record in one.get("what", ()):
            click.echo(f"    {_line(' · '.join(filter(None, _names(record))))}")
            for change in record["changes"]:
                click.echo(f"      {_change(change)}")
        click.echo(f"    {', '.join(_facts(one))}")
    if not waiting:
        click.echo("Nobody waits for a decision.")


def _names(record: dict[str, Any]) -> tuple[str, str]:
    return record["name"], record["model"]


def _change(change: dict[str, Any]) -> str:
    """A field, and what would become of it.

    >>> _change({"label": "Phone", "before": "", "after": "112"})
    'Phone: - → 112'
    >>> _change({"label": "body", "after": "Hello"})
    'body: Hello'
    """
    after = _line(change["after"]) or "-"
    if "before" in change:
        after = f"{_line(change['before']) or '-'} → {after}"
    return f"{change['label']}: {after}"


def _facts(one: dict[str, Any]) -> list[str]:
    facts = [f"asked {one['asked_at']}"]
    if "expires_at" in one:
        facts.append(f"until {one['expires_at']}")
    if "risk" in one:
        facts.append(f"{one['tool']} ({one['risk']})")
    if "cost" in one:
        facts.append(f"{one['cost']:.4f} USD so far")
    if "deciders" in one:
        facts.append(f"decided by {' or '.join(one['deciders'])}")
    if extra := [word for word in one["choices"] if word not in ("approve", "refuse")]:
        facts.append(f"choices: {', '.join(extra)}")
    return facts


def _line(text: str | bool) -> str:
    r"""Text in one line; Odoo says False where there is none.

    >>> _line("so\n  it is"), _line(False)
    ('so it is', '')
    """
    return " ".join(str(text or "").split())
