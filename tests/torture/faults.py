"""Every fault: where it strikes, how it begins and how it ends."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tests.torture.frail import suffer
from tests.torture.installation import Installation

__all__ = ["Fault", "faults", "kills"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`strike` is entered for `seconds` (shortest, longest). `victim`: has one fault at a time."""

    name: str
    victim: str
    strike: Callable[[], AbstractAsyncContextManager[None]]
    seconds: tuple[float, float]


_UNLIMITED: Final = resource.RLIM_INFINITY
_STEPS_S: Final = (-900.0, -120.0, 45.0, 600.0)


def kills(place: Installation) -> list[Fault]:
    """Whoever can be killed; who commits is killed more often."""

    def kill(name: str, *, wiped: bool = False) -> Fault:
        @asynccontextmanager
        async def strike() -> AsyncIterator[None]:
            await place.kill(name)
            if wiped:
                place.forget_broker()
            yield

        return Fault(f"kill -9 of {_kind(name)}{', its files lost' if wiped else ''}", name, strike, (0.0, 0.0))

    found = [kill("broker"), kill("broker", wiped=True), kill("api"), *[kill("collector")] * 3]
    found += [kill(name) for name in place.gateways]
    return found + ([kill("store")] * 2 if place.server is not None else [])


def faults(place: Installation, dice: random.Random) -> list[Fault]:
    """All that is not a kill."""
    found = [_full_disk(place, name) for name in _writers(place)]
    found += [_slow_disk(place, name) for name in ("collector", place.gateways[0])]
    found += [_frozen(place, name) for name in ("broker", "collector", place.gateways[0])]
    found += [_stepped(place, place.gateways[-1], dice)]
    for name in place.lines:
        found += [_cut(place, name), _slow_line(place, name, dice), _black_hole(place, name)]
    return found


def _kind(name: str) -> str:
    return "a gateway" if name.startswith("gw-") else f"the {name}"


def _writers(place: Installation) -> list[str]:
    return [place.gateways[0], place.gateways[1], "collector"]


def _full_disk(place: Installation, name: str) -> Fault:
    """No file of it can be written any further; the kernel refuses."""

    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        place.no_room[name] += 1
        pid = await place.pid(name)
        with suppress(ProcessLookupError):  # killed meanwhile: the next has a disk again
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, _UNLIMITED))
        yield
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (_UNLIMITED, _UNLIMITED))

    return Fault(f"no room on the disk of {_kind(name)}", name, strike, (1.0, 4.0))


def _slow_disk(place: Installation, name: str) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        suffer(place.frailty(name), slow_disk_s=0.8)
        yield
        suffer(place.frailty(name))

    return Fault(f"a slow disk of {_kind(name)}", name, strike, (2.0, 5.0))


def _frozen(place: Installation, name: str) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        pid = await place.pid(name)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        yield
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    return Fault(f"{_kind(name)} frozen", name, strike, (0.5, 4.0))


def _stepped(place: Installation, name: str, dice: random.Random) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        suffer(place.frailty(name), clock_step_s=dice.choice(_STEPS_S))
        yield
        suffer(place.frailty(name))

    return Fault(f"the clock of {_kind(name)} set wrong", name, strike, (2.0, 5.0))


def _cut(place: Installation, name: str) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        await place.lines[name].cut()
        yield
        await place.lines[name].mend()

    return Fault(f"{_line(name)} cut", name, strike, (0.5, 4.0))


def _slow_line(place: Installation, name: str, dice: random.Random) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        place.lines[name].delay_s = dice.uniform(0.1, 1.0)
        yield
        place.lines[name].delay_s = 0.0

    return Fault(f"{_line(name)} slow", name, strike, (1.0, 5.0))


def _black_hole(place: Installation, name: str) -> Fault:
    @asynccontextmanager
    async def strike() -> AsyncIterator[None]:
        place.lines[name].open.clear()
        yield
        place.lines[name].open.set()

    return Fault(f"{_line(name)} a black hole", name, strike, (1.0, 8.0))


def _line(name: str) -> str:
    return {"roofs": "the line of the roofs", "centre": "the line of the centre"}.get(name, f"the {name}")


async def lasting(fault: Fault, dice: random.Random) -> None:
    """The fault, from its beginning to its end."""
    async with fault.strike():
        await asyncio.sleep(dice.uniform(*fault.seconds))
