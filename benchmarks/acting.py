"""From an alert to the register: how long after it is raised its lease is written and read back, in the running demonstration."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.demo import running_demo
from cli.demo.tour import Scene, play

__all__ = ["ActingTable", "acting"]

_NOON: Final = "2026-06-21T10:30:00Z"
_COMMUNITIES: Final = ("brussels", "ixelles", "schaerbeek")
_LOAD_W: Final = 500_000
_LOAD_S: Final = 5
_PERIOD_S: Final = 45.0  # by then the alert has cleared
_ROUNDS: Final = 3  # a run
_SETTLE_S: Final = 30.0
_NEAR_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class ActingTable:
    """Milliseconds from raised to written and read back, of rules; from asked to that, of the balancer."""

    alerts_ms: Sequence[float]
    balancer_ms: Sequence[float]

    def markdown(self) -> str:
        """The table as it is printed."""
        lines = [
            "### Acting: from a raised alert to the register",
            "",
            f"`commonwatt demo`, {_NOON}, real time, twelve sites balanced every 2 s; a load of {_LOAD_W / 1000:.0f} kW raises the alert.",
            "",
            "| from | to | of | median ms | p99 ms | longest ms |",
            "|---|---|---:|---:|---:|---:|",
            _row("alert raised", self.alerts_ms),
            _row("balancer asks", self.balancer_ms),
        ]
        return "\n".join(lines) + "\n"


def _row(what: str, found: Sequence[float]) -> str:
    p99 = statistics.quantiles(found, n=100, method="inclusive")[98]
    median, longest = statistics.median(found), max(found)
    return f"| {what} | written and read back | {len(found)} | {median:.0f} | {p99:.0f} | {longest:.0f} |"


def acting(runs: int) -> list[ActingTable]:
    """One demonstration in which every community's alert is raised `3 * runs` times."""
    with tempfile.TemporaryDirectory() as name, running_demo(Path(name) / "demo", "--start", _NOON):
        folder = Path(name) / "demo"
        port = yaml.safe_load((folder / "centre.yaml").read_text(encoding="utf-8"))["api"]["port"]
        control = yaml.safe_load((folder / "simulator.yaml").read_text(encoding="utf-8"))["control"]["port"]
        time.sleep(_SETTLE_S)
        alerts: dict[str, Any] = {}
        commands: dict[str, Any] = {}
        for _ in range(_ROUNDS * runs):
            _raise(control)
            time.sleep(_PERIOD_S)
            alerts |= {one["id"]: one for one in _get(port, "/api/v1/alerts?limit=1000")["alerts"]}
            commands |= {one["id"]: one for one in _get(port, "/api/v1/commands?limit=1000")["commands"]}
    raised = [one for one in alerts.values() if one["rule"] == "import-peak"]
    told = [(one, _written(one)) for one in commands.values()]
    by_rule = [(one, t) for one, t in told if one["issued_by"] == "rule:import-peak" and t is not None]
    by_balancer = [(one, t) for one, t in told if one["issued_by"] == "balancer" and t is not None]
    return [
        ActingTable(
            [ms for alert in raised if (ms := _after(alert, by_rule)) is not None],
            [t - one["t"] for one, t in by_balancer],
        )
    ]


def _raise(control: int) -> None:
    asked = [{"do": "load", "site": f"{name}-town-hall", "power_w": _LOAD_W, "for_s": _LOAD_S} for name in _COMMUNITIES]
    asyncio.run(play(Scene("", "", asked), control))


def _written(command: dict[str, Any]) -> int | None:
    """When the gateway had read it back, on its own clock, ms UTC."""
    return next((entry["t"] for entry in command["trail"] if entry["state"] == "applied"), None)


def _after(alert: dict[str, Any], commands: Sequence[tuple[dict[str, Any], int]]) -> float | None:
    """Milliseconds from raised to the first lease of the alert on its device."""
    device = alert["actions"][0]["device"]
    times = [t for one, t in commands if one["device"] == device and 0 <= one["t"] - alert["raised_at"] < _NEAR_MS]
    return min(times) - alert["raised_at"] if times else None


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return json.load(answer)
