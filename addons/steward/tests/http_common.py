"""What tests of outbound calls share; other addons may use it, too."""

import socket
from unittest.mock import patch

from odoo.tools import mute_logger

from .. import wire
from .common import StewardCase
from .server import Server

HTTP_LOGGER = "odoo.addons.steward.models.steward_http"
PATIENCE = 60  # seconds for what is to succeed, also on a busy machine


class HttpKit(StewardCase):
    """A case with a server on loopback, which the administrator's settings allow."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(Server())
        cls.set_param("steward.http.allowed_networks", "127.0.0.1")
        cls.http = cls.env["steward.http"]
        cls.addClassCleanup(wire.IDLE.forget)

    @classmethod
    def set_param(cls, key, value):
        cls.env["ir.config_parameter"].set_param(key, value)

    def setUp(self):
        super().setUp()
        self.server.clear()
        wire.IDLE.forget()
        self.pauses = []
        self.enterContext(mute_logger(HTTP_LOGGER))
        model = self.registry["steward.http"]
        # no test waits for time to pass
        self.patch(model, "_pause", lambda _http, seconds: self.pauses.append(seconds))

    def get(self, path, method="GET", **arguments):
        arguments.setdefault("timeout", PATIENCE)
        arguments.setdefault("connect_timeout", PATIENCE)
        return self.http._request(method, self.server.url(path), **arguments)

    def nobody(self):
        """An address at which nobody listens, and nobody else can begin to."""
        taken = self.enterContext(socket.socket())
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"

    def names(self, **addresses):
        """Let names resolve so; a list: so the first time, so the second time."""
        asked = []

        def resolve(host, _port):
            asked.append(host)
            found = addresses[host.replace(".", "_").replace("-", "_")]
            if found and isinstance(found[0], list):
                found = found.pop(0) if len(found) > 1 else found[0]
            return found

        self.enterContext(patch.object(wire, "resolve", resolve))
        return asked
