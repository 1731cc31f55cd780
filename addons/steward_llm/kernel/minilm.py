"""Sentence embeddings of the MiniLM kind: a small BERT, mean of its last layer.

Plain numpy, some ten lines of algebra a layer. The figures of a model (layers, width)
come from its weights, so that tests run the same code on a tiny one.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
# ids and mask, both of (texts, tokens) -> the last layer of (texts, tokens, width)
Forward = Callable[[Integers, Floats], Floats]

HEAD = 32  # width of an attention head
LENGTH = 256  # tokens that are read of a text, as the model was trained
BATCH = 2048  # tokens that go through at once, padding included
EPSILON = np.float32(1e-12)
MASKED = np.float32(-1e9)


class Dense(NamedTuple):
    """A linear layer, ready for ``x @ weight + bias``."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        return x @ self.weight + self.bias


class Norm(NamedTuple):
    """A layer normalisation; works in place."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        x -= x.mean(-1, keepdims=True)
        variance = np.einsum("...i,...i->...", x, x) / np.float32(x.shape[-1])
        x *= (1 / np.sqrt(variance + EPSILON))[..., None]
        x *= self.weight
        x += self.bias
        return x


class Layer(NamedTuple):
    """One layer of the encoder."""

    attention: Dense  # queries, keys and values side by side
    attended: Dense
    attended_norm: Norm
    inner: Dense
    outer: Dense
    outer_norm: Norm

    def __call__(self, x: Floats, texts: int, bias: Floats | None) -> Floats:
        width = x.shape[-1]
        heads = self.attention(x).reshape(texts, -1, 3, width // HEAD, HEAD)
        query, key, value = heads.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2)
        if bias is not None:
            scores += bias
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, width)
        x = self.attended_norm(self.attended(mixed) + x)
        return self.outer_norm(self.outer(gelu(self.inner(x))) + x)


def gelu(x: Floats) -> Floats:
    """Smooth ramp of BERT, by its usual approximation (error < 0.0005).

    >>> gelu(np.array([-10, 0, 1], np.float32)).round(3).tolist()
    [-0.0, 0.0, 0.8410000205039978]
    """
    y = x * x
    y *= np.float32(0.044715)
    y += 1
    y *= x
    y *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= np.float32(0.5)
    return y


class Encoder:
    """The model itself, from weights named as Hugging Face names BERT's."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self.words = weights["embeddings.word_embeddings.weight"]
        self.places = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self.norm = _norm(weights, "embeddings.LayerNorm")
        layers = {
            int(name.split(".")[2]) for name in weights if name.startswith("encoder.")
        }
        self.layers = [_layer(weights, f"encoder.layer.{n}") for n in sorted(layers)]

    @property
    def width(self) -> int:
        return int(self.words.shape[1])

    def __call__(self, ids: Integers, mask: Floats) -> Floats:
        texts, length = ids.shape
        x = self.norm(self.words[ids] + self.places[:length]).reshape(-1, self.width)
        bias = None if mask.all() else ((1 - mask) * MASKED)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, texts, bias)
        return x.reshape(texts, length, self.width)


def _layer(weights: Mapping[str, npt.NDArray[Any]], name: str) -> Layer:
    query, key, value = (
        _dense(weights, f"{name}.attention.self.{part}")
        for part in ("query", "key", "value")
    )
    scale = np.float32(1 / math.sqrt(HEAD))
    return Layer(
        Dense(
            np.hstack([query.weight * scale, key.weight, value.weight]),
            np.hstack([query.bias * scale, key.bias, value.bias]),
        ),
        _dense(weights, f"{name}.attention.output.dense"),
        _norm(weights, f"{name}.attention.output.LayerNorm"),
        _dense(weights, f"{name}.intermediate.dense"),
        _dense(weights, f"{name}.output.dense"),
        _norm(weights, f"{name}.output.LayerNorm"),
    )


def _dense(weights: Mapping[str, npt.NDArray[Any]], name: str) -> Dense:
    transposed = np.ascontiguousarray(weights[f"{name}.weight"].T)
    return Dense(transposed, weights[f"{name}.bias"])


def _norm(weights: Mapping[str, npt.NDArray[Any]], name: str) -> Norm:
    return Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])


def embed(
    forward: Forward, token_ids: Sequence[Sequence[int]], batch: int = BATCH
) -> Floats:
    """Embed tokenized texts: the mean over each text's tokens, of length one."""
    found: Floats | None = None
    for chosen in _batches([len(ids) for ids in token_ids], batch):
        length = len(token_ids[chosen[0]])
        ids = np.zeros((len(chosen), length), np.int64)
        mask = np.zeros((len(chosen), length), np.float32)
        for row, number in enumerate(chosen):
            ids[row, : len(token_ids[number])] = token_ids[number]
            mask[row, : len(token_ids[number])] = 1
        mean = np.einsum("btw,bt->bw", forward(ids, mask), mask)
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        if found is None:
            found = np.empty((len(token_ids), mean.shape[1]), np.float32)
        found[chosen] = mean
    return np.empty((0, 0), np.float32) if found is None else found


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut texts into batches of like length, so that little is padded.

    >>> list(_batches([3, 9, 3, 4, 8], budget=18))
    [[1, 4], [3, 0, 2]]
    """
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    begin = 0
    while begin < len(order):
        count = max(1, budget // lengths[order[begin]])
        yield order[begin : begin + count]
        begin += count
