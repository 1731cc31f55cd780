from odoo import fields, models
from odoo.tools import SQL

from ..kernel.control import ENDED


class StewardContextReport(models.Model):
    """What it is good for to tell agents what is known: runs with and without."""

    _name = "steward.context.report"
    _description = "Context of Runs"
    _auto = False
    _order = "started_at desc, id desc"
    _rec_name = "run_id"

    run_id = fields.Many2one("steward.run", readonly=True)
    agent_id = fields.Many2one("steward.agent", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    started_at = fields.Datetime("Started", readonly=True)
    context = fields.Selection(
        [("with", "With"), ("without", "Without")],
        "What is known",
        readonly=True,
        help="Chance decides, by the agent's share: so both are comparable.",
    )
    success = fields.Float(
        "Success (%)",
        readonly=True,
        aggregator="avg",
        help="Runs that were completed, and that nobody rejected.",
    )
    tokens = fields.Float("Tokens of a run", readonly=True, aggregator="avg")
    cost = fields.Float(
        "Cost of a run (USD)",
        readonly=True,
        digits=(18, 6),
        aggregator="avg",
        help="Of the runs whose cost is known.",
    )
    seconds = fields.Float("Duration (s)", readonly=True, aggregator="avg")
    context_tokens = fields.Float("Tokens told", readonly=True, aggregator="avg")
    context_saved = fields.Float(
        "Tokens saved",
        readonly=True,
        aggregator="sum",
        help="About how many more the whole documents would have taken.",
    )

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT id, id AS run_id, agent_id, company_id, started_at,
                   CASE WHEN context_used THEN 'with' ELSE 'without' END AS context,
                   CASE WHEN state = 'completed'
                             AND verdict IS DISTINCT FROM 'rejected'
                        THEN 100.0 ELSE 0.0 END AS success,
                   (COALESCE(tokens_in, 0) + COALESCE(tokens_out, 0))::float AS tokens,
                   cost, duration_ms / 1000 AS seconds,
                   COALESCE(context_tokens, 0)::float AS context_tokens,
                   COALESCE(context_saved, 0)::float AS context_saved
              FROM steward_run
             WHERE context_used IS NOT NULL AND degraded IS NULL
                   AND state = ANY(%s)
            """,
            sorted(ENDED),
        )
