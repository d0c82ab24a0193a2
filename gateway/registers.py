"""Register words to raw values and back: types, word order, SunSpec's not-implemented values. Pure.

Bytes inside a 16-bit register are big-endian on every Modbus device; only the order of the words of a longer value
differs between vendors. Coils and discrete inputs are words of 0 or 1, the first coil is the lowest bit.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from energy.errors import DataError

__all__ = ["Function", "RawValue", "RegisterType", "WordOrder", "decode", "encode", "is_not_implemented", "parse_type"]

Function = Literal["holding", "input", "coil", "discrete"]
RawValue = int | float | str
WordOrder = Literal["big", "little"]
Kind = Literal["unsigned", "signed", "float", "text", "bits"]


@dataclass(frozen=True, slots=True)
class RegisterType:
    """How `words` registers (or coils, for `bits`) make one value; `not_implemented` is SunSpec's sentinel."""

    name: str
    kind: Kind
    words: int
    not_implemented: int | None = None


_TYPES: Final = {
    register_type.name: register_type
    for register_type in [
        RegisterType("u16", "unsigned", 1, 0xFFFF),
        RegisterType("s16", "signed", 1, -0x8000),
        RegisterType("u32", "unsigned", 2, 0xFFFF_FFFF),
        RegisterType("s32", "signed", 2, -0x8000_0000),
        RegisterType("u64", "unsigned", 4, 0xFFFF_FFFF_FFFF_FFFF),
        RegisterType("s64", "signed", 4, -0x8000_0000_0000_0000),
        RegisterType("f32", "float", 2),
        RegisterType("f64", "float", 4),
        RegisterType("acc32", "unsigned", 2, 0),
        RegisterType("acc64", "unsigned", 4, 0),
    ]
}
_SIZED: Final = re.compile(r"^(str|bits)([1-9][0-9]?)$")
_FLOAT_FORMAT: Final = {2: ">f", 4: ">d"}


def parse_type(name: str) -> RegisterType:
    """`u16`, `f32`, `str8` (8 registers), `bits2` (2 coils) ... Raises DataError for anything else."""
    if name in _TYPES:
        return _TYPES[name]
    sized = _SIZED.match(name)
    if sized is None:
        raise DataError(f"unknown register type {name!r}", hint=f"use one of {', '.join(_TYPES)}, strN or bitsN")
    kind: Kind = "text" if sized[1] == "str" else "bits"
    return RegisterType(name, kind, int(sized[2]))


def decode(words: Sequence[int], register_type: RegisterType, word_order: WordOrder = "big") -> RawValue | None:
    """The raw value of exactly `register_type.words` words; None for NaN, infinity and an empty text."""
    if len(words) != register_type.words:
        raise DataError(f"{register_type.name} takes {register_type.words} words, not {len(words)}")
    if register_type.kind == "bits":
        return sum(1 << position for position, coil in enumerate(words) if coil)
    ordered = words if word_order == "big" else list(reversed(words))
    data = struct.pack(f">{len(ordered)}H", *ordered)
    if register_type.kind == "text":
        return data.split(b"\0", 1)[0].decode("ascii", errors="replace").strip() or None
    if register_type.kind == "float":
        (value,) = struct.unpack(_FLOAT_FORMAT[register_type.words], data)
        return float(value) if math.isfinite(value) else None
    return int.from_bytes(data, "big", signed=register_type.kind == "signed")


def is_not_implemented(value: RawValue | None, register_type: RegisterType) -> bool:
    """Whether a SunSpec device says with `value` that it has no such point."""
    return value is None or value == register_type.not_implemented


def encode(value: float, register_type: RegisterType, word_order: WordOrder = "big") -> list[int]:
    """The words of a raw number. Raises DataError when it does not fit the type."""
    if register_type.kind == "text":
        raise DataError("texts are never written")
    if register_type.kind == "bits":
        return _encode_bits(round(value), register_type)
    try:
        data = _pack(value, register_type)
    except (OverflowError, ValueError, struct.error) as error:
        raise DataError(f"{value!r} does not fit {register_type.name}") from error
    words = list(struct.unpack(f">{register_type.words}H", data))
    return words if word_order == "big" else words[::-1]


def _pack(value: float, register_type: RegisterType) -> bytes:
    if register_type.kind == "float":
        if not math.isfinite(value):
            raise ValueError(value)
        return struct.pack(_FLOAT_FORMAT[register_type.words], value)
    return round(value).to_bytes(2 * register_type.words, "big", signed=register_type.kind == "signed")


def _encode_bits(value: int, register_type: RegisterType) -> list[int]:
    if not 0 <= value < 1 << register_type.words:
        raise DataError(f"{value} does not fit {register_type.words} coils")
    return [value >> position & 1 for position in range(register_type.words)]
