from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.kernel.redactor import redact
from odoo.tools import SQL

KEEP = 90  # days, where the settings say nothing
LONGEST = 500  # characters of a question that are kept
BATCH = 10_000


class StewardSearchLog(models.Model):
    """What was looked for, how long it took, and whether it helped."""

    _name = "steward.search.log"
    _inherit = "steward"
    _description = "Search"
    _log_access = False
    _order = "id desc"
    _rec_name = "query"

    _steward_own_fields = (
        *("date", "query", "corrected", "user_id", "company_id", "results", "empty"),
        *("took_ms", "degraded", "cached", "document_id", "verdict"),
    )

    date = fields.Datetime(required=True, readonly=True, index=True)
    query = fields.Char(
        readonly=True,
        help="Without what looks like a secret, and not all of a long one.",
    )
    corrected = fields.Char(readonly=True, help="As it was understood.")
    user_id = fields.Many2one(
        "res.users", readonly=True, index="btree_not_null", ondelete="set null"
    )
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade")
    results = fields.Integer(readonly=True, aggregator="avg")
    empty = fields.Boolean(string="Found nothing", readonly=True)
    took_ms = fields.Float(string="Took (ms)", readonly=True, aggregator="avg")
    degraded = fields.Char(readonly=True, help="What could not be done, and why.")
    cached = fields.Boolean(string="From the cache", readonly=True)
    document_id = fields.Many2one(
        "steward.document",
        string="Opened",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    verdict = fields.Selection(
        [("useful", "Useful"), ("useless", "Not useful")], readonly=True
    )

    def _note(self, query, results, took_ms, corrected="", degraded="", cached=False):
        """Enter a search with a single statement; return its number."""
        self.env.cr.execute(
            SQL(
                "INSERT INTO steward_search_log (date, query, corrected, user_id,"
                " company_id, results, empty, took_ms, degraded, cached) VALUES"
                " (now() AT TIME ZONE 'UTC', %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " RETURNING id",
                redact(query[:LONGEST]),
                redact(corrected[:LONGEST]) or None,
                self.env.uid,
                self.env.company.id,
                results,
                not results,
                took_ms,
                degraded or None,
                cached,
            )
        )
        return self.env.cr.fetchone()[0]

    def _latencies(self, since):
        """Return how many searches there were, and how long they took.

        :param since: a datetime in UTC
        :return: number, median and 95th percentile in milliseconds, share without
            results
        """
        self.env.cr.execute(
            SQL(
                "SELECT count(*),"
                " coalesce(percentile_cont(.5) WITHIN GROUP (ORDER BY took_ms), 0),"
                " coalesce(percentile_cont(.95) WITHIN GROUP (ORDER BY took_ms), 0),"
                " coalesce(avg(empty::int), 0)"
                " FROM steward_search_log WHERE date >= %s",
                since,
            )
        )
        number, median, most, empty = self.env.cr.fetchone()
        return {
            "searches": number,
            "p50_ms": float(median),
            "p95_ms": float(most),
            "empty_share": float(empty),
        }

    @api.model
    def _cron_prune(self):
        """Forget searches that are older than the settings say."""
        # sudo: ir.config_parameter - one number
        params = self.env["ir.config_parameter"].sudo()
        days = int(params.get_param("steward.search.keep_days") or KEEP)
        before = fields.Datetime.now() - timedelta(days=days)
        while True:
            old = self.search([("date", "<", before)], limit=BATCH)
            if not old:
                break
            gone = len(old)
            old.unlink()
            if not self.env["ir.cron"]._commit_progress(gone):
                break
