"""The service as it runs: a real HTTP server and a real broker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from api.live.stream import RING
from api.service import ApiService
from api.settings import ApiSettings
from energy.errors import ConfigError
from messaging.connection import Connection, Message, MqttSettings
from runtime.clock import ManualClock
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.keys import revoke, sha256_of
from tests.api.conftest import COMMUNITIES, NOW, alert, live_community, live_site


@dataclass
class Running:
    """A running service, somebody else at the broker, and what that one heard."""

    service: ApiService
    client: httpx.AsyncClient
    other: Connection
    heard: asyncio.Queue[Message]

    async def publish(self, topic: str, payload: dict[str, Any], *, retain: bool = True) -> None:
        await self.other.publish(topic, msgspec.json.encode(payload), retain=retain)


async def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    settings: ApiSettings, mqtt: MqttSettings, history: SqliteHistory, register: Register, clock: ManualClock
) -> AsyncIterator[ApiService]:
    service = ApiService(settings, COMMUNITIES, mqtt, history, register, clock)
    task = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(10):
            await service.ready.wait()
        yield service
    finally:
        task.cancel()
        async with asyncio.timeout(5):  # streams that are open must not hold the stop up
            await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


@pytest.fixture
async def world(
    settings: ApiSettings,
    mosquitto: MqttSettings,
    history: SqliteHistory,
    register: Register,
    clock: ManualClock,
    headers: dict[str, dict[str, str]],
) -> AsyncIterator[Running]:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    other = Connection(mosquitto, "other", subscriptions=("cw/v1/+/+/command",), on_message=heard.put)
    listening = asyncio.create_task(other.run())
    async with running(settings, mosquitto, history, register, clock) as service:
        url = f"http://127.0.0.1:{service.port}"
        async with httpx.AsyncClient(base_url=url, headers=headers["operator"], timeout=10) as client:
            await until(lambda: service.live.connected and other.connected.is_set())
            yield Running(service, client, other, heard)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@dataclass
class Stream:
    """One reader of the event stream."""

    lines: AsyncIterator[str]

    async def event(self) -> tuple[str, int, Any]:
        """(event, id, data) of the next event; comments are skipped."""
        found: dict[str, str] = {}
        async with asyncio.timeout(10):
            while "data" not in found:
                name, _, value = (await anext(self.lines)).partition(": ")
                if name:
                    found[name] = value
        return found["event"], int(found["id"]), msgspec.json.decode(found["data"])


async def aislice(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield await anext(lines)


@asynccontextmanager
async def stream(world: Running, last_event_id: int | None = None) -> AsyncIterator[Stream]:
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    async with world.client.stream("GET", "/api/v1/live/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer.aiter_lines())


async def test_live_comes_over_the_broker_and_the_stream_tells_what_changes(world: Running):
    await world.publish("cw/v1/ixelles/live/site/ixl-hall", live_site("ixelles", "ixl-hall", NOW))
    await world.publish("cw/v1/ixelles/live/community", live_community("ixelles", NOW))
    await until(lambda: world.service.live.events.last >= NOW + 2)
    assert (await world.client.get("/api/v1/live")).json()["sites"][0]["pv_w"] == 5120.0
    async with stream(world) as reader:
        event, number, snapshot = await reader.event()
        assert (event, [site["id"] for site in snapshot["sites"]]) == ("snapshot", ["ixl-hall"])
        assert (snapshot["alerts"], snapshot["commands"]) == ([], [])
        await world.publish("cw/v1/ixelles/live/site/ixl-hall", live_site("ixelles", "ixl-hall", NOW + 1, pv_w=7.0))
        event, following, data = await reader.event()
        assert (event, following, data["pv_w"]) == ("site", number + 1, 7.0)
        await world.publish("cw/v1/ixelles/alerts/a1", alert("ixelles", "a1", NOW))
        assert (await reader.event())[0] == "alert"
    await world.publish("cw/v1/ixelles/live/community", live_community("ixelles", NOW + 2, pv_w=8.0))
    await until(lambda: world.service.live.events.last >= following + 2)
    async with stream(world, last_event_id=following) as reader:  # comes back: what was missed, no snapshot
        assert [(await reader.event())[0] for _ in range(2)] == ["alert", "community"]
    async with stream(world, last_event_id=NOW - 1) as reader:  # from before a restart
        assert (await reader.event())[0] == "snapshot"
    await until(lambda: not world.service.live.events.readers)


async def test_stream_of_a_reader_too_slow_goes_on_with_a_new_snapshot(world: Running):
    events = world.service.live.events
    async with stream(world) as reader:
        assert (await reader.event())[0] == "snapshot"
        for _ in range(RING + 1):
            events.publish("site", b'{"x":"' + b"x" * 1000 + b'"}', "ixelles")
        event, number, _ = await reader.event()
        assert (event, number) == ("snapshot", events.last)
        events.publish("site", b"{}", "ixelles")
        assert (await reader.event())[:2] == ("site", number + 1)


async def test_stream_with_nothing_to_tell_says_that_it_is_still_there(world: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.live.stream.HEARTBEAT_S", 0.05)
    monkeypatch.setattr("api.routes.live.HEARTBEAT_S", 0.05)
    async with stream(world) as reader:
        assert [line async for line in aislice(reader.lines, 8) if line.startswith(":")] == [": still here"] * 2


async def test_stream_ends_when_its_key_is_revoked(world: Running, register: Register, clock: ManualClock):
    async with stream(world) as reader:
        await reader.event()
        credential = sha256_of(world.client.headers["authorization"].removeprefix("Bearer "))
        with register.database.write() as connection:
            revoke(connection, "operator", by="a test", now_ms=NOW)
        await clock.advance(6)
        await until(lambda: world.service.keys.current(credential) is None)
        world.service.live.events.publish("site", b"{}", "ixelles")
        assert (await reader.event())[0] in {"site", "stale"}
        assert [line async for line in reader.lines if line.startswith("event: snapshot")] == []  # and it ended


async def test_command_reaches_the_gateway_and_its_result_the_stream(world: Running):
    lease = {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "ttl_s": 60, "reason": "noon surplus"}
    async with stream(world) as reader:
        await reader.event()
        answer = await world.client.post("/api/v1/commands", json=lease)
        assert answer.status_code == 202
        message = await asyncio.wait_for(world.heard.get(), 10)
        assert (message.topic, message.retained) == ("cw/v1/ixelles/gw-ixl/command", False)
        command = msgspec.json.decode(message.payload)
        assert (command["id"], command["issued_by"], command["set"]) == (answer.json()["id"], "operator", lease["set"])
        event, _, data = await reader.event()
        assert (event, data["state"], data["id"]) == ("command", "asked", command["id"])
        result = {"id": command["id"], "state": "applied", "reason": "written", "t": NOW + 50}
        await world.publish("cw/v1/ixelles/gw-ixl/command/result", result, retain=False)
        event, _, data = await reader.event()
        assert (event, data["state"], len(data["trail"])) == ("command", "applied", 2)
    released = await world.client.post("/api/v1/commands/release-all")
    assert [command["device"] for command in released.json()["commands"]] == ["ixl-hall/battery"]
    assert msgspec.json.decode((await asyncio.wait_for(world.heard.get(), 10)).payload)["ttl_s"] == 0


async def test_readiness_follows_the_broker(world: Running, broker: Any):
    for community in ("ixelles", "schaerbeek"):
        await world.publish(f"cw/v1/{community}/live/community", live_community(community, NOW))
    await until(lambda: not world.service.live.silent)
    assert (await world.client.get("/health/ready")).json()["status"] == "ready"
    broker.kill()
    await until(lambda: not world.service.live.connected)
    assert (await world.client.get("/health/ready")).status_code == 503
    lease = {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "ttl_s": 60, "reason": "noon surplus"}
    assert (await world.client.post("/api/v1/commands", json=lease)).json()["code"] == "broker"
    assert (await world.client.get("/api/v1/live")).status_code == 200
    broker.start()
    await until(lambda: world.service.live.connected, timeout_s=20)


async def test_leases_in_force_survive_a_restart_of_the_service(
    settings: ApiSettings,
    mosquitto: MqttSettings,
    history: SqliteHistory,
    register: Register,
    clock: ManualClock,
):
    register.record_command(
        "c1", "ixl-hall/battery", {"power_w": -1}, 60, issued_by="x", reason="y", t=NOW, ends_at=NOW + 60_000
    )
    async with running(settings, mosquitto, history, register, clock) as service:
        snapshot = service.live.snapshot(frozenset({"ixelles"})).decode()
        applied = msgspec.json.encode({"id": "c1", "state": "applied", "reason": "written", "t": NOW + 50})
        service.live.on_messages([Message("cw/v1/ixelles/gw-ixl/command/result", applied, retained=False)])
        (lease,) = service.live.active_leases(None)
    assert '"commands":[{"id":"c1"' in snapshot
    assert [entry["state"] for entry in lease["trail"]] == ["asked", "applied"]


async def test_stop_with_streams_open_is_quick_and_server_header_is_off(world: Running):
    answer = await world.client.get("/health")
    assert "server" not in answer.headers
    reader = asyncio.create_task(_read_to_the_end(world))
    await until(lambda: world.service.live.events.readers)
    world.service.live.close()
    await asyncio.wait_for(reader, 5)


async def _read_to_the_end(world: Running) -> None:
    async with world.client.stream("GET", "/api/v1/live/stream") as answer:
        async for _ in answer.aiter_bytes():
            pass


async def test_address_that_is_not_this_machines_is_said_in_words(
    settings: ApiSettings,
    mosquitto: MqttSettings,
    history: SqliteHistory,
    register: Register,
    clock: ManualClock,
):
    elsewhere = settings.model_copy(update={"host": "192.0.2.1"})
    service = ApiService(elsewhere, COMMUNITIES, mosquitto, history, register, clock)
    with pytest.raises(ConfigError, match=r"^api\.host: cannot listen on 192\.0\.2\.1") as caught:
        await service.run()
    assert caught.value.hint == "give an address of this machine"


async def test_port_that_is_taken_is_said_in_words(
    settings: ApiSettings,
    mosquitto: MqttSettings,
    history: SqliteHistory,
    register: Register,
    clock: ManualClock,
):
    async with running(settings, mosquitto, history, register, clock) as service:
        taken = settings.model_copy(update={"port": service.port})
        second = ApiService(taken, COMMUNITIES, mosquitto, history, register, clock)
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1"):
            await second.run()


def test_service_starts_without_what_only_some_answers_need():
    """Beside InfluxDB it is 40 MB less; the embedded store brings pyarrow and numpy itself."""
    heavy = ["numpy", "pyarrow", "duckdb", "typst", "babel", "highspy", "alembic"]
    probe = f"import sys, api.service; sys.exit(' '.join(sys.modules.keys() & {set(heavy)!r}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
