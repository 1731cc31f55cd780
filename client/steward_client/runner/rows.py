"""The seam to Odoo: the two tables that both sides read and write by plain SQL."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from .problems import LostFence

UTC_NOW = "(now() AT TIME ZONE 'UTC')"
APPLYING_CRON = ("steward", "ir_cron_apply_operations")

Connection = psycopg2.extensions.connection


@dataclass(frozen=True)
class Claim:
    """An operation that is ours as long as its fence is."""

    uuid: str
    verb: str
    arguments: dict[str, Any]
    fence: int


def _execute(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall()) if cursor.description else []


def claim(connection: Connection, runner: int, lease: float) -> Claim | None:
    """Take the operation that waited longest, unless another runner took it."""
    rows = _execute(
        connection,
        f"""UPDATE steward_operation
               SET state = 'running', runner_id = %s, fence = fence + 1,
                   lease_until = {UTC_NOW} + %s * interval '1 second',
                   started_at = {UTC_NOW}, ended_at = NULL, progress = 0,
                   step = NULL, steps = '[]', eta = NULL
             WHERE id = (SELECT id FROM steward_operation
                          WHERE state = 'queued'
                            AND (runner_id IS NULL OR runner_id = %s)
                          ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING uuid, verb, arguments, fence""",  # noqa: S608 - a constant
        *(runner, lease, runner),
    )
    if not rows:
        return None
    uuid, verb, arguments, fence = rows[0]
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    return Claim(str(uuid), verb, arguments or {}, fence)


def beat(
    connection: Connection, held: Claim, lease: float, told: dict[str, Any]
) -> bool:
    """Renew the lease and tell how far the work is; answer whether to cancel."""
    rows = _execute(
        connection,
        f"""UPDATE steward_operation
               SET lease_until = {UTC_NOW} + %s * interval '1 second',
                   progress = %s, step = %s, steps = %s,
                   eta = {UTC_NOW} + %s * interval '1 second'
             WHERE uuid = %s AND fence = %s AND state = 'running'
         RETURNING coalesce(cancel_wanted, false)""",  # noqa: S608 - a constant
        *(lease, told["progress"], told["step"]),
        *(psycopg2.extras.Json(told["steps"]), told["remaining"]),
        *(held.uuid, held.fence),
    )
    if not rows:
        raise LostFence
    return bool(rows[0][0])


def hand_back(connection: Connection, held: Claim) -> None:
    """Let it wait again."""
    _execute(
        connection,
        """UPDATE steward_operation
              SET state = 'queued', lease_until = NULL, runner_id = NULL,
                  progress = 0, step = NULL, steps = '[]', eta = NULL
            WHERE uuid = %s AND fence = %s AND state = 'running'""",
        *(held.uuid, held.fence),
    )


def tell(connection: Connection, uuid: str, outcome: dict[str, Any]) -> bool:
    """Write how an operation ended, whatever its row says; and wake Odoo.

    The caller knows the outcome from the journal, so there is no fence to hold: an
    operation that was brought to an end has no other owner.
    """
    rows = _execute(
        connection,
        f"""UPDATE steward_operation
               SET state = %s, result = %s, error = %s, detail = %s,
                   ended_at = to_timestamp(%s) AT TIME ZONE 'UTC', lease_until = NULL,
                   eta = NULL, steps = %s, applied = false,
                   progress = CASE WHEN %s = 'done' THEN 100 ELSE progress END
             WHERE uuid = %s AND state IN ('queued', 'running', 'lost')
         RETURNING {UTC_NOW}""",  # noqa: S608 - a constant
        *(outcome["state"], psycopg2.extras.Json(outcome["result"])),
        *(outcome["error"] or None, outcome["detail"] or None, outcome["ended"]),
        *(psycopg2.extras.Json(outcome["steps"]), outcome["state"], uuid),
    )
    if rows:
        wake(connection)
    return bool(rows)


def wake(connection: Connection) -> None:
    """Have Odoo take over what ended, as ``ir.cron._trigger`` does."""
    _execute(
        connection,
        f"""INSERT INTO ir_cron_trigger (cron_id, call_at, create_uid, create_date,
                                         write_uid, write_date)
            SELECT res_id, date_trunc('second', {UTC_NOW}), 1, {UTC_NOW},
                   1, {UTC_NOW}
              FROM ir_model_data
             WHERE module = %s AND name = %s AND model = 'ir.cron'""",  # noqa: S608
        *APPLYING_CRON,
    )


def is_untold(connection: Connection) -> bool:
    """Is there an outcome that Odoo has not taken over? Perhaps it was away."""
    query = """SELECT EXISTS (SELECT FROM steward_operation
                               WHERE applied IS NOT TRUE AND state IN
                                     ('done', 'failed', 'cancelled', 'lost'))"""
    return bool(_execute(connection, query)[0][0])


def stranded(connection: Connection, runner: int) -> list[Claim]:
    """What this runner held when it died."""
    rows = _execute(
        connection,
        """SELECT uuid, verb, arguments, fence FROM steward_operation
            WHERE state = 'running' AND runner_id = %s ORDER BY id""",
        runner,
    )
    return [Claim(*row) for row in rows]


def seen(connection: Connection, runner: int, facts: dict[str, Any]) -> None:
    """Tell that the runner lives, and how its machine is."""
    _execute(
        connection,
        f"""UPDATE steward_runner
               SET seen_at = {UTC_NOW}, version = %s, hostname = %s, facts = %s
             WHERE id = %s""",  # noqa: S608 - a constant
        *(facts["version"], facts["hostname"], psycopg2.extras.Json(facts), runner),
    )


def alive(connection: Connection, runner: int) -> None:
    """Tell that the runner lives while it works, and what its clock says."""
    _execute(
        connection,
        f"""UPDATE steward_runner
               SET seen_at = {UTC_NOW},
                   facts = jsonb_set(coalesce(facts, '{{}}'), '{{clock}}', %s)
             WHERE id = %s""",  # noqa: S608 - a constant
        *(psycopg2.extras.Json(clock()), runner),
    )


def clock() -> str:
    """The runner's own time; Odoo sees by it whether the clock is off."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def storages(connection: Connection) -> list[dict[str, Any]]:
    """The storages in use: the columns of Odoo's table, references for secrets."""
    [(exists,)] = _execute(connection, "SELECT to_regclass('steward_storage')")
    if not exists:
        return []
    query = """SELECT to_jsonb(s) || jsonb_build_object('access_key', a.reference,
                      'secret_key', k.reference, 'password', p.reference)
                 FROM steward_storage s
                 LEFT JOIN steward_secret a ON a.id = s.access_key_id
                 LEFT JOIN steward_secret k ON k.id = s.secret_key_id
                 LEFT JOIN steward_secret p ON p.id = s.password_id
                WHERE s.active ORDER BY s.sequence, s.id"""
    return [row for (row,) in _execute(connection, query)]


def carry_over(ours: Connection, theirs: Connection, uuid: str, restored: str) -> None:
    """Let a database that replaces ours know its runners, and what came after it.

    What a runner may do it was told by ours; the operation is on its way to an end
    that only the new database will be there to see. Backups that were made, and
    removed, since then are in no row of it: Odoo takes those outcomes over once more.

    :param uuid: of the operation that replaces it
    :param restored: of the operation that made the backup
    """
    [(exists,)] = _execute(theirs, "SELECT to_regclass('steward_operation')")
    if not exists:
        return
    for (row,) in _execute(ours, "SELECT to_jsonb(r) FROM steward_runner r"):
        _put(theirs, "steward_runner", row)
    _execute(
        theirs,
        """UPDATE steward_runner SET database_uuid =
              (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid')
            WHERE key_hash IS NOT NULL""",
    )
    known = (
        "SELECT uuid FROM steward_operation WHERE state NOT IN ('queued', 'running')"
    )
    ended = {str(known) for (known,) in _execute(theirs, known)}
    query = """SELECT to_jsonb(o) FROM steward_operation o
                WHERE uuid = %s OR state NOT IN ('queued', 'running') ORDER BY id"""
    for (row,) in _execute(ours, query, uuid):
        if row["uuid"] in ended:
            continue
        for column in ("id", "user_id", "company_id", "res_model", "res_id"):
            row.pop(column, None)
        _put(theirs, "steward_operation", row | {"applied": False})
    _execute(
        theirs,
        """UPDATE steward_operation o SET res_model = made.res_model,
                  res_id = made.res_id
             FROM steward_operation made WHERE o.uuid = %s AND made.uuid = %s""",
        *(uuid, restored),
    )
    # what waited when the backup was made was done, or given up, long ago
    _execute(
        theirs,
        f"""UPDATE steward_operation SET state = 'cancelled', ended_at = {UTC_NOW}
             WHERE state IN ('queued', 'running') AND uuid <> %s""",  # noqa: S608
        uuid,
    )


def _put(connection: Connection, table: str, row: dict[str, Any]) -> None:
    """Write a row of another database, as far as this one has its columns."""
    columns = [
        name
        for (name,) in _execute(
            connection,
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s",
            table,
        )
        if name in row
    ]
    key = "id" if "id" in row else "uuid"
    names = ", ".join(columns)
    kept = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    _execute(
        connection,
        f"INSERT INTO {table} ({names}) SELECT {names}"  # noqa: S608 - of the catalogue
        f" FROM jsonb_populate_record(NULL::{table}, %s)"
        f" ON CONFLICT ({key}) DO UPDATE SET {kept}",
        psycopg2.extras.Json(row),
    )
