from odoo import api, fields, models

from ..kernel.ledger import FAILED

RIGHTLY_ENDED = "completed"


class StewardRun(models.Model):
    _inherit = "steward.run"

    prompt_version_id = fields.Many2one(
        "steward.prompt.version",
        "Prompt",
        readonly=True,
        ondelete="set null",
        index="btree_not_null",
        help="The exact version that it was told, from its beginning to its end.",
    )


class StewardPromptVersion(models.Model):
    """How runs went that were told exactly this."""

    _inherit = "steward.prompt.version"

    run_count = fields.Integer("Runs", compute="_compute_runs", aggregator=None)
    success_rate = fields.Float(
        "Succeeded", compute="_compute_runs", help="Of the runs that have ended."
    )
    run_cost = fields.Float(
        "Cost of a run (USD)", compute="_compute_runs", help="On average, where known."
    )
    ended_count = fields.Integer(compute="_compute_runs", aggregator=None)

    def _compute_runs(self):
        runs = self.env["steward.run"]
        rows = runs._read_group(
            [("prompt_version_id", "in", self.ids)],
            ["prompt_version_id", "state"],
            ["__count", "cost:sum"],
        )
        told = {}
        for version, state, count, cost in rows:
            told.setdefault(version.id, []).append((state, count, cost))
        for version in self:
            mine = told.get(version.id, [])
            version.run_count = sum(count for _state, count, _cost in mine)
            good = sum(count for state, count, _cost in mine if state == RIGHTLY_ENDED)
            bad = sum(count for state, count, _cost in mine if state in FAILED)
            version.ended_count = good + bad
            version.success_rate = good / (good + bad) if good + bad else 0.0
            cost = sum(cost or 0.0 for _state, _count, cost in mine)
            version.run_cost = cost / version.run_count if mine else 0.0

    def action_runs(self) -> dict:
        """Show the runs that were told this."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_runs"
        )
        domain = [("prompt_version_id", "in", self.ids)]
        return {**action, "domain": domain, "context": {}}


class StewardPrompt(models.Model):
    _inherit = "steward.prompt"

    run_count = fields.Integer("Runs", compute="_compute_run_count", aggregator=None)

    @api.depends("version_ids.run_count")
    def _compute_run_count(self):
        for prompt in self:
            prompt.run_count = sum(prompt.version_ids.mapped("run_count"))

    def action_runs(self) -> dict:
        """Show the runs that were told any version of this."""
        return self.version_ids.action_runs()
