"""The installer's commands: `profiles`, `scan` and `probe`. They only ever read."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.doctor.check import Result
from cli.doctor.machine import check_serial_port
from cli.options import JsonOption
from energy.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from gateway.device import Transport
    from gateway.probe import Probe
    from gateway.profile import Library
    from gateway.target import Target

__all__ = ["add_field_commands"]

SUNSPEC = "sunspec"
TargetArgument = Annotated[
    str,
    typer.Argument(
        help="tcp://HOST[:502], rtutcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600, p1tcp://HOST:PORT or p1:///dev/ttyUSB0"
    ),
]
ProfilesDirOption = Annotated[Path | None, typer.Option(help="A folder of your own device profiles.")]


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
    timeout: Annotated[
        float | None,
        typer.Option(min=0.05, max=10, help="Seconds to wait for each answer; without: little, then more patience."),
    ] = None,
    profiles_dir: ProfilesDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finds devices and names the profile that fits each. Only reads."""
    from cli.field.scanning import scan_targets
    from cli.field.text import found_text, nothing_found
    from gateway.profile import Library
    from gateway.target import parse_network, parse_target

    targets = [parse_target(one) for one in parse_network(target)]
    if targets[0].address.is_p1:
        raise ConfigError(f"{target} is a P1 port with one meter", hint=f"commonwatt probe '{target}'")
    _check_line(targets[0])
    outcome = asyncio.run(scan_targets(targets, timeout, Library(profiles_dir)))
    found = outcome.hits
    if as_json:
        facts = [{"target": one.target.url, **dataclasses.asdict(one.device)} for one in found]
        print(json.dumps({"devices": facts}, ensure_ascii=False))
    else:
        for url in dict.fromkeys(one.target.url for one in found):
            same = [one for one in found if one.target.url == url]
            print(found_text(url, [one.device for one in same], timeout_s=same[0].patience_s))
    if not found:
        raise nothing_found(target, targets, outcome, timeout)


def _check_line(target: Target) -> None:
    """Raises DeviceError when a serial line is not there, not ours, or another process reads it."""
    if not target.address.host.startswith("/"):
        return
    check = check_serial_port(Path(target.address.host))
    if check.result is not Result.OK:
        raise DeviceError(f"{check.check} {check.detail}", kind="connection", hint=check.next)


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
    from cli.field.scanning import open_bus
    from gateway.p1_probe import probe_p1
    from gateway.probe import probe as probe_device
    from gateway.probe import probe_models

    if target.address.is_p1:
        return await probe_p1(target.address)
    bus = open_bus(target, timeout_s)
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
    from gateway.probe import find_units, look

    if not await find_units(bus, [unit]):
        raise DeviceError(f"unit {unit} on {target.url} does not answer", kind="silent")
    found = await look(bus, unit, library)
    if found.profiles:
        return found.profiles[0]
    if found.sunspec_models:
        return SUNSPEC
    raise DeviceError(
        f"unit {unit} on {target.url} answers, but no profile fits it",
        kind="profile",
        hint="name one with --profile; `commonwatt profiles` lists them",
    )


def _next_step(error: DeviceError, target: Target, unit: int) -> str:
    if error.kind == "silent":
        return f"`commonwatt scan '{target.url}'` shows which unit numbers answer"
    if error.kind == "exception":
        return f"another profile may fit: `commonwatt scan '{target.url}{_units(target, unit)}'` names it"
    return "try again; a device answers one client at a time, so stop the gateway that reads it"


def _units(target: Target, unit: int) -> str:
    return f"{'&' if '?' in target.url else '?'}units={unit}"
