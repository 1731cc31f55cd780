from odoo import fields, models


class StewardSkillHarvest(models.Model):
    """One round of looking for skills in runs that people approved."""

    _name = "steward.skill.harvest"
    _inherit = "steward"
    _description = "Harvest of Skills"
    _order = "id desc"
    _steward_own_fields = (
        *("company_id", "state", "began_at", "ended_at", "looked_at", "group_count"),
        *("proposal_count", "refusals", "error"),
    )

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    state = fields.Selection(
        [("running", "Under way"), ("done", "Done"), ("failed", "Failed")],
        required=True,
        readonly=True,
        default="running",
    )
    began_at = fields.Datetime(readonly=True)
    ended_at = fields.Datetime(readonly=True)
    looked_at = fields.Integer("Runs looked at", readonly=True)
    group_count = fields.Integer("Groups", readonly=True)
    proposal_count = fields.Integer("Proposed", readonly=True)
    skill_ids = fields.One2many("steward.skill", "harvest_id", "Skills", readonly=True)
    refusals = fields.Json(readonly=True, help="[{group, reason}]")
    error = fields.Char(readonly=True)
