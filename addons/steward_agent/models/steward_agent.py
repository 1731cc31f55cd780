from odoo import fields, models


class StewardAgent(models.Model):
    """Somebody that works: here by a playbook, or elsewhere and reports."""

    _name = "steward.agent"
    _inherit = ["steward", "mail.thread"]
    _description = "Agent"
    _order = "name"

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True, help="How programs call it: small letters, digits and dashes."
    )
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    kind = fields.Selection(
        [("playbook", "Follows a playbook"), ("external", "Works elsewhere")],
        required=True,
        default="playbook",
    )
    description = fields.Text()
    user_id = fields.Many2one(
        "res.users",
        "Runs as",
        tracking=True,
        help="Its rights are the agent's rights: nothing more, in no door.",
    )
    playbook_id = fields.Many2one("steward.playbook", ondelete="restrict")
    tool_ids = fields.Many2many("steward.tool", string="Tools")
    max_steps = fields.Integer(default=500, help="A run with more steps is stopped.")
    max_seconds = fields.Integer(default=3600, help="A run that takes longer stops.")
    max_cost = fields.Float("Cost limit (USD)", help="Of one run. 0: no limit.")
    max_runs = fields.Integer("At a time", default=2, help="Runs at the same time.")
    capture = fields.Selection(
        [
            ("none", "Nothing"),
            ("hashed", "Fingerprints only"),
            ("truncated", "The beginning"),
            ("full", "Everything"),
        ],
        string="Keep inputs and outputs",
        required=True,
        default="truncated",
    )

    _code_uniq = models.UniqueIndex(
        "(company_id, code)", "There is an agent with this code already."
    )
