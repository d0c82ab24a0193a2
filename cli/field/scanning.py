"""Looks for devices on hosts, networks and serial lines: first briefly at every unit number, then with time at who is there."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from energy.errors import DeviceError
from gateway.modbus import Bus
from gateway.probe import find_units, look
from gateway.target import line_settings

if TYPE_CHECKING:
    from gateway.probe import Found
    from gateway.profile import Library
    from gateway.target import Target

__all__ = ["Hit", "Outcome", "open_bus", "scan_targets"]

_CONNECT_S = 1.0
_CONNECTS_AT_ONCE = 128
_AGAIN_S = 2.0  # a device with room for one client needs a moment after the last one left
_FIRST_S = 0.5
_LINE_S = 0.25  # an answer of one register takes 70 ms at 2400 baud; then it is another number's or speed's turn
_LOOK_S = 2.0  # an answer of 125 registers takes 1.2 s at 2400 baud
_PATIENT_S = 3.0
_PATIENT_LINE_S = 1.0
_PATIENT_UNITS = 4
_PATIENT_LINE_UNITS = 10
_SETTLE_S = 1.5


@dataclass(frozen=True, slots=True)
class Hit:
    """A device where it was found; `patience_s`: the timeout it needed where that is more than usual."""

    target: Target
    device: Found
    patience_s: float | None


@dataclass(slots=True)
class Outcome:
    """What a scan found, and the places that were tried."""

    hits: list[Hit] = field(default_factory=list)
    asked: list[Target] = field(default_factory=list)


async def scan_targets(targets: Sequence[Target], timeout_s: float | None, library: Library) -> Outcome:
    """Every device of `targets`; a serial line without settings is tried at the usual ones until something answers.

    `timeout_s`: None is little for every unit and more for some when none answers. Raises DeviceError when nothing can
    be reached.
    """
    outcome = Outcome()
    lines = line_settings(targets[0])
    settings_unknown = len(lines) > 1
    if len(targets) > 1:
        targets = await _reachable(targets)
    unreachable: DeviceError | None = None
    for target in lines if settings_unknown else targets:
        try:
            if settings_unknown:
                await _scan(target, target.units, timeout_s or _LINE_S, library, outcome)
            else:
                await _scan_patiently(target, timeout_s, library, outcome)
        except DeviceError as error:
            unreachable = error
            _progress(f"{target.url}: {error.message}", end=True)
        if settings_unknown and outcome.hits:
            break  # the devices on one line share its settings
    if unreachable and not outcome.hits and not outcome.asked:
        raise unreachable
    return outcome


async def _scan_patiently(target: Target, timeout_s: float | None, library: Library, outcome: Outcome) -> None:
    """Units that need seconds are looked for where no other answers: with them it takes minutes."""
    before = len(outcome.hits)
    line = target.address.rtu_framing
    await _scan(target, target.units, timeout_s or (_LINE_S if line else _FIRST_S), library, outcome)
    if timeout_s or len(outcome.hits) > before:
        return
    _progress(f"{target.url}: asking once more with patience, some devices need seconds", end=True)
    units = target.units[: _PATIENT_LINE_UNITS if line else _PATIENT_UNITS]
    await _scan(target, units, _PATIENT_LINE_S if line else _PATIENT_S, library, outcome)


async def _scan(target: Target, units: Sequence[int], timeout_s: float, library: Library, outcome: Outcome) -> None:
    """Raises DeviceError when the bus cannot be reached."""
    started = time.monotonic()
    done = 0

    def on_unit(unit: int) -> None:
        nonlocal done
        done += 1
        _progress(f"{target.url}: unit {unit}, {done} of {len(units)}")

    bus = open_bus(target, timeout_s)
    try:
        there = await find_units(bus, units, on_unit=on_unit)
        if target.address.rtu_framing:
            bus.close()
            bus = open_bus(target, max(timeout_s, _LOOK_S))
        for number, unit in enumerate(there, 1):
            _progress(f"{target.url}: looks at unit {unit}, device {number} of {len(there)}")
            patience_s = timeout_s if timeout_s >= _PATIENT_S else None
            outcome.hits.append(Hit(target, await look(bus, unit, library), patience_s))
    except DeviceError:
        _progress("")  # an error begins on an empty line
        raise
    finally:
        bus.close()
    outcome.asked.append(target)
    took_s = time.monotonic() - started
    _progress(f"{target.url}: asked {len(units)} unit numbers in {took_s:.1f} s, {len(there)} answered", end=True)


def open_bus(target: Target, timeout_s: float) -> Bus:
    """A bus; with patience also for dongles that leave the first second after a connection unanswered (Huawei's)."""
    patient = timeout_s >= _PATIENT_S and not target.address.rtu_framing
    return Bus(target.address, timeout_s=timeout_s, connect_delay_s=_SETTLE_S if patient else 0.0)


async def _reachable(targets: Sequence[Target]) -> list[Target]:
    """Those that accept a connection. Raises DeviceError when none of one host's ports does."""
    hosts = {target.address.host for target in targets}
    what = f"{len(hosts)} addresses" if len(hosts) > 1 else f"{targets[0].address.host}, {_ports(targets)}"
    _progress(f"looking for Modbus on {what}")
    limit = asyncio.Semaphore(_CONNECTS_AT_ONCE)

    async def refusal(target: Target) -> OSError | None:
        async with limit:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, writer = await asyncio.open_connection(target.address.host, target.address.port)
            except OSError as error:  # TimeoutError is one
                return error
        writer.close()
        return None

    refusals = await asyncio.gather(*map(refusal, targets))
    there = [target for target, refused in zip(targets, refusals, strict=True) if refused is None]
    if not there and len(hosts) == 1:
        _progress("")
        raise _why_not(targets, [refused for refused in refusals if refused is not None])
    accepting = f" on port {', '.join(str(target.address.port) for target in there)}" if len(hosts) == 1 else ""
    _progress(f"{what}: {len(there)} accept a connection{accepting}", end=True)
    if there:
        await asyncio.sleep(_AGAIN_S if len(hosts) == 1 else 0)
    return there


def _ports(targets: Sequence[Target]) -> str:
    *first, last = [str(target.address.port) for target in targets]
    return f"ports {', '.join(first)} and {last}" if first else f"port {last}"


def _why_not(targets: Sequence[Target], refusals: Sequence[OSError]) -> DeviceError:
    """Why a host takes no connection on any of its usual ports."""
    host = targets[0].address.host
    if any(isinstance(error, socket.gaierror) for error in refusals):
        return DeviceError(f"no host is called {host}", kind="connection", hint="check the name, or give the address")
    if any(isinstance(error, ConnectionRefusedError) for error in refusals):
        return DeviceError(
            f"{host} is there, but takes no connection on {_ports(targets)}",
            kind="connection",
            hint="switch Modbus TCP on in the device; if it is on, give its port (tcp://HOST:PORT) and stop what else "
            "reads it: many devices take one client only",
        )
    return DeviceError(
        f"{host} does not answer on {_ports(targets)}",
        kind="connection",
        hint=f"check cable and address; `ping {host}` must answer, else this machine is in another network",
    )


def _progress(text: str, *, end: bool = False) -> None:
    """One line that is written over on a terminal; elsewhere only what is final."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if end else "", file=sys.stderr, flush=True)
    elif end:
        print(text, file=sys.stderr)
