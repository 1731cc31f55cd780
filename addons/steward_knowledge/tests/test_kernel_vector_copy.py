import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import vector_copy

components = st.floats(-60_000, 60_000, allow_nan=False, width=16)
ids = st.integers(1, 2**31 - 1)


class TestVectorCopy(BaseCase):
    @given(
        st.integers(1, 20).flatmap(
            lambda size: st.lists(
                st.tuples(ids, st.lists(components, min_size=size, max_size=size)),
                min_size=1,
                max_size=5,
            )
        )
    )
    def test_read_again(self, rows):
        copied = vector_copy.rows([n for n, _v in rows], [v for _n, v in rows])
        self.assertTrue(copied.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8)))
        at, found = 19, []
        while (count := struct.unpack_from(">h", copied, at)[0]) != -1:
            self.assertEqual(count, 2)
            size, number, length = struct.unpack_from(">iii", copied, at + 2)
            dimensions, unused = struct.unpack_from(">hh", copied, at + 14)
            self.assertEqual((size, length, unused), (4, 4 + 2 * dimensions, 0))
            vector = np.frombuffer(copied, ">f2", dimensions, at + 18)
            found.append((number, vector.tolist()))
            at += 18 + 2 * dimensions
        self.assertEqual(at + 2, len(copied))
        self.assertEqual(found, [(n, list(map(float, v))) for n, v in rows])

    def test_what_cannot_be(self):
        for numbers, vectors in (
            ([1], [[1.0], [2.0]]),
            ([1], [1.0]),
            ([1], [[np.nan]]),
            ([1], [[np.inf]]),
            ([1], [[70_000.0]]),
        ):
            with self.subTest(vectors), self.assertRaises(ValueError):
                vector_copy.rows(numbers, np.array(vectors))

    @given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=9))
    def test_literals(self, vector):
        told = vector_copy.literal(np.array(vector, np.float32))
        read = [float(number) for number in told[1:-1].split(",")]
        np.testing.assert_allclose(read, vector, atol=5.1e-6)
        self.assertNotIn(" ", told)
