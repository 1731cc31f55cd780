from contextlib import contextmanager
from datetime import date
from unittest.mock import patch

from dateutil.relativedelta import relativedelta
from psycopg2.errors import LockNotAvailable, NotNullViolation, UniqueViolation

from odoo import fields
from odoo.addons.steward.exceptions import converted
from odoo.tools import mute_logger, sql

from .ledger_common import LedgerCase, run, step


class TestPartitioned(LedgerCase):
    def setUp(self):
        super().setUp()
        self.this_month = fields.Date.today().replace(day=1)

    def partitions(self):
        self.env.cr.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'steward_step'::regclass"
        )
        return {name for (name,) in self.env.cr.fetchall()}

    def in_month(self, trace, month):
        """A run of another month, with a step."""
        self.accept(run(trace))
        self.env.cr.execute(
            "UPDATE steward_run SET month = %s WHERE trace_id = %s", [month, trace]
        )
        self.accept(step("1", trace))
        return self.run_of(trace)

    def plan(self, where, *params):
        self.env.cr.execute("ANALYZE steward_step")
        self.env.cr.execute(
            f"EXPLAIN SELECT id FROM {self.from_clause()} WHERE {where}", params
        )
        return "\n".join(line for (line,) in self.env.cr.fetchall())

    def from_clause(self):
        """What the ORM selects from."""
        query = self.steps._search([])
        return query.from_clause.code.replace("%s", "") or query.table

    def test_months_to_come(self):
        with patch.object(fields.Date, "today", lambda *_args: date(2031, 12, 31)):
            self.steps._make_partitions()
        for month in ("203112", "203201"):
            self.assertIn(f"steward_step_{month}", self.partitions())

    def test_update_keeps_all(self):
        head = self.in_month("t1", self.this_month)
        before = self.partitions()
        self.steps.init()
        self.assertEqual(self.partitions(), before)
        self.assertEqual(len(head.step_ids), 1)

    def test_update_adds_columns(self):
        self.env.cr.execute("ALTER TABLE steward_step DROP COLUMN iteration")
        self.steps.init()
        self.assertIn("iteration", sql.table_columns(self.env.cr, "steward_step"))

    def test_required_columns(self):
        with self.assertRaises(NotNullViolation), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                "INSERT INTO steward_step (period, run_id) VALUES (%s, 1)",
                [self.this_month],
            )

    def test_uninstall(self):
        self.steps._drop_table()
        for name in ("steward_step", f"steward_step_{self.this_month:%Y%m}"):
            self.assertFalse(sql.table_exists(self.env.cr, name))
        self.env.cr.execute("SELECT to_regclass('steward_step_id_seq')")
        self.assertEqual(self.env.cr.fetchone(), (None,))
        self.steps.init()
        self.accept(run(), step())

    def test_orm(self):
        self.accept(run(), *(step(n, duration_ms=int(n)) for n in "123"))
        self.assertEqual(self.run_of().step_ids.mapped("span_id"), ["1", "2", "3"])
        self.assertEqual(
            self.steps._read_group([], ["kind"], ["duration_ms:sum"]),
            [("tool_call", 6.0)],
        )
        self.assertEqual(self.steps.search_count([("name", "ilike", "SEAR")]), 3)
        viewer = self.steps.with_user(self.users["viewer"])
        self.assertEqual(len(viewer.search_read([("status", "=", "ok")])), 3)
        with self.assertRaisesRegex(Exception, "not an ordinary table"):
            self.run_of().step_ids.export_data(["id"])
        self.run_of().unlink()
        self.assertFalse(self.steps.search([]))

    def test_ids_start_again(self):
        """No id is ever larger than what a client can carry."""
        self.env.cr.execute("SELECT setval('steward_step_id_seq', %s)", [2**31 - 2])
        self.accept(run(), *(step(n) for n in "123"))
        ids = sorted(self.steps.search([]).ids)
        self.assertEqual(ids[-1], 2**31 - 1)
        self.assertLess(ids[1], 2**31 - 1)

    def test_a_month_has_no_id_twice(self):
        self.accept(run(), step())
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"):
            self.env.cr.execute(
                "INSERT INTO steward_step SELECT (jsonb_populate_record(s,"
                ' \'{"span_id": "x"}\')).* FROM steward_step s'
            )

    def test_pruning_and_indexes(self):
        for months in range(4):
            month = self.this_month - relativedelta(months=months)
            self.in_month(f"t{months}", month)
        self.accept(run("large"), *(step(f"s{n}", "large") for n in range(2000)))
        head = self.run_of("t0")
        plan = self.plan("run_id = %s AND period = %s", head.id, head.month)
        self.assertNotIn("Append", plan)
        self.assertIn("Index", plan)
        plan = self.plan("run_id = %s", head.id)
        large = f"steward_step_{self.this_month:%Y%m}"
        self.assertIn(f"Index Scan using {large}_run_id_span_id_period_idx", plan)
        plan = self.plan("fingerprint = 'x'")
        self.assertIn("fingerprint", plan)
        self.assertIn("Index", plan)

    def test_retention(self):
        old = self.in_month("old", date(2025, 1, 1))
        new = self.in_month("new", self.this_month)
        self.env["ir.config_parameter"].set_param("steward.ledger.months", "2")
        kept = self.this_month - relativedelta(months=1)
        self.assertEqual(self.steps._get_oldest_kept(), kept)
        cron = self.env.ref("steward_agent.cron_partitions")
        with self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.assertNotIn("steward_step_202501", self.partitions())
        self.env.invalidate_all()
        self.assertFalse(old.step_ids)
        self.assertEqual(len(new.step_ids), 1)

    def test_retention_waits_for_nobody(self):
        self.in_month("old", date(2025, 1, 1))
        calls = []

        @contextmanager
        def busy(_model):
            calls.append(1)
            if len(calls) > 1:
                raise converted(LockNotAvailable())
            yield self.env.cr

        with patch.object(self.registry["steward.step"], "_own_transaction", busy):
            self.assertFalse(self.steps._drop_partitions_before(self.this_month))
            calls.clear()
            with self.enter_registry_test_mode():
                self.env.ref("steward_agent.cron_partitions").method_direct_trigger()
        self.assertIn("steward_step_202501", self.partitions())
        cron = self.env.ref("steward_agent.cron_partitions")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]))

    def test_months_are_kept_at_least_one(self):
        self.env["ir.config_parameter"].set_param("steward.ledger.months", "-3")
        self.assertEqual(self.steps._get_oldest_kept(), self.this_month)
