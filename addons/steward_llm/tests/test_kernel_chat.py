import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import chat
from ..kernel.answers import Broken, Unusable
from ..kernel.chat import Answer, Question, Reading, ToolCall, events, tokens
from ..kernel.usage import Usage

PNG = "iVBORw0KGgo="
IMAGE = {"type": "image", "media_type": "image/png", "data": PNG}

WORDS = [
    *("choices", "delta", "message", "content", "role", "tool_calls", "function"),
    *("name", "arguments", "index", "id", "usage", "error", "finish_reason", "text"),
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
        )
    ),
    max_leaves=25,
)
arguments = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5))


def user(content):
    return {"role": "user", "content": content}


def delta(**part):
    finish = part.pop("finish", None)
    return {"choices": [{"index": 0, "delta": part, "finish_reason": finish}]}


def read(*pieces):
    reading = Reading()
    for piece in pieces:
        reading.add(piece)
    return reading.answer(7)


def part(index, text, **more):
    call = {"function": {"arguments": text, **more}}
    return call if index is None else {"index": index, **call}


class TestReading(BaseCase):
    @given(
        st.lists(st.tuples(st.sampled_from("abc"), arguments), max_size=6), st.data()
    )
    def test_a_stream_says_what_the_whole_says(self, made, data):
        calls = [
            {
                "id": f"id{number}",
                "function": {"name": name, "arguments": json.dumps(told)},
            }
            for number, (name, told) in enumerate(made)
        ]
        message = {"role": "assistant", "content": "one two", "tool_calls": calls}
        whole = read({"choices": [{"message": message, "finish_reason": "stop"}]})
        pieces = [delta(role="assistant", content="one")]
        for index, call in enumerate(calls):
            text = call["function"]["arguments"]
            cut = data.draw(st.integers(0, len(text)))
            begun = part(index, text[:cut], name=call["function"]["name"])
            pieces.append(delta(tool_calls=[{**begun, "id": call["id"]}]))
            pieces.append(delta(tool_calls=[part(index, text[cut:])]))
        streamed = read(*pieces, delta(content=" two"), delta(finish="stop"))
        self.assertEqual(streamed, whole)
        self.assertEqual([call.name for call in whole.tool_calls], [n for n, _ in made])
        self.assertEqual(whole.finish, "tool_calls" if made else "stop")

    @given(st.lists(anything, max_size=4))
    def test_nonsense_is_unusable_and_no_more(self, pieces):
        try:
            answer = read(*pieces)
        except Unusable:
            return
        self.assertEqual(
            Answer.of_json(json.loads(json.dumps(answer.to_json()))), answer
        )

    def test_finishes(self):
        for told, finish in (
            ("stop", "stop"),
            ("length", "length"),
            ("content_filter", "filtered"),
            ("whatever", "stop"),
        ):
            self.assertEqual(read(delta(content="a", finish=told)).finish, finish)
        self.assertEqual(read(delta(refusal="I won't.")).finish, "filtered")
        self.assertEqual(read(delta(refusal="I won't.")).text, "I won't.")

    def test_forty_calls_at_once(self):
        calls = [
            {
                "id": str(n),
                "function": {"name": f"tool{n}", "arguments": f'{{"n":{n}}}'},
            }
            for n in range(40)
        ]
        answer = read({"choices": [{"message": {"tool_calls": calls}}]})
        self.assertEqual([c.arguments["n"] for c in answer.tool_calls], [*range(40)])

    def test_calls_without_numbers(self):
        """Some servers send each call whole, without saying which it is."""
        answer = read(
            delta(tool_calls=[part(None, '{"a"', name="find")]),
            delta(tool_calls=[part(None, ": 1}")]),
            delta(tool_calls=[part(None, {"b": 2}, name="count")]),
        )
        self.assertEqual(
            answer.tool_calls,
            (
                ToolCall("call_1", "find", {"a": 1}),
                ToolCall("call_2", "count", {"b": 2}),
            ),
        )

    def test_each_call_has_a_name_of_its_own(self):
        calls = [
            {"id": i, **part(n, "", name="f")}
            for n, i in enumerate(["call_2", None, "same", "same", ""])
        ]
        ids = [call.id for call in read(delta(tool_calls=calls)).tool_calls]
        self.assertEqual(ids, ["call_2", "call_2_", "same", "call_4", "call_5"])

    def test_arguments_that_cannot_be_used(self):
        for told, problem in (
            ("{", "no JSON:"),
            ('{"a": NaN}', "NaN is no number"),
            ("[1]", "no JSON object"),
            ("[" * 100_000, "no JSON:"),
        ):
            [call] = read(delta(tool_calls=[part(0, told, name="f")])).tool_calls
            self.assertIsNone(call.arguments)
            self.assertIn(problem, call.problem)

    def test_nothing_that_a_database_refuses(self):
        told = '{"a\\u0000": ["\\ud800", {"b": "\\u0000c"}]}'
        answer = read(delta(content="a\0\ud800", tool_calls=[part(0, told, name="f")]))
        self.assertEqual(answer.text, "a?")
        self.assertEqual(answer.tool_calls[0].arguments, {"a": ["?", {"b": "c"}]})

    def test_unusable(self):
        for piece, what in (
            ({}, "no message"),
            ({"choices": []}, "no message"),
            ({"choices": [{"message": "no"}]}, "no message"),
            ([], "no JSON object"),
            (delta(role="user", content="hello"), "speaks as 'user'"),
            (delta(content=7), "text is none"),
            (delta(tool_calls=["find"]), "no object"),
            (delta(tool_calls=[part(0, "{}")]), "without a name"),
            (delta(content="x" * (chat.MAX_TEXT + 1)), "longer than 5 MB"),
            (
                delta(tool_calls=[part(n, "", name="f") for n in range(1001)]),
                "more than 1000 tools",
            ),
        ):
            with self.subTest(what=what), self.assertRaisesRegex(Unusable, what):
                read(piece)
        for error, status in (({"message": "no", "code": 429}, 429), ("no", 500)):
            with self.assertRaisesRegex(Broken, "no") as caught:
                read({"error": error})
            self.assertEqual(caught.exception.status, status)

    def test_text_in_parts(self):
        parts = [{"type": "thinking"}, {"type": "text", "text": "a"}, {"text": "b"}]
        self.assertEqual(read(delta(content=parts)).text, "ab")

    def test_usage(self):
        sound = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        for told, expected in (
            (sound, Usage(10, 2)),
            (None, Usage(7, 2, estimated=True)),
            ({"prompt_tokens": -1}, Usage(7, 2, estimated=True)),
            ({**sound, "completion_tokens": -5}, Usage(7, 2, estimated=True)),
            ({**sound, "prompt_tokens": 10**12}, Usage(7, 2, estimated=True)),
            ({**sound, "completion_tokens": 10**9}, Usage(7, 2, estimated=True)),
        ):
            with self.subTest(told=told):
                answer = read({**delta(content="fivefive"), "usage": told})
                self.assertEqual(answer.usage, expected)


class TestEvents(BaseCase):
    @given(st.binary(max_size=60), st.integers(1, 7))
    def test_pieces_do_not_matter(self, data, size):
        data = b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"
        pieces = [data[n : n + size] for n in range(0, len(data), size)]
        self.assertEqual(list(events(pieces)), list(events([data])))

    def test_a_line_of_the_text_is_no_line_of_the_stream(self):
        text = json.dumps("one\u2028two\x85", ensure_ascii=False).encode()
        self.assertEqual(list(events([b"data: " + text + b"\r\n"])), [text.decode()])

    def test_a_line_without_end(self):
        with self.assertRaisesRegex(Unusable, "longer than 5 MB"):
            list(events([b"data: " + b"x" * 1024 * 1024] * 11))


class TestQuestion(BaseCase):
    def test_nobody_can_answer(self):
        picture = {**IMAGE, "data": "A" * (28 * 1024 * 1024)}
        for question, what in (
            (Question([]), "no message"),
            (Question([user("a")], max_tokens=0), "at least one token"),
            (Question([{"role": "tool", "content": "a"}]), "no call of a tool"),
            (Question([user(None)]), "says nothing"),
            (Question([user("a"), user([{"type": "video"}])]), "message 2 has a part"),
            (Question([user([{**IMAGE, "media_type": "a/b"}])]), "do not see: a/b"),
            (Question([user([{**IMAGE, "data": "?"}])]), "no base64"),
            (Question([user([picture])]), "21 MB; 20 are the most"),
            (Question([user("a")], [{"name": "a b"}]), "no model can call"),
        ):
            with self.subTest(what=what), self.assertRaisesRegex(ValueError, what):
                question.check()

    def test_needs(self):
        text = {"type": "text", "text": "what is it"}
        question = Question([user([text, IMAGE])], [{"name": "find"}], {})
        question.check()
        self.assertEqual(question.needs(), {"tools", "vision", "json"})
        self.assertGreater(question.tokens(), chat.IMAGE_TOKENS)

    @given(st.text(), st.text())
    def test_tokens_grow_with_the_text(self, one, other):
        both = tokens([user(one), user(other)])
        self.assertEqual(both, tokens([user(one)]) + tokens([user(other)]))
        self.assertGreaterEqual(both, tokens([user(one)]))

    def test_key_depends_on_everything(self):
        questions = [
            Question([user("a")]),
            Question([user("b")]),
            Question([user("a")], [{"name": "f"}]),
            Question([user("a")], schema={}),
            Question([user("a")], max_tokens=1),
        ]
        keys = {q.key(model) for q in questions for model in ("one", "two")}
        self.assertEqual(len(keys), 10)

    def test_wire(self):
        calls = [{"id": "1", "name": "find", "arguments": None}]
        told = chat.to_openai(
            [
                user([{"type": "text", "text": "a\0"}, IMAGE]),
                {"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "1", "content": "found \ud800"},
            ]
        )
        self.assertEqual(
            told[0]["content"],
            [
                {"type": "text", "text": "a"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PNG}"},
                },
            ],
        )
        self.assertIsNone(told[1]["content"])
        self.assertEqual(told[1]["tool_calls"][0]["function"]["arguments"], "{}")
        self.assertEqual(
            told[2], {"role": "tool", "tool_call_id": "1", "content": "found ?"}
        )
        [tool] = chat.tools_to_openai([{"name": "find", "parameters": {}}])
        self.assertEqual(tool["function"], {"name": "find", "parameters": {}})
