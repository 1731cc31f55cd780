import json

from odoo.tests import tagged

from .common import ModelKit
from .openai_server import CHAT, KEY, call, half_a_stream, refuse, vector


@tagged("-at_install", "post_install")
class TestServer(ModelKit):
    """The kit itself, with the real client in front."""

    def client(self, key=KEY):
        import httpx2
        import openai

        transport = self.env["steward.http"]._httpx_transport(timeout=10)
        client = openai.OpenAI(
            api_key=key,
            base_url=self.server.base_url,
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
        )
        self.addCleanup(client.close)
        return client

    def ask(self, client=None, **arguments):
        return (client or self.client()).chat.completions.create(
            model="gpt-test",
            messages=[{"role": "user", "content": "how are you"}],
            **arguments,
        )

    def test_echo_and_script(self):
        self.server.reply("fine")
        answers = [self.ask().choices[0].message.content for _time in range(2)]
        self.assertEqual(answers, ["fine", "You said: how are you"])
        usage = self.ask().usage
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens), (3, 5))

    def test_parallel_tools(self):
        self.server.reply(tools=[call("find", name="Azure"), call("count")])
        choice = self.ask().choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        made = [
            (c.function.name, json.loads(c.function.arguments))
            for c in choice.message.tool_calls
        ]
        self.assertEqual(made, [("find", {"name": "Azure"}), ("count", {})])
        self.assertEqual(len({c.id for c in choice.message.tool_calls}), 2)

    def test_stream(self):
        self.server.reply("one two", tools=[call("find", name="Azure")])
        chunks = list(self.ask(stream=True, stream_options={"include_usage": True}))
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        self.assertEqual("".join(d.content or "" for d in deltas), "one two")
        parts = [c for d in deltas for c in d.tool_calls or ()]
        self.assertEqual(parts[0].function.name, "find")
        arguments = "".join(part.function.arguments for part in parts)
        self.assertEqual(json.loads(arguments), {"name": "Azure"})
        self.assertEqual(chunks[-2].choices[0].finish_reason, "tool_calls")
        self.assertEqual(chunks[-1].usage.prompt_tokens, 3)
        self.assertFalse(list(self.ask(stream=True))[-1].usage)

    def test_structured(self):
        schema = {
            "type": "object",
            "properties": {
                "mood": {"enum": ["good", "bad"]},
                "marks": {"type": "array", "items": {"type": "integer"}},
            },
        }
        form = {"name": "answer", "schema": schema}
        answer = self.ask(response_format={"type": "json_schema", "json_schema": form})
        self.assertEqual(
            json.loads(answer.choices[0].message.content),
            {"mood": "good", "marks": [1]},
        )

    def test_refusals(self):
        import openai

        with self.assertRaises(openai.AuthenticationError):
            self.ask(self.client("sk-" + "wrong" * 4))
        with self.assertRaises(openai.NotFoundError):
            self.client().embeddings.create(model="none", input="x")
        self.server.fail(CHAT, refuse(429), times=2)
        for _time in range(2):
            with self.assertRaises(openai.RateLimitError):
                self.ask()
        self.assertTrue(self.ask())

    def test_half_a_stream(self):
        from odoo.addons.steward.exceptions import Unreachable

        self.server.fail(CHAT, half_a_stream)
        words = []
        with self.assertRaises(Unreachable):
            for chunk in self.ask(stream=True):
                words += [chunk.choices[0].delta.content]
        self.assertEqual(words, ["", "one", " two"])

    def test_embeddings(self):
        found = self.client().embeddings.create(
            model="embed-test", input=["a", "b"], encoding_format="float"
        )
        self.assertEqual(
            [entry.embedding for entry in found.data], [vector("a", 8), vector("b", 8)]
        )
