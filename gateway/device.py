"""Reads one device through its profile: where its points are, in which requests, and what the answers say.

Any source of registers will do: a bus, or a recorded or simulated past behind the same `Transport`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from energy.errors import DeviceError
from gateway import sunspec
from gateway.plan import Request, coalesce
from gateway.profile import Point, Profile
from gateway.registers import Function
from gateway.values import Decoder, Located, physical, scale_power
from messaging.codec import Reading, Value

__all__ = [
    "Layout",
    "Located",
    "Transport",
    "decode_answers",
    "discover",
    "first_located",
    "in_its_order",
    "is_fixed",
    "locate",
    "physical",
    "read_device",
    "read_point",
    "read_power",
    "relearn",
    "scale_power",
]


class Transport(Protocol):
    """A source of registers. Raises DeviceError."""

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1."""

    async def write(
        self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool = False
    ) -> None:
        """Writes registers or coils in one request; `single`: one register by function code 6."""


@dataclass(frozen=True)
class Layout:
    """What is read from a device in one cycle. `quantities`: each with the points that add up to it."""

    profile: Profile
    located: dict[str, Located]
    requests: tuple[Request, ...]
    quantities: dict[str, tuple[Located, ...]]
    not_implemented: tuple[str, ...]

    @cached_property
    def decoder(self) -> Decoder:
        """Made once, at the first reading."""
        return Decoder(self.requests, self.quantities)


def is_fixed(profile: Profile) -> bool:
    """Whether the layout is the same on every device: none is asked for its chain of models or its word order."""
    return profile.sunspec is None and profile.word_order_from is None


async def discover(transport: Transport, unit: int, profile: Profile) -> Layout:
    """The layout of a device; it is asked for its chain of models and its word order. Raises DeviceError."""
    if profile.sunspec is None:
        return locate(await in_its_order(transport, unit, profile), {})
    chain = await sunspec.walk(lambda address, count: transport.read(unit, "holding", address, count), profile.sunspec)
    return locate(profile, chain)


async def in_its_order(transport: Transport, unit: int, profile: Profile) -> Profile:
    """`profile` with the word order this very device tells; its own where none is told. Raises DeviceError."""
    if profile.word_order_from is None:
        return profile
    try:
        told, _ = await read_point(transport, unit, locate(profile, {}).located[profile.word_order_from])
    except DeviceError as error:
        if error.kind != "exception":
            raise
        return profile
    return profile.model_copy(update={"word_order": told}) if told in {"little", "big"} else profile


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
    answers = []
    for request in layout.requests:
        answers.append(await transport.read(unit, request.function, request.address, request.count))  # noqa: PERF401 - an asynchronous comprehension costs twice as much
    values, bad = decode_answers(layout, answers)
    return Reading(device, t, values, bad)


def decode_answers(layout: Layout, answers: Sequence[Sequence[int]]) -> tuple[dict[str, Value], list[str]]:
    """Values by quantity, and the quantities that gave none."""
    values, bad = layout.decoder(answers)
    return values, [*layout.not_implemented, *bad] if layout.not_implemented else bad


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
