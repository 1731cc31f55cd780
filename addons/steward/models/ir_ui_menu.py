from odoo import api, models

from .res_users import AGENT


class IrUiMenu(models.Model):
    _inherit = "ir.ui.menu"

    @api.model
    def _visible_menu_ids(self, debug=False):
        """Agents have no menus: they are programs."""
        if self.env.user.has_group(AGENT):
            return frozenset()
        return super()._visible_menu_ids(debug)
