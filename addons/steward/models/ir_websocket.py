from odoo import models

from .steward_dashboard import NEWS


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """An open dashboard asks for its news; whose these are is decided here."""
        wanted = NEWS in channels
        channels = [channel for channel in channels if channel != NEWS]
        if wanted:
            channels += self.env["steward.dashboard"]._get_channels()
        return super()._build_bus_channel_list(channels)
