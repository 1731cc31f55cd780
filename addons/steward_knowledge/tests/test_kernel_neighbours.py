import random

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import neighbours
from ..kernel.neighbours import (
    BANDS,
    SIMILAR,
    fingerprint,
    shingles,
    signature,
    similarity,
    words,
)

some_words = st.lists(
    st.text("abcdefghij", min_size=1, max_size=3), min_size=20, max_size=120
)


class TestNeighbours(BaseCase):
    @given(some_words)
    def test_the_same_words_have_the_same_numbers(self, tokens):
        text = " ".join(tokens)
        again = words("\n\n".join(each.upper() for each in tokens) + " !")
        self.assertEqual(fingerprint(words(text)), fingerprint(again))
        self.assertEqual(signature(shingles(words(text))), signature(shingles(again)))
        self.assertEqual(len(signature(shingles(tokens))), BANDS)
        for number in signature(shingles(tokens)):
            self.assertTrue(-(2**63) <= number < 2**63)

    @given(some_words, some_words)
    def test_similarity_is_jaccards(self, one, other):
        def sequences(tokens):
            return {tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4)}

        both, either = (
            len(sequences(one) & sequences(other)),
            len(sequences(one) | sequences(other)),
        )
        found = similarity(shingles(one), shingles(other))
        self.assertAlmostEqual(found, both / either)
        self.assertEqual(found, similarity(shingles(other), shingles(one)))

    def test_few_words_are_compared_as_they_are(self):
        self.assertEqual(len(shingles(["a"] * 19)), 0)
        self.assertEqual(signature(shingles(["a"] * 19)), [])
        self.assertEqual(similarity(shingles([]), shingles(["a"] * 20)), 0)
        self.assertNotEqual(
            fingerprint(["ok"], "One question"), fingerprint(["ok"], "Another")
        )

    def test_pairs_are_found_and_others_are_not(self):
        """Of pairs that are similar 99 % share a number, of others hardly any."""
        draw = random.Random(7)
        vocabulary = [f"word{number}" for number in range(3_000)]
        shared, similar, lucky = 0, 0, 0
        for _pair in range(300):
            one = draw.choices(vocabulary, k=400)
            other = list(one)
            for at in draw.sample(range(400), draw.choice([2, 5, 8])):
                other[at] = draw.choice(vocabulary)
            far = draw.choices(vocabulary, k=400)
            numbers = set(signature(shingles(one)))
            if similarity(shingles(one), shingles(other)) >= SIMILAR:
                similar += 1
                shared += bool(numbers & set(signature(shingles(other))))
            lucky += bool(numbers & set(signature(shingles(far))))
        self.assertGreater(similar, 200)
        self.assertGreaterEqual(shared / similar, 0.99)
        self.assertEqual(lucky, 0)

    def test_long_documents(self):
        """Cutting into parts changes no number."""
        tokens = [f"w{number}" for number in range(3 * neighbours._AT_ONCE)]
        found = shingles(tokens)
        parts = [
            signature(found[at : at + neighbours._AT_ONCE])
            for at in range(0, len(found), neighbours._AT_ONCE)
        ]
        self.assertEqual(len(parts), 3)
        whole = neighbours._AT_ONCE
        neighbours._AT_ONCE = 10**6
        self.addCleanup(setattr, neighbours, "_AT_ONCE", whole)
        at_once = signature(found)
        neighbours._AT_ONCE = whole
        self.assertEqual(signature(found), at_once)

    def test_numbers_stay(self):
        """They are kept in databases: a change of the method needs a migration."""
        numbers = signature(shingles([f"w{number}" for number in range(50)]))
        self.assertEqual(numbers[:2], [3319059089992407268, 1768999432018737757])
