import re

from odoo import models

# as an open source asks for it (static/src/harvest/harvest_progress.js)
_CHANNEL = re.compile(r"steward\.source_(\d{1,9})")


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """An open source asks for its news; who may have them is decided here."""
        # other overrides put records among the names
        asked = [
            (channel, isinstance(channel, str) and _CHANNEL.fullmatch(channel))
            for channel in channels
        ]
        ids = [int(match[1]) for _channel, match in asked if match]
        if ids:
            channels = [channel for channel, match in asked if not match]
            channels += self.env["steward.source"]._get_channels(ids)
        return super()._build_bus_channel_list(channels)
