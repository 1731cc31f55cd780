"""The command line ``steward``; exit 0 done, 1 refused or failed, 2 wrong usage,
3 unreachable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click

from .client import TIMEOUT, Client
from .errors import Misused, StewardClientError, Unreachable
from .runner.commands import runner

REFUSED, MISUSED, UNREACHABLE = 1, 2, 3
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


cli.add_command(runner)


def main() -> None:
    """Entry point of the command."""
    cli(prog_name="steward")
