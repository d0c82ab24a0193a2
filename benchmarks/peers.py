"""Programs that do a gateway's first half, each set up for the same field and the same broker, and how its messages are read.

Every one is given what its makers offer for speed and plainness; what each does *not* do stands in its note.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from benchmarks.field import COUNT, FUNCTION, NAMES, REGISTERS, SCALE, Field, host
from benchmarks.processes import ended, service, telegraf_binary

__all__ = ["GATEWAY", "LEAN", "PEERS", "PLAIN", "TELEGRAF", "THINGSBOARD", "THINGSBOARD_BLOCK", "Peer", "lacking"]

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "commonwatt-benchmarks"
GATEWAY, LEAN, PLAIN = "commonwatt gateway", "60 lines of asyncio and gmqtt", "60 lines of pymodbus and aiomqtt"
THINGSBOARD, TELEGRAF = "thingsboard-gateway", "Telegraf"
THINGSBOARD_BLOCK: Final = f"{THINGSBOARD}, block reads"
MODBUS4MQTT: Final = "modbus4mqtt"

Readings = Iterable[tuple[int, int]]
"""Of each reading the number of its device, and its count."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How to run one: `start(field, broker's port, folder)` gives the processes that it consists of.

    `topics`: how the topics of its readings begin.
    """

    start: Callable[[Field, int, Path], Any]
    topics: str
    readings: Callable[[str, bytes], Readings]
    does: str
    lacking: Callable[[], str | None] = lambda: None
    most_devices: int = 10_000


def lacking() -> dict[str, str]:
    """The peers that are not installed, each with how to install it."""
    return {name: told for name, peer in PEERS.items() if (told := peer.lacking()) is not None}


# ours


def _profile() -> dict[str, Any]:
    points = [
        {"point": name, "name": name, "unit": _unit(name), "address": 2 * n, "function": "holding", "type": "s32"}
        | ({} if name == COUNT else {"scale": SCALE})
        for n, name in enumerate(NAMES)
    ]
    facts = {"profile": "bench-meter", "manufacturer": "Bench", "model": "meter", "role": "grid"}
    return (
        facts
        | {"description": "A simulated meter.", "source": ["benchmarks/field.py"], "verified": "simulated"}
        | {"points": points}
    )


def _unit(name: str) -> str:
    return {"v": "V", "a": "A", "w": "W", "hz": "Hz", "wh": "Wh"}[name.rpartition("_")[2]]


@contextmanager
def _gateway(field: Field, broker: int, folder: Path) -> Iterator[Sequence[int]]:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "bench-meter.yaml").write_text(yaml.safe_dump(_profile(), sort_keys=False), encoding="utf-8")
    buses = [
        {
            "id": f"bus-{n}",
            "url": f"tcp://{host(n)}:{field.port}",
            "devices": [{"device": f"site-{n}/grid", "profile": "bench-meter", "unit": 1, "interval_s": 1.0}],
        }
        for n in range(1, field.devices + 1)
    ]
    config = {"gateway": "gw", "community": "bench", "data_dir": str(folder), "mqtt": {"port": broker}}
    with service("gateway", config | {"profiles_dir": str(folder / "profiles"), "buses": buses}, folder) as pid:
        yield [pid]


class _Reading(msgspec.Struct):
    device: str
    v: dict[str, float]


class _Data(msgspec.Struct):
    readings: list[_Reading]


_data = msgspec.json.Decoder(_Data)


def _of_gateway(_topic: str, payload: bytes) -> Readings:
    return [
        (int(reading.device[5:].partition("/")[0]), int(reading.v[COUNT])) for reading in _data.decode(payload).readings
    ]


# sixty lines


def _poller(module: str) -> Callable[[Field, int, Path], Any]:
    def start(field: Field, broker: int, folder: Path) -> Any:
        numbers = [str(number) for number in (field.port, field.devices, broker)]
        return _running([[sys.executable, "-m", f"benchmarks.{module}", *numbers]], folder)

    return start


def _of_poller(topic: str, payload: bytes) -> Readings:
    return [(int(topic.rpartition("/")[2]), int(json.loads(payload)["v"][COUNT]))]


# thingsboard-gateway


def _thingsboard(*, block: bool) -> Callable[[Field, int, Path], Any]:
    def start(field: Field, broker: int, folder: Path) -> Any:
        python = _python_of("thingsboard")
        found = subprocess.run(
            [python, "-c", "import thingsboard_gateway as t; print(t.__path__[0])"],
            capture_output=True,
            text=True,
            check=True,
        )
        shutil.copy(Path(found.stdout.strip()) / "config" / "logs.json", folder)
        slaves = [_thingsboard_device(n, field.port, block=block) for n in range(1, field.devices + 1)]
        (folder / "modbus.json").write_text(json.dumps({"master": {"slaves": slaves}}), encoding="utf-8")
        (folder / "tb_gateway.json").write_text(json.dumps(_thingsboard_config(broker)), encoding="utf-8")
        command = [python, "-c", "from thingsboard_gateway.tb_gateway import daemon; daemon()"]
        return _running([command], folder, TB_GW_CONFIG_DIR=str(folder))

    return start


def _thingsboard_config(broker: int) -> dict[str, Any]:
    link = {
        "host": "127.0.0.1",
        "port": broker,
        "remoteShell": False,
        "remoteConfiguration": False,
        "statistics": {"enable": False, "statsSendPeriodInSeconds": 3600},
        "deviceFiltering": {"enable": False, "filterFile": "list.json"},
        "security": {"type": "accessToken", "accessToken": "bench"},
        "qos": 1,
        "reportStrategy": {"type": "ON_RECEIVED"},
        "checkingDeviceActivity": {"checkDeviceInactivity": False},
    }
    limits = ("rateLimits", "dpRateLimits", "messagesRateLimits", "deviceMessagesRateLimits")
    link |= dict.fromkeys((*limits, "deviceRateLimits", "deviceDpRateLimits"), "0:0,")
    return {
        "thingsboard": link,
        "storage": {"type": "memory", "read_records_count": 100, "max_records_count": 100_000},
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "Modbus", "configuration": "modbus.json"}],
    }


def _thingsboard_device(number: int, port: int, *, block: bool) -> dict[str, Any]:
    value = {"type": "32int", "functionCode": FUNCTION, "objectsCount": 2}
    if block:
        whole = {"tag": "v_${address}", "address": f"0-{REGISTERS - 1}", "maxRegistersPerRequest": REGISTERS}
        series = [value | whole]
    else:
        scaled = [{"divider": round(1 / SCALE)}] * (len(NAMES) - 1)
        series = [
            value | {"tag": name, "address": 2 * n} | more
            for n, (name, more) in enumerate(zip(NAMES, [*scaled, {}], strict=True))
        ]
    link = {"host": host(number), "port": port, "type": "tcp", "method": "socket", "unitId": 1, "pollPeriod": 1000}
    names = {
        "deviceName": f"site-{number}",
        "deviceType": "meter",
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "timeout": 5,
    }
    return link | names | {"retries": 1, "attributes": [], "timeseries": series, "attributeUpdates": [], "rpc": []}


def _of_thingsboard(_topic: str, payload: bytes) -> Readings:
    for name, packs in json.loads(payload).items():
        for pack in packs:
            values = pack.get("values", pack)
            count = values.get(COUNT, values.get(f"v_{REGISTERS - 2}"))
            if count is not None:
                yield int(name.rpartition("-")[2]), int(count)


# modbus4mqtt


def _modbus4mqtt(field: Field, broker: int, folder: Path) -> Any:
    commands = []
    for number in range(1, field.devices + 1):
        registers = [
            {
                "address": 2 * n,
                "table": "holding",
                "type": "int32",
                "pub_topic": "data",
                "json_key": name,
                "pub_only_on_change": False,
            }
            | ({} if name == COUNT else {"scale": SCALE})
            for n, name in enumerate(NAMES)
        ]
        device = {
            "ip": host(number),
            "port": field.port,
            "update_rate": 1,
            "scan_batching": REGISTERS,
            "registers": registers,
        }
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(device), encoding="utf-8")
        names = ["--config", f"{number}.yaml", "--mqtt_topic_prefix", f"m/{number}"]
        program = str(Path(_python_of("modbus4mqtt")).with_name("modbus4mqtt"))
        commands.append([program, "--hostname", "127.0.0.1", "--port", str(broker), *names])
    return _running(commands, folder)


def _of_modbus4mqtt(topic: str, payload: bytes) -> Readings:
    if not topic.endswith("/data"):
        return []
    return [(int(topic.split("/")[1]), int(json.loads(payload)[COUNT]))]


# Telegraf

_TELEGRAF: Final = """\
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  omit_hostname = true
[[outputs.mqtt]]
  servers = ["tcp://127.0.0.1:{broker}"]
  topic = "telegraf"
  qos = 1
  layout = "batch"
  data_format = "json"
"""
_TELEGRAF_DEVICE: Final = """\
[[inputs.modbus]]
  name = "{number}"
  controller = "tcp://{host}:{port}"
  configuration_type = "request"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "ABCD"
    register = "holding"
    fields = [{fields}]
"""


def _telegraf(field: Field, broker: int, folder: Path) -> Any:
    values = [(f'{{address={2 * n}, name="{name}", type="INT32"', name) for n, name in enumerate(NAMES)]
    fields = ", ".join(
        start + ("}" if name == COUNT else f', scale={SCALE}, output="FLOAT64"}}') for start, name in values
    )
    devices = [
        _TELEGRAF_DEVICE.format(number=n, host=host(n), port=field.port, fields=fields)
        for n in range(1, field.devices + 1)
    ]
    (folder / "telegraf.conf").write_text(_TELEGRAF.format(broker=broker) + "".join(devices), encoding="utf-8")
    return _running([[telegraf_binary() or "telegraf", "--config", "telegraf.conf", "--quiet"]], folder)


def _of_telegraf(_topic: str, payload: bytes) -> Readings:
    told = json.loads(payload)
    return [(int(metric["tags"]["name"]), int(metric["fields"][COUNT])) for metric in told.get("metrics", [told])]


# what all need


def _python_of(peer: str) -> str:
    return str(CACHE / peer / "bin" / "python")


def _no_environment(peer: str, package: str) -> Callable[[], str | None]:
    folder = CACHE / peer
    how = f"python3 -m venv {folder} && {folder}/bin/pip install {package}"
    return lambda: None if Path(_python_of(peer)).exists() else how


def _no_telegraf() -> str | None:
    if telegraf_binary():
        return None
    tags = "custom,inputs.modbus,inputs.mqtt_consumer,outputs.mqtt,outputs.influxdb,parsers.json_v2,serializers.json"
    return (
        f"go install -tags {tags} github.com/influxdata/telegraf/cmd/telegraf@latest, and name it in TELEGRAF or PATH"
    )


@contextmanager
def _running(commands: Sequence[Sequence[str]], folder: Path, **environment: str) -> Iterator[Sequence[int]]:
    (folder / "logs").mkdir(exist_ok=True)
    roots = {"PYTHONPATH": str(Path(__file__).parent.parent)} if "-m" in commands[0] else {}
    with ExitStack() as stack, (folder / "said.log").open("ab") as log:
        pids = []
        for command in commands:
            process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **roots, **environment}
            )
            stack.callback(ended, process)
            pids.append(process.pid)
        yield pids


PEERS: Final[dict[str, Peer]] = {
    LEAN: Peer(
        _poller("lean_poller"), "lean/", _of_poller, "checks and keeps nothing; no timeouts, no reconnection to devices"
    ),
    PLAIN: Peer(_poller("plain_poller"), "plain/", _of_poller, "checks and keeps nothing"),
    GATEWAY: Peer(
        _gateway,
        "cw/v1/bench/gw/data",
        _of_gateway,
        "every value checked, every reading synced to disk until it is confirmed",
    ),
    THINGSBOARD: Peer(
        _thingsboard(block=False),
        "v1/gateway/telemetry",
        _of_thingsboard,
        "one read a value, its usual way; memory storage, its default",
        _no_environment("thingsboard", "thingsboard-gateway"),
    ),
    THINGSBOARD_BLOCK: Peer(
        _thingsboard(block=True),
        "v1/gateway/telemetry",
        _of_thingsboard,
        "one read a device, which gives names and scales up",
        _no_environment("thingsboard", "thingsboard-gateway"),
    ),
    TELEGRAF: Peer(
        _telegraf, "telegraf", _of_telegraf, "one message a second for all; memory buffer, its default", _no_telegraf
    ),
    MODBUS4MQTT: Peer(
        _modbus4mqtt,
        "m/",
        _of_modbus4mqtt,
        "a process a device; QoS 0",
        _no_environment("modbus4mqtt", "modbus4mqtt"),
        most_devices=20,
    ),
}
