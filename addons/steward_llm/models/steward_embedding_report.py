from odoo import api, fields, models
from odoo.tools import SQL

from ..adapters import local

DAYS = 30


class StewardEmbeddingReport(models.Model):
    """What the cache holds of each model, and how much it helps."""

    _name = "steward.embedding.report"
    _description = "Embedding Cache by Model"
    _auto = False
    _order = "hits desc, id"
    _rec_name = "model_id"

    model_id = fields.Many2one("steward.model", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    vectors = fields.Integer("Kept", readonly=True, help="Vectors in the cache now.")
    megabytes = fields.Float(
        "MB", readonly=True, digits=(12, 1), help="Room of the vectors."
    )
    used_on = fields.Date("Last used", readonly=True)
    hits = fields.Integer("Found", readonly=True, help="Known before, in 30 days.")
    misses = fields.Integer(
        "Computed", readonly=True, help="Not yet known, in 30 days."
    )
    # empty when nothing was asked for: unknown is not zero
    rate = fields.Float("Hit rate", readonly=True, aggregator=None, help="Share found.")

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT model.id, model.id AS model_id, model.company_id,
                   COALESCE(kept.vectors, 0) AS vectors,
                   COALESCE(kept.bytes, 0) / 1e6 AS megabytes,
                   kept.used_on,
                   COALESCE(asked.hits, 0) AS hits,
                   COALESCE(asked.misses, 0) AS misses,
                   asked.hits::float / NULLIF(asked.hits + asked.misses, 0) AS rate
              FROM steward_model AS model
              JOIN steward_provider AS provider ON provider.id = model.provider_id
         LEFT JOIN (SELECT model_id, count(*)::int AS vectors,
                           sum(octet_length(vector)) AS bytes,
                           max(used_on) AS used_on
                      FROM steward_embedding GROUP BY model_id
                   ) AS kept ON kept.model_id = model.id
         LEFT JOIN (SELECT model_id, sum(hits)::int AS hits, sum(misses)::int AS misses
                      FROM steward_embedding_day
                     WHERE day > (now() at time zone 'UTC')::date - %s
                  GROUP BY model_id
                   ) AS asked ON asked.model_id = model.id
             WHERE model.can_embedding AND model.active
               AND NOT (provider.kind = 'local' AND model.name = ANY(%s))
            """,
            DAYS,
            sorted(local.Local.cheap),
        )

    @api.readonly
    def action_open_days(self) -> dict:
        """Show the model's days.

        :return: an action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_llm.action_embedding_days"
        )
        return {**action, "domain": [("model_id", "in", self.model_id.ids)]}

    def action_empty(self) -> None:
        """Forget the vectors of these models; they are computed anew when needed.

        Administrators only.
        """
        self.model_id.check_access("write")
        self.model_id._empty_cache()
