from odoo import fields, models
from odoo.tools import SQL

from ..kernel.control import ENDED


class StewardCostReport(models.Model):
    """What an outcome costs: all that was spent, by the runs that came to something."""

    _name = "steward.cost.report"
    _description = "Cost per Outcome"
    _auto = False
    _order = "started_at desc, id desc"
    _rec_name = "run_id"
    _depends = {
        "steward.run": [
            *("agent_id", "agent_name", "model", "prompt_version", "company_id"),
            *("asked_by_id", "started_at", "verdict", "state", "unpriced_count"),
            *("tokens_in", "tokens_out", "tokens_cached", "cost"),
        ]
    }

    run_id = fields.Many2one("steward.run", readonly=True)
    agent_id = fields.Many2one("steward.agent", readonly=True)
    agent_name = fields.Char("Agent's name", readonly=True)
    model = fields.Char("Last model", readonly=True)
    prompt_version = fields.Char(readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    user_id = fields.Many2one("res.users", "Asked for by", readonly=True)
    started_at = fields.Datetime("Started", readonly=True)
    outcome = fields.Selection(
        [
            ("approved", "Approved"),
            ("completed", "Completed, not judged"),
            ("rejected", "Rejected"),
            ("failed", "Came to nothing"),
        ],
        readonly=True,
    )
    runs = fields.Integer(readonly=True)
    completed = fields.Integer("Completed runs", readonly=True)
    approved = fields.Integer("Approved runs", readonly=True)
    unpriced = fields.Integer("Steps without a known price", readonly=True)
    tokens = fields.Integer(readonly=True)
    tokens_cached = fields.Integer("Cached tokens", readonly=True)
    cost = fields.Float(
        "Cost (USD)",
        digits=(18, 6),
        readonly=True,
        help="Empty where no price is known: see the steps without one.",
    )
    cost_per_completed = fields.Float(
        "Cost per completed run (USD)",
        digits=(18, 6),
        readonly=True,
        aggregator="avg",
        help="All that was spent, what came to nothing included, by the runs that were"
        " completed and that nobody rejected. Empty where there are none, or where no"
        " price is known.",
    )
    cost_per_approved = fields.Float(
        "Cost per approved run (USD)",
        digits=(18, 6),
        readonly=True,
        aggregator="avg",
        help="All that was spent by the runs that a person approved. Empty where there"
        " are none.",
    )

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT id, id AS run_id, agent_id, agent_name, model, prompt_version,
                   company_id, asked_by_id AS user_id, started_at, 1 AS runs,
                   CASE WHEN verdict IS NOT NULL THEN verdict
                        WHEN state = 'completed' THEN 'completed'
                        ELSE 'failed' END AS outcome,
                   (state = 'completed' AND verdict IS DISTINCT FROM 'rejected')::int
                        AS completed,
                   COALESCE(verdict = 'approved', FALSE)::int AS approved,
                   COALESCE(unpriced_count, 0) AS unpriced,
                   COALESCE(tokens_in, 0) + COALESCE(tokens_out, 0) AS tokens,
                   COALESCE(tokens_cached, 0) AS tokens_cached,
                   CASE WHEN COALESCE(cost, 0) > 0 OR COALESCE(unpriced_count, 0) = 0
                        THEN COALESCE(cost, 0) END AS cost,
                   CASE WHEN state = 'completed' AND verdict IS DISTINCT FROM 'rejected'
                        THEN cost END AS cost_per_completed,
                   CASE WHEN verdict = 'approved' THEN cost END AS cost_per_approved
              FROM steward_run
             WHERE state = ANY(%s)
            """,
            sorted(ENDED),
        )

    def _read_group_select(self, aggregate_spec, query):
        """What failed was paid for as well: an average of those that did not, lies."""
        of = {
            "cost_per_completed:avg": "completed",
            "cost_per_approved:avg": "approved",
        }.get(aggregate_spec)
        if of is None:
            return super()._read_group_select(aggregate_spec, query)
        cost = self._field_to_sql(self._table, "cost", query)
        count = self._field_to_sql(self._table, of, query)
        # what nobody knows the price of, was not free
        return SQL(
            "SUM(%(cost)s) / NULLIF(SUM(%(count)s) FILTER (WHERE %(cost)s IS NOT NULL),"
            " 0)",
            cost=cost,
            count=count,
        )
