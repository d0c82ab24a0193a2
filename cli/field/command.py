"""The installer's commands: `profiles`, `scan` and `probe`. They only ever read."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.doctor.check import Result
from cli.doctor.machine import check_serial_port
from energy.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from gateway.device import Transport
    from gateway.modbus import Bus
    from gateway.probe import Found, Probe
    from gateway.profile import Library
    from gateway.target import Target

__all__ = ["add_field_commands"]

SUNSPEC = "sunspec"
_CONNECT_S = 1.0
_CONNECTS_AT_ONCE = 128
_PATIENT_S = 3.0
_PATIENT_UNITS = 4
_SETTLE_S = 1.5
_LINE_S = 0.25  # an answer of a few registers takes 50 ms at 2400 baud; then it is another speed's turn

TargetArgument = Annotated[
    str,
    typer.Argument(
        help="tcp://HOST[:502], rtutcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600, p1tcp://HOST:PORT or p1:///dev/ttyUSB0"
    ),
]
ProfilesDirOption = Annotated[Path | None, typer.Option(help="A folder of your own device profiles.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def add_field_commands(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command(name="profiles")(profiles)
    app.command(name="scan")(scan)
    app.command(name="probe")(probe)


def profiles(
    name: Annotated[str | None, typer.Argument(help="Show this one with all its points.")] = None,
    profiles_dir: ProfilesDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """The device library: which models can be read and commanded."""
    from cli.field.text import library_text, profile_text
    from gateway.profile import Library

    library = Library(profiles_dir)
    if name is not None:
        profile = library.get(name)
        print(profile.model_dump_json(exclude_none=True) if as_json else profile_text(profile))
        return
    listed = [library.get(known) for known in library.names()]
    if as_json:
        print(json.dumps({"profiles": [_summary(profile) for profile in listed]}, ensure_ascii=False))
        return
    print(library_text(listed))


def _summary(profile: Any) -> dict[str, Any]:
    facts: dict[str, Any] = profile.model_dump(
        mode="json", include={"profile", "manufacturer", "model", "role", "verified"}
    )
    return {**facts, "controls": [control.quantity for control in profile.controls]}


def scan(
    target: Annotated[
        str,
        typer.Argument(
            help="tcp://HOST[:502][?units=1-20], tcp://192.168.1.0/24, rtutcp://HOST:PORT or "
            "rtu:///dev/ttyUSB0?baud=9600&parity=N&units=1-20; without baud and parity the usual ones are tried"
        ),
    ],
    timeout: Annotated[float, typer.Option(min=0.05, max=10, help="Seconds to wait for an answer.")] = 0.5,
    profiles_dir: ProfilesDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finds devices and names the profile that fits each. Only reads."""
    from cli.field.text import found_text, nothing_found
    from gateway.profile import Library
    from gateway.target import line_settings, parse_network, parse_target

    targets = [parse_target(one) for one in parse_network(target)]
    if targets[0].address.is_p1:
        raise ConfigError(f"{target} is a P1 port with one meter", hint=f"commonwatt probe '{target}'")
    _check_line(targets[0])
    if len(lines := line_settings(targets[0])) > 1:
        found = asyncio.run(_scan_lines(lines, min(timeout, _LINE_S), Library(profiles_dir)))
    else:
        found = asyncio.run(_scan_all(targets, timeout, Library(profiles_dir)))
    if as_json:
        facts = [{"target": one.target.url, **dataclasses.asdict(one.device)} for one in found]
        print(json.dumps({"devices": facts}, ensure_ascii=False))
    else:
        for url in dict.fromkeys(one.target.url for one in found):
            same = [one for one in found if one.target.url == url]
            print(found_text(url, [one.device for one in same], timeout_s=same[0].patience_s))
    if not found:
        raise nothing_found(target, targets, timeout)


@dataclasses.dataclass(frozen=True, slots=True)
class _Hit:
    """A device where it was found; `patience_s`: the timeout it needed where that is more than usual."""

    target: Target
    device: Found
    patience_s: float | None


async def _scan_all(targets: list[Target], timeout_s: float, library: Library) -> list[_Hit]:
    if len(targets) > 1:
        _progress(f"looking for Modbus on {len(targets)} addresses")
        targets = await _reachable(targets)
        _progress(f"{len(targets)} accept a Modbus connection", end=True)
    found: list[_Hit] = []
    unreachable: DeviceError | None = None
    for target in targets:
        before = len(found)
        try:
            await _scan_units(target, target.units, timeout_s, library, found)
            if len(found) == before and not target.address.rtu_framing and timeout_s < _PATIENT_S:
                _progress(f"{target.url}: asking once more with patience, some devices need seconds", end=True)
                await _scan_units(target, target.units[:_PATIENT_UNITS], _PATIENT_S, library, found)
        except DeviceError as error:
            unreachable = error
            if found:
                _progress(f"{target.url}: {error.message}", end=True)
    if unreachable and not found:
        raise unreachable
    return found


async def _scan_lines(lines: list[Target], timeout_s: float, library: Library) -> list[_Hit]:
    """A serial line at one setting after the other until something answers; the devices on one line share theirs."""
    found: list[_Hit] = []
    for line in lines:
        try:
            await _scan_units(line, line.units, timeout_s, library, found)
        except DeviceError as error:
            _progress(f"{line.url}: {error.message}", end=True)
        if found:
            break
    return found


async def _scan_units(
    target: Target, units: Sequence[int], timeout_s: float, library: Library, found: list[_Hit]
) -> None:
    from gateway.probe import scan as scan_bus

    patience_s = timeout_s if timeout_s >= _PATIENT_S else None
    done = 0

    def on_unit(unit: int) -> None:
        nonlocal done
        done += 1
        _progress(f"{target.url}: unit {unit}, {done} of {len(units)}, {len(found)} found")

    bus = _open(target, timeout_s)
    try:
        async for device in scan_bus(bus, units, library, on_unit=on_unit):
            found.append(_Hit(target, device, patience_s))  # noqa: PERF401 - the progress line counts them
        _progress(f"{target.url}: asked {len(units)} unit numbers", end=True)
    except DeviceError:
        _progress("")  # an error begins on an empty line
        raise
    finally:
        bus.close()


def _check_line(target: Target) -> None:
    """Raises DeviceError when a serial line is not there, not ours, or another process reads it."""
    if not target.address.host.startswith("/"):
        return
    check = check_serial_port(Path(target.address.host))
    if check.result is not Result.OK:
        raise DeviceError(f"{check.check} {check.detail}", kind="connection", hint=check.next)


def _open(target: Target, timeout_s: float) -> Bus:
    """A bus; with patience also for dongles that leave the first second after a connection unanswered (Huawei's)."""
    from gateway.modbus import Bus

    patient = timeout_s >= _PATIENT_S and not target.address.rtu_framing
    return Bus(target.address, timeout_s=timeout_s, connect_delay_s=_SETTLE_S if patient else 0.0)


async def _reachable(targets: list[Target]) -> list[Target]:
    limit = asyncio.Semaphore(_CONNECTS_AT_ONCE)

    async def accepts(target: Target) -> bool:
        async with limit:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, writer = await asyncio.open_connection(target.address.host, target.address.port)
            except (OSError, TimeoutError):
                return False
        writer.close()
        return True

    answers = await asyncio.gather(*map(accepts, targets))
    return [target for target, yes in zip(targets, answers, strict=True) if yes]


def _progress(text: str, *, end: bool = False) -> None:
    """One line that is written over on a terminal; elsewhere only what is final."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if end else "", file=sys.stderr, flush=True)
    elif end:
        print(text, file=sys.stderr)


def probe(
    target: TargetArgument,
    unit: Annotated[int, typer.Option(min=0, max=255, help="The device's unit number.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="A profile's name, or `sunspec` for every SunSpec point. Without: what fits.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.05, max=30, help="Seconds to wait for an answer.")] = 1.0,
    profiles_dir: ProfilesDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reads one device once and prints every point with its raw registers. Only reads."""
    from cli.field.text import doubts_text, probe_text
    from gateway.profile import Library
    from gateway.target import parse_target

    place, library = parse_target(target), Library(profiles_dir)
    if profile is not None and profile != SUNSPEC:
        library.get(profile)  # a misspelt name is told before anything is asked of the bus
    _check_line(place)
    device = asyncio.run(_probe(place, unit, profile, timeout, library))
    if as_json:
        print(json.dumps(_probe_facts(device), ensure_ascii=False))
        return
    print(probe_text(device, place.url, unit))
    role = library.get(device.profile).role if device.profile != SUNSPEC else None
    if doubts := doubts_text(device, role):
        print(doubts, file=sys.stderr)


def _probe_facts(device: Probe) -> dict[str, Any]:
    facts = dataclasses.asdict(device)
    for point in facts["points"]:
        del point["meaning"]
    return facts


async def _probe(target: Target, unit: int, profile: str | None, timeout_s: float, library: Library) -> Probe:
    from gateway.p1_probe import probe_p1
    from gateway.probe import probe as probe_device
    from gateway.probe import probe_models

    if target.address.is_p1:
        return await probe_p1(target.address)
    bus = _open(target, timeout_s)
    try:
        name = profile or await _what_fits(bus, unit, library, target)
        if name == SUNSPEC:
            return await probe_models(bus, unit, library)
        return await probe_device(bus, unit, library.get(name))
    except DeviceError as error:
        if error.hint is None:
            raise DeviceError(error.message, kind=error.kind, hint=_next_step(error, target, unit)) from error
        raise
    finally:
        bus.close()


async def _what_fits(bus: Transport, unit: int, library: Library, target: Target) -> str:
    from gateway.probe import scan as scan_bus

    async for found in scan_bus(bus, [unit], library):
        if found.profiles:
            return found.profiles[0]
        if found.sunspec_models:
            return SUNSPEC
        raise DeviceError(
            f"unit {unit} on {target.url} answers, but no profile fits it",
            kind="profile",
            hint="name one with --profile; `commonwatt profiles` lists them",
        )
    raise DeviceError(f"unit {unit} on {target.url} does not answer", kind="silent")


def _next_step(error: DeviceError, target: Target, unit: int) -> str:
    if error.kind == "silent":
        return f"`commonwatt scan '{target.url}'` shows which unit numbers answer"
    if error.kind == "exception":
        return f"another profile may fit: `commonwatt scan '{target.url}{_units(target, unit)}'` names it"
    return "try again; a device answers one client at a time, so stop the gateway that reads it"


def _units(target: Target, unit: int) -> str:
    return f"{'&' if '?' in target.url else '?'}units={unit}"
