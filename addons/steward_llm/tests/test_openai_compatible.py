import contextlib
import os
from unittest.mock import patch

from odoo.addons.steward.exceptions import (
    AddressRefused,
    BadAnswer,
    CircuitOpen,
    Invalid,
    RateLimited,
    RemoteError,
    SecretUnavailable,
    TimedOut,
    Unreachable,
)
from odoo.tests import tagged

from ..kernel.usage import Usage
from . import openai_server as speaks
from .common import ModelKit
from .openai_server import EMBEDDINGS, KEY, MODELS, refuse, vector

NAME = "llm/loopback"  # of the circuit breaker and of the rate limit


@tagged("-at_install", "post_install")
class TestOpenAICompatible(ModelKit):
    """The real client, over Steward's transport, against a server that misbehaves."""

    def embed(self, *texts, dimensions=8):
        texts = list(texts) or ["one", "two words"]
        return self.adapter().embed("embed-test", texts, "document", dimensions)

    def failing(self, path, *faults, **arguments):
        self.server.fail(path, *faults, **arguments)

    # -- what works ---------------------------------------------------------------

    def test_embeds(self):
        found = self.embed()
        self.assertEqual(found.vectors, [vector("one", 8), vector("two words", 8)])
        self.assertEqual(found.usage, Usage(3))
        [received] = self.server.requests
        self.assertEqual(received.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual(received.json()["encoding_format"], "float")

    def test_usage_that_nobody_tells_is_an_estimate(self):
        self.server.tells_usage = False
        self.assertEqual(self.embed("x" * 40).usage, Usage(10, estimated=True))

    def test_models(self):
        names = [info.name for info in self.adapter().models()]
        self.assertEqual(names, ["gpt-test", "embed-test"])
        self.assertIn("2", self.adapter().test())

    def test_answer_of_five_megabytes(self):
        self.failing(EMBEDDINGS, speaks.bulky())
        self.assertEqual(len(self.embed().vectors), 2)

    def test_slow_but_in_time(self):
        self.failing(EMBEDDINGS, speaks.slow(0.2))
        self.assertEqual(len(self.embed().vectors), 2)

    # -- what the server's environment holds is nobody's business ------------------

    def test_nothing_of_the_environment_goes_out(self):
        environment = {
            "OPENAI_API_KEY": "sk-" + "environment" * 2,
            "OPENAI_ORG_ID": "our-organization",
            "OPENAI_PROJECT_ID": "our-project",
            "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        }
        self.provider.secret_id = False
        self.server.key = None
        self.addCleanup(setattr, self.server, "key", KEY)
        with patch.dict(os.environ, environment):
            self.embed()
        [received] = self.server.requests
        for name, value in received.headers.items():
            self.assertNotIn("our-", value)
            self.assertNotIn("sk-", value)
            self.assertNotIn(name, ("Authorization", "OpenAI-Organization"))
        self.assertFalse(self.resolved)

    def test_headers_of_a_preset(self):
        self.provider.preset = "anthropic"
        self.embed()
        [received] = self.server.requests
        self.assertEqual(received.headers["anthropic-version"], "2023-06-01")
        self.assertEqual(received.headers["x-api-key"], KEY)

    # -- again, if that may help ---------------------------------------------------

    def test_repeats_what_may_pass(self):
        for fault in (refuse(429), refuse(500), refuse(503), speaks.cut):
            with self.subTest(fault=fault):
                self.server.clear()
                self.pauses.clear()
                self._forget_rows()
                self.failing(EMBEDDINGS, fault, times=2)
                self.assertEqual(len(self.embed().vectors), 2)
                self.assertEqual(len(self.server.requests), 3)
                first, second = self.pauses
                self.assertLessEqual(first, 0.5)
                self.assertLessEqual(second, 1)

    def test_repeats_have_an_end(self):
        self.failing(EMBEDDINGS, refuse(429, "slow down"), times=9)
        with self.assertRaisesRegex(RemoteError, "slow down") as caught:
            self.embed()
        self.assertEqual(caught.exception.status_code, 429)
        self.assertTrue(caught.exception.retryable)
        self.assertEqual(len(self.server.requests), 3)

    def test_waits_as_long_as_asked(self):
        self.failing(EMBEDDINGS, refuse(429, retry_after=7))
        self.embed()
        [pause] = self.pauses
        self.assertTrue(7 <= pause <= 8, pause)

    def test_does_not_wait_beyond_its_time(self):
        self.failing(EMBEDDINGS, refuse(429, retry_after=50))
        with self.assertRaises(RemoteError) as caught:
            self.embed()
        self.assertEqual(caught.exception.retry_after, 50)
        self.assertEqual(self.pauses, [])

    def test_does_not_repeat_what_will_not_pass(self):
        for status, hint in ((400, "HTTP 400"), (401, "key"), (404, "address")):
            with self.subTest(status=status):
                self.server.clear()
                self.failing(EMBEDDINGS, refuse(status))
                with self.assertRaisesRegex(RemoteError, hint) as caught:
                    self.embed()
                self.assertFalse(caught.exception.retryable)
                self.assertEqual(len(self.server.requests), 1)

    # -- nonsense ------------------------------------------------------------------

    def test_nonsense(self):
        def nan(answer):
            answer["data"][1]["embedding"][3] = float("nan")
            return answer

        def shorter(answer):
            answer["data"][1]["embedding"].pop()
            return answer

        def missing(answer):
            answer["data"].pop()
            return answer

        def twice(answer):
            answer["data"][1]["index"] = 0
            return answer

        for fault, what in [
            (speaks.garbage, "no JSON"),
            (speaks.page, "no JSON"),
            (speaks.says(["embedding"]), "no JSON object"),
            (speaks.says({"data": "none"}), "no embeddings"),
            (speaks.says({}), "no embeddings"),
            (speaks.embeds(nan), "that is none"),
            (speaks.embeds(shorter), "7 dimensions instead of 8"),
            (speaks.embeds(missing), "1 embeddings for 2 texts"),
            (speaks.embeds(twice), "numbers of the embeddings"),
        ]:
            with self.subTest(what=what):
                self.server.clear()
                self._forget_rows()
                self.env["steward.circuit"].search([]).unlink()
                self.failing(EMBEDDINGS, fault)
                with self.assertRaisesRegex(BadAnswer, what) as caught:
                    self.embed()
                self.assertIn("Loopback", str(caught.exception))
                # asking again would get the same
                self.assertEqual(len(self.server.requests), 1)

    def test_shuffled_is_put_in_order(self):
        def reverse(answer):
            answer["data"].reverse()
            return answer

        self.failing(EMBEDDINGS, speaks.embeds(reverse))
        self.assertEqual(self.embed().vectors[0], vector("one", 8))

    def test_other_dimensions_than_agreed(self):
        with self.assertRaisesRegex(BadAnswer, "8 dimensions instead of 3"):
            self.embed(dimensions=3)
        self.assertEqual(len(self.embed(dimensions=None).vectors[0]), 8)

    def test_models_that_are_none(self):
        self.failing(MODELS, speaks.says({"data": {"id": "gpt"}}))
        with self.assertRaisesRegex(BadAnswer, "no list of models"):
            self.adapter().models()
        entries = [{"id": "good"}, {"id": 7}, "bad", {"id": "good"}]
        self.failing(MODELS, speaks.says({"data": entries}))
        self.assertEqual([m.name for m in self.adapter().models()], ["good"])

    # -- breaker, limit, time, addresses, keys -------------------------------------

    def test_silence_ends(self):
        self.provider.timeout = 1
        self.failing(EMBEDDINGS, speaks.silence)
        with self.assertRaises(TimedOut):
            self.embed()

    def test_nobody_there(self):
        self.provider.base_url = "http://127.0.0.1:1/v1"
        with self.assertRaises(Unreachable):
            self.embed()

    def test_breaker_hears_of_failures_and_of_nonsense(self):
        for fault in (refuse(500), speaks.garbage):
            with self.subTest(fault=fault):
                self.server.clear()
                self._forget_rows()
                self.env["steward.circuit"].search([]).unlink()
                self.failing(EMBEDDINGS, fault, times=99)
                for second in range(6):  # workers tell each other each second
                    with (
                        self.at(2 * second),
                        contextlib.suppress(RemoteError, BadAnswer, CircuitOpen),
                    ):
                        self.embed()
                circuit = self.env["steward.circuit"].search([])
                self.assertEqual((circuit.name, circuit.state), (NAME, "open"))
                asked = len(self.server.requests)
                with self.at(12), self.assertRaises(CircuitOpen):
                    self.embed()
                self.assertEqual(len(self.server.requests), asked)

    def test_breaker_does_not_hear_of_our_mistakes(self):
        self.failing(EMBEDDINGS, refuse(400), times=9)
        for second in range(9):
            with self.at(2 * second), self.assertRaises(RemoteError):
                self.embed()
        with self.at(18):
            self.assertTrue(self.embed())

    def test_own_rate_limit(self):
        self.env["steward.rate.limit"].create(
            {"name": NAME, "rate": 1, "per": 3600, "burst": 1}
        )
        self.embed()
        self.assertRaises(RateLimited, self.embed)
        self.assertEqual(len(self.server.requests), 1)

    def test_private_address_says_what_to_do(self):
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("steward.http.allowed_networks", "")
        with self.assertRaisesRegex(AddressRefused, "Outbound calls"):
            self.embed()
        self.assertFalse(self.server.requests)

    def test_incomplete_address(self):
        for address in (False, "https://YOUR-RESOURCE.openai.azure.com/openai/v1"):
            self.provider.base_url = address
            with self.assertRaisesRegex(Invalid, "Complete the address"):
                self.embed()

    def test_key_that_cannot_be_had(self):
        def unavailable(_secret):
            raise SecretUnavailable("There is no such variable.")

        self.patch(self.registry["steward.secret"], "_resolve", unavailable)
        self.assertRaises(SecretUnavailable, self.embed)
        self.assertFalse(self.server.requests)

    def test_key_is_in_no_error(self):
        """Though a careless server repeats it."""
        from odoo.addons.steward.kernel.redactor import REDACTOR

        REDACTOR.learn(KEY)
        self.failing(EMBEDDINGS, refuse(401, f"Incorrect API key: {KEY}"))
        with self.assertRaises(RemoteError) as caught:
            self.embed()
        self.assertIn("Incorrect API key", str(caught.exception))
        self.assertNotIn(KEY, f"{caught.exception} {caught.exception.detail}")
