"""Telegraf in the collector's place: the same messages by `mqtt_consumer` into the same server."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import workload
from benchmarks.measure import Run, cpu_seconds
from benchmarks.processes import ended, in_child, mosquitto, telegraf_binary, until
from storage.history.settings import InfluxSettings

__all__ = ["fitting_telegraf", "telegraf"]

_NEEDED: Final = {"inputs.mqtt_consumer", "outputs.influxdb", "parsers.json_v2"}
_CONFIG: Final = """\
[agent]
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{broker}"]
  topics = ["cw/v1/+/+/data"]
  topic_tag = ""
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 5000
  data_format = "json_v2"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "reading"
    [[inputs.mqtt_consumer.json_v2.object]]
      path = "readings"
      timestamp_key = "t"
      timestamp_format = "unix_ms"
      tags = ["device"]
      excluded_keys = ["bad"]
      disable_prepend_keys = true
[[outputs.influxdb]]
  urls = ["{url}"]
  database = "{database}"
"""


def fitting_telegraf() -> str | None:
    """A Telegraf that has the plugins needed."""
    binary = telegraf_binary()
    if binary is None:
        return None
    told = subprocess.run([binary, "plugins"], capture_output=True, text=True, check=False).stdout.split()
    return binary if set(told) >= _NEEDED else None


def telegraf(binary: str, settings: InfluxSettings, server: int) -> Run:
    """The workload through a broker and Telegraf into a server of version 1, until all of it is stored."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as (port, _):
        config = Path(name) / "telegraf.conf"
        config.write_text(_CONFIG.format(broker=port, url=settings.url, database=settings.database), encoding="utf-8")
        process = subprocess.Popen([binary, "--config", str(config), "--quiet"])
        try:
            run = in_child(publish_until_stored, port, {"measured": process.pid, "server": server}, settings)
        finally:
            ended(process)
    used = run.cpu_s + run.facts["server_us"] * run.count / 1e6
    return Run(run.count, run.seconds, used, run.facts)


def publish_until_stored(port: int, pids: Mapping[str, int], settings: InfluxSettings) -> Run:
    """Publishes the warm-up cycles, then the measured ones; each time until the server has all of them."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="publisher")
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    prepared = workload.messages()
    warm = workload.WARM_CYCLES * workload.GATEWAYS
    time.sleep(2)  # Telegraf subscribes
    _send(client, prepared[:warm], settings, workload.WARM_CYCLES * workload.DEVICES)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    _send(client, prepared[warm:], settings, workload.WARM_CYCLES * workload.DEVICES + workload.READINGS)
    seconds = time.perf_counter() - began
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    client.disconnect()
    client.loop_stop()
    facts = {f"{name}_us": cpu / workload.READINGS * 1e6 for name, cpu in used.items()}
    return Run(workload.READINGS, seconds, used["measured"], facts)


def _send(client: paho.Client, prepared: Sequence[tuple[str, bytes]], settings: InfluxSettings, total: int) -> None:
    for topic, payload in prepared:
        client.publish(topic, payload, qos=1)
    until(lambda: _stored(settings) >= total, f"{total} readings in the server")


def _stored(settings: InfluxSettings) -> int:
    """How many readings the server has; asked seldom, for the asking costs it as well."""
    time.sleep(0.1)
    asked = urllib.parse.urlencode({"db": settings.database, "q": "SELECT count(power_w) FROM reading"})
    with urllib.request.urlopen(f"{settings.url}/query?{asked}", timeout=10) as answer:
        [result] = json.load(answer)["results"]
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0
