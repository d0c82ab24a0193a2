"""The world as a whole: balance, determinism, memory, and reading its past without sockets."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError, DataError
from simulator.config import SimulatorConfig
from simulator.registers.base import Refusal
from simulator.world import World

MakeConfig = Callable[..., SimulatorConfig]
STEP_MS = 300_000


def f32(value: float) -> list[int]:
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def set_battery(world: World, power_w: int, revert_s: int = 0) -> Refusal | None:
    """704 as one write of WSetEna, WSetMod, WSet; the timer before it."""
    start = world.maps["hall/battery"].field(704, "WSetEna").address
    timer = world.maps["hall/battery"].field(704, "WSetRvrtTms").address
    world.write("hall/battery", "holding", timer, [0, revert_s], world.now_ms)
    words = [1, 1, *struct.unpack(">2H", struct.pack(">i", power_w))]
    return world.write("hall/battery", "holding", start, words, world.now_ms)


commands = st.one_of(
    st.tuples(st.just("battery"), st.integers(-30_000, 30_000)),
    st.tuples(st.just("ev"), st.integers(0, 32)),
    st.tuples(st.just("pv"), st.integers(0, 10_000)),
    st.tuples(st.just("heat_pump"), st.integers(0, 3)),
    st.none(),
)


def carry_out(world: World, order: tuple[str, int] | None) -> None:
    if order is None:
        return
    device, value = order
    if device == "battery":
        assert set_battery(world, value) is None
    elif device == "ev":
        assert world.write("hall/ev", "holding", 1210, f32(value), world.now_ms) is None
    elif device == "pv":
        start = world.maps["hall/pv"].field(123, "WMaxLimPct").address
        assert world.write("hall/pv", "holding", start, [value], world.now_ms) is None
        assert world.write("hall/pv", "holding", start + 4, [1], world.now_ms) is None
    else:
        assert world.write("hall/heat_pump", "coil", 0, [value & 1, value >> 1], world.now_ms) is None


def energy_of(before: dict[str, Any], after: dict[str, Any], device: str) -> float:
    """What the device delivered to the bus between two truths, Wh."""
    taken = after["counters"][device][0] - before["counters"][device][0]
    given = after["counters"][device][1] - before["counters"][device][1]
    return given - taken


@settings(max_examples=25, deadline=None)
@given(
    start_h=st.integers(0, 24 * 300),
    steps=st.lists(st.tuples(st.integers(500, STEP_MS), commands), min_size=1, max_size=40),
)
def test_world_any_steps_and_commands_conserve_energy(
    make_config: MakeConfig, start_h: int, steps: list[tuple[int, tuple[str, int] | None]]
) -> None:
    world = World(make_config(), 1_767_225_600_000 + start_h * 3_600_000)
    first = world.truth()["sites"]["hall"]
    summed = dict.fromkeys(("grid", "pv", "battery", "ev"), 0.0)
    for length_ms, order in steps:
        carry_out(world, order)
        world.advance(world.now_ms + length_ms)
        site = world.truth()["sites"]["hall"]
        assert site["consumption_w"] == sum(site["loads"].values())
        assert site["consumption_w"] == site["grid_w"] + site["pv_w"] + site["battery_w"]
        hours = length_ms / 3_600_000
        summed["grid"] -= site["grid_w"] * hours
        summed["pv"] += site["pv_w"] * hours
        summed["battery"] += site["battery_w"] * hours
        summed["ev"] -= site["loads"]["ev"] * hours
    last = world.truth()["sites"]["hall"]
    for device, energy_wh in summed.items():
        assert energy_of(first, last, device) == pytest.approx(energy_wh, abs=1e-3)


def test_world_same_steps_same_world(make_config: MakeConfig, summer_ms: int) -> None:
    worlds = [World(make_config(), summer_ms) for _ in range(2)]
    for world in worlds:
        for length in (1000, 7000, 60_000, STEP_MS, 1000):
            world.advance(world.now_ms + length)
    assert worlds[0].state() == worlds[1].state()
    assert worlds[0].truth() == worlds[1].truth()


def test_world_other_seed_other_world(make_config: MakeConfig, summer_ms: int) -> None:
    worlds = [World(make_config(seed=seed), summer_ms) for seed in (1, 2)]
    for world in worlds:
        world.advance(summer_ms + 1000)
    assert worlds[0].truth() != worlds[1].truth()


def test_world_restored_from_json_goes_on_as_if_never_stopped(make_config: MakeConfig, summer_ms: int) -> None:
    world = World(make_config(), summer_ms)
    set_battery(world, -12_000, revert_s=600)
    world.advance(summer_ms + STEP_MS)
    other = World(make_config(), 0)
    other.restore(json.loads(json.dumps(world.state())))
    for target in (world, other):
        for _ in range(5):
            target.advance(target.now_ms + 60_000)
    assert other.state() == world.state()
    assert other.truth() == world.truth()


def test_restore_other_version_is_refused(world: World) -> None:
    with pytest.raises(DataError, match="version"):
        world.restore({"version": 99, "t": 0, "devices": {}})


def test_advance_long_gap_is_walked_on_the_grid(make_config: MakeConfig, summer_ms: int) -> None:
    config = make_config(live_start=summer_ms + 3_600_000)
    walked, jumped = World(config, summer_ms + 1234), World(config, summer_ms + 1234)
    assert list(walked.history_steps())[-1] == walked.now_ms == summer_ms + 3_600_000
    jumped.advance(summer_ms + 3_600_000)
    assert jumped.state() == walked.state()


def test_advance_backwards_does_nothing(world: World) -> None:
    before = world.state()
    world.advance(world.now_ms - 1)
    assert world.state() == before


def test_history_steps_without_live_start_says_what_is_missing(world: World) -> None:
    with pytest.raises(ConfigError, match="live_start"):
        world.history_steps()


def test_counters_never_fall_over_two_days(make_config: MakeConfig, summer_ms: int) -> None:
    world = World(make_config(live_start=summer_ms + 2 * 86_400_000), summer_ms)
    before = world.truth()["sites"]["hall"]["counters"]
    for _ in world.history_steps():
        after = world.truth()["sites"]["hall"]["counters"]
        assert all(new >= old for name in after for new, old in zip(after[name], before[name], strict=True))
        before = after


def test_day_has_sun_at_noon_sleep_at_night_and_lights_in_the_dark(make_config: MakeConfig, summer_ms: int) -> None:
    world = World(make_config(live_start=summer_ms + 86_400_000), summer_ms)
    pv, lights = [], []
    for _ in world.history_steps():
        site = world.truth()["sites"]["hall"]
        pv.append(site["pv_w"])
        lights.append(site["loads"]["lighting"])
    assert max(pv) > 10_000
    assert pv[12 * 13] == 0  # 13 hours after 10:40 UTC it is night
    assert lights[12 * 13] > 0
    assert lights[0] == 0


def test_read_gives_registers_and_none_where_the_device_would_refuse(world: World) -> None:
    assert world.read("hall/pv", 3, 40000, 2) == [0x5375, 0x6E53]
    power = world.read("hall/grid", 4, 0x34, 2)
    assert power is not None
    assert struct.unpack(">f", struct.pack(">2H", *power))[0] == world.truth()["sites"]["hall"]["grid_w"]
    assert world.read("hall/grid", 3, 0x34, 2) is None
    assert world.read("hall/pv", 3, 50000, 2) is None
    assert world.read("hall/heat_pump", 1, 0, 2) == [0, 0]
    assert world.read("hall/grid", 7, 0, 1) is None
    with pytest.raises(DataError, match="no device"):
        world.read("hall/nothing", 3, 0, 1)


def test_setpoint_over_the_rating_is_refused_and_changes_nothing(world: World) -> None:
    before = world.state()
    assert set_battery(world, 30_001) is Refusal.ILLEGAL_VALUE
    world.devices["hall/battery"].reboot()
    assert world.state() == before


def test_battery_follows_its_command_and_the_grid_takes_the_rest(world: World) -> None:
    set_battery(world, -20_000, revert_s=30)
    world.advance(world.now_ms + 1000)
    site = world.truth()["sites"]["hall"]
    assert site["battery_w"] == -20_000
    assert site["grid_w"] == site["consumption_w"] - site["pv_w"] + 20_000
    world.advance(world.now_ms + 29_000)
    assert world.truth()["sites"]["hall"]["battery_w"] == 0
