"""Leases asked over HTTP: recorded first, published once, refused in words."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from energy.errors import StoreError
from tests.api.conftest import NOW, Api

LEASE = {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "ttl_s": 60, "reason": "noon surplus"}


class Broker:
    """The other side of the feed's `publish`; what the wire does with it is tested in test_service.py."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.connected = asyncio.Event()
        self.connected.set()
        self.away = False
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.recorded_first: list[bool] = []

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        message = msgspec.json.decode(payload)
        self.recorded_first.append(self.api.register.command(message["id"]) is not None)
        if self.away:
            raise StoreError("not connected to the broker")
        assert (qos, retain) == (1, False)
        self.published.append((topic, message))


@pytest.fixture
def broker(api: Api) -> Broker:
    api.live.broker = Broker(api)
    return api.live.broker


async def ask(api: Api, role: str = "operator", headers: dict[str, str] | None = None, **values: Any) -> httpx.Response:
    return await api.client.post("/api/v1/commands", json=LEASE | values, headers=api.headers[role] | (headers or {}))


async def test_command_is_recorded_then_published_on_its_gateways_topic(api: Api, broker: Broker):
    answer = await ask(api)
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1/commands/{body['id']}"
    assert (body["state"], body["issued_by"], body["ends_at"]) == ("asked", "operator", NOW + 60_000)
    assert broker.recorded_first == [True]
    assert broker.published == [
        ("cw/v1/ixelles/gw-ixl/command", LEASE | {"id": body["id"], "issued_by": "operator", "t": NOW})
    ]
    assert (await api.get(answer.headers["location"])).json() == body


async def test_command_with_the_broker_away_fails_and_the_record_says_so(api: Api, broker: Broker):
    broker.away = True
    answer = await ask(api)
    assert (answer.status_code, answer.json()["code"]) == (503, "broker")
    record = (await api.get(f"/api/v1/commands/{answer.json()['command']}")).json()
    assert record["state"] == "failed"
    assert record["trail"][-1]["reason"] == "not confirmed: not connected to the broker"
    assert (await api.get("/api/v1/commands", active=True)).json()["commands"] == []


async def test_command_with_the_same_idempotency_key_is_asked_once(api: Api, broker: Broker):
    key = {"Idempotency-Key": "noon-1"}
    first, second = await asyncio.gather(ask(api, headers=key), ask(api, headers=key))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert len(broker.published) == 1
    other = await ask(api, headers=key, ttl_s=61)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert (await ask(api, headers={"Idempotency-Key": "noon-2"})).json()["id"] != first.json()["id"]
    assert (await ask(api, "ixelles-operator", headers=key)).json()["id"] != first.json()["id"]


async def test_command_that_was_not_sent_is_answered_the_same_again(api: Api, broker: Broker):
    broker.away = True
    answers = [await ask(api, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["command"] == answers[1].json()["command"]


@pytest.mark.parametrize(
    ("values", "status", "field"),
    [
        ({"ttl_s": 0}, 422, "body.ttl_s"),
        ({"ttl_s": 301}, 422, "body.ttl_s"),
        ({"set": {}}, 422, "body.set"),
        ({"set": {"power": 1}}, 422, "body.set"),
        ({"set": {"power_w": 1e10}}, 422, "body.set"),
        ({"set": {"power_w": "much"}}, 422, "body.set"),
        ({"set": {"state": 5}}, 422, "body.set"),
        ({"reason": ""}, 422, "body.reason"),
        ({"device": "ixl-hall/nothing"}, 404, "body.device"),
        ({"device": "nobody/battery"}, 404, "body.device"),
        ({"device": "ixl-hall"}, 404, "body.device"),
        ({"issued_by": "the mayor"}, 422, "body.issued_by"),
    ],
)
async def test_command_that_makes_no_sense_is_refused_naming_the_field(
    api: Api, broker: Broker, values: dict[str, Any], status: int, field: str
):
    answer = await ask(api, **values)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert broker.published == []
    assert api.register.commands() == []


async def test_command_for_another_communitys_device_finds_no_device(api: Api, broker: Broker):
    assert (await ask(api, "schaerbeek-operator")).status_code == 404
    assert (await ask(api, "ixelles-operator")).status_code == 202
    assert len(broker.published) == 1


async def test_command_for_a_device_nobody_configured_is_refused(api: Api, broker: Broker):
    api.write("roof/battery", NOW, power_w=0.0)
    answer = await ask(api, device="roof/battery")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_registered")


async def test_release_all_ends_each_active_lease_of_the_callers_communities_once(api: Api, broker: Broker):
    api.command("a", "ixl-hall/battery")
    api.command("b", "ixl-hall/battery")  # its renewal
    api.command("c", "ixl-pool/battery")
    api.command("d", "sch-hall/battery")
    api.command("gone", "torn-down/battery")
    answer = await api.client.post("/api/v1/commands/release-all", headers=api.headers["ixelles-operator"])
    assert answer.status_code == 200
    assert {command["device"] for command in answer.json()["commands"]} == {"ixl-hall/battery", "ixl-pool/battery"}
    assert [(topic, message["ttl_s"]) for topic, message in sorted(broker.published, key=lambda sent: sent[0])] == [
        ("cw/v1/ixelles/gw-ixl-2/command", 0),
        ("cw/v1/ixelles/gw-ixl/command", 0),
    ]


async def test_store_that_is_away_keeps_nobody_from_commanding_or_releasing(api: Api, broker: Broker):
    api.history.close()
    assert (await ask(api)).status_code == 202
    answer = await api.client.post("/api/v1/commands/release-all", headers=api.headers["ixelles-operator"])
    assert answer.status_code == 200
    assert [message["ttl_s"] for _, message in broker.published] == [60, 0]


async def test_release_all_that_the_broker_did_not_take_says_which(api: Api, broker: Broker):
    api.command("a", "ixl-hall/battery")
    broker.away = True
    answer = await api.client.post("/api/v1/commands/release-all", headers=api.headers["operator"])
    assert (answer.status_code, answer.json()["code"]) == (503, "broker")
    assert "ixl-hall/battery" in answer.json()["detail"]


async def test_release_all_ends_leases_that_only_the_wire_knows(api: Api, broker: Broker):
    foreign = {"id": "f", "set": {"power_w": 1}, "ttl_s": 60, "issued_by": "script", "reason": "r", "t": NOW}
    await api.publish("cw/v1/ixelles/gw-ixl/command", foreign | {"device": "ixl-hall/battery"})
    await api.publish("cw/v1/ixelles/gw-ixl/command", foreign | {"id": "g", "device": "sch-hall/battery"})
    answer = await api.client.post("/api/v1/commands/release-all", headers=api.headers["ixelles-operator"])
    assert [command["device"] for command in answer.json()["commands"]] == ["ixl-hall/battery"]


async def test_commands_are_paged_newest_first(api: Api):
    for number in range(5):
        api.command(f"c{number}", "ixl-hall/battery")
        await api.clock.advance(1)
    first = (await api.get("/api/v1/commands", limit=2)).json()["commands"]
    assert [command["id"] for command in first] == ["c4", "c3"]
    rest = (await api.get("/api/v1/commands", before=first[-1]["t"])).json()["commands"]
    assert [command["id"] for command in rest] == ["c2", "c1", "c0"]
    assert (await api.get("/api/v1/commands/nothing")).status_code == 404
