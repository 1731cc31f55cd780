import json

from odoo import api, fields, models
from odoo.tools import SQL

from ..kernel.failure import CATEGORIES


class StewardFailure(models.Model):
    """All failures that are the same failure: one record, counted."""

    _name = "steward.failure"
    _inherit = "steward"
    _description = "Failure"
    _order = "last_at desc, id desc"
    _rec_name = "place"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    fingerprint = fields.Char(required=True, readonly=True)
    category = fields.Selection(
        CATEGORIES, "Kind", required=True, readonly=True, index=True
    )
    place = fields.Char("Where", readonly=True, help="The tool, model or task.")
    error_type = fields.Char("Error", readonly=True)
    detail = fields.Text(
        "Technical detail", readonly=True, help="The message of the last time."
    )
    sentence = fields.Char("What happened", compute="_compute_sentence")
    advice = fields.Char("What to do", compute="_compute_sentence")
    times = fields.Integer(readonly=True, aggregator="sum")
    first_at = fields.Datetime("First", readonly=True)
    last_at = fields.Datetime("Last", readonly=True)
    agent_ids = fields.Many2many("steward.agent", string="Agents", readonly=True)
    last_run_id = fields.Many2one(
        "steward.run",
        "Last run",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )

    _one_row = models.UniqueIndex("(company_id, fingerprint)")
    _recent = models.Index("(company_id, last_at DESC)")

    @api.depends("category", "place")
    @api.depends_context("lang")
    def _compute_sentence(self):
        for failure in self:
            words = self._get_words(failure.category)
            place = failure.place or self.env._("a step")
            failure.sentence = words[0] % {"place": place}
            failure.advice = words[1]

    @api.model
    def _get_words(self, category):
        """What happened and what to do, for people; hook."""
        env = self.env
        return {
            "prompt": (
                env._("The model did not answer %(place)s as it was asked to."),
                env._("Say more exactly what the answer should look like."),
            ),
            "tool": (
                env._("%(place)s could not work with what it was given."),
                env._("Look at its input; correct the tool's description or the data."),
            ),
            "context": (
                env._("%(place)s had too much to read, or missed what it needed."),
                env._("Give the agent less, or other, documents and records."),
            ),
            "external": (
                env._("A service that %(place)s needs did not answer as it should."),
                env._("It is tried again by itself. If it stays so, ask its operator."),
            ),
            "budget": (
                env._("There was no money left for %(place)s."),
                env._(
                    "Raise the budget or the account's limit, or take a cheaper model."
                ),
            ),
            "rights": (
                env._("The agent's user may not do what %(place)s needs."),
                env._("Give that user the right, if the agent should do this."),
            ),
            "bug": (
                env._("The program made a mistake in %(place)s."),
                env._("Tell its author; the technical detail is what they need."),
            ),
        }[category]

    @api.model
    def _count(self, failures: list[dict]) -> None:
        """Count failures, each once for each time it happened.

        Rows of many reporters meet here, so it belongs into a transaction that is READ
        COMMITTED and short; in one order, so that no two wait for each other.

        :param failures: with company_id, fingerprint, category, place, error_type,
            detail, at, last_run_id, agent_id
        """
        rows: dict[tuple, dict] = {}
        agents = set()
        for failure in failures:
            key = (failure["company_id"], failure["fingerprint"])
            at = failure["at"].isoformat()
            row = rows.setdefault(
                key, {**failure, "times": 0, "first_at": at, "last_at": at}
            )
            row["times"] += 1
            row["first_at"] = min(row["first_at"], at)
            if at >= row["last_at"]:
                row |= {
                    "last_at": at,
                    "last_run_id": failure["last_run_id"],
                    "detail": failure["detail"],
                }
            if failure["agent_id"]:
                agents.add((*key, failure["agent_id"]))
        if not rows:
            return
        ordered = [rows[key] for key in sorted(rows)]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO steward_failure AS known (
                    company_id, fingerprint, category, place, error_type, detail,
                    times, first_at, last_at, last_run_id
                )
                SELECT company_id, fingerprint, category, place, error_type, detail,
                       times, first_at, last_at, last_run_id
                  FROM json_populate_recordset(null::steward_failure, %s)
                ON CONFLICT (company_id, fingerprint) DO UPDATE
                   SET times = known.times + excluded.times,
                       first_at = LEAST(known.first_at, excluded.first_at),
                       last_at = GREATEST(known.last_at, excluded.last_at),
                       detail = CASE WHEN excluded.last_at >= known.last_at
                                     THEN excluded.detail ELSE known.detail END,
                       last_run_id = CASE WHEN excluded.last_at >= known.last_at
                                          THEN excluded.last_run_id
                                          ELSE known.last_run_id END
                RETURNING id, company_id, fingerprint
                """,
                json.dumps(ordered, default=str),
            )
        )
        ids = {tuple(key): row_id for row_id, *key in self.env.cr.fetchall()}
        links = sorted(
            (ids[company, fingerprint], agent) for company, fingerprint, agent in agents
        )
        if links:
            relation = self._fields["agent_ids"]
            self.env.cr.execute(
                SQL(
                    "INSERT INTO %s (%s, %s) VALUES %s ON CONFLICT DO NOTHING",
                    SQL.identifier(relation.relation),
                    SQL.identifier(relation.column1),
                    SQL.identifier(relation.column2),
                    SQL(", ").join(links),
                )
            )

    def action_steps(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward_agent.action_steps"),
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("fingerprint", "=", self.fingerprint),
            ],
            "context": {},
        }
