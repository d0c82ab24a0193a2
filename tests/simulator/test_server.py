"""Units on a bus, framings, and the faults of the line."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from energy.errors import ConfigError
from runtime.clock import Clock, ManualClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator

Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]
Running = Callable[[SimulatorConfig, Clock], AbstractAsyncContextManager[Simulator]]
MakeConfig = Callable[..., SimulatorConfig]


def port_of(simulator: Simulator, device: str) -> int:
    return int(next(row["port"] for row in simulator.devices() if row["device"] == device))


async def test_unknown_unit_on_tcp_is_told_by_the_gateway_exception(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/pv") as client:
        assert (await client.read_holding_registers(40_000, count=2, device_id=9)).exception_code == 11


async def test_unknown_unit_on_a_serial_line_is_met_with_silence(simulator: Simulator, connected: Connect) -> None:
    async with connected(simulator, "hall/grid") as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=9)


async def test_rtu_frames_are_answered_with_their_checksum(simulator: Simulator) -> None:
    """The worked request of the Modbus over serial line: unit, function, address, count, CRC low byte first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(simulator, "hall/grid"))
    writer.write(bytes.fromhex("01 04 00 34 00 02 30 05"))
    answer = await asyncio.wait_for(reader.readexactly(9), timeout=2)
    writer.close()
    await writer.wait_closed()
    assert answer[:3] == bytes([1, 4, 4])
    assert struct.unpack(">f", answer[3:7])[0] == simulator.world.devices["hall/grid"].power_w


async def test_registers_stand_still_between_two_ticks(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    async with connected(simulator, "hall/grid") as client:
        first = (await client.read_input_registers(0, count=60, device_id=1)).registers
        await clock.advance(0.9)
        assert (await client.read_input_registers(0, count=60, device_id=1)).registers == first
        await clock.advance(5)
        assert (await client.read_input_registers(0, count=60, device_id=1)).registers != first


async def test_silent_device_gives_no_answer_and_its_neighbour_does(simulator: Simulator, connected: Connect) -> None:
    simulator.fault("hall/grid", "silent")
    async with connected(simulator, "hall/grid") as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=1)
        assert not (await client.read_input_registers(0, count=2, device_id=2)).isError()
        simulator.clear("hall/grid")
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


async def test_silent_device_does_not_even_refuse(simulator: Simulator, connected: Connect) -> None:
    simulator.fault("hall/pv", "silent")
    async with connected(simulator, "hall/pv") as client:
        with pytest.raises(ModbusIOException):
            await client.read_holding_registers(0, count=2, device_id=1)


async def test_busy_device_answers_exception_6_for_reads_and_writes(simulator: Simulator, connected: Connect) -> None:
    simulator.fault("hall/ev", "busy")
    async with connected(simulator, "hall/ev") as client:
        assert (await client.read_holding_registers(1200, count=1, device_id=1)).exception_code == 6
        assert (await client.write_register(1215, 1, device_id=1)).exception_code == 6


async def test_slow_device_answers_late_with_the_number_of_its_own_request(simulator: Simulator) -> None:
    """Two requests with one connection: the quick unit overtakes, and the late answer keeps its transaction id."""
    simulator.fault("hall/ev", "slow", seconds=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(simulator, "hall/ev"))
    writer.write(struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 1200, 1))
    await asyncio.sleep(0.05)
    writer.write(struct.pack(">HHHBBHH", 8, 0, 6, 200, 3, 1105, 1))
    quick = await asyncio.wait_for(reader.readexactly(11), timeout=2)
    late = await asyncio.wait_for(reader.readexactly(11), timeout=2)
    writer.close()
    await writer.wait_closed()
    assert (struct.unpack_from(">H", quick)[0], quick[6]) == (8, 200)
    assert (struct.unpack_from(">H", late)[0], late[6]) == (7, 1)


async def test_restart_closes_the_port_for_a_while_and_loses_setpoints(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    async with connected(simulator, "hall/ev") as client:
        words = client.convert_to_registers(8.0, client.DATATYPE.FLOAT32)
        await client.write_registers(1210, words, device_id=1)
        simulator.fault("hall/ev", "restart", seconds=5)
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port_of(simulator, "hall/ev"))
    await clock.advance(5)
    await asyncio.sleep(0.05)
    async with connected(simulator, "hall/ev") as client:
        assert (await client.read_holding_registers(1214, count=1, device_id=1)).registers == [0]


async def test_restart_on_a_shared_bus_silences_its_own_unit_only(
    simulator: Simulator, connected: Connect, clock: ManualClock
) -> None:
    simulator.fault("hall/grid", "restart", seconds=5)
    async with connected(simulator, "hall/grid") as client:
        with pytest.raises(ModbusIOException):
            await client.read_input_registers(0, count=2, device_id=1)
        assert not (await client.read_input_registers(0, count=2, device_id=2)).isError()
        await clock.advance(5)
        assert not (await client.read_input_registers(0, count=2, device_id=1)).isError()


async def test_taken_port_is_a_config_error_that_names_it(
    running: Running, make_config: MakeConfig, free_port: Callable[[], int], clock: ManualClock
) -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", port)
    ports = iter([port])
    config = make_config(lambda: next(ports, free_port()))
    async with taken:
        with pytest.raises(ConfigError, match=str(port)):
            async with running(config, clock):
                pass
