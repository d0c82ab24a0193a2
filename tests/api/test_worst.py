"""The worst that can be sent: always a problem with a code, never a fault of ours."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings

from tests.api.conftest import NOW, Api, alert

SNAPSHOT = Path(__file__).parent / "openapi.json"

NAMES = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "\x00", "🔥", "é" * 500, "'; DROP TABLE reading; --", "%", "\x7f", "a/b/c"]  # fmt: skip
INSTANTS = ["1e400", "NaN", "-1", "9" * 400, "2026-02-30T00:00:00Z", "0000-00-00T00:00:00Z", "null", "", "²²²", "\x00", "🔥",
            "9999-12-31T23:59:59+00:00", "2026-06-15T10:00:00", "2026-W25", "-9" * 20]  # fmt: skip
NUMBERS = ["-1", "0", "1e9", "NaN", "9" * 400, "", "🔥", "1001", "1.5", "null"]
BODIES: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"{", 400),
    (b"null", 422),
    (b"[]", 422),
    (b"5", 422),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b"{}", 422),
    (b'{"device":5,"set":5,"ttl_s":"x","reason":null}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":NaN},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":1e999},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":' + b"9" * 400 + b'},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":1},"ttl_s":NaN,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":1},"ttl_s":1e308,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"power_w":1},"ttl_s":60,"reason":"\\ud800"}', 422),
    (b'{"device":"ixl-hall/\\ud800","set":{"power_w":1},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"\\ud800":1},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"ixl-hall/battery","set":{"state":"\\ud800"},"ttl_s":60,"reason":"x"}', 422),
    (b'{"device":"../../x","set":{"power_w":1},"ttl_s":60,"reason":"x"}', 404),
    (b'{"device":"ixl-hall/battery","set":{"power_w":1},"ttl_s":60,"reason":"' + b"x" * 900_000 + b'"}', 422),
    (b"x" * 2_000_000, 413),
]


def assert_problem(answer: Any, status: int | None = None) -> None:
    assert 400 <= answer.status_code < 500, (answer.request.url, answer.status_code, answer.text[:300])
    assert status in {None, answer.status_code}, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], bool(body["code"]), bool(body["detail"])) == (answer.status_code, True, True)
    assert len(answer.content) < 5_000  # an error does not echo what was sent


@pytest.mark.parametrize("name", NAMES)
async def test_worst_name_in_a_path_is_404(api: Api, name: str):
    quoted = quote(name, safe="%")
    for path in (
        "sites/{}", "sites/{}/devices", "sites/{}/history", "communities/{}/history", "commands/{}", "{}",
        "alerts/{}", "alerts/{}/evidence",
    ):  # fmt: skip
        assert_problem(await api.get(f"/api/v1/{path.format(quoted)}"), 404)
    for path in ("alerts/{}/ack", "alerts/{}/unmute", "channels/{}/test"):
        answer = await api.client.post(f"/api/v1/{path.format(quoted)}", headers=api.headers["operator"])
        assert_problem(answer, 404)


@pytest.mark.parametrize("value", INSTANTS)
async def test_worst_instant_is_422(api: Api, value: str):
    for path in ("sites/ixl-hall/history", "communities/ixelles/history"):
        for name in ("from", "to"):
            assert_problem(await api.get(f"/api/v1/{path}", **{name: value}), 422)


@pytest.mark.parametrize("value", NUMBERS)
async def test_worst_number_in_a_query_is_422(api: Api, value: str):
    for path in ("alerts", "commands"):
        assert_problem(await api.get(f"/api/v1/{path}", limit=value), 422)


@pytest.mark.parametrize("name", ["step", "quantity", "format", "device"])
@pytest.mark.parametrize("value", ["", "🔥", "\x00", "x" * 5_000, "../..", "1S"])
async def test_worst_word_in_a_history_query_is_refused(api: Api, name: str, value: str):
    assert_problem(await api.get("/api/v1/sites/ixl-hall/history", **{name: value}))


@pytest.mark.parametrize("body", [
    b"{}", b"null", b"[]", b'{"for_s":0}', b'{"for_s":-1}', b'{"for_s":1e9}', b'{"for_s":NaN}', b'{"for_s":"x"}',
    b'{"for_s":60,"reason":"\\ud800"}', b'{"for_s":60,"reason":"\\u0000"}', b'{"for_s":60,"until":5}',
])  # fmt: skip
async def test_worst_mute_is_refused(api: Api, body: bytes):
    api.register.save_alert(alert("ixelles", "a1", NOW))
    headers = api.headers["operator"] | {"Content-Type": "application/json"}
    assert_problem(await api.client.post("/api/v1/alerts/a1/mute", content=body, headers=headers), 422)
    assert api.register.alert("a1").state == "firing"


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[0][:60]))
async def test_worst_body_is_refused(api: Api, body: tuple[bytes, int]):
    headers = api.headers["operator"] | {"Content-Type": "application/json"}
    answer = await api.client.post("/api/v1/commands", content=body[0], headers=headers)
    assert_problem(answer, body[1])
    assert api.register.commands() == []


async def test_body_in_pieces_is_refused_as_soon_as_it_is_too_large(api: Api):
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 100_000

    answer = await api.client.post("/api/v1/commands", content=pieces(), headers=api.headers["operator"])
    assert_problem(answer, 413)
    assert sent == 11


async def test_form_is_no_json(api: Api):
    answer = await api.client.post("/api/v1/commands", data={"device": "x"}, headers=api.headers["operator"])
    assert_problem(answer, 422)


@pytest.mark.parametrize("value", ["-1", "abc", "9" * 400, "1e3", "²", "", "1750000500000"])
async def test_worst_last_event_id_gives_a_snapshot_or_nothing_missed(api: Api, value: str):
    from api.routes.live import _first

    subscriber = api.live.events.subscribe(None)
    first = _first(api.app.state.context, subscriber, value)
    assert first.startswith((b"event: snapshot\n", b": resumed\n"))
    assert first.startswith(b": resumed") == (value == str(NOW))


async def test_method_that_is_not_there_is_405_and_unknown_route_404(api: Api):
    assert_problem(await api.client.post("/api/v1/live"), 405)
    assert_problem(await api.client.delete("/api/v1/sites"), 405)
    assert_problem(await api.client.request("BREW", "/api/v1/sites"), 405)
    assert_problem(await api.get("/api/v1/communities/ixelles/nothing"), 404)
    assert_problem(await api.get("/api/v1/sites/"), 404)


def test_no_generated_request_is_answered_with_a_fault(api: Api):
    """schemathesis over the whole OpenAPI document but the stream, which never ends."""

    @hypothesis_settings(max_examples=12, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    def check(case: Any) -> None:
        request = case.as_transport_kwargs(base_url="http://api.test")
        headers = {**request["headers"], **api.headers["operator"]}
        body = {"params": request.get("params"), "content": request.get("data"), "json": request.get("json")}
        answer = runner.run(api.client.request(request["method"], request["url"], headers=headers, **body))
        if answer.status_code >= 400 and not case.path.endswith("/ready"):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.status_code < 500 or answer.json()["code"] == "broker", answer.text  # there is none here

    schema = schemathesis.openapi.from_dict(api.app.openapi())
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 15
    with asyncio.Runner() as runner:
        for operation in operations:
            if not operation.path.endswith("/stream"):
                given(case=operation.as_strategy())(check)()


async def test_openapi_document_is_the_one_agreed(api: Api):
    """Written anew by `COMMONWATT_WRITE_OPENAPI=1 pytest tests/api/test_worst.py`; look at its diff before you commit it."""
    text = json.dumps(api.app.openapi() | {"info": {}}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("COMMONWATT_WRITE_OPENAPI"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8") == text
