"""Making a copy harmless: what the modules ship for it, what they leave, and proof."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from ..runner.config import Config
from ..runner.job import Job
from ..runner.postgres import Server
from ..runner.problems import Problem, Refused
from ..runner.processes import Program

# Odoo's own command passes over modules that it cannot find, and says nothing
_ASK = """
import json, sys
from odoo.modules.module import Manifest
from odoo.modules.neutralize import get_neutralization_queries
names = json.loads({names!r})
missing = [n for n in names if not Manifest.for_addon(n, display_warning=False)]
told = {{"missing": missing, "queries": list(get_neutralization_queries(names))}}
print("\\nsteward:" + json.dumps(told))
"""

# what the modules' own statements leave behind: table, column, statement
_LEFT = (
    (
        *("ir_mail_server", "smtp_pass"),
        "UPDATE ir_mail_server SET smtp_user = NULL, smtp_pass = NULL",
    ),
    ("fetchmail_server", "password", "UPDATE fetchmail_server SET password = NULL"),
    ("res_users_apikeys", "id", "DELETE FROM res_users_apikeys"),
    ("steward_runner", "id", "DELETE FROM steward_runner"),
    (
        *("steward_operation", "id"),
        "DELETE FROM steward_operation WHERE state IN ('queued', 'running')",
    ),
)
# what must not be: table, column, sentence, rows that show it
_BANNED = (
    (
        *("ir_cron", "active", "scheduled actions would run"),
        """FROM ir_cron WHERE active AND id NOT IN (
               SELECT res_id FROM ir_model_data WHERE model = 'ir.cron'
                  AND module = 'base' AND name = 'autovacuum_job')""",
    ),
    (
        *("ir_mail_server", "active", "mail servers would send"),
        "FROM ir_mail_server WHERE active AND smtp_host <> 'invalid'",
    ),
    (
        *("ir_mail_server", "smtp_pass", "passwords of mail servers are left"),
        "FROM ir_mail_server WHERE smtp_pass IS NOT NULL",
    ),
    (
        *("fetchmail_server", "active", "mailboxes would be read"),
        "FROM fetchmail_server WHERE active",
    ),
    (
        *("payment_provider", "state", "payment providers would take money"),
        "FROM payment_provider WHERE state NOT IN ('test', 'disabled')",
    ),
    (
        *("delivery_carrier", "prod_environment", "carriers would ship"),
        "FROM delivery_carrier WHERE prod_environment",
    ),
    (
        *("ir_act_server", "webhook_url", "webhooks would call out"),
        """FROM ir_act_server WHERE state = 'webhook'
              AND webhook_url NOT LIKE 'neutralization%'""",
    ),
    ("res_users_apikeys", "id", "API keys are left", "FROM res_users_apikeys"),
    ("steward_runner", "id", "runners would work for it", "FROM steward_runner"),
    (
        *("ir_config_parameter", "key", "the mark of a neutral database is missing"),
        """WHERE NOT EXISTS (
               SELECT FROM ir_config_parameter WHERE key = 'database.is_neutralized'
                  AND lower(value) IN ('true', 't', '1'))""",
    ),
)


def neutralize(job: Job, database: str, queries: list[str]) -> None:
    """Make a hidden copy harmless, in one transaction, and prove it; or fail."""
    connection = job.server.connect(database, autocommit=False)
    try:
        with connection.cursor() as cursor:
            for query in queries:
                if query.strip():
                    cursor.execute(query)
            for table, column, query in _LEFT:
                if _has(cursor, table, column):
                    cursor.execute(query)
            if found := dangers(cursor):
                raise Problem(f"The copy is not neutral: {'; '.join(found)}.")
        connection.commit()
    except psycopg2.Error as error:
        raise Problem(f"The copy could not be neutralized: {error}") from None
    finally:
        connection.close()


def dangers(cursor: Any) -> list[str]:
    """How a copy could still reach out; none if it is neutral."""
    found = []
    for table, column, sentence, rows in _BANNED:
        if _has(cursor, table, column):
            cursor.execute(f"SELECT count(*) {rows}")
            [count] = cursor.fetchone()
            if count > 0:
                found.append(f"{sentence} ({count})")
    return found


def rotate(server: Server, database: str) -> None:
    """Give a copy secrets, a number and an address of its own."""
    values = {
        "database.secret": str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
        "database.uuid": str(uuid.uuid1()),
        "web.base.url": "http://localhost:8069",
    }
    connection = server.connect(database, autocommit=False)
    try:
        with connection.cursor() as cursor:
            if not _has(cursor, "ir_config_parameter", "key"):
                return
            for key, value in values.items():
                cursor.execute(
                    "INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [key, value],
                )
            cursor.execute(
                "DELETE FROM ir_config_parameter WHERE key = 'web.base.url.freeze'"
            )
        connection.commit()
    finally:
        connection.close()


def _has(cursor: Any, table: str, column: str) -> bool:
    cursor.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name = %s AND column_name = %s",
        [table, column],
    )
    return bool(cursor.fetchone())


@contextmanager
def asking(job: Job, manifest: dict[str, Any]) -> Iterator[Callable[[], list[str]]]:
    """What the modules ship to make a copy harmless, as Odoo finds it.

    Odoo takes seconds to start, so it does while the backup is being restored; what is
    yielded waits for the answer.
    """
    modules = sorted((manifest["contents"] or {}).get("modules", {}))
    command = odoo_command(job.config, "shell", "--no-http", "-d", "")
    with job.folder("neutralize") as folder:
        script, output = folder / "ask.py", folder / "answer"
        script.write_text(_ASK.format(names=json.dumps(modules)), "utf-8")
        with (
            script.open("rb") as asked,
            output.open("wb") as answered,
            job.program(
                command, odoo_env(job.server), source=asked, output=answered
            ) as program,
        ):
            yield lambda: _answer(program, output)


def _answer(program: Program, output: Path) -> list[str]:
    program.finish("Odoo could not tell how copies are made harmless")
    for line in output.read_text("utf-8", "replace").splitlines():
        if line.startswith("steward:"):
            told = json.loads(line.removeprefix("steward:"))
            break
    else:
        raise Problem("Odoo did not tell how copies are made harmless.")
    if told["missing"]:
        raise Problem(
            f"Installed, but not where the runner's Odoo finds it:"
            f" {', '.join(told['missing'][:10])}. What these modules would do in a copy"
            " is not known; complete the addons path in odoo_conf."
        )
    return list(told["queries"])


def odoo_command(config: Config, verb: str, *words: str) -> list[str | Path]:
    """Odoo's command with the runner's configuration of it."""
    if not config.odoo:
        raise Refused("The runner's settings do not say how Odoo is started: 'odoo'.")
    conf: list[str | Path] = ["-c", config.odoo_conf] if config.odoo_conf else []
    return [*config.odoo, verb, *conf, *words]


def odoo_env(server: Server) -> dict[str, str]:
    """The environment of an Odoo that looks at a copy: no jobs, no other database."""
    env = {
        k: v
        for k, v in server.env.items()
        if not k.startswith(("PG", "ODOO_", "STEWARD_", "PYTHONPATH", "LC_ALL"))
    }
    # what this process was started with, Odoo may need as well; the DSN's it does not
    for name in ("PGPASSWORD", "PGPASSFILE"):
        if name in os.environ:
            env[name] = os.environ[name]
    return {**env, "ODOO_QUEUE_JOB_CHANNELS": "root:0"}
