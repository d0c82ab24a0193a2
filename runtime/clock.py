"""The clock of a service, given to it and never taken: real, scaled for demonstrations, or set by hand in tests.

Several processes share one scaled clock by its spec string (`wall_ms,virtual_ms,speed`), handed on in COMMONWATT_CLOCK.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import time
from typing import Protocol

from energy.errors import ConfigError

__all__ = ["CLOCK_ENV", "Clock", "ManualClock", "ScaledClock", "SystemClock", "clock_from_env"]

CLOCK_ENV = "COMMONWATT_CLOCK"


class Clock(Protocol):
    """Time as a service sees it. Everything it schedules and stamps goes through here."""

    @property
    def speed(self) -> float:
        """How many of its seconds pass in a real one. Limits that guard against slow processes or networks, which do
        not become faster with it, are multiplied by it.
        """

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC; may step when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never steps back."""

    async def sleep(self, seconds: float) -> None:
        """Sleeps `seconds` of this clock's time."""


class SystemClock:
    """The machine's own clocks."""

    speed = 1.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ScaledClock:
    """`virtual_ms` at wall time `wall_ms`, running `speed` times as fast from there."""

    def __init__(self, wall_ms: int, virtual_ms: int, speed: float) -> None:
        if speed <= 0:
            raise ConfigError(f"speed must be positive, not {speed}", field="speed", hint="1 is as fast as time itself")
        self.wall_ms = wall_ms
        self.virtual_ms = virtual_ms
        self.speed = speed
        self._origin = time.monotonic() - (time.time_ns() // 1_000_000 - wall_ms) / 1000

    @property
    def spec(self) -> str:
        """What another process needs to run the same clock."""
        return f"{self.wall_ms},{self.virtual_ms},{self.speed:g}"

    def monotonic(self) -> float:
        return (time.monotonic() - self._origin) * self.speed

    def now_ms(self) -> int:
        return self.virtual_ms + int(self.monotonic() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


class ManualClock:
    """A clock that stands still until a test advances it; sleepers wake in order of their time."""

    speed = 1.0

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = float(now_ms)
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return int(self._now_ms)

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._count, future))
        await future

    def step_wall(self, seconds: float) -> None:
        """Steps the wall clock only, as NTP or a person does."""
        self._now_ms += seconds * 1000

    async def advance(self, seconds: float) -> None:
        """Lets `seconds` pass, waking every sleeper on the way and letting what it wakes run."""
        target = self._monotonic + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._move_to(max(due, self._monotonic))
            if not future.done():
                future.set_result(None)
            await _settle()
        self._move_to(target)

    def _move_to(self, monotonic: float) -> None:
        self._now_ms += (monotonic - self._monotonic) * 1000
        self._monotonic = monotonic


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def clock_from_env() -> Clock:
    """The clock the environment asks for: a shared scaled one, or the machine's."""
    spec = os.environ.get(CLOCK_ENV)
    if not spec:
        return SystemClock()
    try:
        wall_ms, virtual_ms, speed = spec.split(",")
        return ScaledClock(int(wall_ms), int(virtual_ms), float(speed))
    except ValueError as error:
        raise ConfigError(
            f"{spec!r} is no clock", field=CLOCK_ENV, hint="unset it, or give wall_ms,virtual_ms,speed"
        ) from error
