"""Reads every point of a SunSpec model by the SunSpec Alliance's own JSON definition, as the package pysunspec2 has it.

A definition is a tree of groups of points. A group may repeat: a number of times that a point tells, or (count 0) as
often as it fits into the length the device announces. A point's scale factor stands in its own group or further out.
"""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from energy.errors import ConfigError
from gateway.registers import RawValue, RegisterType, decode, is_not_implemented

__all__ = ["ModelValue", "decode_model", "model_definition"]

_Definition = Mapping[str, Any]
# The standard's types with the value that means "not implemented"; zero for accumulators and addresses.
_NUMBERS: Final[dict[str, RegisterType]] = {
    name: RegisterType(name, kind, words, absent)  # type: ignore[arg-type] # the literal kinds of the table below
    for name, kind, words, absent in [
        ("int16", "signed", 1, -0x8000),
        ("sunssf", "signed", 1, -0x8000),
        ("uint16", "unsigned", 1, 0xFFFF),
        ("count", "unsigned", 1, 0xFFFF),
        ("enum16", "unsigned", 1, 0xFFFF),
        ("bitfield16", "unsigned", 1, 0xFFFF),
        ("raw16", "unsigned", 1, None),
        ("acc16", "unsigned", 1, 0),
        ("int32", "signed", 2, -0x8000_0000),
        ("uint32", "unsigned", 2, 0xFFFF_FFFF),
        ("enum32", "unsigned", 2, 0xFFFF_FFFF),
        ("bitfield32", "unsigned", 2, 0xFFFF_FFFF),
        ("acc32", "unsigned", 2, 0),
        ("int64", "signed", 4, -0x8000_0000_0000_0000),
        ("uint64", "unsigned", 4, 0xFFFF_FFFF_FFFF_FFFF),
        ("bitfield64", "unsigned", 4, 0xFFFF_FFFF_FFFF_FFFF),
        ("acc64", "unsigned", 4, 0),
        ("float32", "float", 2, None),
        ("float64", "float", 4, None),
    ]
}


@dataclass(frozen=True, slots=True)
class ModelValue:
    """One point as read: `path` as `PhVphA` or `Crv[1].Pt[2].V`, `meaning` the names of an enumeration's or bits' value."""

    path: str
    value: float | int | str | None
    unit: str
    registers: list[int]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class _Field:
    """A point at its place: `offset` from the model's ID register, `scope` the raw values of its group and outer ones."""

    path: str
    definition: _Definition
    offset: int
    raw: RawValue | None
    scope: Mapping[str, RawValue | None]


@lru_cache(maxsize=256)
def model_definition(model: int) -> _Definition | None:
    """The model's group of points; None for a vendor's own model. Raises ConfigError when the package is missing."""
    spec = find_spec("sunspec2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the SunSpec model definitions are not installed",
            hint="pip install pysunspec2, or probe with a profile (`commonwatt profiles` lists them)",
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / "json" / f"model_{model}.json"
    if not path.exists():
        return None
    group: _Definition = json.loads(path.read_text(encoding="utf-8"))["group"]
    return group


def decode_model(group: _Definition, words: Sequence[int]) -> list[ModelValue]:
    """Every point of a model, from all its registers (ID and length included), pads left out."""
    fields, _ = _lay_out(group, words, 0, "", {})
    return [_value(field, words) for field in fields if field.definition["type"] != "pad"]


def _lay_out(
    group: _Definition, words: Sequence[int], offset: int, prefix: str, outer: Mapping[str, RawValue | None]
) -> tuple[list[_Field], int]:
    """The fields of one instance of `group` and the offset behind it; what the device does not have ends it early."""
    scope = dict(outer)
    fields: list[_Field] = []
    for point in group["points"]:
        end = offset + point["size"]
        if end > len(words):  # a device may announce fewer registers than the standard has
            return fields, len(words)
        raw = _raw(point, words[offset:end])
        scope[point["name"]] = raw
        fields.append(_Field(prefix + point["name"], point, offset, raw, scope))
        offset = end
    for inner in group.get("groups", ()):
        for path in _instances(inner, prefix, scope):
            if offset >= len(words):
                break
            more, offset = _lay_out(inner, words, offset, path, scope)
            fields += more
    return fields, offset


def _instances(group: _Definition, prefix: str, scope: Mapping[str, RawValue | None]) -> Iterator[str]:
    """A path for each repetition of `group`; endless where only the model's length ends it."""
    count = group.get("count")
    if count is None:
        yield f"{prefix}{group['name']}."
        return
    if isinstance(count, str):
        told = scope.get(count)
        count = told if isinstance(told, int) else -1
    index = 0
    while count == 0 or index < count:
        index += 1
        yield f"{prefix}{group['name']}[{index}]."


def _raw(point: _Definition, words: Sequence[int]) -> RawValue | None:
    """The value before its scale factor; None: not implemented."""
    kind = point["type"]
    if kind in _NUMBERS:
        raw = decode(words, _NUMBERS[kind])
        return None if is_not_implemented(raw, _NUMBERS[kind]) else raw
    if kind == "string":
        return decode(words, RegisterType("string", "text", len(words)))
    return _address(kind, words) if any(words) else None


def _address(kind: str, words: Sequence[int]) -> str | None:
    """An address of a network or a network card as text."""
    data = struct.pack(f">{len(words)}H", *words)
    if kind == "ipaddr":
        return str(ipaddress.IPv4Address(data))
    if kind == "ipv6addr":
        return str(ipaddress.IPv6Address(data))
    if kind == "eui48" and data[-6:] != b"\xff" * 6:
        return ":".join(f"{byte:02X}" for byte in data[-6:])
    return None


def _value(field: _Field, words: Sequence[int]) -> ModelValue:
    point = field.definition
    registers = list(words[field.offset : field.offset + point["size"]])
    return ModelValue(field.path, _scaled(field), point.get("units", ""), registers, _meaning(point, field.raw))


def _scaled(field: _Field) -> RawValue | None:
    factor = field.definition.get("sf")
    raw = field.raw
    if factor is None or not isinstance(raw, int | float):
        return raw
    power = field.scope.get(factor) if isinstance(factor, str) else int(factor)
    if not isinstance(power, int) or not -10 <= power <= 10:
        return None  # a number without its scale says nothing
    return raw * int(10**power) if power >= 0 else round(raw / 10**-power, -power)


def _meaning(point: _Definition, raw: RawValue | None) -> str:
    symbols = point.get("symbols")
    if not symbols or not isinstance(raw, int):
        return ""
    if point["type"].startswith("bitfield"):
        return " ".join(symbol["name"] for symbol in symbols if raw >> symbol["value"] & 1)
    return next((str(symbol["name"]) for symbol in symbols if symbol["value"] == raw), "")
