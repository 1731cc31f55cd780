"""A kit for tests of the built-in embedders: a tiny model instead of the real one."""

import string
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from ..adapters import local
from ..kernel import minilm, safetensors
from ..models import steward_embedding

WIDTH = 64
_WORDS = """
    ! the of and in sale order invoice customer pay ##s ##ing ##ment ##er late goat paid
"""
WORDS = [*_WORDS.split(), *string.ascii_lowercase]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *(f"##{c}" for c in "abcdefghi")]


def tiny_weights(seed=7, layers=2):
    """Weights by chance, with the names and shapes of BERT's."""
    draw = np.random.default_rng(seed)

    def some(*shape):
        return draw.normal(0, 0.3, shape).astype(np.float32)

    inner = 2 * WIDTH
    shapes = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (inner, WIDTH),
        "output.dense": (WIDTH, inner),
    }
    found = {
        "embeddings.word_embeddings.weight": some(len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": some(minilm.LENGTH, WIDTH),
        "embeddings.token_type_embeddings.weight": some(2, WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        for part, shape in shapes.items():
            found[f"{name}.{part}.weight"] = some(*shape)
            found[f"{name}.{part}.bias"] = some(shape[0])
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    for name in norms:
        found[f"{name}.weight"] = 1 + some(WIDTH)
        found[f"{name}.bias"] = some(WIDTH)
    return found


def forget_vectors():
    """Be a worker that knows nothing yet."""
    steward_embedding._LOCAL.clear()
    steward_embedding._COUNTS.clear()
    steward_embedding._TOLD.clear()


class TinyWeights:
    """The built-in models on a tiny model, in a data folder of their own.

    A context manager; ``folder`` is where the weights are.
    """

    def __enter__(self):
        forget_vectors()
        self._temporary = tempfile.TemporaryDirectory()
        root = Path(self._temporary.name)
        self.folder = root / "model"
        self.folder.mkdir()
        path = self.folder / "model.safetensors"
        safetensors.write(path, tiny_weights())
        vocabulary = "".join(f"{piece}\n" for piece in PIECES)
        (self.folder / "vocab.txt").write_text(vocabulary)
        self.data = root / "data"
        self._patches = [
            patch.object(local, "weights", lambda: self.folder),
            patch.object(local, "WEIGHTS", local.digest_of(path)),
            patch.object(local, "_LOADED", {}),
            patch.dict(local.config.options, {"data_dir": str(self.data)}),
        ]
        for each in self._patches:
            each.start()
        return self

    def __exit__(self, *_error):
        for each in reversed(self._patches):
            each.stop()
        self._temporary.cleanup()
        forget_vectors()
