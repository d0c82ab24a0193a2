"""A real VictoriaMetrics server on a free port."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from storage.history.settings import InfluxSettings
from tests.influxdb_server import free_port

__all__ = ["VictoriaServer", "victoria_metrics"]


def victoria_metrics() -> str | None:
    """The path of the server, if it is installed."""
    return shutil.which("victoria-metrics")


class VictoriaServer:
    """Running from the start; `kill` is kill -9."""

    def __init__(self, binary: str, directory: Path, *options: str, timeout_s: float = 30.0) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            binary,
            f"-storageDataPath={directory}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-loggerLevel=ERROR",
            *options,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.kill()
                raise TimeoutError(f"{binary} does not answer on {self.url}")
            time.sleep(0.05)

    @property
    def settings(self) -> InfluxSettings:
        """Reaches it as if it were an InfluxDB of version 1."""
        return InfluxSettings(url=self.url, version=1, database="energy", raw_days=None)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def export(self, name: str) -> dict[str, list[tuple[int, float]]]:
        """What is stored of a metric, as (ms, value) by time, of each `device` or `site`."""
        self._get("/internal/force_flush")
        found: dict[str, list[tuple[int, float]]] = {}
        for line in self._get("/api/v1/export?" + urllib.parse.urlencode({"match[]": name})).splitlines():
            series = json.loads(line)
            labels = series["metric"]
            points = zip(series["timestamps"], series["values"], strict=True)
            found.setdefault(labels.get("device") or labels["site"], []).extend(points)
        return {owner: sorted(points) for owner, points in found.items()}

    def metric(self, name: str) -> float:
        """A counter of its own, such as `vm_rows_invalid_total{type="influx"}`."""
        [line] = [line for line in self._get("/metrics").splitlines() if line.startswith(name)]
        return float(line.rpartition(" ")[2])

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def _answers(self) -> bool:
        try:
            return self._get("/health") == "OK"
        except OSError:
            return False
