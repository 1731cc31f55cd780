import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import signatures
from ..kernel.signatures import BITS, MOST, Signatures

numbers = st.floats(-100, 100, allow_nan=False, width=32)
vectors = st.lists(numbers, min_size=8, max_size=8)


def some(count, dimensions=64, seed=1):
    found = np.random.default_rng(seed).normal(size=(count, dimensions))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


class TestSignatures(BaseCase):
    @given(vectors, st.floats(0.01, 100))
    def test_length_does_not_matter(self, vector, factor):
        once, again = signatures.sign(np.array([vector, np.multiply(vector, factor)]))
        # a number next to zero may fall on the other side
        self.assertLessEqual(int(np.bitwise_count(once ^ again).sum()), 2)

    @given(st.lists(vectors, min_size=1, max_size=20), vectors, st.integers(1, 25))
    def test_as_by_hand(self, known, query, limit):
        found = Signatures(8)
        found.replace(range(len(known)), np.array(known, np.float32))
        told = found.nearest(np.array(query), limit, least=-1)
        signed, asked = signatures.sign(np.array(known)), signatures.sign(query)
        distances = [int(np.bitwise_count(row ^ asked).sum()) for row in signed]
        expected = sorted(range(len(known)), key=lambda n: (distances[n], n))[:limit]
        self.assertEqual([n for n, _score in told], expected)
        scores = [score for _n, score in told]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_what_is_alike_is_found(self):
        known, found = some(MOST), Signatures(64)
        found.replace(range(MOST), known)
        near = known[::50] + 0.3 * some(len(known[::50]), seed=2)
        hits = [found.nearest(v, 1)[0][0] for v in near]
        self.assertEqual(hits, list(range(0, MOST, 50)))

    def test_about_the_cosine(self):
        known, found = some(200), Signatures(64)
        found.replace(range(200), known)
        told = dict(found.nearest(known[0] + known[1], 200, least=-1))
        real = known @ (known[0] + known[1]) / np.linalg.norm(known[0] + known[1])
        errors = [abs(told[n] - real[n]) for n in range(200)]
        self.assertLess(max(errors), 0.4)
        self.assertLess(np.mean(errors), 0.1)

    def test_bounds(self):
        found = Signatures(64)
        self.assertEqual(found.nearest(np.ones(64)), [])
        found.replace(range(MOST + 5), some(MOST + 5))
        self.assertEqual(len(found), MOST)
        self.assertEqual(found.nearest(np.ones(64), limit=0), [])
        self.assertEqual(found.nearest(np.ones(64), least=0.99), [])
        with self.assertRaises(ValueError):
            found.nearest(np.ones(63))
        found.replace([], np.empty((0, 64)))
        self.assertEqual((len(found), found.nearest(np.ones(64))), (0, []))

    def test_planes_are_the_same_everywhere(self):
        signatures.planes.cache_clear()
        first = signatures.sign(some(3))
        signatures.planes.cache_clear()
        np.testing.assert_array_equal(first, signatures.sign(some(3)))
        self.assertEqual(signatures.planes(64).shape, (64, BITS))
