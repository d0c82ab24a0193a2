"""Commissioning: what a device is and says."""

from __future__ import annotations

import asyncio

import pytest

from energy.errors import DeviceError
from gateway.modbus import Bus, BusAddress
from gateway.probe import find_units, look, matching_profiles, probe, probe_models
from gateway.profile import Library

LIBRARY = Library()
FITTING = {
    "sdm630": "eastron-sdm630",
    "inverter": "sunspec-inverter-103",
    "storage": "sunspec-storage-704",
    "charger": "alfen-ng9xx",
    "heat_pump": "sg-ready-relay",
}


async def scan(transport, units, **told):
    """As the command does: who is there, then what each is."""
    return [await look(transport, unit, LIBRARY) for unit in await find_units(transport, units, **told)]


ALIKE = {"sg-ready-relay": {"lighting-relay", "sg-ready-relay"}}
"""A relay board does not tell what hangs at it: both are named."""


@pytest.fixture
async def bus(serve, devices):
    server = await serve({i: getattr(devices, kind)() for i, kind in enumerate(FITTING, 1)})
    opened = Bus(server.address, timeout_s=0.2)
    yield opened
    opened.close()


@pytest.mark.parametrize(("unit", "name"), list(enumerate(FITTING.values(), 1)))
async def test_scan_recognises_each_device(bus, unit, name):
    (found,) = await scan(bus, [unit])
    assert name in found.profiles[: len(ALIKE.get(name, {name}))]
    assert ALIKE.get(name, {name}) <= {*found.profiles}


async def test_scan_finds_who_answers_and_skips_who_does_not(bus):
    asked: list[int] = []
    found = await scan(bus, [1, 2, 7, 9], on_unit=asked.append)
    assert [(one.unit, one.profiles[0]) for one in found] == [(1, "eastron-sdm630"), (2, "sunspec-inverter-103")]
    assert (found[1].manufacturer, found[1].serial) == ("Maker", "SN1")
    assert found[1].sunspec_models == (1, 103, 120, 123)
    assert asked == [1, 2, 7, 9]


async def test_scan_never_writes(serve, devices):
    units = {i: getattr(devices, kind)() for i, kind in enumerate(FITTING, 1)}
    server = await serve(units)
    bus = Bus(server.address, timeout_s=0.2)
    assert len(await scan(bus, units)) == len(units)
    bus.close()
    assert not any(unit.writes for unit in units.values())
    assert {code for unit in units.values() for code, *_ in unit.requests} <= {1, 2, 3, 4}


async def test_scan_of_a_device_no_profile_fits_still_shows_it(serve, devices):
    unknown = devices.Unit()
    unknown.put("holding", 0, [1, 2, 3])
    server = await serve({4: unknown})
    bus = Bus(server.address, timeout_s=0.2)
    (found,) = await scan(bus, [4])
    bus.close()
    assert (found.unit, found.profiles, found.manufacturer) == (4, (), "")


async def test_scan_leaves_a_device_that_is_busy_for_ever_after_a_few_tries(serve, devices):
    unit = devices.sdm630()
    unit.exceptions = [6] * 1000
    server = await serve({1: unit})
    bus = Bus(server.address, timeout_s=0.2)
    assert [found.profiles for found in await scan(bus, [1])] in ([], [()])
    bus.close()
    assert len(unit.requests) < 20


async def test_matching_profiles_prefers_the_one_that_names_the_maker(serve, devices):
    unit = devices.inverter()
    maker = b"SolarEdge".ljust(32, b"\0")
    unit.put("holding", 40004, [int.from_bytes(maker[i : i + 2], "big") for i in range(0, 32, 2)])
    server = await serve({1: unit})
    bus = Bus(server.address, timeout_s=0.2)
    (found,) = await scan(bus, [1])
    bus.close()
    assert found.profiles[0].startswith("solaredge-")
    assert "sunspec-inverter-103" in found.profiles


async def test_scan_of_an_unreachable_bus_is_an_error(bus, free_port):
    nowhere = Bus(type(bus.address)("tcp", "127.0.0.1", free_port()), timeout_s=0.2)
    with pytest.raises(DeviceError):
        assert await scan(nowhere, [1])


async def test_probe_names_maker_points_registers_and_what_is_missing(bus):
    result = await probe(bus, 2, LIBRARY.get("sunspec-inverter-103"))
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


async def test_probe_with_a_profile_the_device_refuses_entirely_is_an_error(bus):
    with pytest.raises(DeviceError, match="refuses every register"):
        await probe(bus, 2, LIBRARY.get("eastron-sdm630"))


async def test_matching_profiles_of_a_silent_unit_is_an_error(bus):
    with pytest.raises(DeviceError, match="did not answer"):
        await matching_profiles(bus, 9, LIBRARY)


async def test_probe_models_names_the_quantities_the_fitting_profile_feeds(bus):
    result = await probe_models(bus, 2, LIBRARY)
    points = {point.source: point for point in result.points}
    assert (result.profile, result.serial) == ("sunspec", "SN1")
    assert (points["103.W"].name, points["103.W"].value, points["103.W"].registers) == ("power_w", 12340, [1234])
    assert (points["103.St"].value, points["103.St"].meaning) == (4, "MPPT")
    assert points["103.PhVphC"].value is None


async def test_probe_models_of_a_device_without_sunspec_says_so(bus):
    with pytest.raises(DeviceError, match="no SunSpec marker"):
        await probe_models(bus, 1, LIBRARY)


async def test_probe_models_shows_repeated_and_vendor_models(serve, devices):
    meter = (203, devices.body(105, {18: 100, 22: 0}))
    other = (203, devices.body(105, {18: 200, 22: 0}))
    unit = devices.sunspec([devices.common_model(), meter, (64_999, [1, 2, 3]), other])
    server = await serve({1: unit})
    bus = Bus(server.address, timeout_s=0.2)
    points = {point.source: point for point in (await probe_models(bus, 1, LIBRARY)).points}
    bus.close()
    assert (points["203.W"].value, points["203[2].W"].value) == (100, 200)
    assert points["64999.registers"].registers == [64_999, 3, 1, 2, 3]


async def test_find_units_leaves_what_is_no_modbus_after_a_few_tries():
    async def prattle(reader, writer):
        try:
            while await reader.read(64):
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()
            left.set()

    left = asyncio.Event()
    server = await asyncio.start_server(prattle, "127.0.0.1", 0)
    transport = Bus(BusAddress("tcp", "127.0.0.1", server.sockets[0].getsockname()[1]), timeout_s=0.2)
    asked = []
    with pytest.raises(DeviceError, match="not Modbus"):
        await find_units(transport, range(1, 248), on_unit=asked.append)
    assert asked == [1, 2, 3]
    transport.close()
    server.close()
    await left.wait()
