from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_knowledge_folders = fields.Char(
        string="Folders that may be harvested",
        config_parameter="steward.knowledge.folders",
        help="Absolute folders of this server, separated by commas: checkouts of Odoo's"
        " documentation and git repositories. Empty: none.",
    )
    steward_knowledge_agents_make_sources = fields.Boolean(
        string="Agents make sources",
        config_parameter="steward.knowledge.agents_make_sources",
        help="An Agent that brings documents may name a source that is not there yet.",
    )
