"""The API's cost: the live object, its event stream and a day of history, each against the bare thing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import msgspec
import paho.mqtt.client as paho
import uvicorn
import uvloop
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import workload
from benchmarks.measure import Run, Table, measured
from benchmarks.processes import free_ports, in_background, in_child, mosquitto, service, until, wait_for_port
from benchmarks.visitors import follow, repeat
from messaging import topics
from messaging.codec import encode
from storage.history.sqlite import SqliteHistory

__all__ = ["CONSUMPTION", "DEVICE", "LIVE", "STREAM", "api"]

SITES = 12
CLIENTS = 500
CONNECTIONS = 8
SECONDS = 3.0
DAY_S, STEP_S = 86_400, 10
LIVE, STREAM = "GET /api/v1/live", "GET /api/v1/live/stream"
DEVICE, CONSUMPTION = "history of one device", "history of the site's consumption"
_BARE_LIVE = "bare uvicorn, the same bytes"
_BARE_STREAM = "bare sockets, the same bytes"
_BARE_HISTORY = "bare SQL and `json.dumps`"


@dataclass(frozen=True, slots=True)
class _Centre:
    """A running centre: the API's port and pid, and a day that is stored."""

    port: int
    pid: int
    history: Path
    start: int
    end: int


def api(runs: int) -> list[Table]:
    """An API process beside a collector that 12 gateways feed once a second."""
    with tempfile.TemporaryDirectory() as name, _centre(Path(name)) as centre:
        return [_live(centre, runs), _stream(centre, runs), _history(centre, runs)]


def _live(centre: _Centre, runs: int) -> Table:
    with urllib.request.urlopen(f"http://127.0.0.1:{centre.port}/api/v1/live", timeout=10) as answer:
        body = answer.read()
    (port,) = free_ports(1)
    with in_background(serve_bare, port, body) as bare:
        wait_for_port(port)
        rows = measured(
            runs,
            {
                _BARE_LIVE: (
                    lambda: in_child(repeat, port, "/", bare, CONNECTIONS, SECONDS),
                    "an ASGI function that knows the answer",
                ),
                LIVE: (
                    lambda: in_child(repeat, centre.port, "/api/v1/live", centre.pid, CONNECTIONS, SECONDS),
                    "{bytes:,.0f} bytes, {core:.0%} of a core, the live feed included",
                ),
            },
        )
    title = f"API: live object of {SITES} sites, {CONNECTIONS} kept connections that ask again at once"
    return Table(title, "request", rows, [_BARE_LIVE])


def _stream(centre: _Centre, runs: int) -> Table:
    path = "/api/v1/live/stream"
    first = in_child(follow, centre.port, path, centre.pid, 1, 3.0)
    (port,) = free_ports(1)
    events = max(1, round(first.facts["events_per_s"]))
    chunk = b"event: site\nid: 0\ndata: ".ljust(round(first.facts["bytes_per_s"] / events) - 2, b"x") + b"\n\n"
    with in_background(stream_bare, port, chunk * events) as bare:
        rows = measured(
            runs,
            {
                _BARE_STREAM: (
                    lambda: in_child(follow, port, "/", bare, CLIENTS, SECONDS),
                    "one write a second and client; {core:.2%} of a core",
                ),
                STREAM: (
                    lambda: in_child(follow, centre.port, path, centre.pid, CLIENTS, SECONDS),
                    "{core:.1%} of a core, {idle:.1%} without clients; {events_per_s:.0f} events a second and client",
                ),
            },
        )
    title = f"API: event stream of {SITES} sites at 1 Hz to {CLIENTS} clients"
    return Table(title, "event", rows, [_BARE_STREAM])


def _history(centre: _Centre, runs: int) -> Table:
    period = f"from={centre.start}&to={centre.end}&step=1m"
    base = f"/api/v1/sites/site-0/history?{period}"

    def ask(query: str) -> Run:
        return in_child(repeat, centre.port, f"{base}&{query}", centre.pid, 1, SECONDS / 2)

    plain = _plain_table(centre)
    rows = measured(
        runs,
        {
            _BARE_HISTORY: (
                lambda: in_child(select_bare, plain, centre.start, centre.end),
                "the same readings of one device in a table of two columns",
            ),
            DEVICE: (lambda: ask("quantity=power_w&device=grid"), "{bytes:,.0f} bytes, one connection"),
            CONSUMPTION: (lambda: ask("quantity=consumption_w"), "three devices read, held and summed"),
        },
    )
    title = f"API: a day of history in steps of one minute, from a reading every {STEP_S} s"
    return Table(title, "answer", rows, [_BARE_HISTORY])


@contextmanager
def _centre(folder: Path) -> Iterator[_Centre]:
    path = folder / "history.db"
    end = _store_a_day(path)
    (port,) = free_ports(1)
    with mosquitto(folder) as (broker, _):
        config = {
            "communities": workload.communities(SITES),
            "mqtt": {"port": broker},
            "store": {"kind": "embedded", "path": str(path)},
            "register": {"path": str(folder / "register.db")},
            "api": {"port": port, "keys_file": str(folder / "keys.json"), "open_to_loopback": "viewer"},
        }
        with service("collector", config, folder), service("api", config, folder) as pid:
            wait_for_port(port)
            with in_background(feed, broker):
                until(lambda: _sites_live(port) == SITES, f"{SITES} live sites")
                yield _Centre(port, pid, path, end - DAY_S * 1000, end)


def _store_a_day(path: Path) -> int:
    """A day of one site in a fresh store; gives its end, ms UTC."""
    history = SqliteHistory(path)
    end = 0
    for batch in workload.in_batches(workload.rows(1, DAY_S // STEP_S, step_ms=STEP_S * 1000), 5000):
        history.write(batch)
        end = batch[-1].t + 1
    history.close()
    return end


def _sites_live(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/live", timeout=10) as answer:
        live = json.load(answer)
    return sum(site["consumption_w"] is not None for site in live["sites"])


def feed(report: Callable[[], None], port: int) -> None:
    """Gateways that publish once a second, their readings stamped now."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="feed")
    client.connect("127.0.0.1", port)
    client.loop_start()
    prepared = list(workload.batches(SITES, 30))
    report()
    due = time.monotonic()
    for seq, (gateway, data) in enumerate(cycle(prepared)):
        if seq % SITES == 0:
            due += 1
            time.sleep(max(0.0, due - time.monotonic()))
        now_ms = time.time_ns() // 1_000_000
        readings = [msgspec.structs.replace(reading, t=now_ms) for reading in data.readings]
        message = msgspec.structs.replace(data, seq=seq, readings=readings)
        client.publish(topics.data(workload.COMMUNITY, gateway), encode(message), qos=1)


def serve_bare(report: Callable[[], None], port: int, body: bytes) -> None:
    """The bound of a request: the same server with nothing behind it."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    head = {"type": "http.response.start", "status": 200, "headers": headers}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(head)
        await send({"type": "http.response.body", "body": body})

    report()
    uvicorn.run(app, port=port, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)


class _Listener(asyncio.Protocol):
    """A client of the bare stream; any request is answered with a head and then with what is written to all."""

    transports: set[asyncio.Transport] = set()  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        self.transports.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.transports.discard(self._transport)


def stream_bare(report: Callable[[], None], port: int, payload: bytes) -> None:
    """The bound of a stream: the same bytes written to every client once a second."""

    async def serve() -> None:
        await asyncio.get_running_loop().create_server(_Listener, "127.0.0.1", port)
        report()
        while True:
            await asyncio.sleep(1)
            for transport in _Listener.transports:
                transport.write(payload)

    uvloop.run(serve())


def _plain_table(centre: _Centre) -> Path:
    path = centre.history.with_name("plain.db")
    with closing(SqliteHistory(centre.history, read_only=True)) as history, closing(sqlite3.connect(path)) as database:
        found = history.readings("site-0/grid", centre.start, centre.end)
        database.execute("CREATE TABLE reading (t INTEGER PRIMARY KEY, power_w REAL)")
        database.executemany("INSERT INTO reading VALUES (?, ?)", [(row.t, row.values["power_w"]) for row in found])
        database.commit()
    return path


def select_bare(path: Path, start: int, end: int) -> Run:
    """The bound of an answer: one statement and the encoding."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    cpu, began, count = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS / 2:
        found = database.execute(
            "SELECT t / 60000 * 60000, avg(power_w) FROM reading WHERE t >= ? AND t < ? GROUP BY 1",
            (start, end),
        ).fetchall()
        json.dumps(found)
        count += 1
    return Run(count, time.perf_counter() - began, time.process_time() - cpu)
