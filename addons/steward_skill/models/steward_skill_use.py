from odoo import fields, models
from odoo.addons.steward_agent.kernel.control import STATES, VERDICTS

ARMS = [("with", "With the skill"), ("without", "Without it")]


class StewardSkillUse(models.Model):
    """A run that a version of a skill fits: told it, or left without for a trial.

    How the run went is copied when it has ended, as runs are deleted one day.
    """

    _name = "steward.skill.use"
    _inherit = "steward"
    _description = "Use of a Skill"
    _order = "id desc"
    _rec_name = "trace_id"
    _log_access = False
    _steward_own_fields = (
        *("skill_id", "version_id", "run_id", "trace_id", "agent_id", "company_id"),
        *("arm", "score", "used_at", "state", "verdict", "category", "cost"),
        *("step_count", "duration_ms"),
    )

    skill_id = fields.Many2one("steward.skill", required=True, ondelete="cascade")
    version_id = fields.Many2one(
        "steward.skill.version", required=True, index=True, ondelete="cascade"
    )
    run_id = fields.Many2one("steward.run", ondelete="set null", index="btree_not_null")
    trace_id = fields.Char("Trace", required=True)
    agent_id = fields.Many2one("steward.agent", ondelete="set null")
    company_id = fields.Many2one("res.company", required=True, ondelete="cascade")
    arm = fields.Selection(ARMS, required=True)
    score = fields.Float("Fit", help="How well the skill fits the task.")
    used_at = fields.Datetime(required=True)

    # of the run, once it has ended
    state = fields.Selection(STATES)
    verdict = fields.Selection(VERDICTS)
    category = fields.Char("Kind of failure")
    cost = fields.Float("Cost (USD)", digits=(18, 9))
    step_count = fields.Integer("Steps")
    duration_ms = fields.Float("Time (ms)")

    _once = models.UniqueIndex("(company_id, trace_id, version_id)")
    _recent = models.Index("(skill_id, used_at DESC)")
