"""The live state: bytes joined unread, nothing old shown as current, nothing wrong taken in."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.live.feed import LiveFeed
from messaging.connection import Message
from runtime.clock import ManualClock
from tests.api.conftest import COMMUNITIES, NOW, Api, alert, live_community, live_site

SITE = "cw/v1/ixelles/live/site/ixl-hall"


async def test_live_is_what_the_collector_published_byte_for_byte(api: Api):
    raw = b'{ "id":"ixl-hall", "community":"ixelles",\n "t":1750000500000, "quality":"measured", "new":[1.50] }'
    await api.publish(SITE, raw)
    answer = await api.get("/api/v1/live")
    assert raw.replace(b"\n", b" ") in answer.content
    assert answer.json()["t"] == NOW
    assert answer.json()["age_s"] == 0.0
    assert answer.headers["data-age-s"] == "0.0"


async def test_live_without_anything_is_empty_not_an_error(api: Api):
    answer = await api.get("/api/v1/live")
    assert answer.json() == {"t": NOW, "age_s": None, "communities": [], "sites": []}


async def test_live_older_than_30_s_is_never_shown_as_current(api: Api):
    await api.publish_live("ixelles", "ixl-hall")
    await api.clock.advance(20)
    await api.publish_live("ixelles", "ixl-pool")
    await api.clock.advance(10)
    assert (await api.get("/api/v1/live")).json()["sites"][0]["pv_w"] == 5120.0
    await api.clock.advance(0.001)
    answer = (await api.get("/api/v1/live")).json()
    hall, pool = answer["sites"]
    assert (hall["pv_w"], hall["quality"], hall["t"]) == (None, "missing", NOW)
    assert hall["today"]["pv_wh"] is None
    assert hall["devices"][0]["power_w"] is None
    assert hall["devices"][0]["stale"] is True
    assert (pool["pv_w"], pool["quality"]) == (5120.0, "measured")
    assert answer["age_s"] == 10.0
    await api.clock.advance(30)
    answer = (await api.get("/api/v1/live")).json()
    assert answer["communities"][0]["known"] == {
        "pv_w": 0, "grid_w": 0, "battery_w": 0, "consumption_w": 0, "sites": 0, "of": 2
    }  # fmt: skip
    await api.publish_live("ixelles", "ixl-hall")
    assert (await api.get("/api/v1/live")).json()["sites"][0]["pv_w"] == 5120.0


async def test_withdrawn_object_is_gone(api: Api):
    await api.publish_live("ixelles", "ixl-hall")
    await api.publish(SITE, b"")
    assert (await api.get("/api/v1/live")).json()["sites"] == []


async def test_silence_of_the_collector_is_told_once_and_makes_the_service_not_ready(api: Api):
    await api.publish_live("ixelles", "ixl-hall")
    reader = api.live.events.subscribe(frozenset({"ixelles"}))
    await api.clock.advance(12)
    api.live.check_ages()
    assert reader.take() == b""
    await api.clock.advance(1)
    api.live.check_ages()
    api.live.check_ages()
    assert reader.take().count(b"event: stale\n") == 1
    collector = (await api.get("/health/ready")).json()["parts"]["collector"]
    assert collector == {"ok": False, "last_live_ms": NOW, "silent_communities": 2}
    await api.clock.advance(18)
    api.live.check_ages()
    expired = reader.take()
    assert (expired.count(b"event: site\n"), expired.count(b"event: community\n")) == (1, 1)
    assert b'"pv_w":null' in expired
    await api.publish_live("ixelles", "ixl-hall")
    api.live.check_ages()
    assert api.live.silent == {"schaerbeek"}


async def test_watch_looks_every_second(api: Api):
    task = asyncio.create_task(api.live.watch())
    reader = api.live.events.subscribe(None)
    await api.clock.advance(1)
    assert b"event: stale\n" in reader.take()
    task.cancel()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (SITE, b"{"),
        (SITE, b"[]"),
        (SITE, b"null"),
        (SITE, b'{"id":"ixl-hall","community":"ixelles"}'),
        (SITE, msgspec.json.encode(live_site("ixelles", "other", NOW))),
        (SITE, msgspec.json.encode(live_site("schaerbeek", "ixl-hall", NOW))),
        (SITE, b'{"id":"ixl-hall","community":"ixelles","t":1,"x":"' + b"x" * 300_000 + b'"}'),
        (SITE, b'{"id":"ixl-hall","community":"ixelles","t":1}{"x":1}'),
        (SITE, b'{"id":"ixl-hall","community":"ixelles","t":1,"x":NaN}'),
        (SITE, b'{"id":"ixl-hall","community":"ixelles","t":1,"x":"\xff"}'),
        (SITE, b"[" * 100_000),
        ("cw/v1/ixelles/live/community", msgspec.json.encode(live_community("schaerbeek", NOW))),
        ("cw/v1/brussels/live/community", msgspec.json.encode(live_community("brussels", NOW))),
        ("cw/v1/ixelles/alerts/a", msgspec.json.encode(alert("schaerbeek", "a", NOW))),
        ("cw/v1/ixelles/live/nonsense/x", b"{}"),
        ("nothing", b"{}"),
    ],
)
async def test_what_does_not_fit_is_counted_and_left_out(api: Api, topic: str, payload: bytes):
    await api.publish(topic, payload)
    assert api.live.rejected == 1
    assert (await api.get("/api/v1/live")).json()["sites"] == []


@settings(max_examples=50)
@given(st.text(max_size=40), st.binary(max_size=80))
async def test_no_message_raises(topic: str, payload: bytes):
    feed = LiveFeed(COMMUNITIES, ManualClock(NOW))
    for name in (topic, f"cw/v1/ixelles/{topic}", SITE, "cw/v1/ixelles/gw/command", "cw/v1/ixelles/gw/status"):
        feed.on_messages([Message(name, payload, retained=False)])
    msgspec.json.decode(feed.live(None)[0])


def command(command_id: str, **values: Any) -> dict[str, Any]:
    return {
        "id": command_id,
        "device": "ixl-hall/battery",
        "set": {"power_w": -3000},
        "ttl_s": 60,
        "issued_by": "rule:surplus",
        "reason": "surplus",
        "t": NOW,
    } | values


def snapshot(api: Api, scope: frozenset[str] | None = None) -> dict[str, Any]:
    text = api.live.snapshot(scope).decode()
    return msgspec.json.decode(text.split("data: ")[1])


async def test_lease_tells_a_reason_of_ours_in_every_language_and_a_persons_as_it_was_written(api: Api):
    ours = "Rests: there is neither surplus nor need that it may take."
    await api.publish("cw/v1/ixelles/gw-ixl/command", command("c1", reason=ours))
    await api.publish("cw/v1/ixelles/gw-ixl/command", command("c2", reason="noon surplus"))
    told = {lease["id"]: lease["reasons"] for lease in snapshot(api)["commands"]}
    assert (told["c1"]["en"], told["c1"]["nl"]) == (ours, "Rust: er is overschot noch behoefte die ze mag nemen.")
    assert told["c2"] == dict.fromkeys(("en", "fr", "nl", "de"), "noon surplus")


async def test_lease_is_followed_from_asked_to_its_end(api: Api):
    reader = api.live.events.subscribe(None)
    await api.publish("cw/v1/ixelles/gw-ixl/command", command("c1"))
    [lease] = snapshot(api)["commands"]
    assert (lease["state"], lease["ends_at"], lease["issued_by"]) == ("asked", NOW + 60_000, "rule:surplus")
    applied = {"id": "c1", "state": "applied", "reason": "ok", "t": NOW + 100}
    await api.publish("cw/v1/ixelles/gw-ixl/command/result", applied)
    assert [entry["state"] for entry in snapshot(api)["commands"][0]["trail"]] == ["asked", "applied"]
    assert reader.take().count(b"event: command\n") == 2
    assert snapshot(api, frozenset({"schaerbeek"}))["commands"] == []
    await api.clock.advance(60)
    assert snapshot(api)["commands"] == []


async def test_lease_ends_with_its_gateways_word_but_not_with_anothers(api: Api):
    await api.publish("cw/v1/ixelles/gw-ixl/command", command("c1"))
    reader = api.live.events.subscribe(None)
    reverted = {"id": "c1", "state": "reverted", "reason": "released", "t": NOW + 500}
    await api.publish("cw/v1/schaerbeek/gw-sch/command/result", reverted)
    await api.publish("cw/v1/ixelles/gw-other/command/result", reverted)
    assert len(snapshot(api)["commands"]) == 1
    await api.publish("cw/v1/ixelles/gw-ixl/command/result", reverted)
    assert snapshot(api)["commands"] == []
    assert b'"state":"reverted","ends_at":%d' % (NOW + 500) in reader.take()


async def test_retained_command_is_not_believed(api: Api):
    await api.publish("cw/v1/ixelles/gw-ixl/command", command("c1"), retained=True)
    assert snapshot(api)["commands"] == []
    assert api.live.rejected == 1


async def test_alert_is_in_the_snapshot_until_it_is_cleared(api: Api):
    topic = "cw/v1/ixelles/alerts/a1"
    reader = api.live.events.subscribe(None)
    await api.publish(topic, alert("ixelles", "a1", NOW))
    assert [entry["id"] for entry in snapshot(api)["alerts"]] == ["a1"]
    await api.publish(topic, alert("ixelles", "a1", NOW, state="cleared"))
    assert snapshot(api)["alerts"] == []
    await api.publish(topic, b"")
    assert reader.take().count(b"event: alert\n") == 2
