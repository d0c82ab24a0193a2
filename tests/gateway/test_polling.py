"""Polling on the grid, backoff, and neighbours of a silent device."""

from __future__ import annotations

import asyncio
import contextlib
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DeviceError
from gateway.metrics import Metrics
from gateway.modbus import Bus
from gateway.polling import FieldDevice, Poller, next_on_grid
from gateway.profile import Library
from runtime.clock import ManualClock

LIBRARY = Library()
METER = LIBRARY.get("eastron-sdm630")
HALF_PAST = 1_750_000_000_000 - 1_750_000_000_000 % 60_000


class Image:
    """A register source in memory that notes when it is read and may fail."""

    def __init__(self, units, clock):
        self.units = units
        self.clock = clock
        self.reads: list[tuple[int, int]] = []
        self.failing: set[int] = set()

    async def read(self, unit, function, address, count):
        self.reads.append((unit, self.clock.now_ms()))
        if unit in self.failing:
            raise DeviceError("it is silent", kind="silent")
        return self.units[unit].words(function, address, count)

    async def write(self, unit, function, address, values):
        raise AssertionError("polling never writes")


@contextlib.asynccontextmanager
async def polling(transport, devices, clock):
    """Runs a poller; yields what it collects, its metrics and the count of status changes."""
    collected, changes, metrics = [], [], Metrics()
    poller = Poller(
        transport,
        devices,
        clock,
        collect=collected.append,
        status_changed=lambda: changes.append(clock.now_ms()),
        metrics=metrics,
        rest_s=getattr(transport, "rest_s", lambda _unit: 0.0),
    )
    task = asyncio.create_task(poller.run())
    try:
        yield collected, changes, metrics
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@given(st.integers(0, 2**41), st.sampled_from([250, 1000, 10_000, 60_000, 3_600_000]))
def test_next_on_grid_is_the_first_instant_after_now(now, interval):
    due = next_on_grid(now, interval)
    assert now < due <= now + interval
    assert (due - min(400, interval * 4 // 10)) % interval == 0


async def test_devices_with_one_interval_are_read_in_the_same_instants(devices):
    clock = ManualClock(HALF_PAST + 3_210)
    image = Image({1: devices.sdm630(), 2: devices.sdm630()}, clock)
    fleet = [FieldDevice("s/grid", 1, METER, 10.0), FieldDevice("s/load", 2, METER, 10.0)]
    async with polling(image, fleet, clock) as (collected, _, metrics):
        await clock.advance(40)
    times = {name: [r.t for r in collected if r.device == name] for name in ("s/grid", "s/load")}
    assert times["s/grid"] == times["s/load"]
    assert times["s/grid"] == [HALF_PAST + 3_210, *(HALF_PAST + k * 10_000 + 400 for k in (1, 2, 3, 4))]
    assert metrics.polls == 10


async def test_each_device_has_its_own_interval(devices):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.sdm630(), 2: devices.sdm630()}, clock)
    fleet = [FieldDevice("s/a", 1, METER, 5.0), FieldDevice("s/b", 2, METER, 60.0)]
    async with polling(image, fleet, clock) as (collected, _, _):
        await clock.advance(121)
    counts = [sum(r.device == name for r in collected) for name in ("s/a", "s/b")]
    assert counts == [26, 4]


async def test_failing_device_is_asked_less_and_less_and_gives_no_reading(devices):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.sdm630()}, clock)
    image.failing = {1}
    device = FieldDevice("s/a", 1, METER, 10.0)
    async with polling(image, [device], clock) as (collected, changes, metrics):
        await clock.advance(600)
        assert collected == []
        gaps = [b - a for (_, a), (_, b) in zip(image.reads, image.reads[1:], strict=False)]
        assert gaps[:4] == sorted(gaps[:4])
        assert max(gaps) == 60_000
        assert len(image.reads) < 15
        assert device.status.ok is False
        assert device.status.error == "it is silent"
        assert len(changes) == 1  # told once, not at every retry
        assert metrics.poll_errors == {"silent": len(image.reads)}
        image.failing = set()
        await clock.advance(70)
    assert device.status.ok
    assert collected
    assert len(changes) == 2


async def test_failing_device_is_asked_after_the_healthy_ones(devices):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.sdm630(), 2: devices.sdm630()}, clock)
    image.failing = {1}
    async with polling(image, [FieldDevice("s/a", 1, METER, 10.0), FieldDevice("s/b", 2, METER, 10.0)], clock):
        await clock.advance(200)
    together = [i for i, (unit, _) in enumerate(image.reads) if unit == 1][1:]
    assert together
    assert all(image.reads[i - 1][0] == 2 for i in together)


@pytest.mark.parametrize("hours", [-0.025, -1, 1, -24, 24])
async def test_wall_clock_that_steps_does_not_stop_polling(devices, hours):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.sdm630()}, clock)
    async with polling(image, [FieldDevice("s/a", 1, METER, 10.0)], clock) as (collected, _, _):
        await clock.advance(30)
        before = len(collected)
        clock.step_wall(hours * 3600)
        await clock.advance(60)
    assert 5 <= len(collected) - before <= 7


async def test_sunspec_chain_is_walked_again_after_a_failure(devices):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.inverter()}, clock)
    device = FieldDevice("s/pv", 1, LIBRARY.get("sunspec-inverter-103"), 10.0)
    async with polling(image, [device], clock) as (collected, _, _):
        await clock.advance(1)
        walked = device.layout
        await clock.advance(10)
        assert device.layout is walked
        image.failing = {1}
        await clock.advance(10)
        image.units[1] = devices.sunspec([devices.common_model(), (101, devices.body(50, {14: 77, 15: 0}))])
        image.failing = set()
        await clock.advance(30)
    assert collected[-1].v["power_w"] == 77


INTERVAL_S = 0.5


@pytest.mark.parametrize("rtu", [False, True])
async def test_silent_device_does_not_move_its_neighbours(serve, devices, real_time, rtu):
    """On its own bus and on another: every reading of the healthy within 10 % of the interval of its grid."""
    shared = {1: devices.sdm630(), 2: devices.sdm630(), 3: devices.sdm630()}
    silent = devices.sdm630()
    silent.silent = True
    shared[2] = silent
    first, second = await serve(shared, rtu=rtu), await serve({1: devices.sdm630()}, rtu=rtu)
    buses = [Bus(server.address, timeout_s=0.15) for server in (first, second)]
    fleet = [FieldDevice(f"s/{unit}", unit, METER, INTERVAL_S) for unit in (2, 1, 3)]
    other = [FieldDevice("t/1", 1, METER, INTERVAL_S)]
    async with (
        polling(buses[0], fleet, real_time) as (collected, _, metrics),
        polling(buses[1], other, real_time) as (elsewhere, _, _),
    ):
        await asyncio.sleep(0.7)  # the first round, in the order given, has found out who is silent
        del collected[:], elsewhere[:]
        await asyncio.sleep(2.0)
    for bus in buses:
        bus.close()
    assert metrics.poll_errors["silent"] >= 1
    for name, readings in {"s/1": collected, "s/3": collected, "t/1": elsewhere}.items():
        times = [reading.t for reading in readings if reading.device == name]
        assert 3 <= len(times) <= 5
        late = [(t - 200) % 500 for t in times]
        assert statistics.median(late) < 50, (name, late)  # one that the machine was busy with may be later
        assert max(late) < 300, (name, late)


async def test_answer_that_meets_a_defect_stops_no_other_device(devices):
    clock = ManualClock(HALF_PAST)
    image = Image({1: devices.sdm630(), 2: devices.sdm630()}, clock)
    image.units[1].words = lambda *_: 1 / 0
    broken = FieldDevice("s/a", 1, METER, 10.0)
    async with polling(image, [broken, FieldDevice("s/b", 2, METER, 10.0)], clock) as (collected, _, metrics):
        await clock.advance(25)
    assert {reading.device for reading in collected} == {"s/b"}
    assert metrics.poll_errors["defect"] >= 1
    assert "ZeroDivisionError" in str(broken.status.error)


class Refusing(Image):
    """A device that answers an illegal address where a request touches `holes`."""

    def __init__(self, units, clock, holes):
        super().__init__(units, clock)
        self.holes = holes

    async def read(self, unit, function, address, count):
        if self.holes & set(range(address, address + count)):
            self.reads.append((unit, self.clock.now_ms()))
            raise DeviceError("illegal address", kind="exception")
        return await super().read(unit, function, address, count)


async def test_device_that_refuses_a_hole_is_read_without_gaps_from_then_on(devices):
    """The profile reads registers along that nobody asked for; this firmware does not let it."""
    clock = ManualClock(HALF_PAST)
    unit = devices.sdm630()
    unit.put("input", 0, [unit.registers.get(("input", n), 0) for n in range(0x60)])
    image = Refusing({1: unit}, clock, holes={0x20})
    device = FieldDevice("s/grid", 1, METER, 10.0)
    async with polling(image, [device], clock) as (collected, _, metrics):
        await clock.advance(31)
        learning = len(image.reads)
        await clock.advance(30)
    assert [reading.bad for reading in collected] == [[]] * len(collected)
    assert len(collected) == 8
    assert collected[0].v == collected[-1].v
    assert len(image.reads) - learning < 3 * 10  # a few requests a cycle again, not one a value
    assert not metrics.poll_errors


async def test_register_a_device_does_not_have_makes_its_quantity_bad_not_the_device_silent(devices):
    clock = ManualClock(HALF_PAST)
    image = Refusing({1: devices.sdm630()}, clock, holes={0x46, 0x47})
    device = FieldDevice("s/grid", 1, METER, 10.0)
    async with polling(image, [device], clock) as (collected, _, _):
        await clock.advance(25)
    assert [reading.bad for reading in collected] == [["frequency_hz"]] * 4
    assert all("power_w" in reading.v for reading in collected)
    assert device.status.ok


async def test_device_that_refuses_everything_is_told_as_such(devices):
    clock = ManualClock(HALF_PAST)
    image = Refusing({1: devices.sdm630()}, clock, holes=set(range(65_536)))
    device = FieldDevice("s/grid", 1, METER, 10.0)
    async with polling(image, [device], clock) as (collected, _, _):
        await clock.advance(25)
    assert collected == []
    assert device.status.error == "illegal address"


async def test_devices_of_one_profile_share_a_layout_until_one_of_them_refuses_part_of_it(devices):
    clock, shared = ManualClock(HALF_PAST), {}
    whole, partial = Image({1: devices.sdm630()}, clock), Refusing({1: devices.sdm630()}, clock, holes={0x46, 0x47})
    first = FieldDevice("s/grid", 1, METER, 10.0, shared=shared)
    second = FieldDevice("t/grid", 1, METER, 10.0, shared=shared)
    async with polling(whole, [first], clock) as (collected, *_), polling(partial, [second], clock) as (lacking, *_):
        await clock.advance(5)
        assert first.layout is shared[METER.profile]
        assert second.layout is not first.layout
        await clock.advance(20)
    assert {tuple(reading.bad) for reading in collected} == {()}
    assert {tuple(reading.bad) for reading in lacking} == {("frequency_hz",)}
