"""compose.yaml, units, provisioning and examples, checked without Docker: form, references, secrets, agreement."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.configs import load_centre
from dashboards.datasource import InfluxSource
from energy.names import device_id
from gateway.config import GatewayConfig
from runtime.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
TEXTS = [path for path in DEPLOY.rglob("*") if path.is_file() and not {"secrets", "pki"} & set(path.parts)]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """deploy/ as it is after secrets.sh."""
    target = tmp_path_factory.mktemp("made") / "deploy"
    shutil.copytree(DEPLOY, target, ignore=shutil.ignore_patterns("secrets", "pki"))
    subprocess.run([str(target / "secrets.sh"), "centre.example.org"], check=True, capture_output=True)
    return target


def _default(value: str) -> str:
    """`${NAME:-default}` as Compose resolves it with nothing set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_every_file_compose_names_exists_after_secrets(compose: dict[str, Any], made: Path):
    named = [secret["file"] for secret in compose["secrets"].values()]
    for service in compose["services"].values():
        sources = [re.split(r":(?=/)", _default(volume))[0] for volume in service.get("volumes", [])]
        named += [source for source in sources if source.startswith(".")]
        if "build" in service:
            context = (made / service["build"]["context"]).resolve()
            assert context == made.parent
            named.append(f"../{service['build']['dockerfile']}")
    assert len(named) > 10
    assert [name for name in named if not (made / name).exists()] == []


def test_every_named_volume_secret_and_dependency_is_declared(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        volumes = {_default(volume).split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith((".", "/"))} <= set(compose["volumes"]), name


def test_every_lasting_service_restarts_and_has_a_healthcheck(compose: dict[str, Any]):
    lasting = {name: service for name, service in compose["services"].items() if service.get("restart") != "no"}
    assert set(lasting) == {"mosquitto", "influxdb", "collector", "api", "grafana"}
    for name, service in lasting.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name


def test_every_image_has_a_version(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert tag not in {"", "latest"}, name


def test_only_the_brokers_tls_port_is_open_to_the_outside(compose: dict[str, Any]):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["8883:8883"]


def test_secrets_reach_services_as_files_only(compose: dict[str, Any]):
    """No password, token or key stands in an environment variable: each such setting names a file."""
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key):
                assert key.endswith("_FILE"), (name, key)
                assert value.removeprefix("/run/secrets/") in service["secrets"], (name, key)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_file_holds_no_secret_and_no_default_password(path: Path):
    text = path.read_text(encoding="utf-8")
    assert "PRIVATE KEY" not in text
    assert not re.search(r"\b[0-9a-f]{40,}\b", text)
    assert not re.search(
        r"(?i)\b(password|token|secret)\b['\"]?\s*[:=]\s*['\"]?(admin|changeme|secret|password|grafana)\b", text
    )


def test_broker_listens_where_compose_and_examples_say(compose: dict[str, Any]):
    listeners = re.findall(r"(?m)^listener (\d+)", (DEPLOY / "mosquitto" / "mosquitto.conf").read_text())
    assert listeners == ["8883", "8884"]
    centre, gateway = (
        load_centre(DEPLOY / "examples" / "centre.yaml"),
        load_config(DEPLOY / "examples" / "gateway.yaml", GatewayConfig),
    )
    assert centre.mqtt is not None
    assert (centre.mqtt.port, gateway.mqtt.port) == (8884, 8883)
    assert centre.mqtt.host in compose["services"]


def test_centre_example_names_the_secrets_and_ports_its_containers_have(compose: dict[str, Any]):
    centre = load_centre(DEPLOY / "examples" / "centre.yaml")
    assert centre.mqtt is not None
    assert centre.mqtt.tls is not None
    assert centre.store.kind == "influxdb"
    files = [centre.mqtt.tls.ca_file, centre.mqtt.tls.cert_file, centre.mqtt.tls.key_file, centre.store.token_file]
    for service in ("collector", "api"):
        mounted = {Path("/run/secrets") / secret for secret in compose["services"][service]["secrets"]}
        assert set(files) <= mounted
    assert f":{centre.collector.metrics_port}/metrics" in " ".join(
        compose["services"]["collector"]["healthcheck"]["test"]
    )
    assert compose["services"]["api"]["ports"] == [f"127.0.0.1:{centre.api.port}:{centre.api.port}"]


def test_centre_example_fits_the_influxdb_that_compose_sets_up(compose: dict[str, Any]):
    centre = load_centre(DEPLOY / "examples" / "centre.yaml")
    assert centre.store.kind == "influxdb"
    environment = compose["services"]["influxdb"]["environment"]
    assert centre.store.org == environment["DOCKER_INFLUXDB_INIT_ORG"]
    assert centre.store.bucket == environment["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert centre.store.url == "http://influxdb:8086"
    assert f"{centre.store.raw_days}d" == environment["DOCKER_INFLUXDB_INIT_RETENTION"]


def test_examples_of_centre_and_gateway_belong_together():
    centre, gateway = (
        load_centre(DEPLOY / "examples" / "centre.yaml"),
        load_config(DEPLOY / "examples" / "gateway.yaml", GatewayConfig),
    )
    (community,) = [one for one in centre.communities if one.id == gateway.community]
    sites = [site for site in community.sites if site.gateway == gateway.gateway]
    known = {device_id(site.id, device.id) for site in sites for device in site.devices}
    assert {device.device for bus in gateway.buses for device in bus.devices} <= known


def test_provisioned_data_source_is_the_one_the_dashboards_package_makes():
    text = (DEPLOY / "grafana" / "provisioning" / "datasources" / "commonwatt.yaml").read_text(encoding="utf-8")
    token = "grafana:$__file{/run/secrets/influxdb_grafana_password}"
    assert yaml.safe_load(text) == InfluxSource("http://influxdb:8086", token=token).provisioning()


def test_dashboard_provider_reads_where_the_dashboards_are_written(compose: dict[str, Any]):
    text = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "commonwatt.yaml").read_text(encoding="utf-8")
    (provider,) = yaml.safe_load(text)["providers"]
    services = compose["services"]
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"] == services["dashboards"]["command"][-1] == "/dashboards"
    assert "dashboards:/dashboards:ro" in services["grafana"]["volumes"]


def test_dockerfile_copies_what_exists_and_ends_as_nobody_special():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    root = DEPLOY.parent
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", text):
        assert all((root / name).exists() for name in line.split()[:-1]), line
    assert re.findall(r"(?m)^USER (\S+)", text) == ["10001"]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert all((root / name).exists() for name in re.findall(r"(?m)^!(\S+)", ignored))
    packages = {
        path.parent.name for path in root.glob("*/__init__.py") if path.parent.name not in {"tests", "benchmarks"}
    }
    assert packages <= set(re.findall(r"(?m)^!(\S+)", ignored))


@pytest.mark.parametrize("script", ["certificates.sh", "secrets.sh", "influxdb/access.sh"])
def test_script_is_executable_and_plain_posix(script: str):
    path = DEPLOY / script
    assert path.stat().st_mode & 0o111
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(path)], check=True)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_passes_systemd_analyze(unit: Path, tmp_path: Path):
    """With the program's path replaced: it need not be installed here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    name = unit.name.replace("@", "@gw-one")
    text = unit.read_text(encoding="utf-8").replace("/opt/commonwatt/bin/commonwatt", sys.executable)
    (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    about_us = [line for line in done.stderr.splitlines() if "commonwatt" in line]
    assert (done.returncode, about_us) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_restarts_drops_rights_and_gives_time_to_stop(unit: Path):
    text = unit.read_text(encoding="utf-8")
    for setting in (
        "Type=notify",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "TimeoutStopSec=20",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ):
        assert f"\n{setting}\n" in text, setting
    watched = 'notify("WATCHDOG=1")' in (DEPLOY.parent / _service_of(unit) / "service.py").read_text(encoding="utf-8")
    assert ("\nWatchdogSec=60\n" in text) == watched


def _service_of(unit: Path) -> str:
    return unit.name.removeprefix("commonwatt-").partition(".")[0].rstrip("@")


def test_readme_names_only_files_that_exist():
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:mosquitto|systemd|examples|influxdb|grafana)/[\w@.-]+(?:\.\w+)?", text))
    named = {name.rstrip(".") for name in named if not name.startswith("mosquitto/…")}
    outside = {name for name in named if f"/{name}" in text and not (DEPLOY / name).exists()}
    assert sorted(name for name in named - outside if not (DEPLOY / name).exists()) == []
