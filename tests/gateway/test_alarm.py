"""One timer for all who wait for an instant."""

from __future__ import annotations

import asyncio
import contextlib

from gateway.alarm import Alarm
from runtime.clock import ManualClock


class CountingClock(ManualClock):
    """Counts who sleeps."""

    def __init__(self):
        super().__init__()
        self.timers = 0

    async def sleep(self, seconds):
        self.timers += 1
        await super().sleep(seconds)


@contextlib.asynccontextmanager
async def waiting(alarm, dues):
    """Tasks that wait for these instants as a poller does, each until it is really due."""
    woke = {}

    async def wait(name, due_ms):
        while alarm._clock.now_ms() < due_ms:
            await alarm.wait(due_ms)
        woke[name] = alarm._clock.monotonic()

    tasks = {name: asyncio.create_task(wait(name, due_ms)) for name, due_ms in dues.items()}
    await asyncio.sleep(0)
    try:
        yield tasks, woke
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_hundreds_who_wait_for_one_instant_have_one_timer_and_wake_in_it():
    clock = CountingClock()
    due_ms = clock.now_ms() + 1000
    async with waiting(Alarm(clock), dict.fromkeys(range(400), due_ms)) as (_, woke):
        await clock.advance(0.999)
        assert not woke
        await clock.advance(0.001)
        assert woke == dict.fromkeys(range(400), 1.0)
    assert clock.timers == 1


async def test_each_instant_has_its_own_timer():
    clock = CountingClock()
    now = clock.now_ms()
    async with waiting(Alarm(clock), {"a": now + 500, "b": now + 2000, "c": now + 500}) as (_, woke):
        await clock.advance(3)
    assert woke == {"a": 0.5, "b": 2.0, "c": 0.5}
    assert clock.timers == 2


async def test_past_instant_is_not_waited_for():
    clock = CountingClock()
    await Alarm(clock).wait(clock.now_ms())
    assert clock.timers == 0


async def test_first_who_waits_is_cancelled_and_the_others_still_wake_in_time():
    clock = CountingClock()
    due_ms = clock.now_ms() + 1000
    async with waiting(Alarm(clock), dict.fromkeys("abc", due_ms)) as (tasks, woke):
        await clock.advance(0.4)
        tasks["a"].cancel()
        await clock.advance(1)
        assert woke == {"b": 1.0, "c": 1.0}


async def test_clock_set_forward_while_one_sleeps_delays_nobody_else():
    """Who asks after the step knows better how far away the instant is."""
    clock = CountingClock()
    due_ms = clock.now_ms() + 3_600_000
    alarm = Alarm(clock)
    async with waiting(alarm, {"before": due_ms}) as (_, woke):
        clock.step_wall(3_595)
        async with waiting(alarm, {"after": due_ms}) as (_, woke_after):
            await clock.advance(5)
            assert woke_after == {"after": 5.0}
    assert not woke
