"""SunSpec model chains as register images: every point starts as not implemented, then values are put in.

Offsets, types and scale factors come from data/sunspec_points.csv. Not-implemented values are those of the SunSpec
information model specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simulator.load import read_table
from simulator.registers.base import Refusal, Space, WordMap

__all__ = ["BASE", "Field", "Point", "SunSpecMap", "Values", "common_model"]

BASE = 40_000
MARKER = b"SunS"
END = struct.pack(">HH", 0xFFFF, 0)
Values = Mapping[str, int | str]
"""Point name to raw value, as it stands in the register."""

_FORMATS: dict[str, tuple[str, int]] = {  # type: struct format, not-implemented value
    "int16": ("h", -0x8000),
    "sunssf": ("h", -0x8000),
    "pad": ("h", -0x8000),
    "uint16": ("H", 0xFFFF),
    "enum16": ("H", 0xFFFF),
    "bitfield16": ("H", 0xFFFF),
    "count": ("H", 0xFFFF),
    "acc16": ("H", 0),
    "int32": ("i", -0x80000000),
    "uint32": ("I", 0xFFFFFFFF),
    "enum32": ("I", 0xFFFFFFFF),
    "bitfield32": ("I", 0xFFFFFFFF),
    "acc32": ("I", 0),
    "int64": ("q", -0x8000000000000000),
    "uint64": ("Q", 0xFFFFFFFFFFFFFFFF),
    "acc64": ("Q", 0),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a model, its offset counted in registers from the model's ID."""

    name: str
    offset: int
    type: str
    registers: int

    def pack(self, value: int | str | None) -> bytes:
        """The point's registers; None is not implemented."""
        size = 2 * self.registers
        if self.type == "string":
            return str(value or "").encode()[:size].ljust(size, b"\0")
        letter, missing = _FORMATS[self.type]
        return struct.pack(f">{letter}", missing if value is None else value)


@dataclass(frozen=True, slots=True)
class Field:
    """A point placed in a chain: where its bytes are and how a raw value is packed."""

    model: int
    point: Point
    address: int
    position: int  # bytes from the image's start
    packer: struct.Struct


@lru_cache(maxsize=1)
def _models() -> dict[int, dict[str, Point]]:
    models: dict[int, dict[str, Point]] = {}
    for row in read_table("sunspec_points.csv"):
        point = Point(row["point"], int(row["offset"]), row["type"], int(row["registers"]))
        models.setdefault(int(row["model"]), {})[point.name] = point
    return models


class SunSpecMap(WordMap):
    """A chain of SunSpec models at 40000. Subclasses say what is static, what is measured and what can be written."""

    MEASURED: tuple[tuple[int, str], ...] = ()
    """(model, point) of what `measured` returns, in its order."""
    WRITABLE: tuple[tuple[int, str], ...] = ()

    def __init__(self, chain: Sequence[tuple[int, Values]]) -> None:
        self._fields: dict[tuple[int, str], Field] = {}
        image = bytearray(MARKER)
        for model, values in chain:
            image += self._model(model, values, len(image))
        image += END
        self._template = bytes(image)
        self._ranges: dict[Space, tuple[range, ...]] = {"holding": (range(BASE, BASE + len(image) // 2),)}
        self._measured = [self._fields[key] for key in self.MEASURED]
        self._writable = {self._fields[key].address: self._fields[key] for key in self.WRITABLE}

    def measured(self) -> Iterable[int]:
        """Raw values of `MEASURED` now."""
        raise NotImplementedError

    def controls(self) -> Iterable[int]:
        """Raw values of `WRITABLE` now."""
        raise NotImplementedError

    def apply(self, changes: dict[str, int], now_ms: int) -> Refusal | None:
        """Takes decoded raw values of a write, all or none."""
        raise NotImplementedError

    @property
    def start(self) -> int:
        return BASE

    @property
    def ranges(self) -> dict[Space, tuple[range, ...]]:
        return self._ranges

    def field(self, model: int, point: str) -> Field:
        """Where a point stands in this chain."""
        return self._fields[model, point]

    def image(self, *, blank: bool) -> bytearray:
        image = bytearray(self._template)
        if not blank:
            for field, value in zip(self._measured, self.measured(), strict=True):
                field.packer.pack_into(image, field.position, value)
        for field, value in zip(self._writable.values(), self.controls(), strict=True):
            field.packer.pack_into(image, field.position, value)
        return image

    def write(self, space: Space, address: int, values: Sequence[int], now_ms: int) -> Refusal | None:
        if space != "holding":
            return Refusal.ILLEGAL_FUNCTION
        words = struct.pack(f">{len(values)}H", *values)
        changes: dict[str, int] = {}
        at = 0
        while at < len(values):
            field = self._writable.get(address + at)
            if field is None or at + field.point.registers > len(values):
                return Refusal.ILLEGAL_ADDRESS  # not writable, or half of a wide value
            changes[field.point.name] = field.packer.unpack_from(words, 2 * at)[0]
            at += field.point.registers
        return self.apply(changes, now_ms)

    def _model(self, model: int, values: Values, position: int) -> bytes:
        points = _models()[model]
        length = max(point.offset + point.registers for point in points.values()) - 2
        given = {"ID": model, "L": length, **values}
        image = bytearray()
        for point in points.values():
            at = position + 2 * point.offset
            letter = "H" if point.type == "string" else _FORMATS[point.type][0]
            self._fields[model, point.name] = Field(model, point, BASE + at // 2, at, struct.Struct(f">{letter}"))
            image += point.pack(given.get(point.name))
        return bytes(image)


def common_model(model: str, serial: str) -> tuple[int, Values]:
    """SunSpec model 1 of a simulated device."""
    return 1, {"Mn": "Commonwatt", "Md": model, "Opt": "simulated", "Vr": "1.0", "SN": serial[-32:], "DA": 1}
