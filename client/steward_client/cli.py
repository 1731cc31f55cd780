"""The command line ``steward``; exit 0 done, 1 refused or failed, 2 wrong usage,
3 unreachable.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click

from . import approvals as asked
from . import backups
from . import skills as skill_files
from .client import TIMEOUT, Client
from .errors import (
    MISUSED,
    REFUSED,
    UNREACHABLE,
    Misused,
    StewardClientError,
    Unreachable,
)
from .runner.commands import runner

PASSAGE = 200  # characters of a passage that are shown
SIGNS = {"ok": "+", "degraded": "!", "failed": "x", "unknown": "?"}

_F = TypeVar("_F", bound=Callable[..., Any])


def _told(command: _F) -> _F:
    """Turn errors into a sentence and an exit code."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except StewardClientError as error:
            click.echo(f"steward: {error}", err=True)
            if isinstance(error, Unreachable):
                sys.exit(UNREACHABLE)
            sys.exit(MISUSED if isinstance(error, Misused) else REFUSED)

    return update_wrapper(wrapped, command)  # type: ignore[return-value]


class _Settings:
    """What the options and the environment say; the client is made when needed."""

    def __init__(
        self, url: str, database: str, api_key: str, key_file: str, timeout: float
    ) -> None:
        self.url, self.database, self.timeout = url, database, timeout
        self.api_key, self.key_file = api_key, key_file

    def client(self) -> Client:
        if not self.url:
            raise Misused("which server? --url, or STEWARD_URL")
        key = self.api_key
        if self.key_file:
            try:
                key = Path(self.key_file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise Misused(f"the key file cannot be read: {error}") from error
            if not key:
                raise Misused("the key file is empty")
        return Client(self.url, self.database, key, timeout=self.timeout)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--url", envvar="STEWARD_URL", default="", help="Where Odoo is.")
@click.option(
    "--database", envvar="STEWARD_DATABASE", default="", help="Its database, if many."
)
@click.option(
    "--key-file",
    envvar="STEWARD_API_KEY_FILE",
    default="",
    help="File with the API key. Or set STEWARD_API_KEY; the key itself is never"
    " written on the command line, where others could read it.",
)
@click.option(
    "--timeout",
    envvar="STEWARD_TIMEOUT",
    type=click.FloatRange(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds to wait.",
)
@click.version_option(package_name="steward-client")
@click.pass_context
def cli(
    context: click.Context, url: str, database: str, key_file: str, timeout: float
) -> None:
    """Talk to Steward in Odoo."""
    import os

    key = os.environ.get("STEWARD_API_KEY", "").strip()
    context.obj = _Settings(url, database, key, key_file, timeout)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@_told
def health(settings: _Settings, as_json: bool) -> None:
    """Tell how the system is; exit 1 when a part has failed.

    With a key of a Viewer it tells facts as well, without a key what anybody may know.
    """
    client = settings.client()
    has_key = bool(settings.api_key or settings.key_file)
    answer = client.health() if has_key else client.public_health()
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for part in answer["parts"]:
            facts = ", ".join(f"{k} {v}" for k, v in part.get("facts", {}).items())
            sign, name = SIGNS.get(part["status"], "?"), part["name"]
            tail = f" ({facts})" if facts else ""
            click.echo(f"{sign} {name:<10} {part['reason']}{tail}")
        click.echo(f"= {answer['status']}")
    if answer.get("status") == "failed":
        sys.exit(REFUSED)


@cli.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option("--source", help="Only documents of this source.")
@click.option("--explain", is_flag=True, help="Say why each was found.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@_told
def search(
    settings: _Settings,
    query: tuple[str, ...],
    limit: int,
    source: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Find what documents say about it, as far as the key's user may read them."""
    found = settings.client().call(
        "steward.document",
        "find",
        query=" ".join(query),
        limit=limit,
        filters={"source": source} if source else None,
        explain=explain,
    )
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for number, row in enumerate(found, 1):
        where = f"  {row['url']}" if row.get("url") else ""
        click.echo(f"{number}. {row['title']}  [{row['score']:.2f}]{where}")
        text = " ".join(row["text"].split())
        click.echo(f"   {text[:PASSAGE]}{'…' if len(text) > PASSAGE else ''}")
        if row.get("why"):
            click.echo(f"   why: {json.dumps(row['why'], ensure_ascii=False)}")
    if not found:
        click.echo("Nothing was found.")


@cli.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@_told
def harvest(settings: _Settings, source: str, as_json: bool) -> None:
    """Harvest a source, by its name; the work is done by a job."""
    answer = settings.client().call("steward.source", "harvest", source=source)
    click.echo(json.dumps(answer) if as_json else f"Job {answer['job']} has begun.")


@cli.command()
@click.option("--wait", is_flag=True, help="Until it is done; exit 1 if a part failed.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
@_told
def daily(settings: _Settings, wait: bool, as_json: bool) -> None:
    """Do today's round now: harvest what is due, tidy up, measure, report."""
    client = settings.client()
    answer = client.call("steward.daily", "run")
    status: dict[str, Any] = {"state": "running", "parts": []}
    while wait and status["state"] == "running":
        time.sleep(1)
        status = client.call("steward.daily", "status", daily_id=answer["daily_id"])
    if as_json:
        click.echo(json.dumps({**answer, **status}, ensure_ascii=False, indent=2))
    elif not wait:
        click.echo(f"Round {answer['daily_id']} has begun.")
    else:
        for part in status["parts"]:
            sign = SIGNS["ok" if part["state"] == "done" else "failed"]
            click.echo(f"{sign} {part['title']}")
            for line in part["lines"]:
                click.echo(f"    {line}")
    if status["state"] == "failed":
        sys.exit(REFUSED)


_json = click.option("--json", "as_json", is_flag=True, help="For programs.")
_wait = click.option(
    "--wait", is_flag=True, help="Until it has ended; exit 1 if badly."
)


@cli.command()
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@_json
@click.pass_obj
@_told
def approvals(settings: _Settings, limit: int, as_json: bool) -> None:
    """List what agents ask people, the oldest first."""
    waiting = settings.client().call("steward.approval", "pending", limit=limit)
    if as_json:
        click.echo(json.dumps(waiting, ensure_ascii=False, indent=2))
    else:
        asked.show(waiting)


_numbers = click.argument("numbers", metavar="ID...", type=int, nargs=-1, required=True)
_reason = click.option("--reason", default="", help="Kept in the run's trace.")


@cli.command()
@_numbers
@_reason
@click.option("--choice", default="approve", help="Of a question with several answers.")
@_json
@click.pass_obj
@_told
def approve(
    settings: _Settings,
    numbers: tuple[int, ...],
    reason: str,
    choice: str,
    as_json: bool,
) -> None:
    """Let agents do what they asked about; their runs go on at once."""
    asked.decide(settings.client(), numbers, choice, reason, as_json)


@cli.command()
@_numbers
@_reason
@_json
@click.pass_obj
@_told
def refuse(
    settings: _Settings, numbers: tuple[int, ...], reason: str, as_json: bool
) -> None:
    """Refuse what agents asked about; they are told the reason."""
    asked.decide(settings.client(), numbers, "refuse", reason, as_json)


@cli.group()
def backup() -> None:
    """Make, list and verify backups."""


@backup.command("run")
@click.argument("plan")
@_wait
@_json
@click.pass_obj
@_told
def backup_run(settings: _Settings, plan: str, wait: bool, as_json: bool) -> None:
    """Make a backup by a PLAN, its name or number, now."""
    client = settings.client()
    told = client.call("steward.backup.plan", "run", plan=plan)
    backups.conclude(client, told, wait, as_json)


@backup.command("list")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True)
@_json
@click.pass_obj
@_told
def backup_list(settings: _Settings, limit: int, as_json: bool) -> None:
    """List the backups, the newest first."""
    client = settings.client()
    found = backups.listed(
        client, "steward.backup", backups.FIELDS, "moment DESC, id DESC", limit
    )
    _show(found, backups.FIELDS, as_json)


@backup.command("verify")
@click.argument("backup_id", type=int)
@click.option(
    "--level",
    type=click.Choice(["checksummed", "readback"]),
    default="readback",
    show_default=True,
)
@_wait
@_json
@click.pass_obj
@_told
def backup_verify(
    settings: _Settings, backup_id: int, level: str, wait: bool, as_json: bool
) -> None:
    """Check that a backup is whole, where it is."""
    client = settings.client()
    told = client.call("steward.backup", "verify", backup_id=backup_id, level=level)
    backups.conclude(client, told, wait, as_json)


@cli.command()
@click.argument("backup_id", type=int)
@click.argument("target")
@click.option(
    "--neutralize/--alive",
    default=True,
    show_default=True,
    help="Whether the copy mails, calls and pays nothing.",
)
@_wait
@_json
@click.pass_obj
@_told
def restore(
    settings: _Settings,
    backup_id: int,
    target: str,
    neutralize: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Restore a backup to a new database, TARGET."""
    client = settings.client()
    told = client.call(
        "steward.backup",
        "restore",
        backup_id=backup_id,
        target_db=target,
        neutralize=neutralize,
    )
    backups.conclude(client, told, wait, as_json)


@cli.group()
def drill() -> None:
    """Prove backups by restoring them."""


@drill.command("run")
@click.argument("backup_id", type=int)
@_wait
@_json
@click.pass_obj
@_told
def drill_run(settings: _Settings, backup_id: int, wait: bool, as_json: bool) -> None:
    """Restore a backup where nobody sees it, and see whether Odoo works with it."""
    client = settings.client()
    told = client.call(
        "steward.backup", "verify", backup_id=backup_id, level="restored"
    )
    backups.conclude(client, told, wait, as_json)
    if wait and "drill_id" in told:
        backups.expect_passed(client, told["drill_id"])


@drill.command("list")
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True)
@_json
@click.pass_obj
@_told
def drill_list(settings: _Settings, limit: int, as_json: bool) -> None:
    """List the drills, the newest first."""
    client = settings.client()
    found = backups.listed(
        client, "steward.drill", backups.DRILL_FIELDS, "id DESC", limit
    )
    _show(found, backups.DRILL_FIELDS, as_json)


def _show(found: list[dict[str, Any]], fields: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        backups.table(found, fields)


@cli.group()
def skills() -> None:
    """Find, review, import and export skills."""


@skills.command("find")
@click.argument("task", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 50), default=5, show_default=True)
@_json
@click.pass_obj
@_told
def skills_find(
    settings: _Settings, task: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """Find the skills for a TASK, the best first."""
    found = settings.client().call(
        "steward.skill", "find", task=" ".join(task), limit=limit
    )
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        skill_files.show_found(found)


@skills.command("show")
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="Not the one in use.")
@_json
@click.pass_obj
@_told
def skills_show(
    settings: _Settings, name: str, version: int | None, as_json: bool
) -> None:
    """Show a skill as agents read it."""
    told = settings.client().call("steward.skill", "get", name=name, version=version)
    text = json.dumps(told, ensure_ascii=False, indent=2) if as_json else None
    click.echo(text or told["markdown"])


@skills.command("pending")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@_json
@click.pass_obj
@_told
def skills_pending(settings: _Settings, limit: int, as_json: bool) -> None:
    """List what waits for a review, the longest first."""
    waiting = settings.client().call("steward.skill", "pending", limit=limit)
    if as_json:
        click.echo(json.dumps(waiting, ensure_ascii=False, indent=2))
    else:
        skill_files.show_pending(waiting)


@skills.command("approve")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--note", default="", help="Kept in the discussion.")
@_json
@click.pass_obj
@_told
def skills_approve(
    settings: _Settings, name: str, version: int, note: str, as_json: bool
) -> None:
    """Let agents use the VERSION of a skill that you have read."""
    answer = settings.client().call(
        "steward.skill", "approve", name=name, version=version, note=note
    )
    said = f"Agents use {answer['name']}@{answer['version']}."
    click.echo(json.dumps(answer) if as_json else said)


@skills.command("send-back")
@click.argument("name")
@click.argument("reason")
@_json
@click.pass_obj
@_told
def skills_send_back(
    settings: _Settings, name: str, reason: str, as_json: bool
) -> None:
    """Tell the author of a skill what has to change."""
    answer = settings.client().call(
        "steward.skill", "send_back", name=name, reason=reason
    )
    said = f"{answer['name']} is a draft again."
    click.echo(json.dumps(answer) if as_json else said)


@skills.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@_json
@click.pass_obj
@_told
def skills_import(settings: _Settings, source: Path, as_json: bool) -> None:
    """Import a folder, a zip or a SKILL.md, as drafts."""
    answer = skill_files.bring(settings.client(), source)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for row in answer["skills"]:
        click.echo(f"{row['name']}@{row['version']}  {row['state']}")
    for path in answer["ignored"]:
        click.echo(f"left out: {path}", err=True)


@skills.command("export")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A folder, or a file that ends in .zip.",
)
@_json
@click.pass_obj
@_told
def skills_export(
    settings: _Settings, names: tuple[str, ...], target: Path, as_json: bool
) -> None:
    """Write skills as folders with a SKILL.md each."""
    written = skill_files.fetch(settings.client(), names, target)
    click.echo(json.dumps({"written": written}) if as_json else "\n".join(written))


cli.add_command(runner)


def main() -> None:
    """Entry point of the command."""
    cli(prog_name="steward")
