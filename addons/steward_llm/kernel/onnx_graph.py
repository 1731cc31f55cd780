"""The same model as a graph for ONNX Runtime, in eight-bit integers: thrice as fast.

Needs the packages ``onnx`` and ``onnxruntime``; `minilm` does without.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from .minilm import HEAD, MASKED, Dense, Encoder, Floats, Integers, Norm

OPSET = 17
IR = 8


def write(encoder: Encoder, path: Path) -> None:
    """Write the model's graph, its weights in eight bits."""
    graph = _Graph()
    graph.model(encoder)
    plain = path.with_suffix(".plain")
    try:
        onnx.save(graph.finished(encoder.width), plain)
        with _quiet():
            quantization.quantize_dynamic(
                plain,
                path,
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=["MatMul", "Gather"],
            )
    finally:
        plain.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """It tells the root logger of each node."""

    def is_news(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logging.root.addFilter(is_news)
    try:
        yield
    finally:
        logging.root.removeFilter(is_news)


class Session:
    """A graph at work; called as `minilm.Encoder` is."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # 0: as many as there are cores
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, ids: Integers, mask: Floats) -> Floats:
        (found,) = self._session.run(None, {"ids": ids, "mask": mask})
        return np.asarray(found, np.float32)


class _Graph:
    """Nodes and constants, as they come."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def const(self, value: npt.ArrayLike, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        array: npt.NDArray[Any] = np.ascontiguousarray(value, kind)
        # a plain number became a row of one
        array = array.reshape(np.shape(value))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def dense(self, x: str, layer: Dense) -> str:
        product = self.op("MatMul", x, self.const(layer.weight))
        return self.op("Add", product, self.const(layer.bias))

    def norm(self, x: str, layer: Norm) -> str:
        weight, bias = self.const(layer.weight), self.const(layer.bias)
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-12)

    def gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Mul", x, self.const(1 / math.sqrt(2))))
        half = self.op("Mul", x, self.const(0.5))
        return self.op("Mul", half, self.op("Add", erf, self.const(1.0)))

    def model(self, encoder: Encoder) -> None:
        zero, one = self.const(0, np.int64), self.const(1, np.int64)
        length = self.op(
            "Unsqueeze",
            self.op("Gather", self.op("Shape", "ids"), one),
            self.const([0], np.int64),
        )
        places = self.op(
            "Slice", self.const(encoder.places), self.const([0], np.int64), length
        )
        words = self.op("Gather", self.const(encoder.words), "ids")
        x = self.norm(self.op("Add", words, places), encoder.norm)
        hidden = self.op(
            "Mul", self.op("Sub", self.const(1.0), "mask"), self.const(MASKED)
        )
        bias = self.op("Unsqueeze", hidden, self.const([1, 2], np.int64))
        heads = encoder.width // HEAD
        apart = self.const([0, 0, 3, heads, HEAD], np.int64)
        together = self.const([0, 0, encoder.width], np.int64)
        three = [zero, one, self.const(2, np.int64)]
        for layer in encoder.layers:
            split = self.op("Reshape", self.dense(x, layer.attention), apart)
            split = self.op("Transpose", split, perm=[2, 0, 3, 1, 4])
            query, key, value = (self.op("Gather", split, n) for n in three)
            key = self.op("Transpose", key, perm=[0, 1, 3, 2])
            scores = self.op("Add", self.op("MatMul", query, key), bias)
            mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
            mixed = self.op("Transpose", mixed, perm=[0, 2, 1, 3])
            mixed = self.op("Reshape", mixed, together)
            attended = self.op("Add", self.dense(mixed, layer.attended), x)
            x = self.norm(attended, layer.attended_norm)
            inner = self.gelu(self.dense(x, layer.inner))
            outer = self.op("Add", self.dense(inner, layer.outer), x)
            x = self.norm(outer, layer.outer_norm)
        self.nodes.append(helper.make_node("Identity", [x], ["out"]))

    def finished(self, width: int) -> Any:
        def tensor(name: str, kind: int, *shape: str | int) -> Any:
            return helper.make_tensor_value_info(name, kind, shape)

        graph = helper.make_graph(
            self.nodes,
            "sentence model",
            [
                tensor("ids", TensorProto.INT64, "texts", "tokens"),
                tensor("mask", TensorProto.FLOAT, "texts", "tokens"),
            ],
            [tensor("out", TensorProto.FLOAT, "texts", "tokens", width)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
        # without the mark, each quantization warns that there was no optimization
        helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
        return model
