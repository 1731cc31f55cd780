import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.addons.steward_llm.kernel import chat
from odoo.tests import BaseCase, tagged

from ..kernel import pictures
from ..kernel.conversation import (
    Conversation,
    as_text,
    begin,
    carried,
    messages_of,
    shortened,
    spoken,
)
from ..kernel.pictures import LEFT_OUT, MOST_SHOWN, pictures_of, shown
from ..kernel.transcript import lines

BOUNDARY = "00ff00ff00ff00ff"
SEEN = [{"attachment": 7, "media_type": "image/png"}]
MESSAGES = st.lists(st.lists(st.integers(1, 60), max_size=4), max_size=20)


def said(*ids):
    content = pictures.content("See.", [{"attachment": one} for one in ids])
    return {"role": "user", "content": content}


@tagged("post_install", "-at_install")
class TestPictures(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(pictures).failed)

    @given(MESSAGES)
    def test_what_a_model_is_shown(self, ids):
        """The newest, never more than there may be, and in their place."""
        told = shown([said(*row) for row in ids], str)
        flat = [one for row in ids for one in row]
        wanted = set(flat[-MOST_SHOWN:])
        for row, message in zip(ids, told, strict=True):
            if not row:
                self.assertEqual(message["content"], "See.")
                continue
            for number, part in zip(row, message["content"][1:], strict=True):
                data = {"type": "image", "data": str(number)}
                self.assertEqual(part, data if number in wanted else LEFT_OUT)
        self.assertFalse(list(pictures_of(told)))

    def test_what_is_gone_is_said_to_be_gone(self):
        [told] = shown([said(7)], lambda number: None)
        self.assertEqual(told["content"][1], LEFT_OUT)
        chat.Question([told]).check()

    def test_it_is_part_of_what_is_said(self):
        talk = Conversation({}, begin("You help.", "Here.", BOUNDARY, pictures=SEEN))
        talk.next(0.0)
        talk.succeed("It is known.")
        talk.hear("", [{**SEEN[0], "attachment": 8}])
        self.assertEqual(list(pictures_of(talk.messages)), [7, 8])
        self.assertIn("Here.\n[picture]", as_text(talk.messages))
        people = [one["text"] for one in spoken(talk.messages, BOUNDARY)]
        self.assertEqual(people, ["Here.\n[picture]", "[picture]"])
        told = lines(talk.messages, BOUNDARY)
        self.assertEqual(
            [(one.text, one.pictures) for one in told], [("Here.", (7,)), ("", (8,))]
        )
        # the next run has it, too, and so has a machine that begins elsewhere
        self.assertEqual(list(pictures_of(carried(talk.variables, "1234"))), [7, 8])
        again = Conversation(talk.position, talk.variables)
        self.assertEqual(again.messages, talk.messages)
        self.assertEqual(messages_of(talk.variables), talk.messages)

    def test_old_ones_make_room(self):
        messages = [said(1), *[said() for _n in range(4)], said(2)]
        size = chat.tokens(messages)
        self.assertGreater(size, 2 * chat.IMAGE_TOKENS)
        fitting = shortened(messages, size, chat.tokens)
        self.assertEqual(fitting, messages)
        fitting = shortened(messages, size - 1, chat.tokens)
        self.assertEqual(list(pictures_of(fitting)), [2])
        self.assertEqual(fitting[0]["content"][0]["text"], "See.")
