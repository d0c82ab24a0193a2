"""Inverter and storage over real sockets, read by an independent SunSpec client (pysunspec2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from runtime.clock import ManualClock
from simulator.demo import demo_fleet
from simulator.physics import Battery, Inverter, quantum_w
from simulator.registers.electrical import Electrical
from simulator.registers.inverter import InverterMap
from simulator.registers.storage import StorageMap
from simulator.service import Simulator
from simulator.world import World

Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]


@asynccontextmanager
async def scanned(simulator: Simulator, device: str) -> AsyncIterator[Any]:
    """The device as pysunspec2 finds it by walking its models."""
    port = next(row["port"] for row in simulator.devices() if row["device"] == device)
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=2)
    try:
        await asyncio.to_thread(client.scan)
        yield client
    finally:
        client.close()


async def read(model: Any) -> dict[str, Any]:
    await asyncio.to_thread(model.read)
    return dict(model.get_dict(computed=True))


async def write(model: Any, **values: float) -> None:
    for name, value in values.items():
        model.points[name].cvalue = value
    await asyncio.to_thread(model.write)


async def test_inverter_scan_finds_its_models_and_who_it_is(simulator: Simulator) -> None:
    async with scanned(simulator, "hall/pv") as device:
        assert [key for key in device.models if isinstance(key, int)] == [1, 103, 120, 123]
        assert device.common[0].Mn.value == "Commonwatt"
        assert device.common[0].SN.value == "hall/pv"


async def test_inverter_values_are_the_truth_by_an_independent_decoder(simulator: Simulator) -> None:
    async with scanned(simulator, "hall/pv") as device:
        values = await read(device.models[103][0])
        ratings = await read(device.models[120][0])
    inverter = simulator.world.devices["hall/pv"]
    assert values["W"] == inverter.power_w > 10_000
    assert values["WH"] == int(inverter.counters.export_wh)
    assert values["PhVphA"] == pytest.approx(230, abs=8)
    assert 3 * values["AphA"] * values["PhVphA"] == pytest.approx(values["W"], rel=0.01)
    assert values["A"] == pytest.approx(values["AphA"] + values["AphB"] + values["AphC"], abs=0.2)
    assert values["DCW"] == pytest.approx(values["DCA"] * values["DCV"], rel=0.01)
    assert values["DCW"] > values["W"]
    assert values["Hz"] == pytest.approx(50, abs=0.1)
    assert values["St"] == 4
    assert values["PPVphAB"] is None, "what is not measured is not implemented"
    assert ratings["WRtg"] == 60_000
    assert ratings["DERTyp"] == 4


async def test_inverter_limit_through_123_cuts_and_reverts(simulator: Simulator, clock: ManualClock) -> None:
    async with scanned(simulator, "hall/pv") as device:
        controls, measured = device.models[123][0], device.models[103][0]
        await read(controls)
        await write(controls, WMaxLimPct=10.0, WMaxLimPct_RvrtTms=30)
        await write(controls, WMaxLim_Ena=1)
        await clock.advance(1)
        limited = await read(measured)
        assert limited["W"] == 6000
        assert limited["St"] == 5
        assert (await read(controls))["WMaxLim_Ena"] == 1
        await clock.advance(30)
        assert (await read(controls))["WMaxLim_Ena"] == 0
        assert (await read(measured))["W"] > 10_000


async def test_inverter_at_night_sleeps(simulator: Simulator, clock: ManualClock) -> None:
    simulator.world.advance(clock.now_ms() + 13 * 3_600_000)
    async with scanned(simulator, "hall/pv") as device:
        values = await read(device.models[103][0])
    assert (values["St"], values["W"], values["DCW"], values["DCV"]) == (2, 0, 0, 0)


async def test_storage_scan_finds_its_models(simulator: Simulator) -> None:
    async with scanned(simulator, "hall/battery") as device:
        assert [key for key in device.models if isinstance(key, int)] == [1, 701, 702, 704, 713, 802]
        assert device.models[701][0].model_len == 153
        battery = await read(device.models[713][0])
        assert (battery["WHRtg"], battery["SoC"], battery["WHAvail"]) == (60_000, 50.0, 30_000)
        rack = await read(device.models[802][0])
        assert (rack["SoC"], rack["W"], rack["WDisChaRteMax"], rack["LocRemCtl"]) == (50.0, 0, 30_000, 0)
        assert rack["CellVMax"] is None


async def test_storage_setpoint_through_704_charges_and_counts_down(simulator: Simulator, clock: ManualClock) -> None:
    async with scanned(simulator, "hall/battery") as device:
        controls, measured = device.models[704][0], device.models[701][0]
        before = await read(measured)
        await read(controls)
        await write(controls, WSetRvrtTms=60, WSetMod=1, WSet=-12_000, WSetEna=1)
        await clock.advance(10)
        charging, active = await read(measured), await read(controls)
        assert charging["W"] == -12_000
        assert charging["WL1"] + charging["WL2"] + charging["WL3"] == -12_000
        assert (active["WSetEna"], active["WSet"], active["WSetRvrtRem"]) == (1, -12_000, 50)
        assert charging["TotWhAbs"] - before["TotWhAbs"] == pytest.approx(12_000 * 10 / 3600, abs=1)
        assert charging["TotWhInj"] == before["TotWhInj"]
        await clock.advance(50)
        ended = await read(controls)
        assert (ended["WSetEna"], ended["WSetRvrtRem"]) == (0, 0)
        assert (await read(measured))["W"] == 0
        assert (await read(device.models[713][0]))["SoC"] > 50


async def test_storage_rewriting_the_setpoint_renews_its_timer(simulator: Simulator, clock: ManualClock) -> None:
    async with scanned(simulator, "hall/battery") as device:
        controls = device.models[704][0]
        await read(controls)
        await write(controls, WSetRvrtTms=20, WSetMod=1, WSet=5000, WSetEna=1)
        for _ in range(4):
            await clock.advance(15)
            controls.points["WSet"].cvalue = 5000
            await asyncio.to_thread(controls.points["WSet"].write)
        assert (await read(device.models[701][0]))["W"] == 5000


async def test_storage_in_percent_mode_takes_the_share_of_its_rating(simulator: Simulator, clock: ManualClock) -> None:
    async with scanned(simulator, "hall/battery") as device:
        controls = device.models[704][0]
        await read(controls)
        await write(controls, WSetMod=0, WSetPct=50.0, WSetEna=1)
        await clock.advance(1)
        assert (await read(device.models[701][0]))["W"] == 15_000


@pytest.mark.parametrize(
    ("point", "values", "exception"),
    [
        ("WSetEna", [2], 3),  # an enumeration has no such value
        ("WSet", [0x0001, 0x0000], 3),  # 65 536 W are more than the rating
        ("WSet", [0x0001], 2),  # half of a 32-bit value
        ("WSetRvrtRem", [0, 5], 2),  # read only
        ("WSetRvrtTms", [0, 60, 0, 0], 2),  # runs over into a read-only point
    ],
)
async def test_storage_refuses_a_wrong_write_whole(
    simulator: Simulator, connected: Connect, point: str, values: list[int], exception: int
) -> None:
    before = simulator.world.state()
    address = simulator.world.maps["hall/battery"].field(704, point).address  # type: ignore[attr-defined]
    async with connected(simulator, "hall/battery") as client:
        answer = await client.write_registers(address, values, device_id=1)
    assert answer.isError()
    assert answer.exception_code == exception
    assert simulator.world.state() == before


async def test_chain_ends_with_the_end_marker_and_nothing_lies_beyond(simulator: Simulator, connected: Connect) -> None:
    end = 40_002 + 68 + 52 + 28 + 26  # marker, then each model with its two header registers
    async with connected(simulator, "hall/pv") as client:
        assert (await client.read_holding_registers(end, count=2, device_id=1)).registers == [0xFFFF, 0]
        assert (await client.read_holding_registers(end, count=3, device_id=1)).exception_code == 2
        assert (await client.read_input_registers(40_000, count=2, device_id=1)).exception_code == 1
        assert (await client.read_holding_registers(0, count=2, device_id=1)).exception_code == 2


async def test_not_a_value_keeps_the_chain_and_blanks_what_is_measured(simulator: Simulator) -> None:
    simulator.fault("hall/pv", "not_a_value")
    async with scanned(simulator, "hall/pv") as device:
        values = await read(device.models[103][0])
        assert [key for key in device.models if isinstance(key, int)] == [1, 103, 120, 123]
    assert {values[name] for name in ("W", "A", "PhVphA", "Hz", "DCW", "St")} == {None}
    assert values["W_SF"] == 1


@pytest.mark.parametrize("rated_w", [1, 1000, 30_000, 30_001, 99_999, 300_000, 300_001, 700_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_registers_of_any_rating_hold_full_power(rated_w: int, sign: int) -> None:
    """No value leaves its register, forwards or with its sign turned round."""
    low_voltage = Electrical(voltages_v=(226.0, 226.0, 226.0))
    inverter = Inverter("s/pv", rated_w, power_w=rated_w, peak_w=rated_w, sleeping=False)
    battery = Battery("s/b", rated_w, power_w=rated_w * sign, capacity_wh=6_000_000, stored_wh=6_000_000)
    inverter.reversed_sign = sign < 0
    watts = InverterMap(inverter, low_voltage).read("holding", 40_000, 120)
    storage = StorageMap(battery, low_voltage, World(demo_fleet(1).config, 0)).read("holding", 40_000, 120)
    assert isinstance(watts, list)
    assert isinstance(storage, list)
    raw = watts[70 + 14] - (0x10000 if watts[70 + 14] > 0x7FFF else 0)
    assert raw * 10 ** watts[70 + 15] == pytest.approx(rated_w * sign, abs=quantum_w(rated_w))
