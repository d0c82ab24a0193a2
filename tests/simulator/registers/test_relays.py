"""SG-Ready relays and their meter on one unit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from runtime.clock import ManualClock
from simulator.service import Simulator

Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]


async def power(client: AsyncModbusTcpClient) -> float:
    answer = await client.read_input_registers(0x34, count=2, device_id=1)
    return float(client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("contacts", "low", "high"),
    [
        ([True, False], 0, 0),
        ([False, False], 1, 11_999),
        ([False, True], 11_000, 12_000),
        ([True, True], 12_000, 12_000),
    ],
)
async def test_heat_pump_contacts_move_its_power(
    simulator: Simulator, connected: Connect, clock: ManualClock, contacts: list[bool], low: float, high: float
) -> None:
    async with connected(simulator, "hall/heat_pump") as client:
        assert not (await client.write_coils(0, contacts, device_id=1)).isError()
        assert (await client.read_coils(0, count=2, device_id=1)).bits[:2] == contacts
        await clock.advance(1)
        assert low <= await power(client) <= high


async def test_heat_pump_single_coil_writes_leave_the_other_as_it_is(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/heat_pump") as client:
        await client.write_coil(1, True, device_id=1)
        await client.write_coil(0, True, device_id=1)
        await client.write_coil(0, False, device_id=1)
        assert (await client.read_coils(0, count=8, device_id=1)).bits == [False, True, *[False] * 6]


async def test_heat_pump_relays_hold_when_the_master_dies(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    async with connected(simulator, "hall/heat_pump") as client:
        await client.write_coil(0, True, device_id=1)
    await clock.advance(3600)
    async with connected(simulator, "hall/heat_pump") as client:
        assert (await client.read_coils(0, count=1, device_id=1)).bits[0] is True
        assert await power(client) == 0


async def test_heat_pump_has_eight_coils_and_no_other_bits(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/heat_pump") as client:
        assert (await client.read_coils(0, count=9, device_id=1)).isError()
        assert (await client.write_coil(8, True, device_id=1)).isError()
        assert (await client.read_discrete_inputs(0, count=1, device_id=1)).exception_code == 1
        assert (await client.read_holding_registers(0, count=1, device_id=1)).isError()


async def test_heat_pump_meter_counts_what_it_took(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/heat_pump") as client:
        answer = await client.read_input_registers(0x48, count=2, device_id=1)
        kwh = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
    assert kwh == pytest.approx(simulator.world.devices["hall/heat_pump"].counters.import_wh / 1000, rel=1e-6)
