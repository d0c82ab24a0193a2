"""The leanest poller we could write: bare asyncio, uvloop, msgspec and gmqtt. It checks and keeps nothing.

`python -m benchmarks.lean_poller DEVICE_PORT DEVICES BROKER_PORT`
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time

import gmqtt
import msgspec
import uvloop

NAMES = (
    *("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "current_l1_a", "current_l2_a", "current_l3_a"),
    *("power_l1_w", "power_l2_w", "power_l3_w", "power_w", "frequency_hz", "energy_import_wh"),
)
SCALES = (*[0.1] * 11, 1)
REQUEST = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 24)
ANSWER = struct.Struct(">9x12i")
encode = msgspec.json.Encoder().encode


class Device(asyncio.Protocol):
    """One device on its connection."""

    def __init__(self, number: int, client: gmqtt.Client) -> None:
        self.topic, self.client = f"lean/{number}", client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for raws in ANSWER.iter_unpack(data):  # two when a second was missed
            values = [round(raw * scale, 4) for raw, scale in zip(raws, SCALES, strict=True)]
            reading = {"t": time.time_ns() // 1_000_000, "v": dict(zip(NAMES, values, strict=True))}
            self.client.publish(self.topic, encode(reading), qos=1)


async def main(port: int, count: int, broker: int) -> None:
    """Polls until killed."""
    client = gmqtt.Client("poller")
    await client.connect("127.0.0.1", broker)
    loop = asyncio.get_running_loop()
    transports = []
    for number in range(1, count + 1):
        where = f"127.1.{number // 250}.{number % 250 + 1}"
        transport, _ = await loop.create_connection(lambda n=number: Device(n, client), where, port)
        transports.append(transport)
    due = time.time() // 1
    while True:
        due += 1
        await asyncio.sleep(due - time.time())
        for transport in transports:
            transport.write(REQUEST)


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
