"""The SDM630 over RTU frames on a shared bus."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from runtime.clock import ManualClock
from simulator.service import Simulator

Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]


async def floats(client: AsyncModbusTcpClient, address: int, count: int, unit: int) -> list[float]:
    answer = await client.read_input_registers(address, count=2 * count, device_id=unit)
    assert not answer.isError()
    values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
    return values if isinstance(values, list) else [values]  # type: ignore[list-item]


async def test_meter_power_phases_and_counters_are_the_truth(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/grid") as client:
        volts = await floats(client, 0x00, 3, 1)
        amps = await floats(client, 0x06, 3, 1)
        phases = await floats(client, 0x0C, 3, 1)
        [total] = await floats(client, 0x34, 1, 1)
        [frequency, imported, exported] = await floats(client, 0x46, 3, 1)
        [both] = await floats(client, 0x156, 1, 1)
    truth = simulator.world.truth()["sites"]["hall"]
    assert total == sum(phases) == truth["grid_w"] < 0, "a sunny Sunday feeds in, and SDM power is positive for import"
    assert imported == pytest.approx(truth["counters"]["grid"][0] / 1000, rel=1e-6)
    assert exported == pytest.approx(truth["counters"]["grid"][1] / 1000, rel=1e-6)
    assert both == pytest.approx(imported + exported, rel=1e-6)
    assert frequency == pytest.approx(50, abs=0.1)
    for volt, amp, watt in zip(volts, amps, phases, strict=True):
        assert volt * amp * 0.98 == pytest.approx(abs(watt), rel=1e-3)


async def test_meters_of_one_bus_answer_by_unit(simulator: Simulator, connected: Connect, clock: ManualClock) -> None:
    await clock.advance(1)
    async with connected(simulator, "hall/grid") as client:
        shown = [(await floats(client, 0x34, 1, unit))[0] for unit in (1, 2, 3)]
    assert shown == [simulator.world.devices[f"hall/{name}"].power_w for name in ("grid", "lighting", "load")]
    assert shown[2] == round(simulator.world.truth()["sites"]["hall"]["loads"]["base"] * 0.5)


@pytest.mark.parametrize(("address", "count", "exception"), [(0, 82, 3), (0x182, 2, 2), (0x180, 4, 2)])
async def test_meter_refuses_too_much_and_too_far(
    simulator: Simulator, connected: Connect, address: int, count: int, exception: int
) -> None:
    async with connected(simulator, "hall/grid") as client:
        answer = await client.read_input_registers(address, count=count, device_id=1)
    assert answer.exception_code == exception


async def test_meter_answers_no_holding_registers_and_takes_no_writes(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/grid") as client:
        assert (await client.read_holding_registers(0, count=2, device_id=1)).exception_code == 1
        assert (await client.write_registers(0, [0, 0], device_id=1)).exception_code == 1
