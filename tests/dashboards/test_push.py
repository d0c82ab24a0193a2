"""`push` against a recording HTTP server that answers as Grafana's API is documented to.

There is no Grafana server in the test environment: this proves what grafana-client sends and how its errors are
told, not that a Grafana accepts it.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dashboards.boards import build
from dashboards.datasource import InfluxSource
from dashboards.push import credential, push
from energy.errors import ConfigError, RefusedError, StoreError

SOURCE = InfluxSource("http://influxdb:8086", token="reader:abc")


class RecordingGrafana:
    """Keeps data sources, folders and dashboards by uid, and every request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.authorizations: set[str | None] = set()
        self.sources: dict[str, Any] = {}
        self.folders: dict[str, Any] = {}
        self.dashboards: dict[str, Any] = {}
        self.fail: int | None = None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.requests.append((method, path, body))
        if self.fail is not None:
            return self.fail, {"message": "no"}
        if path == "/grafana/api/datasources" and method == "POST":
            self.sources[body["uid"]] = body
            return 200, {"datasource": body}
        if path == "/grafana/api/folders" and method == "POST":
            self.folders[body["uid"]] = body
            return 200, body
        if path == "/grafana/api/dashboards/db" and method == "POST":
            self.dashboards[body["dashboard"]["uid"]] = body
            return 200, {"uid": body["dashboard"]["uid"], "status": "success"}
        kept = {"datasources/uid": self.sources, "folders": self.folders}
        for name, things in kept.items():
            uid = path.removeprefix(f"/grafana/api/{name}/")
            if uid != path and uid in things:
                return 200, things[uid]
        return 404, {"message": "not found"}


def _handler(grafana: RecordingGrafana) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            grafana.authorizations.add(self.headers.get("Authorization"))
            status, answer = grafana.answer(self.command, self.path, json.loads(body) if body else None)
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names http.server calls

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


@pytest.fixture
def grafana() -> RecordingGrafana:
    return RecordingGrafana()


@pytest.fixture
def url(grafana: RecordingGrafana) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(grafana))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/grafana/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_push_puts_source_folder_and_every_dashboard(grafana: RecordingGrafana, url: str):
    done = push(url, "secret-token", source=SOURCE)
    assert grafana.sources == {"commonwatt": SOURCE.to_json()}
    assert list(grafana.folders) == ["commonwatt"]
    sent = {uid: body["dashboard"] for uid, body in grafana.dashboards.items()}
    assert sent == {dashboard["uid"]: dashboard for dashboard in build().values()}
    assert all(body["folderUid"] == "commonwatt" and body["overwrite"] for body in grafana.dashboards.values())
    assert (done.folder_created, done.datasource) == (True, "created")
    assert done.dashboards[0] == f"{url}d/commonwatt-community"
    assert grafana.authorizations == {"Bearer secret-token"}


def test_push_again_updates_and_creates_nothing(grafana: RecordingGrafana, url: str):
    push(url, "t", source=SOURCE)
    before = (dict(grafana.folders), dict(grafana.dashboards))
    grafana.requests.clear()
    done = push(url, "t", source=SOURCE)
    assert (grafana.folders, grafana.dashboards) == before
    assert (done.folder_created, done.datasource) == (False, "updated")
    methods = [(method, path) for method, path, _ in grafana.requests]
    assert ("PUT", "/grafana/api/datasources/uid/commonwatt") in methods
    assert ("POST", "/grafana/api/folders") not in methods


def test_push_with_user_and_password_uses_basic_auth(grafana: RecordingGrafana, url: str):
    push(url, ("ann", "pass"), source=SOURCE)
    assert grafana.authorizations == {"Basic " + b64encode(b"ann:pass").decode()}


def test_push_without_source_keeps_the_one_that_is_there(grafana: RecordingGrafana, url: str):
    grafana.sources["commonwatt"] = {"uid": "commonwatt"}
    assert push(url, "t").datasource == "kept"
    assert grafana.sources == {"commonwatt": {"uid": "commonwatt"}}


def test_push_without_any_source_says_so_before_putting_anything(grafana: RecordingGrafana, url: str):
    with pytest.raises(ConfigError, match="data source") as raised:
        push(url, "t")
    assert raised.value.hint
    assert grafana.dashboards == {}


@pytest.mark.parametrize(
    ("status", "error"), [(401, RefusedError), (403, RefusedError), (412, ConfigError), (503, StoreError)]
)
def test_push_tells_what_grafana_refused_with_a_next_step(
    grafana: RecordingGrafana, url: str, status: int, error: type[Exception]
):
    grafana.fail = status
    with pytest.raises(error) as raised:
        push(url, "secret-token", source=SOURCE)
    assert raised.value.hint
    assert "secret-token" not in str(raised.value)


def test_push_to_a_port_where_nobody_listens_is_a_store_error(free_port: Any):
    with pytest.raises(StoreError, match="no answer"):
        push(f"http://127.0.0.1:{free_port()}", "t", source=SOURCE)


@pytest.mark.parametrize("wrong", ["localhost:3000", "ftp://grafana", "http://", "http://admin:admin@localhost:3000"])
def test_push_refuses_an_address_that_is_none_or_holds_a_password(wrong: str):
    with pytest.raises(ConfigError):
        push(wrong, "t", source=SOURCE)


def test_credential_prefers_the_file_then_token_then_user(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    env = {"COMMONWATT_GRAFANA_USER": "ann", "COMMONWATT_GRAFANA_PASSWORD": "p"}
    assert credential(token_file=file, env=env) == "from-file"
    assert credential(env=env | {"COMMONWATT_GRAFANA_TOKEN": "from-env"}) == "from-env"
    assert credential(env=env) == ("ann", "p")


def test_credential_absent_or_empty_is_an_error_with_a_hint(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for arguments in ({"env": {}}, {"token_file": empty}, {"token_file": tmp_path / "none"}):
        with pytest.raises(ConfigError, match=re.escape("service-account token")):
            credential(**arguments)
