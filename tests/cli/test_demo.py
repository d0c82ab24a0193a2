"""What the demonstration refuses, and the files it writes."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.configs import CentreConfig
from cli.demo.command import DemoOptions, run_demo
from cli.demo.files import write_files
from energy.alerts.subjects import subjects
from energy.errors import ConfigError
from gateway.config import GatewayConfig
from messaging.connection import MqttSettings
from simulator.config import SimulatorConfig


def _options(data: Path, port: int, **changes) -> DemoOptions:
    options = {"port": port, "data": data, "sites": 3, "speed": 1.0, "start": None, "open_browser": False}
    return DemoOptions(**{**options, **changes})


def _files(folder, free_port, sites=12, interval_s=2.0):
    return write_files(
        folder,
        sites=sites,
        mqtt=MqttSettings(port=1883),
        api_port=8800,
        interval_s=interval_s,
        history_start=1_750_000_000_000,
        live_start=1_750_600_000_000,
        free_port=free_port,
    )


def test_a_taken_port_is_told_with_another(tmp_path):
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port + 1}"):
            run_demo(_options(tmp_path, port))


def test_a_folder_in_use_is_refused(tmp_path, free_port):
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="runs already"):
            run_demo(_options(tmp_path, free_port()))


@pytest.mark.parametrize("start", ["noon", "2026-06-21T10:00:00"])
def test_a_start_without_offset_or_sense_is_refused(tmp_path, free_port, start):
    with pytest.raises(ConfigError, match="2026-06-21T10:00:00Z"):
        run_demo(_options(tmp_path, free_port(), start=start))


def test_a_damaged_clock_file_is_told(tmp_path, free_port):
    (tmp_path / "clock.json").write_text("{")
    with pytest.raises(ConfigError, match=r"clock\.json"):
        run_demo(_options(tmp_path, free_port()))


def test_the_files_are_valid_configurations_of_each_kind(tmp_path, free_port):
    files = _files(tmp_path, free_port)
    centre = CentreConfig.model_validate(yaml.safe_load(files.centre.read_text()))
    assert [len(community.sites) for community in centre.communities] == [4, 4, 4]
    simulator = SimulatorConfig.model_validate(yaml.safe_load(files.simulator.read_text()))
    assert len(simulator.sites) == len(files.gateways) == 12
    read = {
        device.device
        for path in files.gateways
        for bus in GatewayConfig.model_validate(yaml.safe_load(path.read_text())).buses
        for device in bus.devices
    }
    known = {
        f"{site.id}/{device.id}"
        for community in centre.communities
        for site in community.sites
        for device in site.devices
    }
    assert read == known


def test_rules_that_act_and_rules_that_tell_watch_something(tmp_path, free_port):
    files = _files(tmp_path, free_port)
    for community in CentreConfig.model_validate(yaml.safe_load(files.centre.read_text())).communities:
        assert {rule.id for rule in community.rules if rule.actions} <= {
            "surplus",
            "import-peak",
            "connection-near-limit",
            "inverter-silent",
        }
        told = {rule.id for rule in community.rules if subjects(rule, community)}
        assert {"device-silent", "gateway-offline", "inverter-below-expectation", "voltage-limit"} <= told


def test_the_operator_key_is_kept_for_its_owner_only(tmp_path, free_port):
    first = _files(tmp_path, free_port, sites=3).operator_key
    assert _files(tmp_path, free_port, sites=3).operator_key == first
    assert (tmp_path / "operator.key").stat().st_mode & 0o077 == 0
    assert first.encode() not in (tmp_path / "register.db").read_bytes()


def test_a_command_fails_in_words_and_with_exit_code_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "check", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("data", ["in-the-way", "in-the-way/data", "locked"])
def test_folder_that_cannot_be_used_is_told_in_words(tmp_path, free_port, commonwatt, data):
    (tmp_path / "in-the-way").touch()
    (tmp_path / "locked" / "demo.lock").mkdir(parents=True)
    done = commonwatt("demo", "--no-browser", "--port", free_port(), "--data", tmp_path / data)
    assert done.code == 1
    assert done.err.startswith(f"error: {tmp_path}")
    assert "next: check the path, the rights" in done.err


def test_fault_of_the_program_is_not_told_as_somebodys(commonwatt, monkeypatch):
    def fail(*_args: object, **_options: object) -> str:
        raise OSError(9, "no file at all")

    monkeypatch.setattr("cli.configs.schema_of", fail)
    with pytest.raises(OSError, match="no file at all"):
        commonwatt("schema")


def test_log_format_is_of_the_processes_that_are_started_too(tmp_path, commonwatt):
    commonwatt("--log-format", "json", "check", tmp_path / "none.yaml")
    assert os.environ["COMMONWATT_LOG_FORMAT"] == "json"
    (tmp_path / "data").touch()
    (tmp_path / "centre.yaml").write_text("communities: [{id: c, name: C}]\n")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "--config", "centre.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=env, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: data: cannot be used: File exists\n"
        "  next: check the path, the rights of who runs this, and the disk's free space\n"
    )
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "register.db").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "--config", "centre.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=env, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stderr.splitlines()[0])["logger"] == "cli.centre"
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_facts_are_printed_as_json(tmp_path):
    path = tmp_path / "centre.yaml"
    path.write_text("communities: [{id: c, name: C}]\n")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "--log-format", "json", "check", "--json", str(path)],
        capture_output=True, text=True, check=True, env=env,
    )  # fmt: skip
    assert json.loads(done.stdout)["communities"] == 1
