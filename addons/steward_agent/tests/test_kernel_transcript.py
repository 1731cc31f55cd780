import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import transcript
from ..kernel.conversation import Conversation, begin, messages_of
from ..kernel.machine import Act
from ..kernel.transcript import MAX_SOURCES, cited, lines, sources_of, unwrapped
from ..kernel.untrusted import wrap_value

BOUNDARY = "00ff00ff00ff00ff"
NOW = 1_800_000_000.0
FINDS = {"id": "", "name": "find", "arguments": {"model": "res.partner"}}
ANSWERS = st.lists(
    st.sampled_from(
        [
            {"text": "", "tool_calls": [], "finish": "stop"},
            {"text": "Half of", "tool_calls": [], "finish": "length"},
            {"text": "See.", "tool_calls": [FINDS, FINDS], "finish": "tool_calls"},
            {"text": "", "tool_calls": [FINDS], "finish": "tool_calls"},
        ]
    ),
    max_size=4,
)


@tagged("post_install", "-at_install")
class TestTranscript(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(transcript).failed)

    @given(ANSWERS)
    def test_a_call_stands_where_the_ledger_has_it(self, answers):
        """However the conversation went: places are those of the machine's moves."""
        talk = Conversation({}, begin("You help.", "Who is Ann?", BOUNDARY))
        left, made = list(answers), []
        talk.next(NOW)
        talk.succeed("Something is known.")
        while left or isinstance(talk.next(NOW), Act):
            move = talk.next(NOW)
            if isinstance(move, Act):
                made.append(move.iteration)
                talk.succeed({"records": [{"id": len(made), "name": f"Ann {made}"}]})
            elif move.step == "think" and type(move).__name__ == "Think":
                talk.succeed(left.pop(0))
            else:  # given up
                break
        told = lines(messages_of(talk.variables), BOUNDARY)
        self.assertEqual([row.place for row in told if row.by == "tool"], made)
        self.assertEqual([row.text for row in told if row.by == "person"], [TASK])

    def test_what_an_answer_refers_to(self):
        records = {"records": [{"id": 7, "display_name": "Azure Interior"}, 3, {}]}
        content = wrap_value(records, BOUNDARY, "tool find", 1000)
        told = lines(
            [
                {"role": "user", "content": [{"type": "text", "text": "Who?"}]},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{**FINDS, "id": "a"}],
                },
                {"role": "tool", "tool_call_id": "a", "content": content},
                {"role": "assistant", "content": "It is Azure Interior."},
            ],
            BOUNDARY,
        )
        self.assertEqual([line.by for line in told], ["person", "tool", "agent"])
        [source] = told[-1].sources
        self.assertEqual((source["model"], source["id"]), ("res.partner", 7))

    def test_what_an_answer_refers_to_from_before(self):
        """Earlier runs are not told again, but what they found is known."""
        passages = {"passages": [{"number": 3, "title": "Refunds", "url": "/r"}]}
        call = {**FINDS, "id": "a"}
        before = [
            {"role": "user", "content": "How?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {
                "role": "tool",
                "tool_call_id": "a",
                "content": wrap_value(passages, BOUNDARY, "tool find", 1000),
            },
        ]
        said = [
            {"role": "user", "content": "And where?"},
            {"role": "assistant", "content": "See [3]."},
        ]
        told = lines(said, BOUNDARY, before=before)
        self.assertEqual([line.by for line in told], ["person", "agent"])
        self.assertEqual(told[-1].sources, tuple(passages["passages"]))
        self.assertFalse(lines(said, BOUNDARY)[-1].sources)

    def test_values_that_cannot_be_read(self):
        self.assertIsNone(unwrapped("Not called: there is no such tool", BOUNDARY))
        cut = wrap_value({"a": "b" * 50}, BOUNDARY, "tool", 20)
        self.assertIsNone(unwrapped(cut, BOUNDARY))
        self.assertEqual(list(sources_of([1, 2], {})), [])
        self.assertEqual(list(sources_of({"id": 7, "name": "Ann"}, {})), [])
        self.assertEqual(list(sources_of({"number": 1, "title": "T"}, {})), [])

    def test_not_without_end(self):
        known = [{"title": f"T{n}", "number": n, "url": ""} for n in range(50)]
        text = " ".join(f"[{n}]" for n in range(50))
        self.assertEqual(len(cited(text, known)), MAX_SOURCES)


TASK = "Who is Ann?"
