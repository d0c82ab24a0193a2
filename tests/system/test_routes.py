"""Every route over real HTTP: the happy path answers, the worst input gets a problem with a code, never a 500."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

HAPPY = [
    "/api/v1/health",
    "/api/v1/health/ready",
    "/health",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/",
    "/api/v1/communities",
    "/api/v1/sites",
    "/api/v1/sites/ixelles-depot",
    "/api/v1/sites/ixelles-depot/devices",
    "/api/v1/live",
    "/api/v1/sites/ixelles-depot/history",
    "/api/v1/sites/ixelles-depot/history?quantity=power_w&device=ixelles-depot/battery&step=1m",
    "/api/v1/sites/ixelles-depot/history?quantity=pv_wh&step=1h",
    "/api/v1/communities/ixelles/history",
    "/api/v1/alerts",
    "/api/v1/commands",
]
WORST_VALUES = [
    "",
    "%00",
    "..%2F..%2Fetc%2Fpasswd",
    "%F0%9F%94%A5",
    "-1",
    "1e400",
    "NaN",
    "9" * 400,
    "'; DROP TABLE reading; --",
    "2026-13-45",
    "null",
    "%ff",
]


@pytest.mark.parametrize("path", HAPPY)
def test_route_happy_path_answers(demo, path):
    status, headers, body = demo.request(path)
    assert status == 200, body[:300]
    assert body
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("value", WORST_VALUES)
def test_route_worst_input_is_a_problem_never_a_server_error(demo, value):
    quoted = value.replace(" ", "%20").replace(";", "%3B").replace("'", "%27")
    paths = [
        f"/api/v1/sites/{quoted or 'x'}",
        f"/api/v1/sites/{quoted or 'x'}/devices",
        f"/api/v1/sites/{quoted or 'x'}/history",
        f"/api/v1/communities/{quoted or 'x'}/history",
        f"/api/v1/alerts?limit={quoted}",
        f"/api/v1/commands/{quoted or 'x'}",
        *(
            f"/api/v1/sites/ixelles-depot/history?{name}={quoted}"
            for name in ("from", "to", "step", "quantity", "device")
        ),
        *(f"/api/v1/communities/ixelles/history?{name}={quoted}" for name in ("from", "to")),
    ]
    for path in paths:
        status, headers, body = demo.request(path)
        assert status < 500, (path, status, body[:300])
        if status >= 400:
            assert headers["Content-Type"].startswith("application/problem+json"), path
            assert json.loads(body)["code"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"device": 5}', b"\xff\xfe", b'{"device":"ixelles-depot/battery","set":{"power_w":1e999},"ttl_s":60,"reason":"x"}',
     b'{"device":"ixelles-depot/battery","set":{"power_w":-1},"ttl_s":9e99,"reason":"x"}', b'{"device":"nobody/x","set":{"power_w":-1},"ttl_s":9,"reason":"x"}'],
)  # fmt: skip
def test_command_with_the_worst_body_is_refused_in_words(demo, body):
    status, headers, answer = demo.request("/api/v1/commands", method="POST", body=body, key=demo.key)
    assert 400 <= status < 500, answer
    assert headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(answer)["code"]


def test_command_without_a_key_is_refused(demo):
    body = {
        "device": "ixelles-depot/battery",
        "set": {"power_w": -1000},
        "ttl_s": 10,
        "reason": "none of your business",
    }
    assert demo.request("/api/v1/commands", method="POST", body=body)[0] == 401
    assert demo.request("/api/v1/commands", method="POST", body=body, key="cw_nonsense")[0] == 401


def test_command_outside_the_gateways_limits_is_refused_there_and_the_trail_says_so(demo):
    from tests.system.conftest import eventually

    body = {"device": "ixelles-depot/battery", "set": {"power_w": -900_000}, "ttl_s": 10, "reason": "too much"}
    status, _, answer = demo.request("/api/v1/commands", method="POST", body=body, key=demo.key)
    assert status == 202
    command = json.loads(answer)["id"]
    refused = eventually(
        lambda: (c := demo.get(f"/api/v1/commands/{command}"))["state"] == "refused" and c, what="the refusal"
    )
    assert "30000" in refused["trail"][-1]["reason"].replace(" ", "").replace(",", "")


def test_release_all_ends_every_lease(demo):
    status, _, answer = demo.request("/api/v1/commands/release-all", method="POST", key=demo.key)
    assert status in {200, 202}, answer
