"""Looks at one device once: which profile fits it, who made it, what every point says. For commissioning."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from energy.errors import DeviceError
from energy.quantities import Quality
from gateway import sunspec
from gateway.device import Located, Transport, discover, read_device, read_point
from gateway.profile import Library, Profile, SunSpec
from messaging.codec import Value

__all__ = ["Found", "Probe", "ProbedPoint", "matching_profile", "probe", "scan", "sunspec_profile"]

_ANY_SUNSPEC: Final = SunSpec(needs=())
_MAINS: Final = {"frequency_hz": (45.0, 65.0), "voltage_l1_v": (80.0, 300.0)}


@dataclass(frozen=True, slots=True)
class ProbedPoint:
    """One point as read: `name` is the quantity it feeds or None, `source` the vendor's point, as `103.PhVphA`."""

    name: str | None
    value: Value | None
    unit: str
    quality: Quality
    registers: list[int]
    source: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A device as it is now; texts are empty where the device does not tell them."""

    profile: str
    manufacturer: str
    model: str
    serial: str
    version: str
    points: list[ProbedPoint]


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that answered; `profile` None: no profile fits."""

    unit: int
    profile: str | None
    manufacturer: str
    model: str
    serial: str


async def probe(transport: Transport, unit: int, profile: Profile) -> Probe:
    """Reads every point of `profile`, one by one so that one refusal hides no other. Raises DeviceError."""
    layout = await discover(transport, unit, profile)
    identity = await _identity(transport, unit, profile)
    points = [await _point(transport, unit, place) for place in layout.located.values()]
    return Probe(profile.profile, identity.manufacturer, identity.model, identity.serial, identity.version, points)


async def matching_profile(transport: Transport, unit: int, library: Library) -> str | None:
    """The name of the profile that fits the device best, None when none does. Raises DeviceError when it is silent.

    A SunSpec device tells its models; any other fits a profile whose every register it answers with plausible values.
    """
    fitting: list[tuple[int, int, str]] = []
    for name in library.names():
        profile = library.get(name)
        try:
            layout = await discover(transport, unit, profile)
            reading = await read_device(transport, unit, layout, name, 0)
        except DeviceError as error:
            if error.kind in {"silent", "connection"}:
                raise
            continue
        if _plausible(reading.v):
            fitting.append((len({request.function for request in layout.requests}), len(reading.v), name))
    return max(fitting)[2] if fitting else None


async def scan(transport: Transport, units: Iterable[int], library: Library) -> AsyncIterator[Found]:
    """Every unit of `units` that answers. Raises DeviceError when the bus itself cannot be reached."""
    for unit in units:
        try:
            name = await matching_profile(transport, unit, library)
            identity = await _identity(transport, unit, library.get(name) if name else None)
        except DeviceError as error:
            if error.kind == "connection":
                raise
            continue  # nobody has this number
        yield Found(unit, name, identity.manufacturer, identity.model, identity.serial)


async def sunspec_profile(transport: Transport, unit: int, library: Library) -> Profile:
    """The profile that fits the device's SunSpec models. Raises DeviceError when it has no chain, or none fits."""
    chain = await sunspec.walk(lambda address, count: transport.read(unit, "holding", address, count), _ANY_SUNSPEC)
    for name in library.names():
        profile = library.get(name)
        if profile.sunspec and all(any(model in chain for model in group) for group in profile.sunspec.needs):
            return profile
    raise DeviceError(
        f"no profile for SunSpec models {', '.join(map(str, chain))}",
        kind="profile",
        hint="see `commonwatt profiles` for those there are",
    )


async def _identity(transport: Transport, unit: int, profile: Profile | None) -> sunspec.Identity:
    if profile is None or profile.sunspec is None:
        return sunspec.Identity(profile.manufacturer if profile else "", profile.model if profile else "", "", "")

    async def read(address: int, count: int) -> list[int]:
        return await transport.read(unit, "holding", address, count)

    return await sunspec.identify(read, await sunspec.walk(read, _ANY_SUNSPEC))


async def _point(transport: Transport, unit: int, place: Located) -> ProbedPoint:
    try:
        value, registers = await read_point(transport, unit, place)
    except DeviceError as error:
        if error.kind != "exception":
            raise
        value, registers = None, []
    quality = Quality.MISSING if value is None else Quality.MEASURED
    return ProbedPoint(place.point.name, value, place.point.unit, quality, registers, place.label)


def _plausible(values: dict[str, Value]) -> bool:
    for quantity, (low, high) in _MAINS.items():
        value = values.get(quantity)
        if isinstance(value, int | float) and not low <= value <= high:
            return False
    return "power_w" in values
