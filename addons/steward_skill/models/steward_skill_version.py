from odoo import fields, models

from .steward_skill import KINDS


class StewardSkillVersion(models.Model):
    """A skill at one time: what agents are told, and runs are counted for."""

    _name = "steward.skill.version"
    _inherit = ["steward.version.mixin", "steward"]
    _description = "Version of a Skill"
    _version_of = "skill_id"
    # what is found out about it later; what it says never changes
    _version_facts = ("approver_id", "approved_at", "checks")
    _steward_own_fields = _version_facts

    skill_id = fields.Many2one(
        "steward.skill", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="skill_id.company_id", store=True)
    title = fields.Char(readonly=True)
    description = fields.Text(readonly=True)
    kind = fields.Selection(KINDS, readonly=True)
    trigger_words = fields.Char(readonly=True)
    tool_names = fields.Char("Tools it needs", readonly=True)
    depends_on = fields.Char("Skills it needs", readonly=True)
    body = fields.Text("Instructions", readonly=True)
    playbook = fields.Text("Playbook (YAML)", readonly=True)
    inputs = fields.Text("Inputs (JSON Schema)", readonly=True)
    outputs = fields.Text("Outputs (JSON Schema)", readonly=True)
    file_ids = fields.Many2many("steward.skill.file", string="Files", readonly=True)
    approver_id = fields.Many2one("res.users", "Approved by", readonly=True)
    approved_at = fields.Datetime("Approved", readonly=True)
    checks = fields.Json(
        readonly=True, help="Quality gates: [{name, title, state, sentence}]."
    )

    _number_uniq = models.UniqueIndex("(skill_id, number)")
