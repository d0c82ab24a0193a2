"""Other compositions of the same parts: the embedded broker, and the centre in one process on a real InfluxDB."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.influxdb_server import InfluxServer, influxd
from tests.system.conftest import SPEED, SUMMER_NOON, Demo, eventually
from tests.system.test_foreign_publisher import PUBLISHER

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "one-machine"
COMMUNITY = {
    "id": "ixelles",
    "name": "Ixelles",
    "sites": [
        {
            "id": "their-hall",
            "name": "Hall",
            "gateway": "their-gateway",
            "devices": [{"id": "grid", "role": "grid", "interval_s": 60}],
        }
    ],
}


def test_demo_on_the_embedded_broker_is_as_alive(tmp_path, free_port):
    demo = Demo(
        tmp_path / "demo",
        free_port(),
        "--start",
        SUMMER_NOON,
        "--speed",
        str(SPEED),
        "--embedded-broker",
        "--sites",
        "3",
    )
    demo.start()
    try:
        eventually(lambda: demo.ready(3), timeout_s=60, what="three live sites")
        centre = yaml.safe_load((demo.folder / "centre.yaml").read_text())
        assert centre["mqtt"]["protocol"] == "3.1.1"
        eventually((demo.folder / "backfilled").exists, timeout_s=90, what="the confirmed back-fill")
    finally:
        demo.stop()


def test_one_machine_example_brings_a_roof_to_the_page_with_nothing_else_installed(tmp_path, free_port):
    api, control = free_port(), free_port()
    devices = [
        {"id": "grid", "kind": "sdm630", "role": "grid", "port": free_port(), "framing": "rtu"},
        {"id": "pv", "kind": "sunspec-inverter", "role": "pv", "port": free_port(), "rated_w": 30_000},
    ]
    site = {"id": "hall", "latitude": 50.8, "longitude": 4.4, "load": {"profile": "town_hall", "annual_kwh": 90_000}}
    roof = {"sites": [{**site, "devices": devices}], "control": {"port": control}}
    (tmp_path / "roof.yaml").write_text(yaml.safe_dump(roof))
    example = (EXAMPLE / "gateway.yaml").read_text()
    for device, address in zip(devices, ("rtutcp://192.168.10.21:502", "tcp://192.168.10.20:502"), strict=True):
        assert address in example
        example = example.replace(address, f"{address.partition(':')[0]}://127.0.0.1:{device['port']}")
    (tmp_path / "gateway.yaml").write_text(example)
    commands = {
        "roof": ["simulate", "--config", "roof.yaml"],
        "centre": ["run", "--config", str(EXAMPLE / "centre.yaml")],
        "gateway": ["gateway", "--config", "gateway.yaml", "--wait-for", str(control)],
    }
    changed = {"roof": {}, "centre": {"COMMONWATT_API__PORT": str(api)}, "gateway": {}}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            with (tmp_path / f"{name}.log").open("wb") as log:
                whole = [sys.executable, "-m", "cli.main", *command]
                environment = {**os.environ, "PYTHONPATH": str(EXAMPLE.parents[2]), **changed[name]}
                started.append(subprocess.Popen(whole, stdout=log, stderr=log, cwd=tmp_path, env=environment))
            if name == "centre":
                eventually(lambda: _get(api, "/api/v1/health/ready", accept={200, 503}), what="the centre's start")
                told = (tmp_path / "centre.log").read_text()
                broker = re.search(r"127\.0\.0\.1:(\d+), reachable", told).group(1)
                changed["gateway"] = {"COMMONWATT_MQTT__PORT": broker}  # 1883 may be somebody else's here
        live = eventually(
            lambda: (s := _get(api, "/api/v1/live")["sites"]) and s[0]["consumption_w"] is not None and s[0],
            what="the live site",
        )
        assert live["quality"] == "measured"
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)
    assert [process.returncode for process in started] == [0, 0, 0]


@pytest.mark.influxdb
def test_centre_in_one_process_stores_in_influxdb_what_a_foreign_publisher_sends(tmp_path, free_port):
    binary = influxd(1)
    if binary is None:
        pytest.skip("influxd is not installed")
    server = InfluxServer(binary, 1, tmp_path / "influxdb")
    server.start()
    port = free_port()
    config = tmp_path / "centre.yaml"
    content = {
        "communities": [COMMUNITY],
        "store": {"kind": "influxdb", "version": 1, "url": server.url, "database": "commonwatt"},
        "register": {"path": str(tmp_path / "register.db")},
        "api": {"port": port, "open_to_loopback": "viewer", "keys_file": str(tmp_path / "keys.json")},
    }
    config.write_text(yaml.safe_dump(content))
    with (tmp_path / "centre.log").open("wb") as log:
        centre = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "run", "--config", str(config)], stdout=log, stderr=log
        )
    try:
        eventually(lambda: _get(port, "/api/v1/health/ready", accept={200, 503}), what="the centre's start")
        broker = re.search(r"127\.0\.0\.1:(\d+), reachable", (tmp_path / "centre.log").read_text()).group(1)
        t = _get(port, "/api/v1/live")["t"] - 10_000
        done = subprocess.run(
            [sys.executable, "-c", PUBLISHER, broker, str(t)], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.strip() == "confirmed"
        history = _get(port, f"/api/v1/sites/their-hall/history?quantity=power_w&step=raw&from={t}&to={t + 60_000}")
        assert [value for _, value in history["series"][0]["points"] if value is not None] == [800, 810, 820]
        live = eventually(
            lambda: (s := _get(port, "/api/v1/live")["sites"]) and s[0]["grid_w"] is not None and s[0],
            what="the live site",
        )
        assert live["grid_w"] == 820
    finally:
        centre.terminate()
        centre.wait(20)
        server.kill()


def _get(port: int, path: str, accept: frozenset[int] | set[int] = frozenset({200})):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code not in accept:
                raise
            return json.load(error)
