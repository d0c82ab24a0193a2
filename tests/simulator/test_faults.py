"""Faults of the content: what a device says while something is wrong with it."""

from __future__ import annotations

import struct

import pytest

from energy.errors import DataError
from runtime.clock import ManualClock
from simulator.faults import FAULTS, FaultBook
from simulator.world import World


@pytest.fixture
def faults(world: World, clock: ManualClock) -> FaultBook:
    return FaultBook(world, clock)


def shown(faults: FaultBook, world: World, device: str, address: int) -> float:
    """A float of a meter, as it would be answered."""
    words = faults.read(device, world.map(device), "input", address, 2)
    assert isinstance(words, list)
    return float(struct.unpack(">f", struct.pack(">2H", *words))[0])


async def step(world: World, faults: FaultBook, clock: ManualClock, seconds: int = 1) -> None:
    for _ in range(seconds):
        await clock.advance(1)
        world.advance(clock.now_ms())
        faults.tick()


async def test_wrong_sign_turns_power_and_counters_until_it_is_cleared(
    world: World, faults: FaultBook, clock: ManualClock
) -> None:
    before = shown(faults, world, "hall/grid", 0x48), shown(faults, world, "hall/grid", 0x4A)
    faults.inject("hall/grid", "wrong_sign", for_s=60)
    await step(world, faults, clock, 59)
    truth = world.truth()["sites"]["hall"]
    assert shown(faults, world, "hall/grid", 0x34) == -truth["grid_w"] > 0
    assert shown(faults, world, "hall/grid", 0x48) > before[0]
    assert shown(faults, world, "hall/grid", 0x4A) == before[1]
    await step(world, faults, clock, 2)
    assert shown(faults, world, "hall/grid", 0x34) == world.truth()["sites"]["hall"]["grid_w"] < 0
    assert faults.active("hall/grid") is None


async def test_counter_reset_begins_again_at_zero_and_the_truth_stays(
    world: World, faults: FaultBook, clock: ManualClock
) -> None:
    truth = world.truth()["sites"]["hall"]["counters"]["grid"]
    faults.inject("hall/grid", "counter_reset")
    assert shown(faults, world, "hall/grid", 0x4A) == 0
    await step(world, faults, clock, 3)
    assert 0 < shown(faults, world, "hall/grid", 0x4A) < 1
    assert world.truth()["sites"]["hall"]["counters"]["grid"][1] > truth[1]


async def test_clock_drift_shows_the_world_late(world: World, faults: FaultBook, clock: ManualClock) -> None:
    past = [shown(faults, world, "hall/load", 0x48)]
    faults.inject("hall/load", "clock_drift", seconds=10)
    for _ in range(30):
        await step(world, faults, clock)
        late = shown(faults, world, "hall/load", 0x48)
        past.append(struct.unpack(">f", struct.pack(">f", world.devices["hall/load"].counters.import_wh / 1000))[0])
        assert late == past[max(0, len(past) - 1 - 10)]


async def test_garbage_has_the_right_length_and_no_sense(world: World, faults: FaultBook) -> None:
    registers = world.map("hall/grid")
    faults.inject("hall/grid", "garbage")
    first = faults.read("hall/grid", registers, "input", 0, 60)
    second = faults.read("hall/grid", registers, "input", 0, 60)
    assert isinstance(first, list)
    assert len(first) == 60
    assert first != second
    coils = faults.read("hall/heat_pump", world.map("hall/heat_pump"), "coil", 0, 8)
    assert isinstance(coils, list)
    assert set(coils) <= {0, 1}


async def test_not_a_value_is_nan_on_a_meter(world: World, faults: FaultBook) -> None:
    faults.inject("hall/grid", "not_a_value")
    value = shown(faults, world, "hall/grid", 0x34)
    assert value != value  # noqa: PLR0124  only NaN differs from itself


@pytest.mark.parametrize("kind", FAULTS)
async def test_fault_ends_by_itself_and_a_new_one_replaces_it(
    world: World, faults: FaultBook, clock: ManualClock, kind: str
) -> None:
    faults.inject("hall/battery", "wrong_sign")
    faults.inject("hall/battery", kind, for_s=3, seconds=3)  # type: ignore[arg-type]
    assert not (world.devices["hall/battery"].reversed_sign and kind != "wrong_sign")
    await clock.advance(3)
    assert faults.active("hall/battery") is None
    assert not world.devices["hall/battery"].reversed_sign


def test_fault_of_an_unknown_device_says_so(faults: FaultBook) -> None:
    with pytest.raises(DataError, match="no device 'hall/x'"):
        faults.inject("hall/x", "silent")
    with pytest.raises(DataError, match="no device 'hall/x'"):
        faults.clear("hall/x")
