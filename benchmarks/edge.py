"""The gateway's cost: Modbus TCP devices polled, decoded, committed, published and confirmed, against bare sockets."""

from __future__ import annotations

import asyncio
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import paho.mqtt.client as paho
import uvloop
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.measure import Run, Table, cpu_seconds, measured, memory_mb
from benchmarks.processes import free_ports, in_background, in_child, mosquitto, service, until
from gateway.device import locate
from gateway.plan import Request
from gateway.profile import Library
from messaging.codec import Ack, decode_data, encode

__all__ = ["DEVICES", "GATEWAY", "PYMODBUS", "edge"]

DEVICES = 100
SECONDS = 5
PROFILE = "eastron-sdm630"
BARE, PYMODBUS, GATEWAY = "bare asyncio sockets", "pymodbus alone", "gateway"
_HEADER = struct.Struct(">HHHBBHH")


def edge(runs: int) -> list[Table]:
    """100 devices at 1 Hz, every device on a connection of its own."""
    layout = locate(Library(None).get(PROFILE), {})
    ports, requests = free_ports(DEVICES), layout.requests
    with in_background(serve_meters, ports):
        rows = measured(
            runs,
            {
                BARE: (lambda: in_child(poll_bare, ports, requests), "the same requests sent, the answers read"),
                PYMODBUS: (
                    lambda: in_child(poll_pymodbus, ports, requests),
                    "the same requests, nothing decoded or kept",
                ),
                GATEWAY: (lambda: _gateway(ports), "{core:.1%} of a core, {memory_mb:.0f} MiB resident"),
            },
        )
    points = sum(len(places) for places in layout.quantities.values())
    title = f"Edge: {DEVICES} Modbus TCP devices at 1 Hz, {points} values from {len(requests)} requests a reading"
    return [Table(title, "reading", rows, [BARE])]


def _gateway(ports: Sequence[int]) -> Run:
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as (broker, _),
        Acker(broker) as acker,
        service("gateway", _config(ports, broker, name), Path(name)) as pid,
    ):
        acker.wait_for(3 * DEVICES)
        cpu, readings, began = cpu_seconds(pid), acker.readings, time.perf_counter()
        acker.wait_for(readings + SECONDS * DEVICES)
        seconds = time.perf_counter() - began
        used, taken = cpu_seconds(pid) - cpu, acker.readings - readings
        return Run(taken, seconds, used, {"memory_mb": memory_mb(pid)})


def _config(ports: Sequence[int], broker: int, folder: str) -> dict[str, Any]:
    buses = [
        {
            "id": f"bus-{n}",
            "url": f"tcp://127.0.0.1:{port}",
            "devices": [{"device": f"site-{n}/grid", "profile": PROFILE, "unit": 1, "interval_s": 1.0}],
        }
        for n, port in enumerate(ports)
    ]
    return {"gateway": "gw", "community": "bench", "data_dir": folder, "mqtt": {"port": broker}, "buses": buses}


class Acker:
    """Confirms every batch at once and counts its readings: a collector that costs almost nothing."""

    def __init__(self, port: int) -> None:
        self.readings = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="acker")
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("cw/v1/bench/gw/data", qos=1)

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, readings: int) -> None:
        until(lambda: self.readings >= readings, f"reading {readings} of the gateway")

    def _on_message(self, client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        batch = decode_data(bytes(message.payload))
        self.readings += len(batch.readings)
        client.publish("cw/v1/bench/gw/ack", encode(Ack(batch.epoch, [batch.seq])), qos=1)


class _Meter(asyncio.Protocol):
    """Answers any read of registers at once with plausible floats."""

    registers = struct.pack(">64f", *[230.0 + n for n in range(64)])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _HEADER.size):
            transaction, _, _, unit, function, _, count = _HEADER.unpack_from(data, start)
            body = self.registers[: count * 2]
            head = struct.pack(">HHHBBB", transaction, 0, 3 + len(body), unit, function, len(body))
            self._transport.write(head + body)


def serve_meters(report: Callable[[], None], ports: Sequence[int]) -> None:
    """The devices, all in one process of their own."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for port in ports:
            await loop.create_server(_Meter, "127.0.0.1", port)
        report()
        await asyncio.Event().wait()

    uvloop.run(serve())


class _BarePoller(asyncio.Protocol):
    """Sends its requests one after the other and reads each answer to its end; looks at nothing in it."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._frames = [_HEADER.pack(n, 0, 6, 1, 4, r.address, r.count) for n, r in enumerate(requests)]
        self._lengths = [9 + 2 * r.count for r in requests]
        self._next = 0
        self._received = 0
        self.readings = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        self._next = self._received = 0
        self._transport.write(self._frames[0])

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received < self._lengths[self._next]:
            return
        self._received = 0
        self._next += 1
        if self._next < len(self._frames):
            self._transport.write(self._frames[self._next])
        else:
            self.readings += 1


def poll_bare(ports: Sequence[int], requests: Sequence[Request]) -> Run:
    """The bound: sockets and nothing else, on the event loop that the gateway has too."""

    async def poll() -> Run:
        loop = asyncio.get_running_loop()
        pollers = [
            (await loop.create_connection(lambda: _BarePoller(requests), "127.0.0.1", port))[1] for port in ports
        ]

        async def ask_all() -> None:
            for poller in pollers:
                poller.ask()

        return await _every_second(ask_all, lambda: sum(poller.readings for poller in pollers))

    return uvloop.run(poll())


def poll_pymodbus(ports: Sequence[int], requests: Sequence[Request]) -> Run:
    """The client library with nothing around it."""
    readings = 0

    async def read(client: AsyncModbusTcpClient) -> None:
        nonlocal readings
        for request in requests:
            await client.read_input_registers(request.address, count=request.count, device_id=1)
        readings += 1

    async def poll() -> Run:
        clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for port in ports]
        await asyncio.gather(*(client.connect() for client in clients))

        async def ask_all() -> None:
            await asyncio.gather(*(read(client) for client in clients))

        return await _every_second(ask_all, lambda: readings)

    return uvloop.run(poll())


async def _every_second(ask_all: Callable[[], Any], readings: Callable[[], int]) -> Run:
    await ask_all()
    await asyncio.sleep(1)
    cpu, before, began = time.process_time(), readings(), time.perf_counter()
    for n in range(SECONDS):
        await ask_all()
        await asyncio.sleep(max(0.0, began + n + 1 - time.perf_counter()))
    return Run(readings() - before, time.perf_counter() - began, time.process_time() - cpu)
