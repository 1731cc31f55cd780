from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.context import KINDS, LEAST, Item, assemble, cut, tokens_of
from . import kernel_common  # noqa: F401

words = st.text(st.sampled_from("abc défghij klm会計.,\n"), max_size=400)
items = st.builds(Item, words, words, words)
told = st.dictionaries(st.sampled_from(list(KINDS)), st.lists(items, max_size=6))


class TestContext(BaseCase):
    @given(words, st.integers(1, 200))
    def test_cut_fits(self, text, tokens):
        kept = cut(text, tokens)
        self.assertLessEqual(tokens_of(kept), max(tokens, 1))
        if tokens_of(text) <= tokens:
            self.assertEqual(kept, text)

    @given(told, st.integers(50, 2000))
    def test_never_more_than_the_budget(self, known, budget):
        context = assemble(known, budget)
        self.assertLessEqual(context.tokens, budget)
        numbers = [row["number"] for rows in context.chosen.values() for row in rows]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        for rows in context.chosen.values():
            for row in rows:
                self.assertIn(row["text"], context.text)

    def test_the_same_is_told_once(self):
        known = {
            "skills": [Item("Close the  period.", "A")],
            "passages": [Item("close the period.", "B"), Item("Reopen it.", "C")],
        }
        chosen = assemble(known, 500).chosen
        self.assertEqual([row["title"] for row in chosen["skills"]], ["A"])
        self.assertEqual([row["title"] for row in chosen["passages"]], ["C"])

    def test_each_kind_has_its_share(self):
        long = [Item(f"{n} " + "many words here " * 30, str(n)) for n in range(40)]
        context = assemble({"skills": long, "memory": [Item("Paid late.", "M")]}, 600)
        self.assertTrue(context.chosen["memory"])
        self.assertGreater(context.left_out, 0)

    def test_what_nobody_needs_is_there_for_others(self):
        long = [Item(f"{n} " + "many words here " * 10, str(n)) for n in range(40)]
        context = assemble({"passages": long}, 1000)
        self.assertGreater(context.tokens, 1000 - LEAST * 3)

    def test_numbers_go_on(self):
        """What was told before in a conversation keeps its numbers."""
        known = {"passages": [Item("Close the period.", "A"), Item("Lock it.", "B")]}
        context = assemble(known, 500, first=4)
        numbers = [entry["number"] for entry in context.chosen["passages"]]
        self.assertEqual(numbers, [4, 5])
        self.assertIn("[5] B", context.text)
