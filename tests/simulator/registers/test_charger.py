"""The Alfen charger over real sockets: setpoint, validity, safe current."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from runtime.clock import ManualClock
from simulator.physics import Charger
from simulator.service import Simulator
from simulator.sessions import Session

Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]
CAR = Session("1/0", 0, 1440, 40_000, 16.0, 3)


class OneCar:
    """A car that is always there."""

    def at(self, local: object) -> Session:
        return CAR


@pytest.fixture(autouse=True)
def car(simulator: Simulator) -> None:
    site = simulator.world.sites[0]
    site.chargers = [(charger, OneCar()) for charger, _ in site.chargers]  # type: ignore[misc]


async def value(client: AsyncModbusTcpClient, address: int, kind: str, unit: int = 1) -> Any:
    datatype = client.DATATYPE[kind]
    answer = await client.read_holding_registers(address, count=datatype.value[1], device_id=unit)
    assert not answer.isError()
    return client.convert_from_registers(answer.registers, datatype)


async def set_current(client: AsyncModbusTcpClient, amps: float) -> Any:
    words = client.convert_to_registers(amps, client.DATATYPE.FLOAT32)
    return await client.write_registers(1210, words, device_id=1)


async def test_charger_without_setpoint_charges_at_the_safe_current(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    await clock.advance(1)
    async with connected(simulator, "hall/ev") as client:
        assert await value(client, 1206, "FLOAT32") == 16.0
        assert await value(client, 1212, "FLOAT32") == 16.0
        assert await value(client, 1214, "UINT16") == 0
        assert await value(client, 1208, "UINT32") == 0
        assert await value(client, 344, "FLOAT32") == 11_040
        mode = await client.read_holding_registers(1201, count=5, device_id=1)
        assert client.convert_from_registers(mode.registers, client.DATATYPE.STRING) == "C2"


async def test_charger_setpoint_counts_down_and_falls_back(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    async with connected(simulator, "hall/ev") as client:
        assert not (await set_current(client, 8.0)).isError()
        await clock.advance(10)
        assert await value(client, 1206, "FLOAT32") == 8.0
        assert await value(client, 1210, "FLOAT32") == 8.0
        assert await value(client, 1208, "UINT32") == 50
        assert await value(client, 1214, "UINT16") == 1
        assert await value(client, 344, "FLOAT32") == 5520
        each = [await value(client, address, "FLOAT32") for address in (338, 340, 342)]
        assert sum(each) == 5520
        await clock.advance(50)
        assert await value(client, 1206, "FLOAT32") == 16.0
        assert await value(client, 344, "FLOAT32") == 11_040


async def test_charger_below_six_amperes_pauses_the_car(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    async with connected(simulator, "hall/ev") as client:
        await set_current(client, 0.0)
        await clock.advance(1)
        assert await value(client, 344, "FLOAT32") == 0.0
        mode = await client.read_holding_registers(1201, count=5, device_id=1)
        assert client.convert_from_registers(mode.registers, client.DATATYPE.STRING) == "B2"


@pytest.mark.parametrize("amps", [-1.0, 32.1, math.nan])
async def test_charger_refuses_a_current_it_cannot_give(simulator: Simulator, connected: Connect, amps: float) -> None:
    async with connected(simulator, "hall/ev") as client:
        assert (await set_current(client, amps)).exception_code == 3
    charger = simulator.world.devices["hall/ev"]
    assert isinstance(charger, Charger)
    assert charger.until_ms is None


async def test_charger_single_phase_draws_a_third(simulator: Simulator, connected: Connect, clock: ManualClock) -> None:
    async with connected(simulator, "hall/ev") as client:
        assert not (await client.write_register(1215, 1, device_id=1)).isError()
        assert (await client.write_register(1215, 2, device_id=1)).exception_code == 3
        await clock.advance(1)
        assert await value(client, 1215, "UINT16") == 1
        assert await value(client, 344, "FLOAT32") == 3680
        assert await value(client, 320, "FLOAT32") == pytest.approx(16, rel=0.05)
        assert await value(client, 322, "FLOAT32") == 0.0


async def test_charger_meter_counts_in_a_double_and_leaves_the_rest_not_a_number(
    simulator: Simulator, connected: Connect
) -> None:
    async with connected(simulator, "hall/ev") as client:
        assert await value(client, 374, "FLOAT64") == simulator.world.devices["hall/ev"].counters.import_wh
        assert math.isnan(await value(client, 362, "FLOAT64"))
        assert (await client.read_holding_registers(426, count=1, device_id=1)).exception_code == 2


async def test_station_answers_on_unit_200(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/ev") as client:
        assert await value(client, 1100, "FLOAT32", unit=200) == 32.0
        assert await value(client, 1105, "UINT16", unit=200) == 1
