"""Looks at one device once: which profile fits it, who made it, what every point says. For commissioning; only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from energy.errors import DeviceError
from energy.quantities import Quality
from gateway import sunspec
from gateway.device import Layout, Located, Transport, discover, in_its_order, locate, read_device, read_point
from gateway.profile import Library, Profile, SunSpec
from gateway.sunspec import ModelBlock
from gateway.sunspec_models import decode_model, model_definition
from messaging.codec import Value

__all__ = ["Found", "Probe", "ProbedPoint", "find_units", "look", "matching_profiles", "probe", "probe_models"]

_ANY_SUNSPEC: Final = SunSpec(needs=())
_MAINS: Final = {"frequency_hz": (45.0, 65.0), "voltage_l1_v": (80.0, 300.0)}
_PATIENCE: Final = 3  # requests left without a good answer until a device is no longer asked what it may be
_CHUNK: Final = 120  # registers of one request; every SunSpec device answers 125


@dataclass(frozen=True, slots=True)
class ProbedPoint:
    """One point as read: `name` is the quantity it feeds or None, `source` the vendor's point, as `103.PhVphA`."""

    name: str | None
    value: Value | None
    unit: str
    quality: Quality
    registers: list[int]
    source: str
    meaning: str = ""


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
    """A unit that answered. `profiles`: those that fit, best first; texts are empty where it does not tell them."""

    unit: int
    profiles: tuple[str, ...]
    manufacturer: str
    model: str
    serial: str
    sunspec_models: tuple[int, ...] = field(default=())


async def probe(transport: Transport, unit: int, profile: Profile) -> Probe:
    """Reads every point of `profile`, one by one so that one refusal hides no other. Raises DeviceError."""
    layout = await discover(transport, unit, profile)
    chain = await _blocks(transport, unit) if profile.sunspec else []
    identity = await _identity(transport, unit, chain, profile)
    points = [await _point(transport, unit, place) for place in layout.located.values()]
    if not any(point.registers for point in points):
        raise DeviceError(f"unit {unit} refuses every register of profile {profile.profile}", kind="exception")
    return Probe(profile.profile, identity.manufacturer, identity.model, identity.serial, identity.version, points)


async def probe_models(transport: Transport, unit: int, library: Library) -> Probe:
    """Reads every point of every SunSpec model the device has. Raises DeviceError, and ConfigError without definitions."""
    blocks = await _blocks(transport, unit)
    names = await _fed_quantities(transport, unit, blocks, library)
    points: list[ProbedPoint] = []
    seen: list[int] = []
    for block in blocks:
        seen.append(block.model)
        again = seen.count(block.model)
        label = f"{block.model}" if again == 1 else f"{block.model}[{again}]"
        points += await _model_points(transport, unit, block, label, names)
    identity = await _identity(transport, unit, blocks, None)
    return Probe("sunspec", identity.manufacturer, identity.model, identity.serial, identity.version, points)


async def matching_profiles(
    transport: Transport, unit: int, library: Library, blocks: Iterable[ModelBlock] = ()
) -> list[str]:
    """The profiles that fit a device, best first. Raises DeviceError when it is silent.

    With SunSpec `blocks` those whose models it has; without, or when none fits, any other fits whose every register it
    answers with plausible values.
    """
    blocks = list(blocks)
    chain = _first_of_each(blocks)
    profiles = [library.get(name) for name in library.names()]
    described = [one for one in profiles if one.sunspec and _has_models(blocks, one.sunspec)]
    plain = [profile for profile in profiles if not profile.sunspec and profile.points]
    return await _fitting(transport, unit, described, chain) or await _fitting(transport, unit, plain, {})


async def find_units(
    transport: Transport, units: Iterable[int], *, on_unit: Callable[[int], None] = lambda _unit: None
) -> list[int]:
    """The units of `units` that answer; `on_unit` hears each before it is asked.

    Raises DeviceError when the bus itself cannot be reached, or what answers is no Modbus.
    """
    there: list[int] = []
    garbled = 0
    for unit in units:
        on_unit(unit)
        try:
            if await _is_there(transport, unit):
                there.append(unit)
        except DeviceError as error:
            if error.kind == "connection":
                raise
            garbled += 1
            if garbled >= _PATIENCE and not there:
                break  # whatever it is, it will not become Modbus
    if garbled and not there:
        hint = "a converter may pass serial frames on (rtutcp://HOST:PORT), or a meter's P1 port (p1tcp://HOST:PORT)"
        raise DeviceError("something answers there, but not Modbus", kind="garbage", hint=hint)
    return there


async def look(transport: Transport, unit: int, library: Library) -> Found:
    """What a unit that answers is; without any profile where it does not tell. Raises DeviceError without a connection."""
    try:
        return await _look(transport, unit, library)
    except DeviceError as error:
        if error.kind == "connection":
            raise
        return Found(unit, (), "", "", "")


async def _is_there(transport: Transport, unit: int) -> bool:
    """Whether anybody has this number: any answer will do, a refusal too. Raises DeviceError for none of Modbus."""
    try:
        await transport.read(unit, "holding", 0, 1)
    except DeviceError as error:
        if error.kind in {"connection", "garbage"}:
            raise
        return error.kind != "silent"
    return True


async def _look(transport: Transport, unit: int, library: Library) -> Found:
    try:
        blocks = await _blocks(transport, unit)
    except DeviceError as error:
        if error.kind == "connection":
            raise
        blocks = []
    profiles = await matching_profiles(transport, unit, library, blocks)
    identity = await _identity(transport, unit, blocks, library.get(profiles[0]) if profiles else None)
    models = tuple(dict.fromkeys(block.model for block in blocks))
    return Found(unit, tuple(profiles), identity.manufacturer, identity.model, identity.serial, models)


async def _fitting(
    transport: Transport, unit: int, profiles: Iterable[Profile], chain: dict[int, ModelBlock]
) -> list[str]:
    fitting: list[tuple[tuple[int, ...], str]] = []
    unanswered = 0
    for profile in profiles:
        try:
            layout = locate(await in_its_order(transport, unit, profile), chain)
            if not await _says_so(transport, unit, profile, layout):
                continue
            reading = await read_device(transport, unit, layout, profile.profile, 0)
        except DeviceError as error:
            unanswered += error.kind in {"silent", "busy"}
            if error.kind == "connection" or unanswered >= _PATIENCE:
                raise
            continue
        if _plausible(reading.v):
            functions = len({request.function for request in layout.requests})
            evidence = sum(quantity in reading.v for quantity in _MAINS)
            needs = (
                len(profile.sunspec.needs) if profile.sunspec else 0
            )  # a battery's models say more than an inverter's
            ranks = (len(profile.identified_by), needs, functions, evidence, len(reading.v))
            fitting.append((tuple(-rank for rank in ranks), profile.profile))
    return [name for _, name in sorted(fitting)]


async def _says_so(transport: Transport, unit: int, profile: Profile, layout: Layout) -> bool:
    """Whether the points that tell the model tell this one; true where a profile has no such points."""
    for point, expected in profile.identified_by.items():
        place = layout.located.get(point)
        if place is None:
            return False
        value, _ = await read_point(transport, unit, place)
        texts = tuple(text for text in expected if isinstance(text, str))
        if value not in expected and not (isinstance(value, str) and value.startswith(texts)):
            return False
    return True


def _first_of_each(blocks: Iterable[ModelBlock]) -> dict[int, ModelBlock]:
    return {block.model: block for block in reversed(list(blocks))}


def _has_models(blocks: Iterable[ModelBlock], wanted: SunSpec) -> bool:
    """Whether each group of models stands there often enough for the device that is meant."""
    models = [block.model for block in blocks]
    return all(sum(models.count(model) for model in group) >= wanted.occurrence for group in wanted.needs)


def _plausible(values: dict[str, Value]) -> bool:
    for quantity, (low, high) in _MAINS.items():
        value = values.get(quantity)
        if isinstance(value, int | float) and not low <= value <= high:
            return False
    return "power_w" in values


async def _blocks(transport: Transport, unit: int) -> list[ModelBlock]:
    return await sunspec.read_chain(
        lambda address, count: transport.read(unit, "holding", address, count), _ANY_SUNSPEC.base
    )


async def _identity(
    transport: Transport, unit: int, blocks: Iterable[ModelBlock], profile: Profile | None
) -> sunspec.Identity:
    """What the common model says; without one what the profile's points of identity say."""
    chain = _first_of_each(blocks)
    if chain:
        return await sunspec.identify(lambda address, count: transport.read(unit, "holding", address, count), chain)
    if profile is None or profile.sunspec is not None:
        return sunspec.Identity("", "", "", "")
    located = locate(profile, {}).located

    async def told(point: str | None) -> str:
        value = (await _point(transport, unit, located[point])).value if point else None
        return "" if value is None else str(value)

    model = await told(profile.identity.model) or profile.model
    serial, version = await told(profile.identity.serial), await told(profile.identity.version)
    return sunspec.Identity(profile.manufacturer, model, serial, version)


async def _point(transport: Transport, unit: int, place: Located) -> ProbedPoint:
    try:
        value, registers = await read_point(transport, unit, place)
    except DeviceError as error:
        if error.kind != "exception":
            raise
        value, registers = None, []
    return ProbedPoint(place.point.name, value, place.point.unit, _quality(value), registers, place.label)


def _quality(value: Value | None) -> Quality:
    return Quality.MISSING if value is None else Quality.MEASURED


async def _fed_quantities(
    transport: Transport, unit: int, blocks: Iterable[ModelBlock], library: Library
) -> dict[str, str]:
    """Which quantity each SunSpec point feeds, `103.W` to power_w, by the profile that fits the device best."""
    blocks = list(blocks)
    chain = _first_of_each(blocks)
    described = [
        profile
        for profile in map(library.get, library.names())
        if profile.sunspec and profile.sunspec.occurrence == 1 and _has_models(blocks, profile.sunspec)
    ]
    fitting = await _fitting(transport, unit, described, chain)
    if not fitting:
        return {}
    places = locate(library.get(fitting[0]), chain).located.values()
    return {place.label: place.point.name for place in places if place.point.name}


async def _model_points(
    transport: Transport, unit: int, block: ModelBlock, label: str, names: dict[str, str]
) -> list[ProbedPoint]:
    definition = model_definition(block.model)
    words = await _words(transport, unit, block)
    if definition is None:  # a vendor's own model: its registers are all there is to show
        return [ProbedPoint(None, None, "", Quality.MISSING, words, f"{label}.registers")]
    return [
        ProbedPoint(
            names.get(f"{label}.{point.path}"),
            point.value,
            point.unit,
            _quality(point.value),
            point.registers,
            f"{label}.{point.path}",
            point.meaning,
        )
        for point in decode_model(definition, words)
    ]


async def _words(transport: Transport, unit: int, block: ModelBlock) -> list[int]:
    """All registers of a model. A value across the end of a request may be torn: fine to look at, not to account."""
    words: list[int] = []
    total = sunspec.HEADER + block.length
    while len(words) < total:
        words += await transport.read(unit, "holding", block.address + len(words), min(_CHUNK, total - len(words)))
    return words
