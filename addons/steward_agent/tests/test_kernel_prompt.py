from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.prompt import MAX_TEXT, Prompt, PromptError

# what a text may hold in PostgreSQL
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
pieces = st.lists(words.filter(lambda text: "{" not in text), min_size=1, max_size=4)


class TestPrompt(BaseCase):
    @given(pieces)
    def test_what_is_written_is_read(self, parts):
        text = "{{ name }}".join(parts)
        prompt = Prompt.of(text, "" if len(parts) == 1 else "name: {default: Ann}")
        self.assertEqual(Prompt.loaded(prompt.written()), prompt)

    @given(pieces, words)
    def test_values_stay_what_they_are(self, parts, value):
        text = "{{ name }}".join([*parts, ""])
        told = Prompt.of(text).render({"name": value}, "")
        self.assertEqual(told, value.join([*parts, ""]))

    def test_values_that_look_like_templates(self):
        prompt = Prompt.of("Of {{ a }} and {{ b }}.")
        told = prompt.render({"a": "{{ b }}", "b": "{{ secret }}"}, "")
        self.assertEqual(told, "Of {{ b }} and {{ secret }}.")

    def test_types(self):
        prompt = Prompt.of(
            "{{ n + 1 }} {{ len(items) }} {{ day if urgent else 'later' }}",
            "n: {type: integer}\nitems: {type: list, default: [1, 2]}\n"
            "urgent: {type: boolean, default: false}\nday: {type: date}",
        )
        told = prompt.render({"n": 3, "day": "2026-01-31", "urgent": True}, "")
        self.assertEqual(told, "4 2 2026-01-31")

    def test_today(self):
        told = Prompt.of("It is {{ today() }}.").render({}, "2026-01-31 08:30:00")
        self.assertEqual(told, "It is 2026-01-31.")

    def test_what_cannot_be_filled_in(self):
        prompt = Prompt.of("{{ customer }} {{ n }}", "n: {type: integer, default: 1}")
        for values, words_ in (
            ({}, "'customer' is missing"),
            ({"custmer": "a", "customer": "b"}, "did you mean 'customer'"),
            ({"customer": 3}, "'customer' should be text"),
            ({"customer": "a", "n": True}, "'n' should be a whole number"),
        ):
            with self.subTest(values), self.assertRaisesRegex(PromptError, words_):
                prompt.render(values, "")
        with self.assertRaisesRegex(PromptError, "cannot be filled in"):
            Prompt.of("{{ 1 / n }}", "n: {type: integer}").render({"n": 0}, "")

    def test_what_is_no_prompt(self):
        for text, variables, words_ in (
            ("{{ customer", "", "In the text"),
            ("{{ open('x') }}", "", "In the text"),
            ("{{ a }}", "b: {type: integer}", "does not use 'b'"),
            ("{{ a }}", "a: {type: number, default: x}", "default of 'a'"),
            ("{{ a }}", "a: {kind: number}", "line 1"),
            ("{{ a }}", "a: {type: nothing}", "line 1"),
            ("{{ a }}", "- a", "In the variables"),
            ("{{ a }}", "a: [", "In the variables"),
            ("a" * (MAX_TEXT + 1), "", "at most"),
        ):
            with self.subTest(text[:20]), self.assertRaisesRegex(PromptError, words_):
                Prompt.of(text, variables)
