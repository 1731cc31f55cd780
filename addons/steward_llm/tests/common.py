"""A kit for tests that talk to models; other addons may use it, too."""

from contextlib import contextmanager
from datetime import UTC, datetime

from odoo.addons.steward import wire
from odoo.addons.steward.tests.common import StewardCase
from odoo.addons.steward.tests.http_common import HTTP_LOGGER
from odoo.exceptions import ValidationError
from odoo.tools import mute_logger

from .openai_server import KEY, OpenAIServer


def utc(*numbers):
    """A moment as Odoo keeps it."""
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)


class ModelKit(StewardCase):
    """A provider that is a server on loopback, its models, and a key in a file."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.enterClassContext(OpenAIServer())
        parameters = cls.env["ir.config_parameter"]
        parameters.set_param("steward.http.allowed_networks", "127.0.0.1")
        cls.addClassCleanup(wire.IDLE.forget)
        cls.secret = cls.env["steward.secret"].create(
            {"name": "Loopback", "reference": "env:STEWARD_TEST_LOOPBACK"}
        )
        cls.provider = cls.env["steward.provider"].create(
            {
                "name": "Loopback",
                "code": "loopback",
                "kind": "openai_compatible",
                "base_url": cls.server.base_url,
                "secret_id": cls.secret.id,
                "timeout": 20,
            }
        )
        cls.chat = cls.env["steward.model"].create(
            {"name": "gpt-test", "provider_id": cls.provider.id, "can_chat": True}
        )
        cls.embedder = cls.env["steward.model"].create(
            {
                "name": "embed-test",
                "provider_id": cls.provider.id,
                "can_embedding": True,
                "dimensions": cls.server.dimensions,
            }
        )

    def setUp(self):
        super().setUp()
        self.server.clear()
        self.server.tells_usage = True
        self.enterContext(mute_logger(HTTP_LOGGER, "httpx2", "openai._base_client"))
        self.resolved = []

        def resolve(secret):
            self.resolved.append(secret)
            return KEY

        self.patch(self.registry["steward.secret"], "_resolve", resolve)
        self.pauses = []
        self.patch(
            self.registry["steward.http"],
            "_pause",
            lambda _http, seconds: self.pauses.append(seconds),
        )

    @contextmanager
    def refused(self, words, error=ValidationError):
        """Expect a sentence with these words, and go on as if nothing had been."""
        with self.assertRaises(error) as caught, self.cr.savepoint():
            yield
        self.assertIn(words, str(caught.exception))

    def adapter(self):
        return self.provider._adapter()
