"""What must never reach a device: every kind of improper command over a real broker, and the device's register history."""

from __future__ import annotations

import json

import pytest

from gateway.config import GatewayConfig
from gateway.service import GatewayService
from messaging import topics
from tests.gateway.centre import NAMES, Centre, task

W_SET_ENA, W_SET = (40_002 + 2 + 65 + 155 + 9 + offset for offset in (22, 24))  # of model 704 behind 1, 701, 713
HOUR_MS = 3_600_000
PROPER = {"device": "site/battery", "set": {"power_w": -3000}, "ttl_s": 60, "issued_by": "test", "reason": "because"}

# name: what differs from a proper command (`late_ms`: how long ago it was issued), and what the refusal says
IMPROPER = {
    "stale": ({"late_ms": 91_000}, "stale"),
    "stale release": ({"ttl_s": 0, "set": {}, "late_ms": 31_000}, "stale"),
    "an hour old": ({"late_ms": HOUR_MS}, "stale"),
    "a day old": ({"late_ms": 24 * HOUR_MS}, "stale"),
    "an hour ahead": ({"late_ms": -HOUR_MS}, "future"),
    "a day ahead": ({"late_ms": -24 * HOUR_MS}, "future"),
    "issued before the start": ({"late_ms": 60_000}, "before this gateway started"),
    "no time": ({"t": None}, "t"),
    "text for a time": ({"t": "now"}, "t"),
    "another gateway's device": ({"device": "elsewhere/battery"}, "no such device"),
    "a device that is only read": ({"device": "site/grid"}, "no such device"),
    "a device that is not": ({"device": "site/battery-2"}, "no such device"),
    "above the limit": ({"set": {"power_w": 5000.5}}, "limits"),
    "below the limit": ({"set": {"power_w": -5001}}, "limits"),
    "physically impossible": ({"set": {"power_w": 1e30}}, "between"),
    "not a number": ({"set": {"power_w": float("nan")}}, ""),
    "infinite": ({"set": {"power_w": float("inf")}}, ""),
    "negative infinite": ({"set": {"power_w": float("-inf")}}, ""),
    "text for a number": ({"set": {"power_w": "-3000"}}, "number"),
    "true for a number": ({"set": {"power_w": True}}, "set"),
    "null for a number": ({"set": {"power_w": None}}, "set"),
    "list for a number": ({"set": {"power_w": [-3000]}}, "set"),
    "nothing set": ({"set": {}}, "sets nothing"),
    "list for a set": ({"set": [1]}, "set"),
    "unknown quantity": ({"set": {"power": -3000}}, "unknown quantity"),
    "quantity without limits": ({"set": {"soc_pct": 50}}, "cannot be commanded"),
    "one proper and one improper": ({"set": {"power_w": -3000, "soc_pct": 50}}, "cannot be commanded"),
    "too long": ({"ttl_s": 301}, "ttl_s"),
    "for ever": ({"ttl_s": float("inf")}, ""),
    "negative time": ({"ttl_s": -1}, "ttl_s"),
    "text for a duration": ({"ttl_s": "60"}, "ttl_s"),
    "no duration": ({"ttl_s": None}, "ttl_s"),
}


def payload(command_id, now_ms, late_ms=0, **changes):
    return json.dumps({"id": command_id, **PROPER, "t": now_ms - late_ms, **changes}).encode()


class Channel:
    """A gateway on a real broker and a real battery; what was written to it and what was answered."""

    def __init__(self, centre, battery, clock, until):
        self.centre, self.battery, self.clock, self.until = centre, battery, clock, until

    async def send(self, command_id, gateway=NAMES, **changes):
        await self.centre.connection.publish(
            topics.command(*gateway), payload(command_id, self.clock.now_ms(), **changes)
        )

    async def answer(self, command_id):
        await self.until(lambda: any(result.id == command_id for result in self.centre.results))
        return next(result for result in self.centre.results if result.id == command_id)

    @property
    def written(self):
        return list(self.battery.writes)


@pytest.fixture
async def channel(serve, devices, mosquitto, tmp_path, real_time, until):
    battery = devices.storage()
    server = await serve({1: devices.sdm630(), 2: battery})
    meter = {"device": "site/grid", "profile": "eastron-sdm630", "unit": 1}
    controlled = {"device": "site/battery", "profile": "sunspec-storage-704", "unit": 2}
    controlled |= {"limits": {"power_w": {"low": -5000, "high": 5000}}}
    config = {
        "gateway": NAMES[1],
        "community": NAMES[0],
        "data_dir": str(tmp_path / "data"),
        "mqtt": mosquitto.model_dump(mode="json"),
        "buses": [{"id": "roof", "url": server.url, "timeout_s": 0.5, "devices": [meter, controlled]}],
    }
    centre = Centre(mosquitto)
    async with task(centre.connection.run):
        await until(centre.connection.connected.is_set)
        retained = payload("retained", real_time.now_ms() + 20_000)
        await centre.connection.publish(topics.command(*NAMES), retained, retain=True)
        service = GatewayService(GatewayConfig.model_validate(config), real_time)
        async with task(service.run):
            await until(lambda: service.connection.connected.is_set() and battery.writes)
            await until(lambda: centre.results)
            yield Channel(centre, battery, real_time, until)
        await centre.connection.publish(topics.command(*NAMES), b"", retain=True)


async def test_improper_commands_are_all_refused_logged_and_answered_and_write_nothing(channel, caplog):
    start = channel.written
    assert channel.centre.results[0].state == "refused"
    assert "retained" in channel.centre.results[0].reason
    for name, (changes, _) in IMPROPER.items():
        await channel.send(name, **changes)
    for name, (_, reason) in IMPROPER.items():
        answer = await channel.answer(name)
        assert (name, answer.state) == (name, "refused")
        assert reason in answer.reason, name
        assert answer.reason
        assert f"command {name} refused: {answer.reason}" in caplog.text
    assert len(channel.centre.results) == len(IMPROPER) + 1
    assert channel.written == start


async def test_replayed_command_acts_once_whatever_it_then_says(channel):
    await channel.send("1")
    assert (await channel.answer("1")).state == "applied"
    written = channel.written
    for changes in ({}, {"set": {"power_w": 4000}}, {"ttl_s": 0, "set": {}}):
        await channel.send("1", **changes)
    await channel.until(lambda: channel.centre.told[1:].count(("1", "refused")) == 3)
    assert all("replayed" in result.reason for result in channel.centre.results[2:])
    assert channel.written == written
    assert channel.battery.words("holding", W_SET_ENA, 1) == [1]


async def test_command_to_another_gateway_is_not_even_heard(channel):
    written = channel.written
    for gateway in (("brussels", "gw-2"), ("antwerp", "gw-1")):
        await channel.send("foreign", gateway=gateway)
    await channel.send("own")
    assert (await channel.answer("own")).state == "applied"
    assert [result.id for result in channel.centre.results] == ["retained", "own"]
    assert channel.written[len(written) :]


@pytest.mark.parametrize("step_ms", [-24 * HOUR_MS, -HOUR_MS, HOUR_MS, 24 * HOUR_MS])
async def test_gateway_whose_clock_was_set_wrong_refuses_and_keeps_the_lease_that_stands(channel, step_ms):
    await channel.send("1")
    assert (await channel.answer("1")).state == "applied"
    written = channel.written
    channel.clock.offset_ms = step_ms
    await channel.centre.connection.publish(
        topics.command(*NAMES), payload("2", channel.clock.now_ms() - step_ms, set={"power_w": 4000})
    )
    answer = await channel.answer("2")
    assert answer.state == "refused"
    assert "clocks" in answer.reason
    assert channel.written == written
    assert channel.battery.words("holding", W_SET, 2) == [0xFFFF, -3000 & 0xFFFF]
    assert channel.battery.words("holding", W_SET_ENA, 1) == [1]
