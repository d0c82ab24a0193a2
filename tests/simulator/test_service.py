"""The simulator's life: ticking with the clock, keeping its state, catching up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from energy.errors import ConfigError
from runtime.clock import Clock, ManualClock, ScaledClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from simulator.world import World

MakeConfig = Callable[..., SimulatorConfig]
Running = Callable[[SimulatorConfig, Clock], AbstractAsyncContextManager[Simulator]]
HOUR_MS = 3_600_000


def counters(simulator: Simulator) -> dict[str, list[float]]:
    return dict(simulator.world.truth()["sites"]["hall"]["counters"])


async def test_world_ticks_on_the_grid_of_the_clock(simulator: Simulator, clock: ManualClock) -> None:
    clock.step_wall(0.25)
    await clock.advance(3)
    ticks = [tick["t"] for tick in simulator.truth(last=10)["ticks"]]
    assert len(ticks) >= 3
    assert all(t % 1000 == 0 for t in ticks)
    assert ticks == sorted(set(ticks))


async def test_wall_clock_set_back_never_turns_the_world_back(simulator: Simulator, clock: ManualClock) -> None:
    await clock.advance(2)
    before = counters(simulator)
    clock.step_wall(-3600)
    await clock.advance(5)
    assert counters(simulator) == before
    clock.step_wall(3600)
    await clock.advance(1)
    assert counters(simulator)["load"][0] > before["load"][0]


async def test_restart_takes_up_the_state_and_catches_up(
    running: Running, make_config: MakeConfig, free_port: Callable[[], int], clock: ManualClock, tmp_path: Path
) -> None:
    config = make_config(free_port, state_file=tmp_path / "deep" / "world.json")
    async with running(config, clock) as first:
        await clock.advance(10)
        before = counters(first)
    await clock.advance(3600)
    async with running(config, clock) as second:
        assert second.world.now_ms == clock.now_ms() // 1000 * 1000
        after = counters(second)
    assert all(new >= old for name in before for new, old in zip(after[name], before[name], strict=True))
    hour_wh = after["load"][0] - before["load"][0]
    assert 0.5 < hour_wh / second.world.devices["hall/load"].power_w < 2


async def test_every_tick_is_saved_before_it_can_be_read(
    running: Running, make_config: MakeConfig, free_port: Callable[[], int], clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "world.json"
    async with running(make_config(free_port, state_file=path), clock) as simulator:
        for _ in range(3):
            await clock.advance(1)
            assert json.loads(path.read_text()) == json.loads(json.dumps(simulator.world.state()))


async def test_fresh_world_with_history_is_what_another_process_steps(
    running: Running, make_config: MakeConfig, free_port: Callable[[], int], clock: ManualClock
) -> None:
    live_ms = clock.now_ms() // 300_000 * 300_000
    config = make_config(free_port, history_start=live_ms - 24 * HOUR_MS, live_start=live_ms)
    past = World(config, live_ms - 24 * HOUR_MS)
    assert len(list(past.history_steps())) == 288
    past.advance(clock.now_ms())
    async with running(config, clock) as simulator:
        assert simulator.world.state() == past.state()


async def test_damaged_state_file_is_set_aside(make_config: MakeConfig, clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_bytes(b'{"version": 1, "t": 17')
    simulator = Simulator(make_config(state_file=path), clock)
    assert simulator.world.now_ms == clock.now_ms() - 1000
    assert (tmp_path / "world.json.damaged").exists()
    assert not path.exists()


@pytest.mark.parametrize("content", ['{"version": 7}', '{"version": 1}', '{"version": 1, "t": "x", "devices": {}}'])
async def test_state_that_does_not_fit_is_a_config_error(
    make_config: MakeConfig, clock: ManualClock, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "world.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"(?s)world\.json.*next: remove the file"):
        Simulator(make_config(state_file=path), clock)


async def test_unwritable_state_is_told_once_and_the_world_goes_on(
    running: Running,
    make_config: MakeConfig,
    free_port: Callable[[], int],
    clock: ManualClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "world.json.new").mkdir()  # a directory where the file should be
    async with running(make_config(free_port, state_file=tmp_path / "world.json"), clock) as simulator:
        await clock.advance(3)
        assert simulator.world.now_ms == clock.now_ms() // 1000 * 1000
    assert sum("cannot be saved" in record.message for record in caplog.records) == 1


async def test_fast_clock_gets_longer_ticks(make_config: MakeConfig, summer_ms: int) -> None:
    slow = Simulator(make_config(), ScaledClock(0, summer_ms, 1.0))
    fast = Simulator(make_config(), ScaledClock(0, summer_ms, 600.0))
    assert (slow._tick_ms, fast._tick_ms) == (1000, 300_000)


async def test_cancel_frees_the_ports(
    running: Running, make_config: MakeConfig, free_port: Callable[[], int], clock: ManualClock
) -> None:
    config = make_config(free_port, control={"port": free_port()})
    for _ in range(2):  # the second run could not listen if the first had left a port open
        async with running(config, clock) as simulator:
            assert simulator.ready.is_set()
        assert not simulator.ready.is_set()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", config.sites[0].devices[0].port)


async def test_state_file_that_cannot_be_read_is_a_config_error(
    make_config: MakeConfig, clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Simulator(make_config(state_file=tmp_path), clock)
