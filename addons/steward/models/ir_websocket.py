import re

from odoo import models

from .steward_dashboard import NEWS

# as a screen asks for it (static/src/progress/feed.js)
_OPERATION = re.compile(r"steward\.operation_(\d{1,9})")


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Open screens ask for their news; whose these are is decided here."""
        # other overrides put records among the names
        names = [channel for channel in channels if isinstance(channel, str)]
        operations = {name: _OPERATION.fullmatch(name) for name in names}
        ids = [int(match[1]) for match in operations.values() if match]
        others = [
            channel
            for channel in channels
            if not isinstance(channel, str)
            or not (channel == NEWS or operations[channel])
        ]
        if NEWS in names:
            others += self.env["steward.dashboard"]._get_channels()
        if ids:
            others += self.env["steward.operation"]._get_channels(ids)
        return super()._build_bus_channel_list(others)
