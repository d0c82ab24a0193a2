"""The gateway beside other programs that poll and publish: what a reading costs, what an outage loses, how many devices."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.field import Field, field
from benchmarks.measure import Facts, Row, Run, Table, cpu_seconds, measured, memory_mb
from benchmarks.peers import GATEWAY, LEAN, PEERS, Peer, lacking
from benchmarks.processes import mosquitto, until
from messaging.codec import Ack, decode_data, encode

__all__ = ["SIZES", "edge_peers"]

SIZES: Final = (100, 400)
MANY: Final = (1000, 4000)
SETTLE_S: Final = 2.0
SECONDS: Final = 8.0
OUTAGE_DEVICES: Final = 20
OUTAGE_S: Final = 20.0
AFTER_S: Final = 30.0
ON_THE_WAY_S: Final = 3.0  # what was read so shortly before the end is not missed
_QUIET_S: Final = 0.3
_OURS: Final = "cw/v1/bench/gw/"
_THINGSBOARD_ASKS: Final = "v1/devices/me/rpc/request/"
_THINGSBOARD_LIMITS: Final = (
    b'{"maxPayloadSize": 65536, "maxInflightMessages": 10000, "rateLimits": {}, '
    b'"gatewayRateLimits": {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""}}'
)


def edge_peers(runs: int) -> list[Table | Facts]:
    """Those that are installed; says of the others how to install them."""
    for name, how in lacking().items():
        print(f"{name} is not installed and left out: {how}", file=sys.stderr)
    present = {name: peer for name, peer in PEERS.items() if name not in lacking()}
    tables: list[Table | Facts] = []
    for devices in SIZES:
        with field(devices) as meters:
            rows = measured(
                runs,
                {
                    name: (_paced(peer, meters), _note(peer, devices))
                    for name, peer in present.items()
                    if peer.most_devices >= devices or devices == SIZES[0]
                },
            )
        title = f"Edge and its peers: {devices} Modbus TCP devices of 12 values at 1 Hz, published by MQTT"
        tables.append(Table(title, "reading", rows, [LEAN]))
    return [*tables, _outages(present), _many(runs)]


def _note(peer: Peer, devices: int) -> str:
    of = f" ({peer.most_devices} devices only)" if peer.most_devices < devices else ""
    return f"{{core:.1%}} of a core{of}, {{memory_mb:.0f}} MiB, {{complete:.0%}} arrived; {peer.does}"


def _paced(peer: Peer, meters: Field) -> Callable[[], Run]:
    part = Field(meters.port, min(meters.devices, peer.most_devices), meters.counts)
    return lambda: _pace(peer, part)


def _pace(peer: Peer, meters: Field) -> Run:
    """`SECONDS` of everyday; the CPU is charged to those readings taken meanwhile that arrived."""
    with _running(peer, meters) as (listener, pids):
        everyone = _family(pids)
        time.sleep(1 - time.time() % 1 + _QUIET_S)  # when those that keep to the full second, and we, are at rest
        cpu, began, before = _cpu(everyone), time.perf_counter(), meters.taken()
        time.sleep(SECONDS)
        used, seconds, after = _cpu(everyone) - cpu, time.perf_counter() - began, meters.taken()
        memory = sum(memory_mb(pid) for pid in everyone)
        time.sleep(SETTLE_S)
        count = len(_between(before, after) & listener.readings(peer))
    complete = count / (meters.devices * SECONDS)
    return Run(count, seconds, used, {"memory_mb": memory, "complete": complete})


def _between(before: Sequence[int], after: Sequence[int]) -> set[tuple[int, int]]:
    """The readings taken of each device since it had been read so often."""
    return {
        (device, count)
        for device, (first, last) in enumerate(zip(before, after, strict=True), start=1)
        for count in range(first + 1, last + 1)
    }


@contextmanager
def _running(peer: Peer, meters: Field) -> Iterator[tuple[_Listener, Sequence[int]]]:
    """The peer at work, every device read: who listens, and its processes."""
    before = meters.taken()
    with (
        tempfile.TemporaryDirectory() as name,
        _listening(Path(name)) as (listener, port, _),
        peer.start(meters, port, Path(name)) as pids,
    ):
        until(lambda: all(n > m for n, m in zip(meters.taken(), before, strict=True)), "a reading of every device")
        until(lambda: listener.messages, "the first message")
        time.sleep(SETTLE_S)
        yield listener, pids


def _family(pids: Sequence[int]) -> list[int]:
    return [p.pid for pid in pids for p in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]


def _cpu(pids: Sequence[int]) -> float:
    return sum(cpu_seconds(pid) for pid in pids)


class _Listener:
    """Keeps all messages as they come, and confirms our gateway's batches as a collector does."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.reconnect_delay_set(0.01, 0.01)  # back before anybody publishes
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def readings(self, peer: Peer) -> set[tuple[int, int]]:
        """What came so far, each reading once."""
        return {
            reading
            for topic, payload in list(self.messages)
            if topic.startswith(peer.topics)
            for reading in peer.readings(topic, payload)
        }

    def _on_message(self, client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload)))
        if message.topic == f"{_OURS}data":
            batch = decode_data(bytes(message.payload))
            client.publish(f"{_OURS}ack", encode(Ack(batch.epoch, [batch.seq])), qos=1)
        elif message.topic.startswith(_THINGSBOARD_ASKS):  # it sends nothing before its server tells the limits
            number = message.topic.rpartition("/")[2]
            client.publish(f"v1/devices/me/rpc/response/{number}", _THINGSBOARD_LIMITS, qos=1)


def _outages(present: dict[str, Peer]) -> Facts:
    """One outage for all of them, each with devices of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
        _listening(Path(name)) as (listener, port, broker),
        ExitStack() as stack,
    ):
        meters = {name: stack.enter_context(field(OUTAGE_DEVICES)) for name in present}
        for number, (peer, part) in enumerate(zip(present.values(), meters.values(), strict=True)):
            folder = Path(name) / str(number)
            folder.mkdir()
            stack.enter_context(peer.start(part, port, folder))
        until(lambda: all(min(part.taken()) for part in meters.values()), "a reading of every device")
        time.sleep(2 * SETTLE_S)
        before = {name: part.taken() for name, part in meters.items()}
        time.sleep(SETTLE_S)
        os.kill(broker, signal.SIGKILL)
        time.sleep(OUTAGE_S)
        with mosquitto(Path(name), port):
            time.sleep(AFTER_S - ON_THE_WAY_S)
            after = {name: part.taken() for name, part in meters.items()}
            time.sleep(ON_THE_WAY_S)
            rows = [
                _lost(name, _between(before[name], after[name]), listener.readings(peer))
                for name, peer in present.items()
            ]
    title = f"Edge and its peers: the broker killed for {OUTAGE_S:g} s, {OUTAGE_DEVICES} devices at 1 Hz"
    return Facts(
        title, ("program", "read from the devices", f"not arrived {AFTER_S:g} s after its return", "share"), rows
    )


def _lost(name: str, taken: set[tuple[int, int]], arrived: set[tuple[int, int]]) -> tuple[str, ...]:
    lost = len(taken - arrived)
    return name, f"{len(taken):,}", f"{lost:,}", f"{lost / max(1, len(taken)):.0%}"


@contextmanager
def _listening(folder: Path) -> Iterator[tuple[_Listener, int, int]]:
    with mosquitto(folder) as (port, broker), _Listener(port) as listener:
        yield listener, port, broker


def _many(runs: int) -> Facts:
    """How far one process reaches: what it uses and whether it keeps up."""
    rows = []
    for devices in MANY:
        with field(devices) as meters:
            found = measured(runs, {name: (_paced(PEERS[name], meters), "") for name in (LEAN, GATEWAY)})
        rows += [(f"{row.name}, {devices:,} devices", *_reach(row, devices)) for row in found]
    columns = ("program", "readings/s arrived", "of a core", "MiB", "devices per core, by calculation")
    return Facts("Edge and its peers: how many devices at 1 Hz", columns, rows)


def _reach(row: Row, devices: int) -> tuple[str, str, str, str]:
    core = row.facts["core"]
    if not core:
        return "it ended", "", "", ""
    per_core = round(devices * row.facts["complete"] / core, -2)
    return f"{row.per_s:,.0f}", f"{core:.0%}", f"{row.facts['memory_mb']:.0f}", f"{per_core:,.0f}"
