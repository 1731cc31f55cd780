from odoo import fields, models

from .steward_skill_review import REVIEW_DAYS


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_skill_authors_approve = fields.Boolean(
        "Authors approve their own skills",
        config_parameter="steward.skill_authors_approve",
        help="For a company with one Reviewer. Otherwise somebody else looks first.",
    )
    steward_skill_review_days = fields.Integer(
        "Days for a review",
        default=REVIEW_DAYS,
        config_parameter="steward.skill_review_days",
    )
