import re

from odoo import models

# as the trace asks for it (static/src/trace/feed.js)
_CHANNEL = re.compile(r"steward\.run_(\d{1,9})")


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """An open trace asks for its run's news; who may have them is decided here."""
        asked = {
            channel: _CHANNEL.fullmatch(channel)
            for channel in channels
            if isinstance(channel, str)
        }
        ids = [int(match[1]) for match in asked.values() if match]
        if ids:
            # other overrides put records among the names
            channels = [
                channel
                for channel in channels
                if not isinstance(channel, str) or not asked[channel]
            ]
            channels += self.env["steward.run"]._get_channels(ids)
        return super()._build_bus_channel_list(channels)
