"""A real InfluxDB 1.x with half a day of two sites, for running every panel's query."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Known, Period, Row, SiteQuarter, Total
from storage.history.influxdb import InfluxHistory
from storage.history.line_protocol import device_quarter_line, reading_line, site_quarter_line, total_line
from storage.history.settings import InfluxSettings
from tests.influxdb_server import InfluxServer, influxd

QUARTER_MS = 900_000
HOURS = 6


@dataclass(frozen=True)
class Influx:
    """A running server; `end` is the current quarter-hour's start, up to which there are quarter-hours."""

    port: int
    end: int

    @property
    def start(self) -> int:
        return self.end - HOURS * 3_600_000

    def post(self, path: str, parameters: dict[str, str], body: str = "") -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(
            urllib.request.Request(url, data=body.encode(), method="POST"), timeout=10
        ) as answer:
            return bytes(answer.read())

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series of the one statement `text`; fails the test when InfluxDB reports an error."""
        answer = json.loads(self.post("/query", {"db": "commonwatt", "q": text, "epoch": "ms"}))
        assert "error" not in answer, (text, answer)
        (result,) = answer["results"]
        assert "error" not in result, (text, result)
        return list(result.get("series", []))

    def panel(self, text: str, *, site: str = "hall", interval: str = "1m") -> list[dict[str, Any]]:
        """Runs a panel's query with everything replaced as Grafana does it (pkg/tsdb/influxdb/models/query.go)."""
        text = text.replace("$timeFilter", f"time >= {self.start}ms and time <= {self.end}ms")
        text = text.replace("$__interval", interval)
        for name, value in {"community": "ixelles", "site": site}.items():
            text = re.sub(rf"\$\{{{name}\}}|\${name}\b", value, text)
        assert not re.search(r"\$[\w{]", text), text
        return self.query(text)


def _lines(end: int, now: int) -> tuple[list[str], list[str]]:
    """Lines of readings, and of quarter-hours. hall: grid, pv, battery; school: grid, pv and nothing of its pv in the third hour. Every minute, up to now.

    The school's quarter-hours are missing in the third hour and absent in the fourth.
    """
    start = end - HOURS * 3_600_000
    hole = range(start + 2 * 3_600_000, start + 3 * 3_600_000)
    powers = {"hall/grid": 1000, "hall/pv": 500, "hall/battery": -200, "school/grid": -400, "school/pv": 700}
    readings: list[str | None] = []
    lines: list[str] = []
    for device, power in powers.items():
        site, role = device.split("/")
        tags = DeviceTags("ixelles", site, device, Role(role))
        more = {"battery": {"soc_pct": 55.0}, "grid": {"voltage_l1_v": 230.5, "current_l1_a": 4.2}}.get(role, {})
        for t in range(start, now + 1, 60_000):
            if device == "school/pv" and t in hole:
                continue
            bad = ("voltage_l2_v",) if device == "hall/grid" and t < start + 60_000 else ()
            readings.append(reading_line(Row(tags, t, {"power_w": power, "state": "on", **more}, bad)))
        quarters = range(start, end, QUARTER_MS)
        lines += [
            device_quarter_line(DeviceQuarter(tags, t, 50.0, 0.0, Quality.MEASURED, {"temperature_c": 21.5}))
            for t in quarters
        ]
    for t in range(start, end, QUARTER_MS):
        quality = Quality.ESTIMATED if t == start else Quality.MEASURED
        lines.append(_site_line("hall", t, (125.0, 250.0, 0.0, 50.0, 0.0, 325.0), quality))
        if not hole.stop <= t < hole.stop + 3_600_000:
            school = (None,) * 6 if t in hole else (175.0, 0.0, 100.0, 0.0, 0.0, 75.0)
            lines.append(_site_line("school", t, school, Quality.MISSING if t in hole else Quality.MEASURED))
    day = Total("ixelles", "hall", None, start - 86_400_000, start, Quality.MEASURED, {"pv_wh": Known(12_000.0, 96)})
    lines.append(total_line(Period.DAY, day))
    # another community, whose numbers must never get in
    readings.append(reading_line(Row(DeviceTags("other", "x", "x/pv", Role.PV), end - 60_000, {"power_w": 9e6})))
    lines.append(site_quarter_line(SiteQuarter("other", "x", start, 9e6, 9e6, 9e6, 9e6, 9e6, 9e6, Quality.MEASURED)))
    return [line for line in readings if line is not None], lines


def _site_line(site: str, t: int, energies: Sequence[float | None], quality: Quality) -> str:
    return site_quarter_line(SiteQuarter("ixelles", site, t, *energies, quality))


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """A real InfluxDB 1.x, filled."""
    binary = influxd(1)
    if binary is None:
        pytest.skip("influxd is not installed")
    server = InfluxServer(binary, 1, tmp_path_factory.mktemp("influxdb"))
    server.start()
    try:
        now = time.time_ns() // 1_000_000
        filled = Influx(server.port, now - now % QUARTER_MS)
        history = InfluxHistory(InfluxSettings(url=server.url, version=1, raw_days=None))
        history.check()
        history.close()
        readings, quarters = _lines(filled.end, now)
        filled.post("/write", {"db": "commonwatt", "precision": "ms"}, "\n".join(readings))
        filled.post("/write", {"db": "commonwatt", "precision": "ms", "rp": "quarters"}, "\n".join(quarters))
        yield filled
    finally:
        server.kill()


@pytest.fixture
def series(influx: Influx) -> Callable[..., dict[int, Any]]:
    """Runs the query of a panel and gives time to value of its only series."""

    def run(query: str, **options: Any) -> dict[int, Any]:
        (only,) = influx.panel(query, **options)
        return {row[0]: row[1] for row in only["values"]}

    return run
