"""The collector against a real broker and a real store."""

import asyncio
import json
import socket
import threading
import time
import urllib.request

import paho.mqtt.client as paho
import pytest

from energy.errors import ConfigError, StoreError
from energy.quantities import Role
from storage.dirty import DirtyQuarters

from .conftest import eventually, make_community, reading, wire_to


def now_ms():
    return time.time_ns() // 1_000_000


class Flaky:
    """A store that refuses writes while `broken`, and otherwise is the one it wraps."""

    def __init__(self, store):
        self.store = store
        self.broken = False
        self.refused = 0

    def __getattr__(self, name):
        return getattr(self.store, name)

    def write(self, rows):
        if self.broken:
            self.refused += 1
            raise StoreError("the store is away")
        self.store.write(rows)


class Late(Flaky):
    """A store that cannot be read at first."""

    asked = 0

    def last(self, devices=None):
        self.asked += 1
        if self.asked == 1:
            raise StoreError("still starting")
        return self.store.last(devices)


def twenty_line_publisher(port, readings):
    """Written from the wire contract alone: sends until confirmed."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "foreign", protocol=paho.MQTTv311)
    confirmed = threading.Event()
    expected = set(range(len(readings)))

    def on_message(client, userdata, message):
        ack = json.loads(message.payload)
        if ack["epoch"] == "2026-a":
            expected.difference_update(ack["seqs"])
            if not expected:
                confirmed.set()

    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.subscribe("cw/v1/ixelles/gw-foreign/ack", qos=1)
    client.loop_start()
    for seq, body in enumerate(readings):
        message = {"epoch": "2026-a", "seq": seq, "historical": False, "readings": [body]}
        client.publish("cw/v1/ixelles/gw-foreign/data", json.dumps(message), qos=1)
    done = confirmed.wait(10)
    client.loop_stop()
    client.disconnect()
    return done


async def test_a_publisher_written_from_the_contract_alone_is_stored_confirmed_and_shown(
    start, mosquitto, history, wire
):
    t = now_ms()
    sent = [reading("barn/pv", t - 1000 + n, power_w=100 + n, exported=5000 + n) for n in range(20)]
    async with start(make_community()):
        assert await asyncio.to_thread(twenty_line_publisher, mosquitto.port, sent)
        rows = history.readings("barn/pv", 0, t + 1000)
        assert [row.t for row in rows] == [body["t"] for body in sent]
        assert rows[0].tags.role is Role.PV
        assert rows[0].tags.community == "ixelles"
        shown = await eventually(lambda: wire.last("cw/v1/ixelles/live/site/barn"))
        assert shown["registered"] is False
        assert shown["pv_w"] == 119
        assert shown["consumption_w"] is None
        total = await eventually(lambda: wire.last("cw/v1/ixelles/live/community"))
        assert total["known"]["of"] == 2


async def test_nothing_is_confirmed_before_the_store_has_it(start, history, wire):
    store = Flaky(history)
    store.broken = True
    t = now_ms()
    async with start(make_community(), store=store) as collector:
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", t, power_w=1)])
        await eventually(lambda: store.refused)
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", t, power_w=1)])  # the gateway grew impatient
        await wire.readings("gw-hall", 1, [reading("ixl-hall/pv", t + 1, power_w=2)])
        await asyncio.sleep(0.1)
        assert wire.acked("gw-hall") == set()
        store.broken = False
        await eventually(lambda: wire.acked("gw-hall") == {0, 1})
        assert [row.t for row in history.readings("ixl-hall/pv", 0, t + 10)] == [t, t + 1]
        assert collector.metrics.registry.get_sample_value("commonwatt_collector_store_errors_total") >= 1


async def test_with_a_full_buffer_messages_are_left_to_their_gateways(start, history, wire):
    store = Flaky(history)
    store.broken = True
    t = now_ms()
    async with start(make_community(), store=store, max_buffered_readings=10) as collector:
        for seq in range(20):
            await wire.readings("gw-hall", seq, [reading("ixl-hall/pv", t + seq, power_w=1)])
        dropped = lambda: collector.metrics.registry.get_sample_value("commonwatt_collector_dropped_batches_total")  # noqa: E731
        await eventually(lambda: dropped() == 15)
        store.broken = False
        await eventually(lambda: len(wire.acked("gw-hall")) == 5)
        for seq in range(20):
            if seq not in wire.acked("gw-hall"):
                await wire.readings("gw-hall", seq, [reading("ixl-hall/pv", t + seq, power_w=1)])
                await asyncio.sleep(0.03)
        await eventually(lambda: wire.acked("gw-hall") == set(range(20)))
        assert len(history.readings("ixl-hall/pv", 0, t + 100)) == 20


async def test_what_is_held_when_it_ends_is_stored_and_confirmed(start, history, wire):
    t = now_ms()
    async with start(make_community(), flush_s=5):
        await wire.readings("gw-hall", 7, [reading("ixl-hall/pv", t, power_w=1)])
        await eventually(lambda: wire.bodies("cw/v1/ixelles/gw-hall/data"))
        await asyncio.sleep(0.1)
        assert history.readings("ixl-hall/pv", 0, t + 1) == []
    assert len(history.readings("ixl-hall/pv", 0, t + 1)) == 1
    await eventually(lambda: wire.acked("gw-hall") == {7})


async def test_goes_on_after_the_broker_was_killed_and_forgot_everything(start, broker, history):
    t = now_ms()
    async with start(make_community()) as collector:
        async with wire_to(broker.settings) as wire:
            await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", t, power_w=1)])
            await eventually(lambda: wire.acked("gw-hall") == {0})
        broker.kill()
        await eventually(lambda: not collector.connection.connected.is_set())
        broker.start()
        await asyncio.wait_for(collector.connection.connected.wait(), 15)
        async with wire_to(broker.settings) as wire:
            await wire.readings("gw-hall", 1, [reading("ixl-hall/pv", t + 1, power_w=2)])
            await eventually(lambda: wire.acked("gw-hall") == {1})
            await eventually(lambda: wire.last("cw/v1/ixelles/live/site/ixl-hall"))
    assert len(history.readings("ixl-hall/pv", 0, t + 10)) == 2


async def test_rubbish_is_quarantined_and_the_stream_goes_on(start, history, register, wire):
    t = now_ms()
    async with start(make_community()):
        await wire.send("cw/v1/ixelles/gw-hall/data", b"\xff\x00not json")
        await wire.send("cw/v1/ixelles/gw-hall/data", {"epoch": "e1", "seq": 1, "readings": "none"})
        await wire.readings("gw-hall", 2, [reading("ixl-hall/pv", 12, power_w=1)])
        await wire.readings("gw-hall", 3, [{"device": "ixl-hall/pv"}, reading("ixl-hall/pv", t, power_w=5)])
        await wire.send("cw/v1/ixelles/gw-hall/status", b"{")
        await wire.send("cw/v1/ixelles/gw-hall/command/result", {"id": 1})
        await wire.readings("gw-hall", 4, [reading("ixl-hall/pv", t + 1, power_w=6)])
        await eventually(lambda: wire.acked("gw-hall") == {1, 2, 3, 4})
        await eventually(lambda: register.quarantine_total() == 6)
    assert [row.values["power_w"] for row in history.readings("ixl-hall/pv", 0, t + 10)] == [5, 6]
    assert {entry.gateway for entry in register.quarantined()} == {"gw-hall"}


async def test_a_device_of_a_registered_site_from_another_gateway_is_not_taken(start, history, register, wire):
    t = now_ms()
    async with start(make_community()):
        await wire.readings(
            "gw-school", 0, [reading("ixl-hall/pv", t, power_w=1), reading("ixl-school/pv", t, power_w=2)]
        )
        await eventually(lambda: wire.acked("gw-school") == {0})
        await eventually(register.quarantined)
    assert history.readings("ixl-hall/pv", 0, t + 1) == []
    assert len(history.readings("ixl-school/pv", 0, t + 1)) == 1
    assert "another gateway" in register.quarantined()[0].reason


async def test_live_site_object_has_the_published_shape(start, wire):
    t = now_ms()
    async with start(make_community()):
        await wire.readings(
            "gw-school",
            0,
            [
                reading("ixl-school/grid", t, power_w=-300, imported=1000, exported=2000),
                reading("ixl-school/pv", t, power_w=5120, exported=9000, state="mppt"),
                reading("ixl-school/battery", t, power_w=0, soc_pct=55, imported=1, exported=2),
            ],
        )
        site = await eventually(
            lambda: next((s for s in wire.bodies("cw/v1/ixelles/live/site/ixl-school") if s["pv_w"] == 5120), None)
        )
        community = await eventually(lambda: wire.last("cw/v1/ixelles/live/community"))
    assert list(site) == [
        *("id", "community", "registered", "t", "pv_w", "grid_w", "battery_w", "consumption_w", "soc_pct"),
        *("self_sufficiency", "self_consumption", "quality", "stale", "devices", "today", "quarter"),
    ]
    assert (site["grid_w"], site["consumption_w"], site["soc_pct"], site["stale"]) == (-300, 4820, 55, [])
    assert site["quality"] == "measured"
    assert site["self_consumption"] == pytest.approx(4820 / 5120, abs=1e-4)
    pv = next(device for device in site["devices"] if device["id"] == "ixl-school/pv")
    assert pv == {
        "id": "ixl-school/pv",
        "role": "pv",
        "t": t,
        "power_w": 5120,
        "soc_pct": None,
        "state": "mppt",
        "stale": False,
        "historical": False,
    }
    assert list(site["today"]) == [
        *(
            "pv_wh",
            "import_wh",
            "export_wh",
            "charge_wh",
            "discharge_wh",
            "consumption_wh",
            "self_sufficiency",
            "quality",
        )
    ]
    assert list(community) == [
        *("id", "t", "pv_w", "grid_w", "battery_w", "consumption_w", "shared_w", "surplus_w", "import_w"),
        *("self_sufficiency", "self_consumption", "quality", "stale", "known", "today"),
    ]
    assert list(community["known"]) == ["pv_w", "grid_w", "battery_w", "consumption_w", "sites", "of"]
    assert list(community["today"]) == [
        *("pv_wh", "import_wh", "export_wh", "shared_wh", "consumption_wh", "self_sufficiency", "quality")
    ]


async def test_a_silent_inverter_makes_its_site_and_community_unknown(start, wire):
    async with start(make_community(interval_s=0.2)):

        async def say(with_pv):
            t = now_ms()
            hall = [reading("ixl-hall/grid", t, power_w=100)] + [reading("ixl-hall/pv", t, power_w=50)] * with_pv
            school = [reading(f"ixl-school/{name}", t, power_w=10) for name in ("grid", "pv", "battery")]
            await wire.readings("gw-hall", t, hall)
            await wire.readings("gw-school", t, school)

        site, community = "cw/v1/ixelles/live/site/ixl-hall", "cw/v1/ixelles/live/community"

        async def until(condition, with_pv):
            async with asyncio.timeout(10):
                while not condition():
                    await say(with_pv)
                    await asyncio.sleep(0.05)

        await until(lambda: (wire.last(community) or {}).get("consumption_w") == 180, True)
        await until(lambda: wire.last(site)["stale"] == ["ixl-hall/pv"], False)
        await until(lambda: wire.last(community)["consumption_w"] is None, False)
        assert wire.last(site)["consumption_w"] is None
        assert wire.last(site)["pv_w"] is None
        assert wire.last(site)["grid_w"] == 100
        assert wire.last(site)["quality"] == "missing"
        assert wire.last(community)["stale"] == ["ixl-hall"]
        assert wire.last(community)["known"]["sites"] == 1


async def test_after_a_restart_fresh_values_are_back_at_once(start, wire):
    t = now_ms()
    async with start(make_community()):
        await wire.readings(
            "gw-hall", 0, [reading("ixl-hall/grid", t, power_w=70), reading("ixl-hall/pv", t, power_w=30)]
        )
        await eventually(lambda: wire.acked("gw-hall") == {0})
    wire.seen.clear()
    async with start(make_community()):
        site = await eventually(lambda: wire.last("cw/v1/ixelles/live/site/ixl-hall"))
    assert site["consumption_w"] == 100
    assert [device["historical"] for device in site["devices"]] == [True, True]


async def test_historical_readings_are_stored_and_never_shown_as_now(start, history, wire):
    t = now_ms()
    async with start(make_community()):
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", t - 5000, power_w=999)], historical=True)
        await eventually(lambda: wire.acked("gw-hall") == {0})
        await wire.readings("gw-hall", 1, [reading("ixl-hall/pv", t - 9000, power_w=30)])
        await eventually(lambda: wire.acked("gw-hall") == {0, 1})
        site = await eventually(
            lambda: next((s for s in wire.bodies("cw/v1/ixelles/live/site/ixl-hall") if s["pv_w"] is not None), None)
        )
    assert site["pv_w"] == 30
    assert len(history.readings("ixl-hall/pv", 0, t)) == 2


async def test_quarter_hours_are_computed_while_it_runs(start, history, wire):
    quarter = 900_000
    start_ms = now_ms() // quarter * quarter - 4 * quarter
    async with start(make_community(), quarters_interval_s=0.1):
        for n in range(5):
            t = start_ms + n * quarter
            await wire.readings(
                "gw-hall",
                n,
                [reading("ixl-hall/grid", t, imported=100 * n, exported=0), reading("ixl-hall/pv", t, exported=50 * n)],
                historical=True,
            )
        stored = lambda: history.site_quarters(["ixl-hall"], start_ms, start_ms + 4 * quarter)  # noqa: E731
        await eventually(lambda: [q.consumption_wh for q in stored()] == [150.0] * 4)
        assert {q.import_wh for q in stored()} == {100.0}


async def test_two_collectors_serve_their_own_communities_side_by_side(start, history, tmp_path, wire):
    marks = DirtyQuarters(tmp_path / "other.db")
    other = make_community().model_copy(
        update={"id": "brussels", "sites": (make_community().sites[0].model_copy(update={"id": "bxl-hall"}),)}
    )
    t = now_ms()
    async with start(make_community()), start(other, marks=marks):
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", t, power_w=1)])
        await wire.readings("gw-hall", 0, [reading("bxl-hall/pv", t, power_w=1)], community="brussels")
        await eventually(lambda: wire.acked("gw-hall") == {0} and wire.acked("gw-hall", community="brussels") == {0})
    marks.close()
    assert len([topic for topic, _, _ in wire.seen if topic.endswith("/ack")]) == 2


def test_the_same_site_in_two_communities_is_a_config_error(mosquitto, history, register, dirty, start):
    other = make_community().model_copy(update={"id": "brussels"})
    with pytest.raises(ConfigError) as refused:
        start(make_community(), other)
    assert refused.value.hint


async def test_port_of_the_metrics_that_is_taken_is_said_in_words(start, wire):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"collector.metrics_port: cannot listen on 127\.0\.0\.1:{port}"):
            async with start(make_community(), metrics_port=port):
                pass


async def test_metrics_are_served_while_it_runs(start, wire, free_port):
    port = free_port()
    async with start(make_community(), metrics_port=port):
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", now_ms(), power_w=1)])
        await wire.send("cw/v1/ixelles/gw-hall/status", {"online": True}, retain=True)
        await eventually(lambda: wire.acked("gw-hall"))

        def fetch():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return answer.read().decode()

        async with asyncio.timeout(10):
            while "commonwatt_collector_gateways_online 1.0" not in (text := await asyncio.to_thread(fetch)):
                await asyncio.sleep(0.05)
    assert "commonwatt_collector_readings_total 1.0" in text
    assert "commonwatt_collector_batches_total 1.0" in text
    assert "commonwatt_collector_confirm_lag_seconds_count 1.0" in text


async def test_waits_for_a_store_that_is_not_there_yet(start, history, wire):
    store = Late(history)
    async with start(make_community(), store=store):
        assert store.asked > 1
        await wire.readings("gw-hall", 0, [reading("ixl-hall/pv", now_ms(), power_w=1)])
        await eventually(lambda: wire.acked("gw-hall") == {0})
