"""The simulated P1 port, read over a real socket by an independent reader (dsmr-parser)."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.exceptions import InvalidChecksumError
from dsmr_parser.parsers import TelegramParser

from gateway.p1 import parse
from simulator.config import SimulatorConfig

PARSER = TelegramParser(telegram_specifications.BELGIUM_FLUVIUS)


def with_p1(config: SimulatorConfig, port: int, **changes) -> SimulatorConfig:
    """The rooftop with its grid meter behind a P1 port instead of Modbus."""
    facts = config.model_dump(mode="json")
    grid, *others = facts["sites"][0]["devices"]
    facts["sites"][0]["devices"] = [{**grid, "kind": "p1-meter", "port": port, **changes}, *others]
    return SimulatorConfig.model_validate(facts)


@pytest.fixture
async def p1(make_config, free_port, running, clock):
    port = free_port()
    async with running(with_p1(make_config(free_port), port), clock) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not simulator._buses["hall/grid"]._writers:
            await asyncio.sleep(0.005)
        yield simulator, reader
        writer.close()


async def next_text(reader) -> str:
    async with asyncio.timeout(5):
        text = await reader.readuntil(b"!")
        return (text + await reader.readline()).decode()


def truth_of(simulator, telegram) -> dict:
    """What was really so at the telegram's own instant."""
    at = telegram.P1_MESSAGE_TIMESTAMP.value.timestamp() * 1000
    return next(tick["sites"]["hall"] for tick in simulator.truth(last=100)["ticks"] if tick["t"] == at)


async def test_p1_port_sends_a_telegram_each_second_that_tells_the_truth(p1, clock):
    simulator, reader = p1
    await clock.advance(1)
    telegram = PARSER.parse(await next_text(reader))
    truth = truth_of(simulator, telegram)
    net_kw = telegram.CURRENT_ELECTRICITY_USAGE.value - telegram.CURRENT_ELECTRICITY_DELIVERY.value
    assert net_kw * 1000 == truth["grid_w"] < 0
    imported = telegram.ELECTRICITY_USED_TARIFF_1.value + telegram.ELECTRICITY_USED_TARIFF_2.value
    exported = telegram.ELECTRICITY_DELIVERED_TARIFF_1.value + telegram.ELECTRICITY_DELIVERED_TARIFF_2.value
    assert [float(1000 * imported), float(1000 * exported)] == pytest.approx(truth["counters"]["grid"], abs=1)
    assert 220 < telegram.INSTANTANEOUS_VOLTAGE_L2.value < 245
    negatives = [getattr(telegram, f"INSTANTANEOUS_ACTIVE_POWER_L{n}_NEGATIVE").value for n in (1, 2, 3)]
    assert sum(negatives) == -net_kw
    await clock.advance(1)
    assert "0-0:1.0.0" in await next_text(reader)


async def test_p1_port_quarter_demand_rises_with_import_and_the_month_keeps_its_peak(p1, clock):
    simulator, _ = p1
    meter = simulator._buses["hall/grid"]._meter
    quarter = 900_000 * 1_900_000
    meter.telegram(quarter)
    simulator.world.devices["hall/grid"].counters.import_wh += 500
    assert PARSER.parse(meter.telegram(quarter + 60_000).decode()).BELGIUM_CURRENT_AVERAGE_DEMAND.value == 2
    following = PARSER.parse(meter.telegram(quarter + 900_000).decode())
    assert following.BELGIUM_CURRENT_AVERAGE_DEMAND.value == 0
    assert following.BELGIUM_MAXIMUM_DEMAND_MONTH.value == Decimal("2.000")


async def test_p1_port_faults_of_the_line(p1, clock):
    simulator, reader = p1
    simulator.fault("hall/grid", "silent", for_s=10)
    await clock.advance(9)
    simulator.clear("hall/grid")
    simulator.fault("hall/grid", "garbage")
    await clock.advance(1)
    with pytest.raises(InvalidChecksumError):
        PARSER.parse(await next_text(reader))
    simulator.clear("hall/grid")
    simulator.fault("hall/grid", "wrong_sign")
    await clock.advance(2)
    telegram = [PARSER.parse(await next_text(reader)) for _ in range(2)][-1]
    assert telegram.CURRENT_ELECTRICITY_USAGE.value * 1000 == -truth_of(simulator, telegram)["grid_w"]


async def test_p1_port_is_read_by_our_own_gateway_too(p1, clock):
    simulator, reader = p1
    await clock.advance(1)
    text = await next_text(reader)
    values = parse(text.strip().encode()).values
    truth = truth_of(simulator, PARSER.parse(text))
    assert values["power_w"] == truth["grid_w"]
    assert [values["energy_import_wh"], values["energy_export_wh"]] == pytest.approx(truth["counters"]["grid"], abs=1)


async def test_p1_port_that_is_taken_is_a_config_error(make_config, free_port, running, clock):
    port = free_port()
    blocker = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", port)
    with pytest.raises(Exception, match="cannot be listened on"):
        async with running(with_p1(make_config(free_port), port), clock):
            pass
    blocker.close()
    await blocker.wait_closed()


def test_p1_meter_shares_its_port_with_nobody(make_config):
    config = make_config()
    shared = config.sites[0].devices[1].port
    with pytest.raises(ValueError, match="for itself"):
        with_p1(config, shared, framing="rtu")
