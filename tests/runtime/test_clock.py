"""Clocks: scaled ones agree across processes, manual ones wake sleepers in order."""

import asyncio

import pytest

from energy.errors import ConfigError
from runtime.clock import CLOCK_ENV, ManualClock, ScaledClock, SystemClock, clock_from_env


def test_scaled_clock_runs_faster_from_its_origin(monkeypatch):
    wall = SystemClock().now_ms()
    clock = ScaledClock(wall - 1000, 5_000_000, 60)
    assert clock.now_ms() == pytest.approx(5_000_000 + 60_000, abs=3000)


def test_clock_spec_carries_the_clock_to_another_process(monkeypatch):
    clock = ScaledClock(SystemClock().now_ms(), 1_000_000_000_000, 60)
    monkeypatch.setenv(CLOCK_ENV, clock.spec)
    assert clock_from_env().now_ms() == pytest.approx(clock.now_ms(), abs=1000)


def test_clock_from_a_broken_spec_is_a_config_error(monkeypatch):
    monkeypatch.setenv(CLOCK_ENV, "soon")
    with pytest.raises(ConfigError, match=CLOCK_ENV):
        clock_from_env()


async def test_manual_clock_wakes_sleepers_in_order_at_their_time():
    clock, woken = ManualClock(0), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.now_ms()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await clock.advance(2.5)
    assert woken == [(1, 1000), (2, 2000)]
    await clock.advance(1)
    assert woken[-1] == (3, 3000)
    await asyncio.gather(*tasks)


async def test_manual_clock_wall_step_leaves_monotonic_alone():
    clock = ManualClock(0)
    clock.step_wall(3600)
    assert (clock.now_ms(), clock.monotonic()) == (3_600_000, 0)
