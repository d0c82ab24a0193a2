"""Faults on demand: what devices in the field do wrong, one at a time per device, for a while or until cleared.

Faults of the line (silent, slow, busy, restart) are acted out by the server; faults of the content (garbage,
not_a_value, clock_drift, wrong_sign, counter_reset) change what the registers say.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from runtime.clock import Clock
from simulator.registers.base import Refusal, RegisterMap, Space
from simulator.world import World

__all__ = ["FAULTS", "Fault", "FaultBook", "FaultKind"]

FaultKind = Literal[
    "silent",
    "slow",
    "busy",
    "garbage",
    "not_a_value",
    "restart",
    "counter_reset",
    "clock_drift",
    "wrong_sign",
]
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
DEFAULT_SECONDS: dict[FaultKind, float] = {"slow": 2.0, "clock_drift": 60.0, "restart": 5.0}
CHUNK = 64  # registers of one read when a whole map is copied

Snapshot = dict[tuple[Space, int], list[int]]


@dataclass(slots=True)
class Fault:
    """One fault of one device. `seconds`: the delay of slow and clock_drift, the absence of restart (or `for_s`)."""

    device: str
    kind: FaultKind
    seconds: float
    until: float | None  # on the clock's monotonic time
    past: deque[tuple[int, Snapshot]] = field(default_factory=deque)  # clock_drift: what the device used to say


class FaultBook:
    """Which device is faulty now, and what its registers say because of it."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._faults: dict[str, Fault] = {}
        self._random = random.Random(world.config.seed)  # noqa: S311  reproducible nonsense, not a secret

    def inject(
        self, device: str, kind: FaultKind, *, for_s: float | None = None, seconds: float | None = None
    ) -> Fault:
        """Makes a device faulty, in place of the fault it had. Raises DataError for an unknown device."""
        self._world.map(device)
        self.clear(device)
        if kind == "restart":
            seconds = for_s = seconds or for_s or DEFAULT_SECONDS[kind]
        seconds = DEFAULT_SECONDS.get(kind, 0.0) if seconds is None else seconds
        fault = Fault(device, kind, seconds, None if for_s is None else self._clock.monotonic() + for_s)
        target = self._world.devices[device]
        if kind == "counter_reset":
            target.counters.shown_import_wh = target.counters.shown_export_wh = 0.0
            return fault  # nothing lasts: the counter simply begins again
        if kind == "wrong_sign":
            target.reversed_sign = True
        elif kind == "restart":
            target.reboot()
        elif kind == "clock_drift":
            fault.past.append((self._world.now_ms, _snapshot(self._world.map(device))))
        self._faults[device] = fault
        return fault

    def clear(self, device: str) -> None:
        """Makes a device well again. Raises DataError for an unknown device."""
        self._world.map(device)
        fault = self._faults.pop(device, None)
        if fault is not None and fault.kind == "wrong_sign":
            self._world.devices[device].reversed_sign = False

    def active(self, device: str) -> Fault | None:
        """The fault a device has now."""
        fault = self._faults.get(device)
        if fault is not None and fault.until is not None and self._clock.monotonic() >= fault.until:
            self.clear(device)
            return None
        return fault

    def tick(self) -> None:
        """Ends what is over and lets late devices remember the present. Called after every step of the world."""
        for device in list(self._faults):
            fault = self.active(device)
            if fault is not None and fault.kind == "clock_drift":
                fault.past.append((self._world.now_ms, _snapshot(self._world.map(device))))
                while len(fault.past) > 1 and fault.past[1][0] <= self._world.now_ms - fault.seconds * 1000:
                    fault.past.popleft()

    def read(self, device: str, registers: RegisterMap, space: Space, address: int, count: int) -> list[int] | Refusal:
        """What the device says, right or wrong."""
        fault = self.active(device)
        kind = None if fault is None else fault.kind
        answer = registers.read(space, address, count, blank=kind == "not_a_value")
        if fault is None or isinstance(answer, Refusal):
            return answer
        if kind == "garbage":
            highest = 1 if space in {"coil", "discrete"} else 0xFFFF
            return [self._random.randint(0, highest) for _ in answer]
        if kind == "clock_drift":
            return _from_snapshot(fault.past[0][1], registers, space, address, count)
        return answer


def _snapshot(registers: RegisterMap) -> Snapshot:
    """Every legal register of a device."""
    copy: Snapshot = {}
    for space, ranges in registers.ranges.items():
        for legal in ranges:
            words: list[int] = []
            for address in range(legal.start, legal.stop, CHUNK):
                part = registers.read(space, address, min(CHUNK, legal.stop - address))
                words += part if isinstance(part, list) else []
            copy[space, legal.start] = words
    return copy


def _from_snapshot(
    copy: Snapshot, registers: RegisterMap, space: Space, address: int, count: int
) -> list[int] | Refusal:
    ranges: Sequence[range] = registers.ranges.get(space, ())
    for legal in ranges:
        if address in legal:
            return copy[space, legal.start][address - legal.start : address - legal.start + count]
    return Refusal.ILLEGAL_ADDRESS
