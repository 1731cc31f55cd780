from odoo import api, fields, models
from odoo.tools import SQL

COLUMNS = [
    *("company_id", "date", "query", "results", "empty", "took_ms", "degraded"),
    *("document_id", "verdict"),
]

# words that differ by spaces, capitals or a question mark alone are one question
NORMALISED = SQL(
    r"lower(regexp_replace(btrim(query, E' \t\n?!.,;:'), '\s+', ' ', 'g'))"
)


class StewardSearchQuestion(models.Model):
    """What people asked, the same words together, and what became of it."""

    _name = "steward.search.question"
    _description = "Question Asked"
    _auto = False
    _depends = {"steward.search.log": COLUMNS}
    _order = "last_at desc, id desc"

    name = fields.Char("Question", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    times = fields.Integer("Asked", readonly=True)
    zero_times = fields.Integer("Found nothing", readonly=True)
    is_zero = fields.Boolean(
        "Finds nothing", readonly=True, help="Nothing was found when last asked."
    )
    results = fields.Integer(
        "Results", readonly=True, aggregator=None, help="When last asked."
    )
    useful = fields.Integer("Useful", readonly=True)
    useless = fields.Integer("Not useful", readonly=True)
    last_at = fields.Datetime("Last asked", readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT max(id) AS id, %(normalised)s AS name, company_id,
                   count(*)::int AS times,
                   count(*) FILTER (WHERE empty)::int AS zero_times,
                   (array_agg(empty ORDER BY id DESC))[1] AS is_zero,
                   (array_agg(log.results ORDER BY id DESC))[1] AS results,
                   count(*) FILTER (WHERE verdict = 'useful')::int AS useful,
                   count(*) FILTER (WHERE verdict = 'useless')::int AS useless,
                   max(date) AS last_at
              FROM steward_search_log AS log
          GROUP BY %(normalised)s, company_id
            """,
            normalised=NORMALISED,
        )

    def action_make_case(self) -> dict:
        """Make a test question of what was asked.

        The documents that people found useful are its right answers; without any,
        whoever makes it names them.

        :return: an action: the new test question, not yet saved
        """
        self.ensure_one()
        self.env["steward.search.case"].check_access("create")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Test Question"),
            "res_model": "steward.search.case",
            "views": [[False, "form"]],
            "context": {
                "default_query": self.name,
                "default_company_id": self.company_id.id,
                "default_expected": "\n".join(self._useful_documents()),
                "default_set_name": self.env._("Asked"),
            },
        }

    @api.readonly
    def action_search(self) -> dict:
        """Ask the question again.

        :return: an action: the search page
        """
        self.ensure_one()
        action = self.env["ir.actions.client"]._for_xml_id(
            "steward_knowledge.action_search"
        )
        return {**action, "params": {"question": self.name}}

    def _useful_documents(self):
        """What their sources call the documents that were useful for this question."""
        self.env["steward.search.log"].flush_model(COLUMNS)
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT document_id FROM steward_search_log"
                " WHERE %s = %s AND verdict = 'useful' AND document_id IS NOT NULL",
                NORMALISED,
                self.name,
            )
        )
        ids = [document_id for (document_id,) in rows]
        return (
            self.env["steward.document"]
            .search([("id", "in", ids)])
            .mapped("external_id")
        )


class StewardSearchDay(models.Model):
    """How search did, day by day."""

    _name = "steward.search.day"
    _description = "Quality of Search by Day"
    _auto = False
    _depends = {"steward.search.log": COLUMNS}
    _order = "day desc, id desc"
    _rec_name = "day"

    day = fields.Date(readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    searches = fields.Integer("Searches", readonly=True)
    zeros = fields.Integer("Found nothing", readonly=True)
    useful = fields.Integer("Useful", readonly=True)
    useless = fields.Integer("Not useful", readonly=True)
    # empty when nobody judged: unknown is not zero
    useful_share = fields.Float(
        "Useful of those judged", readonly=True, aggregator="avg"
    )
    degraded = fields.Integer(
        "Not at full strength", readonly=True, help="Such as without meaning."
    )
    p50 = fields.Float("Typical (p50), ms", readonly=True, aggregator="avg")
    p95 = fields.Float("Slow (p95), ms", readonly=True, aggregator="max")

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT max(id) AS id, date::date AS day, company_id,
                   count(*)::int AS searches,
                   count(*) FILTER (WHERE empty)::int AS zeros,
                   count(*) FILTER (WHERE verdict = 'useful')::int AS useful,
                   count(*) FILTER (WHERE verdict = 'useless')::int AS useless,
                   count(*) FILTER (WHERE verdict = 'useful')::float
                       / NULLIF(count(verdict), 0) AS useful_share,
                   count(degraded)::int AS degraded,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY took_ms) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY took_ms) AS p95
              FROM steward_search_log
          GROUP BY date::date, company_id
            """
        )
