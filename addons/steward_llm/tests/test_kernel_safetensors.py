import json
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import safetensors


class TestSafetensors(BaseCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = Path(folder, "a.safetensors")

    def test_there_and_back(self):
        arrays = {
            "small": np.arange(6, dtype=np.int8).reshape(2, 3),
            "real": np.array([[1.5], [-2]], np.float32),
            "none": np.empty((0, 4), np.float32),
            "text": np.frombuffer(b"text", np.uint8),
        }
        safetensors.write(self.path, arrays)
        found = safetensors.read(self.path)
        self.assertEqual(list(found), list(arrays))
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            self.assertEqual(found[name].dtype, array.dtype)
        with self.assertRaises(ValueError):
            found["real"][0] = 1  # the file stays as it is

    def says(self, header, data=b"\0" * 8):
        told = header if isinstance(header, bytes) else json.dumps(header).encode()
        self.path.write_bytes(len(told).to_bytes(8, "little") + told + data)
        return self.path

    def test_files_that_lie(self):
        def facts(**changes):
            right = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
            return {"a": {**right, **changes}}

        self.assertIn("a", safetensors.read(self.says({"__metadata__": {}, **facts()})))
        for lie in (
            facts(data_offsets=[0, 80]),
            facts(data_offsets=[8, 0]),
            facts(data_offsets=[-8, 0]),
            facts(shape=[3]),
            facts(dtype="X1"),
            facts(dtype=[]),
            facts(data_offsets=3),
            facts(data_offsets=["0", "8"]),
            facts(shape=[2.5]),
            facts(shape="ab"),
            {"a": 5},
            {"a": {"dtype": "F32"}},
            b"[]",
            b"\xff\xfe{}",
            b"{" * 100,
        ):
            with self.subTest(lie), self.assertRaises(safetensors.Malformed):
                safetensors.read(self.says(lie))
        for content in (
            b"",
            b"\0" * 8,
            b"\xff" * 20,
            b"2" + b"\0" * 7 + b"{}",
        ):
            self.path.write_bytes(content)
            with self.subTest(content), self.assertRaises(safetensors.Malformed):
                safetensors.read(self.path)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, content):
        self.path.write_bytes(content)
        with suppress(safetensors.Malformed):
            safetensors.read(self.path)
