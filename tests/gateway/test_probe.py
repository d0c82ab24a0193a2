"""Commissioning: what a device is and says."""

from __future__ import annotations

import pytest

from energy.errors import DeviceError
from gateway.modbus import Bus
from gateway.probe import matching_profile, probe, scan, sunspec_profile
from gateway.profile import Library

LIBRARY = Library()
FITTING = {
    "sdm630": "eastron-sdm630",
    "inverter": "sunspec-inverter-103",
    "storage": "sunspec-storage-704",
    "charger": "alfen-ng9xx",
    "heat_pump": "sg-ready-relay",
}


@pytest.fixture
async def bus(serve, devices):
    server = await serve({i: getattr(devices, kind)() for i, kind in enumerate(FITTING, 1)})
    opened = Bus(server.address, timeout_s=0.2)
    yield opened
    opened.close()


@pytest.mark.parametrize(("unit", "name"), list(enumerate(FITTING.values(), 1)))
async def test_matching_profile_recognises_each_device(bus, unit, name):
    assert await matching_profile(bus, unit, LIBRARY) == name


async def test_scan_finds_who_answers_and_skips_who_does_not(bus):
    found = [found async for found in scan(bus, [1, 2, 7, 9], LIBRARY)]
    assert [(one.unit, one.profile) for one in found] == [(1, "eastron-sdm630"), (2, "sunspec-inverter-103")]
    assert (found[1].manufacturer, found[1].serial) == ("Maker", "SN1")


async def test_scan_of_an_unreachable_bus_is_an_error(bus, free_port):
    nowhere = Bus(type(bus.address)("tcp", "127.0.0.1", free_port()), timeout_s=0.2)
    with pytest.raises(DeviceError):
        assert [found async for found in scan(nowhere, [1], LIBRARY)]


async def test_probe_names_maker_points_registers_and_what_is_missing(bus):
    result = await probe(bus, 2, await sunspec_profile(bus, 2, LIBRARY))
    assert (result.profile, result.manufacturer, result.model) == ("sunspec-inverter-103", "Maker", "Model")
    assert (result.serial, result.version) == ("SN1", "1.0")
    points = {point.source: point for point in result.points}
    volts = points["103.PhVphA"]
    assert (volts.name, volts.value, volts.unit, volts.quality, volts.registers) == (
        "voltage_l1_v",
        230.1,
        "V",
        "measured",
        [2301],
    )
    assert (points["103.PhVphC"].value, points["103.PhVphC"].quality) == (None, "missing")
    assert points["120.WRtg"].name is None
    assert points["120.WRtg"].value == 20_000


async def test_probe_of_a_device_that_refuses_one_register_shows_the_others(serve, devices):
    unit = devices.sdm630()
    del unit.registers["input", 0x46]
    server = await serve({1: unit})
    bus = Bus(server.address, timeout_s=0.2)
    result = await probe(bus, 1, LIBRARY.get("eastron-sdm630"))
    bus.close()
    values = {point.name: (point.value, point.quality) for point in result.points}
    assert values["frequency_hz"] == (None, "missing")
    assert values["power_w"] == (1500.0, "measured")


async def test_sunspec_profile_of_another_device_says_what_it_lacks(bus):
    with pytest.raises(DeviceError, match="no SunSpec marker"):
        await sunspec_profile(bus, 1, LIBRARY)
