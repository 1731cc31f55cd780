from odoo import api, fields, models

KINDS = [
    ("files", "Files"),
    ("website", "Website"),
    ("forum", "Forum"),
    ("odoo_docs", "Odoo documentation"),
    ("github", "GitHub"),
    ("git", "Git repository"),
    ("structure", "This Odoo itself"),
    ("records", "Records of this Odoo"),
    ("push", "Pushed from outside"),
]


class StewardSource(models.Model):
    """Where knowledge comes from, and who may find what was harvested there."""

    _name = "steward.source"
    _inherit = ["steward", "mail.thread", "mail.activity.mixin"]
    _description = "Knowledge Source"
    _order = "sequence, name, id"
    _steward_own_fields = ("since", "record_user_id", "last_harvest_id", "state")

    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        tracking=True,
        help="Only this company finds what was harvested here; empty: all of them.",
    )
    group_ids = fields.Many2many(
        "res.groups",
        string="Readers",
        ondelete="restrict",  # without its group a source would be everybody's
        tracking=True,
        help="Only members of these groups find it; empty: every user.",
    )
    kind = fields.Selection(
        KINDS, required=True, default="files", help="How Steward gets at it."
    )
    authority = fields.Float(
        default=1.0,
        help="How much its documents count in search, beside how well they fit: 1 is"
        " ordinary, 2 twice as much.",
    )
    document_ids = fields.One2many("steward.document", "source_id", string="Documents")
    document_count = fields.Integer(compute="_compute_document_count")

    _authority_bounds = models.Constraint(
        "CHECK (authority BETWEEN 0.1 AND 10)", "Authority goes from 0.1 to 10."
    )

    @api.depends("document_ids")
    def _compute_document_count(self):
        counts = dict(
            self.env["steward.document"]._read_group(
                [("source_id", "in", self.ids)], ["source_id"], ["__count"]
            )
        )
        for source in self:
            source.document_count = counts.get(source, 0)
