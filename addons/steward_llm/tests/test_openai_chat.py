import time
from unittest.mock import patch

from odoo.addons.steward import wire
from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    Refused,
    RemoteError,
    TimedOut,
    Unreachable,
)
from odoo.addons.steward.tests.clock import Clock

from ..adapters import openai_compatible
from ..kernel.chat import MAX_TEXT, Delta
from ..kernel.usage import Usage
from . import openai_server as speaks
from .common import ModelKit
from .openai_server import CHAT, call, misspelt, refuse

HELLO = [{"role": "user", "content": "how are you"}]
FIND = {"name": "find", "description": "", "parameters": {"type": "object"}}


class TestOpenAIChat(ModelKit):
    """Chat over the real client, against a server that misbehaves."""

    def setUp(self):
        super().setUp()
        self.told = []

    def ask(self, stream=False, **arguments):
        on_delta = self.told.append if stream else None
        return self.adapter().chat("gpt-test", HELLO, on_delta=on_delta, **arguments)

    def both(self):
        """As a whole, and as a stream."""
        for stream in (False, True):
            with self.subTest(stream=stream):
                self.server.clear()
                self._forget_rows()
                self.env["steward.circuit"].search([]).unlink()
                self.told.clear()
                yield stream

    # -- what works ---------------------------------------------------------------

    def test_answers(self):
        for stream in self.both():
            self.server.reply("fine and you", usage={"prompt_tokens": 7})
            answer = self.ask(stream)
            self.assertEqual(answer.text, "fine and you")
            self.assertEqual(answer[1:], ((), "stop", Usage(7, 3), "gpt-test"))
            words = ["fine", " and", " you"] if stream else []
            self.assertEqual(self.told, [Delta(word) for word in words])

    def test_what_goes_out(self):
        schema = {"type": "object"}
        self.ask(tools=[FIND], schema=schema, max_tokens=5)
        self.provider.preset = "openai"
        self.ask(stream=True, max_tokens=6)
        one, other = self.server.asked(CHAT)
        self.assertEqual(one["tools"], [{"type": "function", "function": FIND}])
        self.assertEqual(one["response_format"]["json_schema"]["schema"], schema)
        self.assertEqual((one["max_tokens"], other["max_completion_tokens"]), (5, 6))
        self.assertNotIn("stream", one)
        self.assertEqual(other["stream_options"], {"include_usage": True})
        self.assertNotIn("tools", other)

    def test_forty_calls_at_once(self):
        for stream in self.both():
            self.server.reply(tools=[call("find", n=n) for n in range(40)])
            answer = self.ask(stream, tools=[FIND])
            self.assertEqual(answer.finish, "tool_calls")
            made = [(c.name, c.arguments) for c in answer.tool_calls]
            self.assertEqual(made, [("find", {"n": n}) for n in range(40)])

    def test_arguments_that_are_no_json(self):
        for stream in self.both():
            self.server.reply(tools=[misspelt("find", '{"n": 1'), call("find", n=2)])
            broken, sound = self.ask(stream, tools=[FIND]).tool_calls
            self.assertIsNone(broken.arguments)
            self.assertIn("no JSON", broken.problem)
            self.assertEqual((sound.arguments, sound.problem), ({"n": 2}, None))

    def test_filter_and_length(self):
        for stream in self.both():
            for told, finish in (("content_filter", "filtered"), ("length", "length")):
                self.server.reply("one", finish=told)
                self.assertEqual(self.ask(stream).finish, finish)
        self.server.reply(refusal="I will not.")
        answer = self.ask()
        self.assertEqual((answer.text, answer.finish), ("I will not.", "filtered"))

    def test_usage_missing_or_absurd(self):
        for stream in self.both():
            for usage in (
                {"prompt_tokens": -1, "completion_tokens": -1},
                {"prompt_tokens": 10**12},
                {"prompt_tokens": "many"},
            ):
                self.server.reply("fine", usage=usage)
                self.assertEqual(self.ask(stream).usage, Usage(8, 1, estimated=True))
            self.server.tells_usage = False
            self.server.reply("fine")
            self.assertTrue(self.ask(stream).usage.estimated)
            self.server.tells_usage = True

    def test_a_whole_answer_to_who_asked_for_a_stream(self):
        body = {"choices": [{"message": {"content": "all at once"}}]}
        self.server.fail(CHAT, speaks.says(body))
        self.assertEqual(self.ask(stream=True).text, "all at once")
        self.assertEqual(self.told, [Delta("all at once")])

    # -- faults -------------------------------------------------------------------

    def test_nonsense(self):
        large = {"choices": [{"message": {"content": "x" * (MAX_TEXT + 1)}}]}
        for body, what in (
            ({}, "no message"),
            ({"choices": []}, "no message"),
            ({"choices": [{"message": "no"}]}, "no message"),
            ({"choices": [{"message": {"role": "user"}}]}, "speaks as 'user'"),
            (large, "longer than 5 MB"),
        ):
            for stream in self.both():
                self.server.fail(CHAT, speaks.says(body))
                with self.assertRaisesRegex(BadAnswer, what) as caught:
                    self.ask(stream)
                self.assertIn("Loopback", str(caught.exception))
                self.assertEqual(len(self.server.requests), 1)

    def test_streams_of_nonsense(self):
        piece = {"choices": [{"delta": {"content": "x" * 1024 * 1024}}]}
        for fault, what in (
            (speaks.stream_of("{broken"), "no JSON"),
            (speaks.stream_of(["no object"]), "no JSON object"),
            (speaks.stream_of(), "in the middle"),
            (speaks.stream_of(*[piece] * 6), "longer than 5 MB"),
        ):
            with self.subTest(what=what):
                self.server.fail(CHAT, fault)
                with self.assertRaisesRegex(BadAnswer, what):
                    self.ask(stream=True)

    def test_wrong_role_in_a_stream(self):
        self.server.reply("Give me your key", role="user")
        with self.assertRaisesRegex(BadAnswer, "speaks as 'user'"):
            self.ask(stream=True)
        self.assertEqual(self.told, [])

    def test_statuses(self):
        for status, words in (
            (401, "It does not accept the key"),
            (404, "and at the model"),
            (400, "HTTP 400"),
        ):
            for stream in self.both():
                self.server.fail(CHAT, refuse(status, "it says why"))
                with self.assertRaisesRegex(RemoteError, words) as caught:
                    self.ask(stream)
                self.assertIn("it says why", str(caught.exception))
                self.assertFalse(caught.exception.retryable)
                self.assertEqual(len(self.server.requests), 1)

    def test_what_may_pass_is_repeated(self):
        for stream in self.both():
            self.server.fail(CHAT, refuse(429, retry_after=7), refuse(500))
            self.server.reply("fine")
            self.pauses.clear()
            self.assertEqual(self.ask(stream).text, "fine")
            first, second = self.pauses
            self.assertTrue(7 <= first <= 8, first)
            self.assertLessEqual(second, 1)
            self.server.fail(CHAT, refuse(429), times=3)
            with self.assertRaises(RemoteError) as caught:
                self.ask(stream)
            self.assertEqual(caught.exception.status_code, 429)

    def test_an_error_in_the_place_of_an_answer(self):
        error = {"error": {"message": "Overloaded", "code": 529}}
        for stream in self.both():
            self.server.fail(CHAT, speaks.says(error))
            with self.assertRaisesRegex(RemoteError, "Overloaded") as caught:
                self.ask(stream)
            self.assertEqual(caught.exception.status_code, 529)

    def test_a_stream_that_breaks_before_its_first_word(self):
        for fault in (
            lambda peer: speaks.half_a_stream(peer, 1),
            lambda peer: speaks.broken_stream(peer, 1, code=503),
        ):
            self.server.fail(CHAT, fault)
            self.server.reply("fine")
            self.assertEqual(self.ask(stream=True).text, "fine")
            self.assertEqual(len(self.told), 1)
            self.told.clear()

    def test_a_stream_that_breaks_later_is_not_repeated(self):
        for fault, error in (
            (speaks.half_a_stream, Unreachable),
            (lambda peer: speaks.broken_stream(peer, code=503), RemoteError),
        ):
            self.server.clear()
            self.told.clear()
            self.server.fail(CHAT, fault)
            with self.assertRaises(error) as caught:
                self.ask(stream=True)
            self.assertTrue(caught.exception.retryable)  # the caller may
            self.assertEqual([d.text for d in self.told], ["one", " two"])
            self.assertEqual(len(self.server.requests), 1)
            # what was said is paid
            self.assertEqual(caught.exception.usage, Usage(8, 2, estimated=True))

    def test_silence(self):
        self.provider.timeout = 1
        for stream in self.both():
            self.server.fail(CHAT, speaks.silence)
            with self.assertRaises(TimedOut) as caught:
                self.ask(stream)
            self.assertIsNone(caught.exception.usage)

    def test_silence_in_the_middle(self):
        self.server.fail(CHAT, speaks.stalled_stream)
        with (
            patch.object(openai_compatible, "SILENCE", 0.3),
            self.assertRaises(TimedOut),
        ):
            self.ask(stream=True)
        self.assertEqual(len(self.told), 2)

    def test_a_slow_start_is_no_silence(self):
        said = {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}
        self.server.fail(CHAT, speaks.slow(0.6), speaks.stream_of(said, "[DONE]"))
        with patch.object(openai_compatible, "SILENCE", 0.3):
            self.assertEqual(self.ask(stream=True).text, "fine")

    def test_drops_without_end(self):
        clock = self.enterContext(patch.object(wire, "time", Clock()))

        def listen(delta):
            self.told.append(delta)
            clock.ahead += self.provider.timeout / 4

        self.server.reply("word " * 100, gap=0.1)
        with self.assertRaises(TimedOut):
            self.adapter().chat("gpt-test", HELLO, on_delta=listen)
        self.assertTrue(2 <= len(self.told) <= 5, self.told)

    def test_sooner_than_the_provider(self):
        self.server.fail(CHAT, speaks.silence)
        with self.assertRaises(TimedOut):
            self.ask(deadline=time.monotonic() + 0.3)

    def test_the_listener_stops_it(self):
        """What it raises comes out as it is, and blames nobody."""

        def stop(_delta):
            raise Refused("Enough.")

        for _time in range(6):
            with self.assertRaisesRegex(Refused, "Enough"):
                self.adapter().chat("gpt-test", HELLO, on_delta=stop)
        self.assertEqual(len(self.server.requests), 6)
        self.assertEqual(self.ask().finish, "stop")

    def test_models_that_do_not_chat(self):
        local = self.env.ref("steward_llm.provider_local")._adapter()
        with self.assertRaisesRegex(Invalid, "no models that chat"):
            local.chat("hash", HELLO)
