import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..adapters import local
from ..kernel import minilm, safetensors
from ..kernel.wordpiece import WordPiece
from .embedding_common import PIECES, WIDTH, tiny_weights

IDS = st.lists(st.integers(1, len(PIECES) - 1), min_size=2, max_size=20)


def plainly(weights, ids):
    """The same model, written down as the paper has it: slow, for one text."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    e = "embeddings."
    x = weights[f"{e}word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights[f"{e}position_embeddings.weight"][: len(ids)]
    x = norm(x + weights[f"{e}token_type_embeddings.weight"][0], f"{e}LayerNorm")
    for number in range(2):
        n = f"encoder.layer.{number}"
        parts = [
            linear(x, f"{n}.attention.self.{p}") for p in ("query", "key", "value")
        ]
        heads = []
        for first in range(0, WIDTH, minilm.HEAD):
            q, k, v = (part[:, first : first + minilm.HEAD] for part in parts)
            scores = np.exp(q @ k.T / math.sqrt(minilm.HEAD))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v)
        attended = linear(np.hstack(heads), f"{n}.attention.output.dense")
        x = norm(x + attended, f"{n}.attention.output.LayerNorm")
        inner = gelu(linear(x, f"{n}.intermediate.dense"))
        x = norm(x + linear(inner, f"{n}.output.dense"), f"{n}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


class TestMiniLM(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.weights = tiny_weights()
        cls.encoder = minilm.Encoder(cls.weights)

    @given(st.lists(IDS, min_size=1, max_size=6))
    def test_as_the_paper_has_it(self, texts):
        """Together and padded, each text gets what it would get alone."""
        found = minilm.embed(self.encoder, texts, batch=30)
        for row, ids in zip(found, texts, strict=True):
            expected = plainly(self.weights, ids)
            self.assertGreater(float(row @ expected), 0.999)

    def test_nothing_to_embed(self):
        self.assertEqual(len(minilm.embed(self.encoder, [])), 0)

    def test_the_real_model(self):
        """The vectors that its makers publish for these sentences begin so."""
        folder = local.weights()
        self.assertTrue(folder, f"{local.PACKAGE} is not installed")
        encoder = minilm.Encoder(safetensors.read(folder / "model.safetensors"))
        pieces = WordPiece.of_file(folder / "vocab.txt")
        texts = ["This is an example sentence", "Each sentence is converted"]
        first, second = minilm.embed(encoder, [pieces.encode(text) for text in texts])
        np.testing.assert_allclose(
            first[:3], [0.0676569, 0.0634959, 0.0487131], atol=3e-4
        )
        np.testing.assert_allclose(second[:2], [0.0864386, 0.1027626], atol=3e-4)
        self.assertEqual(len(first), 384)
        self.assertAlmostEqual(float(np.linalg.norm(first)), 1, 5)
