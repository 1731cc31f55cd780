import tempfile
from pathlib import Path

import numpy as np

from odoo.tests import BaseCase

from ..kernel import minilm, onnx_graph
from .embedding_common import PIECES, tiny_weights


class TestOnnxGraph(BaseCase):
    def test_says_what_the_model_says(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = Path(folder, "tiny.onnx")
        encoder = minilm.Encoder(tiny_weights())
        with self.assertNoLogs(level="INFO"):
            onnx_graph.write(encoder, path)
        self.assertEqual([p.name for p in Path(folder).iterdir()], [path.name])
        draw = np.random.default_rng(1)
        texts = [list(draw.integers(4, len(PIECES), size)) for size in (3, 9, 9, 20)]
        exact = minilm.embed(encoder, texts)
        found = minilm.embed(onnx_graph.Session(path, threads=1), texts)
        self.assertGreater(float((exact * found).sum(1).min()), 0.98)  # eight bits
