"""Between numpy and Arrow by their buffers: Arrow's own conversions import pandas where it is installed, for a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["integers", "looked_up", "strings", "valid", "values"]

_KINDS: Final = {"int8": pa.int8(), "int32": pa.int32(), "int64": pa.int64()}


def values(array: pa.Array) -> npt.NDArray[Any]:
    """The numbers of an array of numbers or instants, without a copy; anything where they are null."""
    kind = f"i{array.type.bit_width // 8}" if pa.types.is_temporal(array.type) else array.type.to_pandas_dtype()
    return np.frombuffer(array.buffers()[1], kind)[array.offset : array.offset + len(array)]


def valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Where an array is not null."""
    bits = array.buffers()[0]
    if bits is None or not array.null_count:
        return np.ones(len(array), dtype=bool)
    count = array.offset + len(array)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count, bitorder="little")[array.offset :].astype(bool)


def integers(numbers: npt.NDArray[Any], told: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """An array of int8, int32 or int64; null where not told."""
    bits = None if told is None else pa.py_buffer(np.packbits(told, bitorder="little"))
    return pa.Array.from_buffers(
        _KINDS[str(numbers.dtype)], numbers.size, [bits, pa.py_buffer(np.ascontiguousarray(numbers))]
    )


def strings(texts: Sequence[str]) -> pa.StringArray:
    """An array of texts."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def looked_up(
    texts: pa.StringArray, codes: npt.NDArray[Any], told: npt.NDArray[np.bool_] | None = None
) -> pa.DictionaryArray:
    """A column of texts by their codes; null where not told."""
    return pa.DictionaryArray.from_arrays(integers(codes, told), texts)
