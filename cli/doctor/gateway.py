"""The doctor on the roof: the outbox, every device once, and what their values say about the wiring."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cli.doctor.check import Check
from energy.errors import DeviceError
from energy.plausibility import (
    Doubt,
    Look,
    doubts_of_counters,
    doubts_of_device,
    doubts_of_night,
    doubts_of_site,
    sun_elevation_deg,
)
from energy.quantities import QUANTITIES, Role
from gateway.buses import make_bus
from gateway.config import BusConfig, DeviceConfig, GatewayConfig, device_role
from gateway.device import discover, read_device
from gateway.modbus import Bus, BusAddress, parse_bus_url
from gateway.p1_reader import next_telegram
from gateway.profile import Library, Profile
from messaging.codec import Reading, Value

__all__ = ["DeviceLook", "check_devices", "check_outbox", "check_wiring", "look_at_devices", "running_gateway"]

_LATE_MS: Final = 600_000
_SHOWN: Final = ("power_w", "soc_pct", "voltage_l1_v", "energy_import_wh", "energy_export_wh", "state")


@dataclass(frozen=True, slots=True)
class DeviceLook:
    """One device at one moment: its reading, or why there is none."""

    device: str
    where: str
    role: Role
    reading: Reading | None
    took_s: float = 0.0
    error: DeviceError | None = None


def check_outbox(path: Path, now_ms: int) -> Check:
    """What waits for the centre. Only reads, so that the gateway may run."""
    if not path.exists():
        return Check.ok("outbox", f"{path} does not exist yet: this gateway never ran")
    try:
        batches, oldest_ms, dropped = _outbox_facts(path)
    except sqlite3.Error as error:
        return Check.fail(
            "outbox",
            f"{path} cannot be read: {error}",
            "restart the gateway: it sets a damaged outbox aside and begins a new one; keep the old file",
        )
    if not batches:
        seen = "empty: the centre has everything"
    else:
        seen = f"{batches} batches wait, the oldest since {_age(now_ms - oldest_ms)}"
    if dropped:
        return Check.warn("outbox", f"{seen}; {dropped} were dropped for want of room", "raise outbox_limit_mb")
    if batches and now_ms - oldest_ms > _LATE_MS:
        return Check.warn("outbox", seen, "readings are safe here; find out below why the centre does not take them")
    return Check.ok("outbox", seen)


def _outbox_facts(path: Path) -> tuple[int, int, int]:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
    try:
        batches, oldest_ms = database.execute("SELECT count(*), min(oldest_ms) FROM batch").fetchone()
        (dropped,) = database.execute("SELECT dropped FROM outbox").fetchone()
    finally:
        database.close()
    return batches, oldest_ms or 0, dropped


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds) / 1000
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def running_gateway(config: Path) -> int | None:
    """The process that runs a gateway with this configuration file, by what its command line says."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "gateway" in arguments and any(_is_same(config, argument) for argument in arguments):
            return int(process.name)
    return None


def _is_same(config: Path, argument: str) -> bool:
    given = Path(argument)
    return given == config.absolute() if given.is_absolute() else bool(given.name) and given.name == config.name


async def look_at_devices(config: GatewayConfig, *, leave_out: Sequence[str] = ()) -> list[DeviceLook]:
    """Reads every device once, the buses side by side, without those whose bus is in `leave_out`."""
    library = Library(config.profiles_dir)
    buses = [bus for bus in config.buses if bus.id not in leave_out]
    looks = await asyncio.gather(*(_look_at_bus(bus, library) for bus in buses))
    return [look for of_bus in looks for look in of_bus]


async def _look_at_bus(config: BusConfig, library: Library) -> list[DeviceLook]:
    address = parse_bus_url(config.url)
    if address.is_p1:
        return [await _look_at_meter(address, config.url, device, library) for device in config.devices]
    bus = make_bus(config, library)
    try:
        return [await _look_at(bus, config.url, device, library.get(device.profile)) for device in config.devices]
    finally:
        bus.close()


async def _look_at(bus: Bus, url: str, device: DeviceConfig, profile: Profile) -> DeviceLook:
    role = device_role(device.device, profile)
    where = f"{url} unit {device.unit}"
    started = time.monotonic()
    try:
        layout = await discover(bus, device.unit, profile)
        reading = await read_device(bus, device.unit, layout, device.device, 0)
    except DeviceError as error:
        return DeviceLook(device.device, where, role, None, error=error)
    return DeviceLook(device.device, where, role, reading, time.monotonic() - started)


async def _look_at_meter(address: BusAddress, url: str, device: DeviceConfig, library: Library) -> DeviceLook:
    role = device_role(device.device, library.get(device.profile))
    started = time.monotonic()
    try:
        telegram = await next_telegram(address)
    except DeviceError as error:
        return DeviceLook(device.device, url, role, None, error=error)
    return DeviceLook(device.device, url, role, Reading(device.device, 0, telegram.values), time.monotonic() - started)


def check_devices(looks: Sequence[DeviceLook], *, running: int | None = None) -> Iterator[Check]:
    """Whether each device answers, and with what. `running`: the gateway's process, which may hold the only connection."""
    for look in looks:
        what = f"device {look.device}"
        if look.reading is None:
            message, hint = (look.error.message, look.error.hint) if look.error else ("no answer", None)
            if running:
                hint = "stop the gateway and run this again: many devices take one Modbus client only"
            yield Check.fail(what, f"{look.where}: {message}", hint or _next_step(look))
            continue
        shown = ", ".join(_shown(name, look.reading.v[name]) for name in _SHOWN if name in look.reading.v)
        if look.reading.bad:
            missing = ", ".join(look.reading.bad)
            next_step = "fine where the device has no such value; else compare with `commonwatt probe`"
            if 2 * len(look.reading.bad) > len(look.reading.v):  # a third of them: no device lacks so much
                next_step = f"another model, or the profile has the wrong word order or scale; {_next_step(look)}"
            power_missing = "power_w" in look.reading.bad
            yield (Check.fail if power_missing else Check.warn)(what, f"{shown}; no value for {missing}", next_step)
            continue
        yield Check.ok(what, f"answers in {look.took_s * 1000:.0f} ms: {shown}")


def _shown(name: str, value: Value) -> str:
    if name == "energy_import_wh" and isinstance(value, int | float):
        return f"{value / 1000:.1f} kWh in"
    if name == "energy_export_wh" and isinstance(value, int | float):
        return f"{value / 1000:.1f} kWh out"
    number = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return f"{number} {QUANTITIES[name].unit}".rstrip()


def _next_step(look: DeviceLook) -> str:
    url, _, unit = look.where.rpartition(" unit ")
    if look.error is not None and look.error.kind == "silent":
        return f"cable, terminator, power, unit {unit}? `commonwatt scan '{url}'` shows who answers"
    return f"is the profile right? `commonwatt scan '{url}'` names the one that fits"


def check_wiring(
    first: Sequence[DeviceLook],
    second: Sequence[DeviceLook],
    *,
    expected: Sequence[str],
    now_ms: int,
    place: tuple[float, float],
    elapsed_s: float | None = None,
) -> list[Check]:
    """Whether the values can be true: signs, phases, counters, the sun.

    `expected`: every device there should be; `place`: degrees north and east; `elapsed_s`: between the two looks.
    """
    earlier = {look.device: look.reading.v for look in first if look.reading is not None}
    looks = [Look(look.device, look.role, look.reading.v) for look in second if look.reading is not None]
    if not looks:
        return []
    elevation_deg = sun_elevation_deg(now_ms, *place)
    doubts: list[tuple[str, Doubt]] = []
    for look in looks:
        found = doubts_of_device(look.role, look.values) + doubts_of_night(look.role, look.values, elevation_deg)
        if look.device in earlier:
            found += doubts_of_counters(look.role, earlier[look.device], look.values, elapsed_s=elapsed_s)
        doubts += [(look.device, doubt) for doubt in found]
    unknown = {device.partition("/")[0] for device in set(expected) - {look.device for look in looks}}
    for site in dict.fromkeys(look.device.partition("/")[0] for look in looks):
        if site not in unknown:  # a balance with an unknown part is unknown
            members = [look for look in looks if look.device.startswith(f"{site}/")]
            doubts += [(doubt.about, doubt) for doubt in doubts_of_site(members)]
    if not doubts:
        sun = "night" if elevation_deg < 0 else f"sun at {elevation_deg:.0f} degrees"
        when = datetime.fromtimestamp(now_ms / 1000, UTC)
        return [Check.ok("wiring", f"signs, phases and counters fit together ({when:%H:%M} UTC, {sun})")]
    return [
        (Check.fail if doubt.severity == "fail" else Check.warn)(f"wiring {about}", doubt.what, doubt.next_step)
        for about, doubt in doubts
    ]
