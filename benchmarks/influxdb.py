"""What a reading costs with InfluxDB behind it, against posting finished lines in the same batches."""

from __future__ import annotations

import http.client
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from benchmarks import workload
from benchmarks.centre import collect
from benchmarks.influxdb_peer import fitting_telegraf, telegraf
from benchmarks.measure import Run, Table, cpu_seconds, measured
from benchmarks.processes import in_child
from storage.history.influxdb import InfluxHistory
from storage.history.line_protocol import reading_line
from storage.history.settings import InfluxSettings
from tests.influxdb_server import InfluxServer, influxd

__all__ = ["BARE", "COLLECTOR", "TELEGRAF", "WRITER", "influxdb"]

BARE, COLLECTOR = "bare HTTP posts of finished lines", "collector, InfluxDB"
WRITER, TELEGRAF = "our store alone, InfluxDB", "Telegraf, mqtt_consumer to InfluxDB"
_LARGE: Final = 5000
_NOTE = "{lines:,.0f} lines a request; influxd {server_us:.1f} µs of it"

_PEER_NOTE = "checks, marks and computes nothing; until all is stored; influxd {server_us:.1f} µs of it"


def influxdb(runs: int) -> list[Table]:
    """The centre's workload into every server that is installed."""
    tables = []
    for version in (1, 2):
        binary = influxd(version)
        if binary is not None:
            tables += _against(binary, version, runs)
    return tables


def _against(binary: str, version: Literal[1, 2], runs: int) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        server = _Server(InfluxServer(binary, version, Path(name) / "server"))
        try:
            paths: dict[str, tuple[Callable[[], Run], str]] = {
                COLLECTOR: (server.collector, _NOTE),
                BARE: (server.bare, _NOTE),
            }
            if version == 1 and (peer := fitting_telegraf()) is not None:
                paths[TELEGRAF] = (lambda: telegraf(peer, server.influx.fresh(), server.pid), _PEER_NOTE)
            rows = measured(runs, paths)
            large = measured(
                runs, {BARE: (lambda: server.bare(_LARGE), _NOTE), WRITER: (lambda: server.writer(_LARGE), _NOTE)}
            )
        finally:
            server.influx.kill()
    return [
        Table(
            f"InfluxDB {version}.x: the same messages into a server, CPU of client and server together",
            "reading",
            sorted(rows, key=lambda row: row.name != BARE),
            [BARE],
        ),
        Table(f"InfluxDB {version}.x: what a server takes, one call after the other", "reading", large, [BARE]),
    ]


class _Server:
    """One running server; every run has a database of its own."""

    def __init__(self, influx: InfluxServer) -> None:
        self.influx = influx
        influx.start()
        assert influx.process is not None
        self.pid = influx.process.pid
        self._lines = 500

    def collector(self) -> Run:
        """The service; remembers how many lines it sends in a request."""
        requests = self._write_requests()
        with tempfile.TemporaryDirectory() as name:
            store = self.influx.fresh().model_dump(mode="json")
            run = collect(Path(name), store, {"server": self.pid})
        sent = workload.READINGS + workload.WARM_CYCLES * workload.DEVICES
        self._lines = round(sent / max(1, self._write_requests() - requests))
        used = run.cpu_s + run.facts["server_us"] * run.count / 1e6
        return Run(run.count, run.seconds, used, {**run.facts, "lines": self._lines})

    def bare(self, lines: int | None = None) -> Run:
        """The bound, in batches of the size the collector had just before, or of `lines`."""
        return in_child(post_bare, self.influx.fresh(), self.pid, lines or self._lines)

    def writer(self, lines: int) -> Run:
        """Our store with rows that are there already, all in one call; it sends requests of `lines`."""
        return in_child(write_rows, self.influx.fresh(), self.pid, lines)

    def _write_requests(self) -> int:
        """How many requests to write the server has had."""
        if self.influx.version == 1:
            found = self.influx.query("SHOW STATS FOR 'httpd'")["results"][0]["series"][0]
            return int(dict(zip(found["columns"], found["values"][0], strict=True))["writeReq"])
        with urllib.request.urlopen(f"{self.influx.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        counts = [line for line in lines if line.startswith("http_api_requests_total") and '"/api/v2/write"' in line]
        return round(sum(float(line.rpartition(" ")[2]) for line in counts))


def post_bare(settings: InfluxSettings, server: int, lines: int) -> Run:
    """Prebuilt bodies over one kept connection."""
    parts = urllib.parse.urlsplit(settings.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    history = InfluxHistory(settings)  # makes database or buckets
    history.check()
    history.close()
    headers = {}
    if settings.version == 1:
        path = f"/write?db={settings.database}&precision=ms"
    else:
        assert settings.token_file is not None
        headers["Authorization"] = f"Token {settings.token_file.read_text(encoding='utf-8').strip()}"
        path = f"/api/v2/write?org={settings.org}&bucket={settings.bucket}&precision=ms"
    finished = [line for row in workload.rows() if (line := reading_line(row)) is not None]
    warm = workload.WARM_CYCLES * workload.DEVICES
    _post(connection, path, "\n".join(finished[:warm]).encode(), headers)
    bodies = ["\n".join(batch).encode() for batch in workload.in_batches(finished[warm:], lines)]
    served, cpu, began = cpu_seconds(server), time.process_time(), time.perf_counter()
    for body in bodies:
        _post(connection, path, body, headers)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    by_server = cpu_seconds(server) - served
    facts = {"server_us": by_server / workload.READINGS * 1e6, "lines": lines}
    return Run(workload.READINGS, seconds, cpu + by_server, facts)


def write_rows(settings: InfluxSettings, server: int, lines: int) -> Run:
    """Rows that are there already, through our encoder and client; they make requests of `lines` by themselves."""
    history = InfluxHistory(settings)
    rows = list(workload.rows())
    warm = workload.WARM_CYCLES * workload.DEVICES
    history.write(rows[:warm])
    del rows[:warm]
    served, cpu, began = cpu_seconds(server), time.process_time(), time.perf_counter()
    history.write(rows)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    by_server = cpu_seconds(server) - served
    history.close()
    facts = {"server_us": by_server / workload.READINGS * 1e6, "lines": lines}
    return Run(workload.READINGS, seconds, cpu + by_server, facts)


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> None:
    connection.request("POST", path, body, headers)
    with connection.getresponse() as answer:
        answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise OSError(f"{path}: {answer.status} {answer.reason}")
