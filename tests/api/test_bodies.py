"""Damaged bodies at every route that takes one: a problem that names the field, never a 500, and nothing in the register."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from api import routes
from api.bodies import BodyRoute
from tests.api.conftest import NOW, Api, alert
from tests.api.test_machines import laundry  # noqa: F401 - a fixture
from tests.api.test_me import Members, members  # noqa: F401 - a fixture
from tests.api.test_wishes import hub  # noqa: F401 - a fixture

BODIES = {
    ("post", "/api/v1/commands"): {
        "device": "ixl-hall/battery",
        "set": {"power_w": -3000},
        "ttl_s": 60,
        "reason": "noon",
    },
    ("put", "/api/v1/sites/ixl-hall/chargers/ev-9/wish"): {"ready_at": NOW + 3_600_000, "energy_wh": 25_000},
    ("put", "/api/v1/sites/ixl-hall/machines/boiler/run"): {"finish_by": NOW + 6 * 3_600_000, "earliest": NOW},
    ("post", "/api/v1/sites/ixl-hall/index"): {"meter": "gas", "day": "2025-05-01", "index": "1000.25"},
    ("post", "/api/v1/alerts/a-1/ack"): {"for_s": 600, "reason": "seen"},
    ("post", "/api/v1/alerts/a-1/mute"): {"for_s": 600, "reason": "works"},
}
WRONG = (
    None, True, [], {}, [1], {"a": 1}, "", "x" * 100_000, -1, 1e308, 10**30, "1e999", "NaN", float("nan"), float("inf"), -float("inf"),
    "\x00", "\ud800", "\u202e", "\u0661", [[[[]]]], {"a": {"b": {"c": []}}},
)  # fmt: skip


def texts(good: dict[str, object]) -> Iterator[tuple[str, bytes]]:
    """Bodies that are no good JSON object, by what is wrong with them."""
    body = json.dumps(good)
    yield "empty", b""
    yield "cut", body[:-3].encode()
    yield "no object", b"[" + body.encode() + b"]"
    yield "a text", json.dumps(body).encode()
    yield "null", b"null"
    yield "two", body.encode() * 2
    yield "binary", bytes(range(256))
    yield "no utf-8", body.encode()[:-1] + b', "reason": "\xff"}'
    yield "latin-1", body.replace("{", '{"\u00e9": 1, ', 1).encode("latin-1")
    yield "deep", b"[" * 200_000
    yield "deep object", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "long number", body.replace("{", '{"more": ' + "9" * 10_000 + ", ", 1).encode()
    yield "huge", b'{"reason": "' + b"x" * 20_000_000 + b'"}'
    yield "unknown field", json.dumps(good | {"unheard_of": 1}).encode()
    for name, value in good.items():
        yield f"{name} twice", (body[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}").encode()
        yield f"{name} in other letters", body.replace(f'"{name}"', f'"{name.upper()}"').encode()


@pytest.fixture
def damaged(hub: Api, laundry: Api) -> Api:  # noqa: F811 - of one API, as both change it
    """An API with a charger, a machine and an alert."""
    hub.register.save_alert(alert("ixelles", "a-1", NOW - 1000))
    return hub


def kept(api: Api) -> list[str]:
    """All that the register says, but when a key was last used."""
    with closing(sqlite3.connect(api.register.database.path)) as database:
        return [line for line in database.iterdump() if not line.startswith('INSERT INTO "api_key')]


async def refused(api: Api, route: tuple[str, str], body: bytes, what: str, kind: str = "application/json") -> str:
    """Sends it and asserts that it is a problem; what it says of the field."""
    method, path = route
    before = kept(api)
    answer = await api.client.request(
        method, path, content=body, headers=api.headers["operator"] | {"Content-Type": kind}
    )
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text[:200])
    assert answer.headers["content-type"] == "application/problem+json", what
    problem = answer.json()
    assert problem["code"] not in {"", "error"}, (what, problem)
    assert problem["detail"]
    assert kept(api) == before, what
    return str(problem.get("field", ""))


def test_every_route_that_takes_a_body_looks_whether_it_says_everything_once():
    modules = [importlib.import_module(f"api.routes.{each.name}") for each in pkgutil.iter_modules(routes.__path__)]
    routers = [module.router for module in modules if hasattr(module, "router")]
    taking = [route for router in routers for route in router.routes if getattr(route, "body_field", None) is not None]
    assert len(taking) > len(BODIES)
    assert [route.path for route in taking if not isinstance(route, BodyRoute)] == []


@pytest.mark.parametrize("route", BODIES, ids="-".join)
async def test_good_body_is_taken(damaged: Api, route):
    answer = await damaged.client.request(*route, json=BODIES[route], headers=damaged.headers["operator"])
    assert answer.status_code in {200, 201, 202, 503}, answer.text  # 503: no broker is there to confirm


@pytest.mark.parametrize("route", BODIES, ids="-".join)
async def test_body_that_is_no_object_of_these_fields_is_refused(damaged: Api, route):
    for what, body in texts(BODIES[route]):
        if what in {"empty", "null"} and route[1].endswith("/ack"):
            continue  # an alert may be acknowledged without a word
        await refused(damaged, route, body, what)
    for kind in ("text/plain", "application/xml", "application/json; charset=utf-16", "nonsense"):
        if kind.startswith("application/json"):
            await refused(damaged, route, json.dumps(BODIES[route]).encode("utf-16-le")[1:], kind, kind)
        else:
            await refused(damaged, route, json.dumps(BODIES[route]).encode(), kind, kind)


@pytest.mark.parametrize("route", BODIES, ids="-".join)
async def test_wrong_value_is_refused_by_its_field(damaged: Api, route):
    for name in BODIES[route]:
        for wrong in WRONG:
            if may_be(name, wrong):
                continue
            field = await refused(
                damaged, route, json.dumps(BODIES[route] | {name: wrong}).encode(), f"{name}={wrong!r:.50}"
            )
            assert name in field or not field, (name, wrong, field)


def may_be(name: str, value: object) -> bool:
    """What is odd and yet allowed: an acknowledgement for no time, a run that may begin now, an index in other digits, any words as a reason."""
    return (
        (name in {"for_s", "earliest"} and value is None)
        or (name == "index" and value == "\u0661")
        or (name == "reason" and value in ("", "\u202e", "\u0661", "1e999", "NaN"))
    )


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize(
    "purpose", ["unheard_of", "OWN_CURVE", "%00", "%ff", "..%2f..%2fcommands", "x" * 5_000, "%F0%9F%98%80", "null", "1"]
)
async def test_consent_to_what_nobody_asks_is_refused_and_nothing_is_kept(members: Members, method, purpose):  # noqa: F811
    api = members.api
    before = kept(api)
    answer = await api.client.request(
        method, f"/api/v1/me/consents/{purpose}", headers=members.keys["m-0"], content=b'{"all": true}'
    )
    assert answer.status_code in {404, 405, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert kept(api) == before
