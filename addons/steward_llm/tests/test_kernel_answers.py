import math

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.answers import Unusable, embeddings


def entry(index, *numbers):
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["index", "embedding"]), inner)
    ),
    max_leaves=12,
)


class TestEmbeddings(BaseCase):
    @given(st.permutations(range(5)))
    def test_order_is_that_of_the_texts(self, order):
        data = [entry(index, index + 1.0, 1.0) for index in order]
        found = embeddings(data, 5, 2)
        self.assertEqual([vector[0] for vector in found], [1.0, 2.0, 3.0, 4.0, 5.0])

    def test_without_numbers_as_they_come(self):
        self.assertEqual(
            embeddings([{"embedding": [1]}, {"embedding": [2]}], 2), [[1.0], [2.0]]
        )

    def test_unusable(self):
        for data, what in [
            (None, "no embeddings"),
            ({"embedding": [1]}, "no embeddings"),
            ([entry(0, 1)], "1 embeddings for 2 texts"),
            ([entry(n, 1) for n in range(3)], "3 embeddings for 2 texts"),
            ([entry(0, 1), entry(0, 1)], "the numbers"),
            ([entry(0, 1), entry(2, 1)], "the numbers"),
            ([entry(0, 1), entry(-1, 1)], "the numbers"),
            ([entry(0, 1), entry("1", 1)], "the numbers"),
            ([entry(0, 1), "no"], "not an object"),
            ([entry(0, 1), entry(1, 1, 2)], "2 dimensions instead of 1"),
            ([entry(0), entry(1)], "no list of numbers"),
            ([entry(0, "1"), entry(1, 1)], "no list of numbers"),
            ([entry(0, True), entry(1, 1)], "no list of numbers"),
            ([entry(0, math.nan), entry(1, 1)], "that is none"),
            ([entry(0, math.inf), entry(1, 1)], "that is none"),
            ([entry(0, 10**400), entry(1, 1)], "that is none"),
            ([entry(0, 0), entry(1, 1)], "all zero"),
        ]:
            with self.subTest(data=data), self.assertRaisesRegex(Unusable, what):
                embeddings(data, 2)
        with self.assertRaisesRegex(Unusable, "1 dimensions instead of 3"):
            embeddings([entry(0, 1)], 1, 3)

    @given(anything)
    def test_nonsense(self, data):
        """Sound vectors or a sentence; nothing else comes out."""
        try:
            found = embeddings(data, 2)
        except Unusable as error:
            self.assertTrue(str(error))
        else:
            self.assertEqual(len(found), 2)
            self.assertTrue(all(math.isfinite(n) for v in found for n in v))

    def test_detail(self):
        self.assertEqual(Unusable("what", "detail").detail, "detail")
