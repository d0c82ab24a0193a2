"""Reading devices through their profiles, over real sockets and from register images."""

from __future__ import annotations

import asyncio

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from energy.errors import DeviceError
from gateway.device import decode_answers, discover, locate, read_device
from gateway.modbus import Bus
from gateway.profile import Library

LIBRARY = Library()


async def _read(serve, unit, profile):
    server = await serve({7: unit})
    bus = Bus(server.address)
    try:
        layout = await discover(bus, 7, LIBRARY.get(profile))
        return await read_device(bus, 7, layout, "site/device", 1_750_000_000_000)
    finally:
        bus.close()


async def test_meter_reads_every_quantity_of_its_profile(serve, devices):
    reading = await _read(serve, devices.sdm630(1500.0), "eastron-sdm630")
    assert reading.v == {
        "voltage_l1_v": 230.0,
        "voltage_l2_v": 231.0,
        "voltage_l3_v": 232.0,
        "current_l1_a": 2.0,
        "current_l2_a": 3.0,
        "current_l3_a": 4.0,
        "power_l1_w": 500.0,
        "power_l2_w": 500.0,
        "power_l3_w": 500.0,
        "power_w": 1500.0,
        "frequency_hz": 50.0,
        "energy_import_wh": 1_234_500.0,
        "energy_export_wh": 12_250.0,
    }
    assert reading.bad == []
    assert (reading.device, reading.t) == ("site/device", 1_750_000_000_000)


async def test_inverter_scales_and_names_what_it_does_not_implement(serve, devices):
    reading = await _read(serve, devices.inverter(12_340), "sunspec-inverter-103")
    assert reading.v["power_w"] == 12_340
    assert reading.v["energy_export_wh"] == 0x12D687
    assert reading.v["voltage_l1_v"] == 230.1
    assert reading.v["power_factor"] == 0.998
    assert reading.v["frequency_hz"] == 50.01
    assert reading.v["temperature_c"] == 45.1
    assert reading.v["state"] == "producing"
    assert sorted(reading.bad) == ["reactive_power_var", "voltage_l3_v"]


async def test_storage_reads_power_counters_and_charge(serve, devices):
    reading = await _read(serve, devices.storage(-2500), "sunspec-storage-704")
    assert reading.v["power_w"] == -2500
    assert reading.v["soc_pct"] == 65.5
    assert reading.v["energy_export_wh"] == 100_000
    assert reading.v["energy_import_wh"] == 2 << 16
    assert reading.v["voltage_l3_v"] == 230.2
    assert reading.v["state"] == "running"


async def test_charger_phase_that_is_absent_is_bad_not_zero(serve, devices):
    reading = await _read(serve, devices.charger(), "alfen-ng9xx")
    assert reading.v["power_w"] == 7360.0
    assert reading.v["energy_import_wh"] == 1_234_567.0
    assert reading.v["state"] == "C2"
    assert "current_l3_a" in reading.bad


async def test_heat_pump_contacts_tell_its_state(serve, devices):
    unit = devices.heat_pump()
    unit.put("coil", 0, [0, 1])
    reading = await _read(serve, unit, "sg-ready-relay")
    assert reading.v == {"state": "boost", "power_w": 2100.0, "energy_import_wh": 80_500.0}


@pytest.mark.parametrize("base", [40000, 0, 50000])
async def test_sunspec_chain_is_found_at_each_base(serve, devices, base):
    models = [devices.common_model(), (101, devices.body(50, {14: 500, 15: 0}))]
    reading = await _read(serve, devices.sunspec(models, base), "sunspec-inverter-103")
    assert reading.v["power_w"] == 500
    assert "voltage_l3_v" not in reading.bad  # a single-phase inverter is not asked for other phases


async def test_sunspec_short_model_gives_what_it_has_and_bad_for_the_rest(serve, devices):
    short = devices.body(30, {14: 500, 15: 0})
    reading = await _read(serve, devices.sunspec([(103, short)]), "sunspec-inverter-103")
    assert reading.v["power_w"] == 500
    assert {"dc_power_w", "temperature_c", "state"} <= set(reading.bad)


async def test_sunspec_long_model_before_shifts_nothing(serve, devices):
    models = [(1, [0] * 66), (160, [0] * 88), (103, devices.body(52, {14: 321, 15: 0}))]
    assert (await _read(serve, devices.sunspec(models), "sunspec-inverter-103")).v["power_w"] == 321


async def test_sunspec_unimplemented_scale_factor_makes_the_value_unusable(serve, devices):
    models = [(103, devices.body(50, {14: 321, 15: -32768}))]
    reading = await _read(serve, devices.sunspec(models), "sunspec-inverter-103")
    assert "power_w" in reading.bad
    assert "power_w" not in reading.v


@pytest.mark.parametrize(
    ("models", "message"),
    [([(203, [0] * 105)], "no SunSpec model 101"), ([(65000, [0] * 10)] * 0, "no SunSpec model")],
)
async def test_sunspec_without_the_needed_model_says_which_it_has(serve, devices, models, message):
    with pytest.raises(DeviceError, match=message) as caught:
        await _read(serve, devices.sunspec(models), "sunspec-inverter-103")
    assert caught.value.kind == "profile"


async def test_sunspec_without_marker_tells_the_next_step(serve, devices):
    with pytest.raises(DeviceError, match="no SunSpec marker") as caught:
        await _read(serve, devices.sdm630(), "sunspec-inverter-103")
    assert caught.value.hint


async def test_sunspec_endless_chain_is_garbage_not_a_hang(serve, devices):
    unit = devices.Unit()
    unit.put("holding", 40000, [0x5375, 0x6E53] + [7, 0] * 500)
    with pytest.raises(DeviceError, match="no end"):
        await _read(serve, unit, "sunspec-inverter-103")


async def test_value_and_scale_factor_come_from_one_request(serve, devices):
    unit = devices.storage()
    await _read(serve, unit, "sunspec-storage-704")
    block = next(start for start, count in ((a, c) for _, a, c in unit.requests) if count > 100)
    power, factor = 40_002 + 2 + 65 + 10, 40_002 + 2 + 65 + 116
    assert any(start <= power and factor < start + count for _, start, count in unit.requests), block


async def test_read_device_agrees_with_pysunspec2(serve, devices):
    """An independent reader of the same registers finds the same numbers."""
    server = await serve({1: devices.inverter(12_340), 2: devices.storage(-2500)})

    def oracle(unit: int):
        client = SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr="127.0.0.1", ipport=server.port, timeout=2)
        client.scan()
        values = {}
        for model in client.model_list:
            values |= {
                (model.model_id, name): point.cvalue for name, point in model.points.items() if point.value is not None
            }
        client.close()
        return values

    theirs = await asyncio.to_thread(oracle, 1)
    bus = Bus(server.address)
    ours = await read_device(bus, 1, await discover(bus, 1, LIBRARY.get("sunspec-inverter-103")), "s/d", 0)
    points = LIBRARY.get("sunspec-inverter-103").points
    compared = [point for point in points if point.name in ours.v and not point.states and point.name != "power_factor"]
    assert len(compared) > 10
    for point in compared:
        assert ours.v[point.name] == pytest.approx(theirs[103, point.point]), point.point

    theirs = await asyncio.to_thread(oracle, 2)
    ours = await read_device(bus, 2, await discover(bus, 2, LIBRARY.get("sunspec-storage-704")), "s/d", 0)
    bus.close()
    for quantity, key in {
        "power_w": (701, "W"),
        "energy_import_wh": (701, "TotWhAbs"),
        "soc_pct": (713, "SoC"),
    }.items():
        assert ours.v[quantity] == pytest.approx(theirs[key])


def test_points_of_one_quantity_add_up_and_one_missing_spoils_the_sum(tmp_path):
    (tmp_path / "two.yaml").write_text(
        "profile: two\nmanufacturer: a\nmodel: b\nrole: battery\nsource: [x]\nverified: simulated\npoints:\n"
        "  - {point: out, name: power_w, address: 0, type: u16}\n"
        "  - {point: in, name: power_w, address: 1, type: u16, sign: -1, invalid: [65535]}\n",
        encoding="utf-8",
    )
    layout = locate(Library(tmp_path).get("two"), {})
    assert decode_answers(layout, [[300, 1000]]) == ({"power_w": -700}, [])
    assert decode_answers(layout, [[300, 65535]]) == ({}, ["power_w"])


def test_impossible_value_is_bad_not_published(devices):
    layout = locate(LIBRARY.get("eastron-sdm630"), {})
    answers = [devices.sdm630(1e12).words("input", request.address, request.count) for request in layout.requests]
    values, bad = decode_answers(layout, answers)
    assert "power_w" in bad
    assert values["frequency_hz"] == 50.0
