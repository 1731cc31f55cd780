import string

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel.spelling import MOST, SEEN, Speller, distance

LETTERS = st.text(string.ascii_lowercase[:6], max_size=9)


def slow(one, other):
    """The definition: optimal string alignment."""
    table = {(i, -1): i + 1 for i in range(-1, len(one))}
    table |= {(-1, j): j + 1 for j in range(-1, len(other))}
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            table[i, j] = min(
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
                table[i - 1, j - 1] + (left != right),
            )
            if i and j and left == other[j - 1] and one[i - 1] == right:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(one) - 1, len(other) - 1]


@tagged("post_install", "-at_install")
class TestSpelling(BaseCase):
    @given(LETTERS, LETTERS)
    def test_distance(self, one, other):
        self.assertEqual(distance(one, other, 99), slow(one, other))
        self.assertEqual(distance(one, other, 2) <= 2, slow(one, other) <= 2)
        self.assertEqual(distance(one, other, 99), distance(other, one, 99))

    @given(
        st.dictionaries(LETTERS, st.integers(1, 9), max_size=30),
        LETTERS,
        st.frozensets(LETTERS, max_size=5),
    )
    def test_corrections_keep_the_rules(self, counts, word, known):
        fixed = Speller(counts, known).correct(word)
        near = [
            other
            for other, count in counts.items()
            if count >= SEEN
            and len(other) >= 4
            and slow(word, other) <= (1 if len(word) < 6 else 2)
        ]
        if fixed is None:
            return
        self.assertNotIn(word, {*counts, *known})
        self.assertIn(fixed, near)
        best = min((slow(word, other), -counts[other]) for other in near)
        self.assertEqual((slow(word, fixed), -counts[fixed]), best)

    @given(st.text(string.ascii_lowercase, min_size=8, max_size=12), st.data())
    def test_two_edits_are_found(self, word, data):
        for _edit in range(2):
            place = data.draw(st.integers(0, len(word) - 1))
            wrong = word[:place] + word[place + 1 :]
        self.assertIn(Speller({word: 5}).correct(wrong), (word, None))
        self.assertEqual(Speller({word: 5}).correct(word[:-1] + "é"), word)

    def test_what_is_never_touched(self):
        speller = Speller({"order": 9, "alters": 5, "waiting": 2}, {"waiter"})
        for word in ("order", "ord", "waiters", "sale.order", "0rder", "waitign", ""):
            self.assertIsNone(speller.correct(word), word)

    def test_a_large_vocabulary_keeps_its_frequent_words(self):
        many = {f"w{number:06}".translate(_LETTERS): 3 for number in range(MOST + 9)}
        speller = Speller({**many, "invoice": 99})
        self.assertEqual(len(speller.words), MOST)
        self.assertEqual(speller.correct("invocie"), "invoice")


_LETTERS = str.maketrans(string.digits, string.ascii_lowercase[:10])
