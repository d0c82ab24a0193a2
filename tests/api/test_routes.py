"""Every route's happy path: status, shape as OpenAPI says, values as stored."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from energy.quantities import Role
from tests.api.conftest import NOW, Api, alert


@pytest.fixture
async def full(api: Api) -> Api:
    """An API with something behind every route."""
    api.write("ixl-hall/grid", NOW - 5_000, power_w=-300.0)
    api.write("ixl-hall/pv", NOW - 5_000, power_w=5120.0, state="mppt")
    api.write("ixl-hall/battery", NOW - 90_000, power_w=0.0, soc_pct=55.0)
    api.write("sch-hall/pv", NOW - 5_000, "schaerbeek", power_w=100.0)
    api.write_quarters("ixl-hall", NOW - 3_600_000, 4)
    await api.publish_live("ixelles", "ixl-hall")
    await api.publish_live("schaerbeek", "sch-hall")
    api.register.save_alert(alert("ixelles", "surplus-1", NOW))
    api.register.save_alert(alert("schaerbeek", "surplus-2", NOW, severity="critical"))
    api.command("c1", "ixl-hall/battery")
    api.command("c2", "sch-hall/battery")
    return api


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/api/v1/health",
        "/api/v1/communities",
        "/api/v1/sites",
        "/api/v1/sites/ixl-hall",
        "/api/v1/sites/ixl-hall/devices",
        "/api/v1/live",
        "/api/v1/sites/ixl-hall/history",
        "/api/v1/communities/ixelles/history",
        "/api/v1/communities/ixelles/forecast",
        "/api/v1/alerts",
        "/api/v1/commands",
        "/api/v1/commands/c1",
    ],
)
async def test_route_answers_as_openapi_says(full: Api, path: str):
    answer = await full.get(path)
    assert answer.status_code == 200, answer.text
    template = (
        path.replace("ixl-hall", "{site}")
        .replace("ixelles", "{community}")
        .replace("commands/c1", "commands/{command}")
    )
    schema = full.app.openapi()
    operation = schema["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), operation | {"components": schema["components"]})


async def test_communities_are_those_of_the_configuration(full: Api):
    found = (await full.get("/api/v1/communities")).json()["communities"]
    assert found[0] == {
        "id": "ixelles",
        "name": "Ixelles",
        "municipality": "Ixelles",
        "sites": ["ixl-hall", "ixl-pool"],
        "timezone": "Europe/Brussels",
    }


async def test_site_states_follow_from_the_silence_of_its_devices(full: Api):
    states = {site["id"]: site for site in (await full.get("/api/v1/sites")).json()["sites"]}
    assert states["ixl-hall"]["state"] == "stale"  # its battery has been silent for nine intervals
    assert states["ixl-hall"]["last_seen"] == NOW - 5_000
    assert states["ixl-pool"]["state"] == "unknown"
    assert states["ixl-pool"]["last_seen"] is None
    assert states["sch-hall"]["state"] == "stale"


async def test_devices_show_their_newest_reading(full: Api):
    found = {device["id"]: device for device in (await full.get("/api/v1/sites/ixl-hall/devices")).json()["devices"]}
    assert found["ixl-hall/pv"]["state"] == "ok"
    assert found["ixl-hall/pv"]["values"] == {"power_w": 5120.0, "state": "mppt"}
    assert found["ixl-hall/battery"]["state"] == "stale"
    assert found["ixl-hall/battery"]["capacity_wh"] == 20_000


async def test_site_that_nobody_configured_is_shown_as_unregistered(full: Api):
    full.write("roof-9/pv-2", NOW, "ixelles", Role.PV, power_w=10.0)
    await full.clock.advance(3)
    found = (await full.get("/api/v1/sites/roof-9")).json()
    assert (found["registered"], found["community"], found["gateway"], found["state"]) == (False, "ixelles", None, "ok")
    assert found["devices"][0]["role"] == "pv"
    assert (await full.get("/api/v1/sites/roof-9", "schaerbeek")).status_code == 404


async def test_gateway_status_is_shown_at_its_sites(full: Api):
    await full.publish("cw/v1/ixelles/gw-ixl/status", {"online": True}, retained=True)
    await full.publish("cw/v1/ixelles/gw-ixl-2/status", {"online": False}, retained=True)
    sites = {site["id"]: site["gateway_online"] for site in (await full.get("/api/v1/sites")).json()["sites"]}
    assert sites == {"ixl-hall": True, "ixl-pool": False, "sch-hall": None}


async def test_alerts_open_and_worst_come_first(full: Api):
    full.register.save_alert(alert("ixelles", "old", NOW + 1, state="cleared", severity="critical", cleared_at=NOW + 2))
    everything = [entry["id"] for entry in (await full.get("/api/v1/alerts")).json()["alerts"]]
    assert everything == ["surplus-2", "surplus-1", "old"]
    open_ones = [entry["id"] for entry in (await full.get("/api/v1/alerts", state="open", limit=1)).json()["alerts"]]
    assert open_ones == ["surplus-2"]


async def test_acknowledging_names_who_did_and_twice_changes_nothing(full: Api):
    for _ in range(2):
        answer = await full.client.post("/api/v1/alerts/surplus-1/ack", headers=full.headers["operator"])
        assert answer.status_code == 200
        assert answer.json()["state"] == "acknowledged"
        assert answer.json()["acknowledged_by"] == "operator"
        assert answer.json()["acknowledged_at"] == NOW


async def test_acknowledging_what_does_not_fire_is_a_conflict(full: Api):
    full.register.save_alert(alert("ixelles", "old", NOW, state="cleared", cleared_at=NOW))
    answer = await full.client.post("/api/v1/alerts/old/ack", headers=full.headers["operator"])
    assert (answer.status_code, answer.json()["code"]) == (409, "not_firing")


async def test_readiness_names_the_parts_that_are_away(full: Api):
    answer = await full.client.get("/health/ready")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert {name: part["ok"] for name, part in parts.items()} == {"store": True, "broker": False, "collector": True}
    assert parts["collector"] == {"ok": True, "last_live_ms": NOW, "silent_communities": 0}
    full.history.close()
    await full.clock.advance(2)
    assert (await full.client.get("/health/ready")).json()["parts"]["store"] == {"ok": False}


async def test_metrics_count_requests_by_pattern_not_by_path(full: Api):
    await full.get("/api/v1/sites/ixl-hall")
    await full.get("/api/v1/sites/nobody")
    text = (await full.get("/metrics")).text
    assert 'commonwatt_api_requests_total{method="GET",route="/api/v1/sites/{site}",status="200"} 1.0' in text
    assert 'route="/api/v1/sites/{site}",status="404"' in text
    assert "nobody" not in text
    assert "commonwatt_api_live_age_seconds 0.0" in text
    assert "commonwatt_api_quarantined_messages 0.0" in text
    full.register.quarantine("cw/v1/ixelles/gw-ixl/data", b"{", "is no JSON", 1)
    assert "commonwatt_api_quarantined_messages 1.0" in (await full.get("/metrics")).text
    assert (await full.get("/metrics", "ixelles")).status_code == 403


async def test_every_answer_carries_the_security_headers(full: Api):
    for path in ("/api/v1/live", "/nowhere", "/", "/openapi.json"):
        answer = await full.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
    assert (await full.get("/api/v1/live")).headers["cache-control"] == "no-store"


async def test_fault_of_a_route_is_a_problem_without_a_traceback_and_logged(
    full: Api, monkeypatch: Any, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(full.register, "alerts", lambda **_: 1 / 0)
    answer = await full.get("/api/v1/alerts")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


async def test_store_that_is_away_is_503_with_a_hint(full: Api):
    full.history.close()
    await full.clock.advance(3)
    answer = await full.get("/api/v1/sites")
    assert (answer.status_code, answer.json()["code"]) == (503, "store")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
