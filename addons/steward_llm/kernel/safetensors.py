"""Read and write ``*.safetensors``: named arrays behind a JSON header.

The format holds data alone, no code: https://github.com/huggingface/safetensors
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_HEADER = 10 << 20  # bytes
_TYPES = {
    "F32": "<f4",
    "F16": "<f2",
    "F64": "<f8",
    "I64": "<i8",
    "I8": "|i1",
    "U8": "|u1",
}


class Malformed(ValueError):
    """The file is not what it says it is."""


def read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Map a file's arrays into memory, read-only: all processes share the pages.

    :raises Malformed: when the header is none, or leads beyond the file
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, MAX_HEADER):
            raise Malformed(f"{path.name} has no header")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise Malformed(f"{path.name} has an unreadable header") from error
    if not isinstance(header, dict):
        raise Malformed(f"{path.name} has no header")
    header.pop("__metadata__", None)
    # as a plain array: results of arithmetic with a memmap are memmaps, slow ones
    data = np.asarray(np.memmap(path, np.uint8, "r", offset=8 + length))
    arrays = {}
    for name, facts in header.items():
        match facts:
            case {
                "dtype": str(kind),
                "shape": [*shape],
                "data_offsets": [int(begin), int(end)],
            } if (
                kind in _TYPES
                and all(isinstance(size, int) and size >= 0 for size in shape)
                and 0 <= begin <= end <= data.size
                and end - begin == math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
            ):
                arrays[name] = data[begin:end].view(_TYPES[kind]).reshape(shape)
            case _:
                raise Malformed(f"{path.name}: {name} does not fit")
    return arrays


def write(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays into a new file."""
    names = {kind: name for name, kind in _TYPES.items()}
    header, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": names[array.dtype.str],
            "shape": array.shape,
            "data_offsets": [begin, end],
        }
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)  # so that the arrays begin at a round address
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)
