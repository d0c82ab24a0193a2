"""Who may see and do what: every route of the OpenAPI document with the wrong key, and the way in without one."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.rights import RIGHTS, Action
from api.settings import ApiSettings
from storage.register.roles import AccessRole
from tests.api.conftest import COMMUNITIES, NOW, Api, alert, bearer

PUBLIC = {"/health", "/health/ready", "/api/v1/health", "/api/v1/health/ready"}
OF_IXELLES = {
    "site": "ixl-hall",
    "community": "ixelles",
    "alert": "ixl-alert",
    "command": "ixl-command",
    "channel": "ixl",
    "charger": "ev-1",
    "machine": "boiler",
    "participant": "m-1",
    "purpose": "curve",
    "statement": "ixelles.2026-06.1.m-1.consumer",
    "number": "2026-000001",
}
NEEDS = {
    ("get", "/metrics"): Action.READ,
    ("get", "/api/v1/communities"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/history"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/forecast"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/plan"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/sharing"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/sharing/recommended"): Action.READ,
    ("get", "/api/v1/communities/{community}/sizing"): Action.READ,
    ("get", "/api/v1/communities/{community}/statements"): Action.SETTLE,
    ("get", "/api/v1/communities/{community}/statements/far-site"): Action.SETTLE,
    ("get", "/api/v1/communities/{community}/statements/reopened"): Action.SETTLE,
    ("post", "/api/v1/communities/{community}/statements/correction"): Action.SETTLE,
    ("get", "/api/v1/statements/{statement}"): Action.SETTLE,
    ("get", "/api/v1/communities/{community}/documents/{number}"): Action.SETTLE,
    ("get", "/api/v1/communities/{community}/members/history"): Action.AGGREGATE,
    ("get", "/api/v1/me"): Action.OWN,
    ("get", "/api/v1/me/energy"): Action.OWN,
    ("get", "/api/v1/me/statements"): Action.OWN,
    ("get", "/api/v1/me/consents"): Action.OWN,
    ("put", "/api/v1/me/consents/{purpose}"): Action.OWN,
    ("delete", "/api/v1/me/consents/{purpose}"): Action.OWN,
    ("get", "/api/v1/participants/{participant}/energy"): Action.SETTLE,
    ("get", "/api/v1/sites"): Action.READ,
    ("get", "/api/v1/sites/{site}"): Action.READ,
    ("get", "/api/v1/sites/{site}/devices"): Action.READ,
    ("get", "/api/v1/sites/{site}/history"): Action.READ,
    ("get", "/api/v1/sites/{site}/indicators"): Action.READ,
    ("get", "/api/v1/sites/{site}/index"): Action.READ,
    ("post", "/api/v1/sites/{site}/index"): Action.RECORD,
    ("get", "/api/v1/communities/{community}/indicators"): Action.AGGREGATE,
    ("get", "/api/v1/communities/{community}/buildings-report"): Action.AGGREGATE,
    ("get", "/api/v1/live"): Action.READ,
    ("get", "/api/v1/live/stream"): Action.READ,
    ("get", "/api/v1/alerts"): Action.READ,
    ("get", "/api/v1/alerts/rules"): Action.READ,
    ("get", "/api/v1/alerts/{alert}"): Action.READ,
    ("get", "/api/v1/alerts/{alert}/evidence"): Action.READ,
    ("post", "/api/v1/alerts/{alert}/ack"): Action.ACKNOWLEDGE,
    ("post", "/api/v1/alerts/{alert}/mute"): Action.ACKNOWLEDGE,
    ("post", "/api/v1/alerts/{alert}/unmute"): Action.ACKNOWLEDGE,
    ("get", "/api/v1/channels"): Action.COMMAND,
    ("post", "/api/v1/channels/{channel}/test"): Action.COMMAND,
    ("get", "/api/v1/commands"): Action.READ,
    ("post", "/api/v1/commands"): Action.COMMAND,
    ("get", "/api/v1/commands/{command}"): Action.READ,
    ("post", "/api/v1/commands/release-all"): Action.COMMAND,
    ("get", "/api/v1/sites/{site}/chargers/{charger}/wish"): Action.READ,
    ("put", "/api/v1/sites/{site}/chargers/{charger}/wish"): Action.COMMAND,
    ("delete", "/api/v1/sites/{site}/chargers/{charger}/wish"): Action.COMMAND,
    ("get", "/api/v1/sites/{site}/machines/{machine}/run"): Action.READ,
    ("put", "/api/v1/sites/{site}/machines/{machine}/run"): Action.COMMAND,
    ("delete", "/api/v1/sites/{site}/machines/{machine}/run"): Action.COMMAND,
}
ROLES = list(AccessRole)
WISH = {"ready_at": NOW + 3_600_000, "energy_wh": 20_000}
COMMAND = {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "ttl_s": 60, "reason": "a test"}


def operations(app: FastAPI) -> list[tuple[str, str]]:
    return [(method, path) for path, methods in app.openapi()["paths"].items() for method in methods]


@pytest.fixture
async def tenants(api: Api) -> Api:
    """Two communities, each with data, an alert and a lease."""
    for community, site in (("ixelles", "ixl-hall"), ("schaerbeek", "sch-hall")):
        api.write(f"{site}/pv", NOW, community, power_w=1.0)
        await api.publish_live(community, site)
        raised = alert(community, f"{site[:3]}-alert", NOW)
        api.register.save_alert(raised)
        await api.publish(f"cw/v1/{community}/alerts/{site[:3]}-alert", raised)
        api.command(f"{site[:3]}-command", f"{site}/battery")
    return api


def of_tenant(api: Api, role: AccessRole, community: str) -> dict[str, str]:
    """A key of that role for that community, by the scope that the role may have."""
    scope = {
        AccessRole.BUILDING: {"sites": [site.id for one in COMMUNITIES if one.id == community for site in one.sites]},
        AccessRole.MUNICIPALITY: {"municipalities": [community]},
    }.get(role, {"communities": [community]})
    return bearer(api.keys.create(f"{role} of {community}", role, **scope))


async def request(api: Api, method: str, path: str, headers: dict[str, str] | str | None) -> httpx.Response:
    headers = api.headers[headers] if isinstance(headers, str) else headers or {}
    bodies = {
        "/wish": WISH,
        "/run": {"finish_by": NOW + 6 * 3_600_000},
        "/commands": COMMAND,
        "/mute": {"for_s": 60},
        "/index": {"meter": "gas", "day": "2025-06-01", "index": 1},
        "/correction": {"month": "2026-06", "why": "late"},
    }
    body = next((body for end, body in bodies.items() if path.endswith(end) and method in {"post", "put"}), None)
    month = {"month": "2026-06", "type": "D"}
    queries = {
        "}/sharing/recommended": {"aim": "most-shared"},
        "}/statements": month,
        "}/statements/far-site": month,
        "}/sizing": {"site": "ixl-hall"},
    }
    query = queries.get(path[path.rfind("}") :])
    return await api.client.request(method, path.format(**OF_IXELLES), headers=headers, json=body, params=query)


async def test_no_route_but_health_answers_without_a_key(tenants: Api):
    for method, path in operations(tenants.app):
        if path not in PUBLIC:
            answer = await request(tenants, method, path, None)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("role", ROLES)
async def test_key_of_another_community_finds_nothing_on_any_route(tenants: Api, role: AccessRole):
    secrets = ("ixl-", "ixelles")
    headers = of_tenant(tenants, role, "schaerbeek")
    for method, path in operations(tenants.app):
        if path in PUBLIC or path.endswith("/stream"):
            continue
        answer = await request(tenants, method, path, headers)
        if "{" in path or path.endswith("/commands"):
            allowed = {200, 403} if method == "get" and "{" not in path else {401, 403, 404}
            allowed |= {409} if "/me/" in path else set()  # a key of nobody's own
            assert answer.status_code in allowed, (method, path, answer.text)
        if answer.status_code == 200 and path != "/api/v1/communities":
            assert not any(secret in answer.text for secret in secrets), (method, path, answer.text)


@pytest.mark.parametrize("role", ROLES)
async def test_role_may_on_every_route_what_its_rights_say_and_nothing_else(tenants: Api, role: AccessRole):
    headers = of_tenant(tenants, role, "ixelles")
    for method, path in operations(tenants.app):
        if path in PUBLIC or path.endswith("/stream"):
            continue
        answer = await request(tenants, method, path, headers)
        refused = answer.status_code == 403 and answer.json()["code"] == "forbidden"
        may = NEEDS[method, path] in RIGHTS[role] and path != "/metrics"  # which are for keys of all communities
        assert refused != may, (method, path, answer.status_code, answer.text)


def test_every_route_is_in_the_matrix(api: Api):
    assert set(NEEDS) == {each for each in operations(api.app) if each[1] not in PUBLIC}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/v1/sites/{}", "ixl-hall"),
        ("GET", "/api/v1/sites/{}/devices", "ixl-hall"),
        ("GET", "/api/v1/sites/{}/history", "ixl-hall"),
        ("GET", "/api/v1/communities/{}/history", "ixelles"),
        ("GET", "/api/v1/commands/{}", "ixl-command"),
        ("GET", "/api/v1/alerts/{}", "ixl-alert"),
        ("GET", "/api/v1/alerts/{}/evidence", "ixl-alert"),
        ("POST", "/api/v1/alerts/{}/ack", "ixl-alert"),
        ("POST", "/api/v1/alerts/{}/unmute", "ixl-alert"),
    ],
)
async def test_what_is_anothers_looks_like_what_is_not_there(tenants: Api, method: str, path: str, name: str):
    headers = tenants.headers["schaerbeek-operator"]
    anothers, nobodys = [
        await tenants.client.request(method, path.format(called), headers=headers) for called in (name, "nobodys")
    ]
    assert anothers.status_code == 404
    assert anothers.text.replace(name, "nobodys") == nobodys.text


async def test_own_key_finds_its_own_on_the_same_routes(tenants: Api):
    for path in ("/api/v1/sites/ixl-hall", "/api/v1/communities/ixelles/history", "/api/v1/commands/ixl-command"):
        assert (await tenants.get(path, "ixelles")).status_code == 200
    assert [site["id"] for site in (await tenants.get("/api/v1/live", "ixelles")).json()["sites"]] == ["ixl-hall"]
    assert [entry["id"] for entry in (await tenants.get("/api/v1/commands", "ixelles")).json()["commands"]] == [
        "ixl-command"
    ]
    assert [entry["id"] for entry in (await tenants.get("/api/v1/alerts", "ixelles")).json()["alerts"]] == ["ixl-alert"]
    ids = [entry["id"] for entry in (await tenants.get("/api/v1/communities", "ixelles")).json()["communities"]]
    assert ids == ["ixelles"]


async def test_stream_of_one_community_carries_nothing_of_another(tenants: Api):
    snapshot = tenants.live.snapshot(frozenset({"schaerbeek"})).decode()
    assert "sch-hall" in snapshot
    assert "ixl-" not in snapshot
    reader = tenants.live.events.subscribe(frozenset({"schaerbeek"}))
    await tenants.publish_live("ixelles", "ixl-hall")
    assert reader.take() == b""
    await tenants.publish_live("schaerbeek", "sch-hall")
    assert b"sch-hall" in reader.take()


@pytest.mark.parametrize(
    ("role", "acknowledges"), [("technician", True), ("councillor", False), ("participant", False)]
)
async def test_who_may_acknowledge_may_still_not_command(tenants: Api, role: str, acknowledges: bool):
    answer = await request(tenants, "post", "/api/v1/alerts/{alert}/ack", role)
    assert answer.status_code in ({200, 204} if acknowledges else {403})
    for path in ("/api/v1/commands", "/api/v1/commands/release-all"):
        assert (await request(tenants, "post", path, role)).status_code == 403


async def test_viewer_may_not_acknowledge_nor_command(tenants: Api):
    for path in ("/api/v1/alerts/{alert}/ack", "/api/v1/commands", "/api/v1/commands/release-all"):
        answer = await request(tenants, "post", path, "viewer")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("participant", "/api/v1/communities/ixelles/history", 403),
        ("participant", "/api/v1/sites/ixl-hall", 403),
        ("participant", "/api/v1/live", 403),
        ("councillor", "/api/v1/communities", 200),
        ("councillor", "/api/v1/sites/ixl-hall", 403),
        ("councillor", "/api/v1/commands", 403),
        ("technician", "/api/v1/sites/ixl-hall", 200),
        ("technician", "/api/v1/commands", 200),
        ("gateway", "/api/v1/communities", 403),
    ],
)
async def test_role_decides(tenants: Api, role: str, path: str, status: int):
    assert (await tenants.get(path, role)).status_code == status


async def test_key_that_is_revoked_is_refused_at_the_next_request(tenants: Api):
    assert (await tenants.get("/api/v1/live")).status_code == 200
    assert tenants.keys.revoke("viewer")
    assert (await tenants.get("/api/v1/live")).status_code == 401


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic eDp5", "Bearer cw_nonsense", "cw_x", "Bearer \xff\xfe"])
async def test_header_that_is_no_known_key_is_401(tenants: Api, value: str):
    answer = await tenants.client.get("/api/v1/live", headers={b"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401


def open_client(api: Api, settings: ApiSettings, address: str, host: str) -> httpx.AsyncClient:
    app = create_app(
        settings.model_copy(update={"open_to_loopback": "viewer"}),
        COMMUNITIES,
        api.history,
        api.register,
        api.clock,
        api.live,
        api.keys,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 5)), base_url=f"http://{host}")


@pytest.mark.parametrize(
    ("address", "host", "headers", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8800", {}, 200),
        ("127.0.0.1", "localhost", {}, 200),
        ("::1", "[::1]:8800", {}, 200),
        ("192.0.2.7", "127.0.0.1", {}, 401),  # not from this machine
        ("127.0.0.1", "evil.example", {}, 401),  # DNS rebinding
        ("127.0.0.1", "127.0.0.1.evil.example", {}, 401),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "192.0.2.7"}, 401),  # a proxy at this machine
        ("127.0.0.1", "localhost", {"Authorization": "Bearer cw_wrong"}, 401),  # a wrong key is no key less
    ],
)
async def test_open_to_loopback_lets_only_a_person_at_this_machine_read(
    api: Api, settings: ApiSettings, address: str, host: str, headers: dict[str, str], status: int
):
    async with open_client(api, settings, address, host) as client:
        assert (await client.get("/api/v1/live", headers=headers)).status_code == status
        assert (await client.post("/api/v1/commands", json=COMMAND)).status_code == 401


async def test_key_that_asks_too_often_is_told_when_to_come_back(api: Api, settings: ApiSettings):
    limited = settings.model_copy(update={"rate_per_s": 1.0, "rate_burst": 2})
    app = create_app(limited, COMMUNITIES, api.history, api.register, api.clock, api.live, api.keys)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        codes = [(await client.get("/api/v1/live", headers=api.headers["viewer"])).status_code for _ in range(3)]
        refused = await client.get("/api/v1/live", headers=api.headers["viewer"])
        other = await client.get("/api/v1/live", headers=api.headers["ixelles"])
        await api.clock.advance(1)
        again = await client.get("/api/v1/live", headers=api.headers["viewer"])
    assert codes == [200, 200, 429]
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "1")
    assert (other.status_code, again.status_code) == (200, 200)
