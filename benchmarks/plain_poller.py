"""The poller most people would write: pymodbus and aiomqtt. It checks and keeps nothing.

`python -m benchmarks.plain_poller DEVICE_PORT DEVICES BROKER_PORT`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient

NAMES = (
    *("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "current_l1_a", "current_l2_a", "current_l3_a"),
    *("power_l1_w", "power_l2_w", "power_l3_w", "power_w", "frequency_hz", "energy_import_wh"),
)
SCALES = (*[0.1] * 11, 1)


async def read(number: int, modbus: AsyncModbusTcpClient, mqtt: aiomqtt.Client) -> None:
    """One reading of one device, published."""
    answer = await modbus.read_holding_registers(0, count=24, device_id=1)
    raws = modbus.convert_from_registers(answer.registers, modbus.DATATYPE.INT32)
    values = [round(raw * scale, 4) for raw, scale in zip(raws, SCALES, strict=True)]
    reading = {"t": int(time.time() * 1000), "v": dict(zip(NAMES, values, strict=True))}
    await mqtt.publish(f"plain/{number}", json.dumps(reading), qos=1)


async def poll(number: int, port: int, mqtt: aiomqtt.Client) -> None:
    """One device, every second."""
    modbus = AsyncModbusTcpClient(f"127.1.{number // 250}.{number % 250 + 1}", port=port)
    await modbus.connect()
    due = time.time() // 1
    while True:
        due += 1
        await asyncio.sleep(due - time.time())
        await read(number, modbus, mqtt)


async def main(port: int, count: int, broker: int) -> None:
    """Polls until killed."""
    async with aiomqtt.Client("127.0.0.1", broker) as mqtt:
        mqtt.pending_calls_threshold = 10_000
        await asyncio.gather(*(poll(number, port, mqtt) for number in range(1, count + 1)))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
