"""A runner for tests: it writes what the real one writes, in plain SQL."""

import copy
import hashlib
import json
from datetime import UTC, datetime

from odoo.tests import TransactionCase, new_test_user

# as in a transaction of the runner's own; now() is when the whole test class began
UTC_NOW = "statement_timestamp() AT TIME ZONE 'utc'"


class FakeRunner:
    """Claims operations and ends them as a test says; Odoo's cache is forgotten."""

    def __init__(self, env, root="/srv/backups", free=80 * 2**30, total=100 * 2**30):
        self.env = env
        self.root = root
        self.facts = {
            "verbs": [
                "backup",
                "verify",
                "restore",
                "drill",
                "prune",
                "export",
                "discard",
                "probe",
            ],
            "roots": [{"path": root, "free_bytes": free, "total_bytes": total}],
            "pg": {"pg_dump": "18.0", "pg_restore": "18.0"},
            "odoo_ok": True,
            "signing_key_ok": True,
        }
        self.id = None

    def sql(self, query, *params):
        self.env.flush_all()
        self.env.cr.execute(query, params)
        found = self.env.cr.fetchall() if self.env.cr.description else []
        self.env.invalidate_all()
        return found

    def enrol(self, code=None):
        """By code, as an administrator showed it; without, as the house's own."""
        key_hash = hashlib.sha256(b"the key in the runner's file").hexdigest()
        if code is None:
            [(self.id,)] = self.sql(
                "INSERT INTO steward_runner (name, active, key_hash, hostname)"
                " VALUES ('Runner', true, %s, 'here') RETURNING id",
                key_hash,
            )
        else:
            found = self.sql(
                f"""
                UPDATE steward_runner
                   SET key_hash = %s, code_hash = NULL, code_until = NULL
                 WHERE active AND code_hash = %s AND code_until > {UTC_NOW}
             RETURNING id
                """,
                key_hash,
                hashlib.sha256(code.encode()).hexdigest(),
            )
            if not found:
                return False
            [(self.id,)] = found
        self.beat()
        return True

    def beat(self, seconds_ago=0):
        clock = {"clock": datetime.now(UTC).isoformat()}
        self.sql(
            f"UPDATE steward_runner SET facts = %s, version = '1', seen_at = {UTC_NOW}"
            " - make_interval(secs => %s) WHERE id = %s",
            json.dumps(clock | self.facts),
            seconds_ago,
            self.id,
        )

    def claim(self):
        """Take the oldest operation; its id, verb and arguments, or None."""
        found = self.sql(
            f"""
            UPDATE steward_operation
               SET state = 'running', runner_id = %s, fence = fence + 1,
                   started_at = {UTC_NOW},
                   lease_until = {UTC_NOW} + interval '30 s'
             WHERE id = (SELECT id FROM steward_operation
                          WHERE state = 'queued'
                       ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)
         RETURNING id, verb, arguments, fence
            """,
            self.id,
        )
        if not found:
            return None
        self.operation_id, verb, arguments, self.fence = found[0]
        return self.operation_id, verb, arguments

    def step(self, step, progress):
        return self.sql(
            "UPDATE steward_operation SET step = %s, progress = %s"
            " WHERE id = %s AND fence = %s RETURNING id",
            step,
            progress,
            self.operation_id,
            self.fence,
        )

    def end(self, state="done", result=None, error=None, seconds=60):
        """Write the outcome, `seconds` after the beginning."""
        return self.sql(
            f"""
            UPDATE steward_operation
               SET state = %s, result = %s, error = %s, progress = 100,
                   started_at = {UTC_NOW} - make_interval(secs => %s),
                   ended_at = {UTC_NOW}, applied = false
             WHERE id = %s AND fence = %s RETURNING id
            """,
            state,
            json.dumps(result) if result is not None else None,
            error,
            seconds,
            self.operation_id,
            self.fence,
        )

    def do(self, result=None, state="done", error=None, **more):
        """Claim, end, and let Odoo take it over; the operation."""
        if not self.claim():
            raise AssertionError("nothing is asked for")
        self.end(state, result, error, **more)
        operation = self.env["steward.operation"].browse(self.operation_id)
        operation._apply()
        return operation


class RunnerCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["steward.operation"].search([])._write_own(
            {"state": "cancelled", "applied": True}
        )
        cls.env["steward.runner"].with_context(active_test=False).search([]).unlink()
        cls.users = {
            role: new_test_user(cls.env, f"b_{role}", groups=group)
            for role, group in (
                ("employee", "base.group_user"),
                ("agent", "steward.group_agent"),
                ("viewer", "steward.group_viewer"),
                ("operator", "steward.group_operator"),
                ("reviewer", "steward.group_reviewer"),
                ("administrator", "steward.group_administrator"),
            )
        }
        cls.runner = FakeRunner(cls.env)

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, self.runner, "facts", self.runner.facts)
        self.runner.facts = copy.deepcopy(self.runner.facts)
