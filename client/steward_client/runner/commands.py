"""The command ``steward runner``."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from ..errors import REFUSED, UNREACHABLE
from . import config as settings
from .problems import Away, Problem, Unreachable


def _load(path: str) -> settings.Config:
    return settings.load(Path(path) if path else settings.default_path())


_config = click.option(
    "--config",
    "path",
    envvar="STEWARD_RUNNER_CONFIG",
    default="",
    help=f"The runner's settings; {settings.DEFAULT} unless named.",
)


@click.group(invoke_without_command=True)
@_config
@click.option("--once", is_flag=True, help="Do what waits, then end.")
@click.pass_context
def runner(context: click.Context, path: str, once: bool) -> None:
    """Do what Odoo asks for: backups, restores, drills."""
    context.obj = path
    try:
        from .service import Runner, calm
    except ImportError as error:
        raise click.ClickException(
            f"the runner needs more: pip install 'steward-client[runner]' ({error})"
        ) from None
    if context.invoked_subcommand:
        return
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        told = _load(path)
        calm(int(told.nice))
        working = Runner(told)
        working.listen_to_signals()
        working.run(once=once)
    except Problem as problem:
        raise SystemExit(_tell(problem)) from None


@runner.command()
@_config
@click.option("--code", default="", help="As Odoo shows it to an administrator.")
@click.option("--dsn", default="", help="Of the database, instead of the settings'.")
@click.option("--auto", is_flag=True, help="Without a code, as the database's owner.")
@click.pass_obj
def enrol(outer: str, path: str, code: str, dsn: str, auto: bool) -> None:
    """Make this runner known to a database."""
    from .enrol import enrol as act

    if bool(code) == auto:
        raise click.UsageError("either --code, or --auto")
    try:
        told = _load(path or outer)
        identity = act(replace(told, dsn=dsn) if dsn else told, code, auto=auto)
    except Problem as problem:
        raise SystemExit(_tell(problem)) from None
    click.echo(
        f"Runner {identity.runner} works for {identity.database_name}. Keep a copy of"
        f" {told.signing_key_file} where the backups are not: it proves them."
    )


@runner.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(outer: str, path: str, as_json: bool) -> None:
    """Tell whether the runner has all it needs, and try out the storages.

    A small file is written to each that is in use, read back and removed; of a
    repository of restic's it is enough that it opens.
    """
    from .checks import check as act

    found = []
    try:
        for one in act(_load(path or outer)):
            found.append(one)
            if not as_json:
                sign = "+" if one.ok else "x"
                click.echo(f"{sign} {one.name:<12} {one.sentence}")
    except Problem as problem:
        raise SystemExit(_tell(problem)) from None
    if as_json:
        click.echo(json.dumps([asdict(o) for o in found], ensure_ascii=False, indent=2))
    if bad := [one for one in found if not one.ok]:
        sys.exit(UNREACHABLE if all(one.away for one in bad) else REFUSED)


def _tell(problem: Problem) -> int:
    click.echo(f"steward: {problem}", err=True)
    return UNREACHABLE if isinstance(problem, Away | Unreachable) else REFUSED
