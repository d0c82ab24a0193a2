"""Reads one device through its profile: where its points are, in which requests, and what the answers say.

Any source of registers will do: a bus, or a recorded or simulated past behind the same `Transport`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from energy.errors import DeviceError
from energy.quantities import QUANTITIES, Kind
from gateway import sunspec
from gateway.plan import Request, Span, coalesce
from gateway.profile import Point, Profile
from gateway.registers import Function, RawValue, RegisterType, WordOrder, decode, is_not_implemented, parse_type
from messaging.codec import Reading, Value

__all__ = [
    "Layout",
    "Located",
    "Transport",
    "decode_answers",
    "discover",
    "first_located",
    "locate",
    "physical",
    "read_device",
    "read_point",
    "read_power",
    "relearn",
    "scale_power",
]

_DECIMALS = 4  # finer than any meter's resolution; hides the noise of binary fractions
_SCALE_FACTOR_TYPE = parse_type("s16")


class Transport(Protocol):
    """A source of registers. Raises DeviceError."""

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1."""

    async def write(
        self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool = False
    ) -> None:
        """Writes registers or coils in one request; `single`: one register by function code 6."""


@dataclass(frozen=True, slots=True)
class Located:
    """A point at its place on this very device."""

    point: Point
    register_type: RegisterType
    word_order: WordOrder
    address: int
    scale_factor_address: int | None
    sunspec: bool
    label: str

    @property
    def span(self) -> Span:
        """The registers of the value and, with it, of its scale factor."""
        start, end = self.address, self.address + self.register_type.words
        if self.scale_factor_address is not None:
            start = min(start, self.scale_factor_address)
            end = max(end, self.scale_factor_address + 1)
        return Span(self.point.function, start, end)


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read from a device in one cycle. `quantities`: each with the points that add up to it."""

    profile: Profile
    located: dict[str, Located]
    requests: tuple[Request, ...]
    quantities: dict[str, tuple[Located, ...]]
    not_implemented: tuple[str, ...]


async def discover(transport: Transport, unit: int, profile: Profile) -> Layout:
    """The layout of a device; a SunSpec device is asked for its chain of models. Raises DeviceError."""
    if profile.sunspec is None:
        return locate(profile, {})
    chain = await sunspec.walk(lambda address, count: transport.read(unit, "holding", address, count), profile.sunspec)
    return locate(profile, chain)


def locate(profile: Profile, chain: dict[int, sunspec.ModelBlock]) -> Layout:
    """Places every point of `profile`.

    A point of a model the device lacks is not asked for; one beyond the end of a model it has is not implemented, so
    its quantity is bad.
    """
    located: dict[str, Located] = {}
    missing: set[str] = set()
    for point in profile.points:
        place = _place(point, profile, chain)
        if place is not None:
            located[point.point] = place
        elif point.name is not None and any(model in chain for model in point.models):
            missing.add(point.name)
    quantities: dict[str, tuple[Located, ...]] = {}
    for place in located.values():
        if place.point.name is not None and place.point.name not in missing:
            quantities[place.point.name] = (*quantities.get(place.point.name, ()), place)
    return Layout(profile, located, _requests(profile, quantities), quantities, tuple(sorted(missing)))


def _requests(
    profile: Profile, quantities: Mapping[str, tuple[Located, ...]], *, max_gap: int | None = None
) -> tuple[Request, ...]:
    spans = [place.span for places in quantities.values() for place in places]
    gap = profile.max_gap if max_gap is None else max_gap
    return coalesce(spans, max_read=profile.max_read, max_gap=gap)


async def relearn(transport: Transport, unit: int, layout: Layout) -> Layout:
    """The layout without what this very device refuses, each value asked for alone. Raises DeviceError.

    Firmware differs: a register of the profile may not exist here, or one nobody asked for may not be read along.
    A quantity whose register is refused is bad from now on, and the requests bridge no gaps.
    """
    refused: set[str] = set()
    refusal: DeviceError | None = None
    for quantity, places in layout.quantities.items():
        for place in places:
            try:
                await read_point(transport, unit, place)
            except DeviceError as error:
                if error.kind != "exception":
                    raise
                refused.add(quantity)
                refusal = error
    kept = {quantity: places for quantity, places in layout.quantities.items() if quantity not in refused}
    if refusal is not None and not kept:
        raise refusal
    missing = tuple(sorted({*layout.not_implemented, *refused}))
    return replace(
        layout, requests=_requests(layout.profile, kept, max_gap=0), quantities=kept, not_implemented=missing
    )


def _place(point: Point, profile: Profile, chain: dict[int, sunspec.ModelBlock]) -> Located | None:
    order = point.word_order or profile.word_order
    register_type = point.register_type
    if point.address is not None:
        return Located(point, register_type, order, point.address, point.scale_factor, sunspec=False, label=point.point)
    block = next((chain[model] for model in point.models if model in chain), None)
    if block is None or point.offset is None:
        return None
    last = max(point.offset + register_type.words, (point.scale_factor or 0) + 1)
    if last > block.length + sunspec.HEADER:
        return None
    factor = None if point.scale_factor is None else block.address + point.scale_factor
    label = f"{block.model}.{point.point}"
    return Located(point, register_type, order, block.address + point.offset, factor, sunspec=True, label=label)


async def read_device(transport: Transport, unit: int, layout: Layout, device: str, t: int) -> Reading:
    """One reading of `device` at `t` (ms UTC). Raises DeviceError when any request fails: no half readings."""
    answers = [
        await transport.read(unit, request.function, request.address, request.count) for request in layout.requests
    ]
    values, bad = decode_answers(layout, answers)
    return Reading(device, t, values, bad)


def decode_answers(layout: Layout, answers: Sequence[Sequence[int]]) -> tuple[dict[str, Value], list[str]]:
    """Values by quantity, and the quantities that gave none."""
    values: dict[str, Value] = {}
    bad = list(layout.not_implemented)
    for quantity, places in layout.quantities.items():
        value = _sum(quantity, [_value(place, layout.requests, answers) for place in places])
        if value is None:
            bad.append(quantity)
        else:
            values[quantity] = value
    return values, bad


def _sum(quantity: str, parts: list[Value | None]) -> Value | None:
    if any(part is None for part in parts):
        return None
    facts = QUANTITIES[quantity]
    if facts.kind is Kind.TEXT:
        return str(parts[0])
    total = sum(part for part in parts if isinstance(part, int | float))
    return round(total, _DECIMALS) if facts.low <= total <= facts.high else None


def _value(place: Located, requests: tuple[Request, ...], answers: Sequence[Sequence[int]]) -> Value | None:
    for request, words in zip(requests, answers, strict=True):
        if request.covers(place.span):
            start = place.address - request.address
            raw_words = words[start : start + place.register_type.words]
            factor = None
            if place.scale_factor_address is not None:
                factor = words[place.scale_factor_address - request.address]
            return physical(place, raw_words, factor)
    raise AssertionError(f"no request covers {place.label}")


def physical(place: Located, words: Sequence[int], factor_word: int | None = None) -> Value | None:
    """The value of a point in its unit and sign; None when the device has none to give."""
    raw = decode(words, place.register_type, place.word_order)
    if raw is None or raw in place.point.invalid:
        return None
    if place.sunspec and is_not_implemented(raw, place.register_type):
        return None
    if isinstance(raw, str):
        return raw
    if place.point.states:
        return place.point.states.get(int(raw), f"unknown {raw}")
    power = scale_power(factor_word)
    return None if power is None else _scaled(place.point, raw, power)


def scale_power(factor_word: int | None) -> int | None:
    """The power of ten in a scale-factor register, 0 without one; None when it is not implemented or no -10..10."""
    if factor_word is None:
        return 0
    power = decode([factor_word], _SCALE_FACTOR_TYPE)
    return power if isinstance(power, int) and -10 <= power <= 10 else None


def _scaled(point: Point, raw: RawValue, power: int) -> Value | None:
    number = float(raw) * point.sign * point.scale
    number = number * 10**power if power >= 0 else number / 10**-power  # dividing rounds right: 2301 -> 230.1
    if point.range is not None and not point.range[0] <= number <= point.range[1]:
        return None
    if isinstance(raw, int) and point.scale == 1 and power == 0:
        return raw * point.sign  # exact: a serial number may have more digits than a float
    number = round(number, _DECIMALS)
    return int(number) if isinstance(raw, int) and number.is_integer() else number


async def read_point(transport: Transport, unit: int, place: Located) -> tuple[Value | None, list[int]]:
    """One point and its registers, the scale factor from the same answer. Raises DeviceError."""
    span = place.span
    words = await transport.read(
        unit, place.point.function, span.start_including, span.end_excluding - span.start_including
    )
    start = place.address - span.start_including
    registers = words[start : start + place.register_type.words]
    factor = place.scale_factor_address
    return physical(place, registers, None if factor is None else words[factor - span.start_including]), registers


async def read_power(transport: Transport, unit: int, place: Located) -> int:
    """The power of ten of a point's scale factor as it is now. Raises DeviceError when there is none."""
    if place.scale_factor_address is None:
        return 0
    (word,) = await transport.read(unit, place.point.function, place.scale_factor_address, 1)
    power = scale_power(word)
    if power is None:
        raise DeviceError(f"{place.label} has no usable scale factor", kind="garbage")
    return power


def first_located(layout: Layout, names: Sequence[str]) -> Located | None:
    """The first of `names` this device has."""
    return next((layout.located[name] for name in names if name in layout.located), None)
