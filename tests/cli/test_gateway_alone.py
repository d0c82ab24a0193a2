"""The commands of the rooftop where nothing of the centre is installed: `pip install commonwatt[gateway]`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.alone import absent_modules
from tests.gateway.processes import Systemd
from tests.system.conftest import eventually

ROOT = Path(__file__).parents[2]
ALONE = [sys.executable, str(Path(__file__).with_name("alone.py"))]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
CENTRE = {"fastapi", "uvicorn", "influxdb_client", "highspy", "numpy", "pyarrow", "pvlib", "amqtt", "grafana_client"}


def alone(*arguments):
    return subprocess.run([*ALONE, *arguments], env=ENV, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def gateway_file(tmp_path, rooftop, broker):
    path = tmp_path / "gateway.yaml"
    meter = {"device": "site/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 1.0}
    bus = {"id": "roof", "url": f"rtutcp://127.0.0.1:{rooftop.meters}", "devices": [meter]}
    path.write_text(
        yaml.safe_dump(
            {
                "community": "brussels",
                "gateway": "gw-1",
                "data_dir": str(tmp_path / "data"),
                "mqtt": {"port": broker.settings.port},
                "buses": [bus],
            }
        )
    )
    return path


def test_the_centre_s_packages_are_those_that_cannot_be_imported():
    assert absent_modules() >= CENTRE
    assert not absent_modules() & {"pymodbus", "aiomqtt", "msgspec", "pydantic", "yaml", "typer", "serial"}


def test_gateway_serves_and_stops(gateway_file, tmp_path):
    with Systemd(tmp_path / "notify") as systemd:
        command = [*ALONE, "gateway", "--config", str(gateway_file)]
        running = subprocess.Popen(command, env={**ENV, "NOTIFY_SOCKET": systemd.path})
        try:
            eventually(lambda: "READY=1" in systemd.told, timeout_s=60)
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
        finally:
            running.kill()


@pytest.mark.parametrize("command", ["--help", "profiles", "schema", "demo --help", "settle --help"])
def test_command_that_asks_no_device_works(command):
    done = alone(*command.split())
    assert done.returncode == 0, done.stderr


def test_installer_s_commands_work(rooftop, gateway_file):
    meters = f"rtutcp://127.0.0.1:{rooftop.meters}"
    found = alone("scan", f"{meters}?units=1", "--timeout", "0.3", "--json")
    (device,) = json.loads(found.stdout)["devices"]
    assert device["profiles"][0] == "eastron-sdm630", found.stderr
    read = alone("probe", meters, "--unit", "1", "--json")
    assert "power_w" in {point["name"] for point in json.loads(read.stdout)["points"]}, read.stderr
    assert alone("check", str(gateway_file)).returncode == 0
    doctor = alone("doctor", "--config", str(gateway_file))
    assert "Traceback" not in doctor.stderr
    assert "broker" in doctor.stdout


@pytest.mark.parametrize("command", ["run", "collector", "api", "demo"])
def test_command_of_the_centre_says_what_to_install(command, tmp_path):
    file = tmp_path / "centre.yaml"
    file.write_text("communities: [{id: brussels, name: Brussels}]\nmqtt: {port: 1}\n")
    done = alone(command, *(["--no-browser"] if command == "demo" else ["--config", str(file)]))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install" in done.stderr
