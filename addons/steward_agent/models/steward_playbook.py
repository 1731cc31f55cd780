from odoo import fields, models


class StewardPlaybook(models.Model):
    """An ordered list of steps, written as YAML, that needs no model."""

    _name = "steward.playbook"
    _inherit = ["steward", "mail.thread"]
    _description = "Playbook"
    _order = "name"

    name = fields.Char(required=True)
    code = fields.Char(required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    text = fields.Text("YAML", required=True)
