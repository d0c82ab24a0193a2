"""Modbus with RTU framing, on a serial line or over TCP: pymodbus behind the calls of a bus's client."""

from __future__ import annotations

import termios
import traceback
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from gateway.modbus_tcp import BadAnswerError, RefusalError
from gateway.registers import Function
from runtime.cancellation import cancellation_kept

if TYPE_CHECKING:
    from gateway.modbus import BusAddress

__all__ = ["RtuClient"]


class RtuClient:
    """One connection. Its caller asks one thing at a time, and closes it after a timeout."""

    def __init__(self, where: BusAddress, timeout_s: float) -> None:
        self._client = _client(where, timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return bool(self._client.connected)

    async def connect(self) -> bool:
        """Opens the connection; False when it cannot be."""
        try:
            with cancellation_kept():
                return bool(await self._client.connect())
        except termios.error as error:  # pyserial lets it through, the port open and locked in the error's frames
            traceback.clear_frames(error.__traceback__)
            return False

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1. Raises RefusalError, BadAnswerError and OSError (TimeoutError is one)."""
        client = self._client
        if function == "holding":
            answer = await _answer(client.read_holding_registers(address, count=count, device_id=unit))
        elif function == "input":
            answer = await _answer(client.read_input_registers(address, count=count, device_id=unit))
        elif function == "coil":
            answer = await _answer(client.read_coils(address, count=count, device_id=unit))
        else:
            answer = await _answer(client.read_discrete_inputs(address, count=count, device_id=unit))
        if function in {"coil", "discrete"}:
            values = [int(bit) for bit in answer.bits[:count]]  # answers are filled up to whole bytes
        else:
            values = list(answer.registers)
        if len(values) != count:
            raise BadAnswerError(f"{len(values)} values came, {count} were asked for")
        return values

    async def write(self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool) -> None:
        """Writes registers or coils. Raises as `read`."""
        client = self._client
        if function == "coil":
            await _answer(client.write_coils(address, [bool(value) for value in values], device_id=unit))
        elif single:
            (value,) = values
            await _answer(client.write_register(address, value, device_id=unit))
        else:
            await _answer(client.write_registers(address, list(values), device_id=unit))


async def _answer(request: Awaitable[ModbusPDU]) -> ModbusPDU:
    try:
        with cancellation_kept():  # pymodbus waits with asyncio.wait_for
            answer = await request
    except ModbusException as error:
        raise TimeoutError(str(error)) from error
    if answer.isError():
        raise RefusalError(answer.exception_code)
    return answer


def _client(where: BusAddress, timeout_s: float) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
    if where.scheme == "rtu":
        return AsyncModbusSerialClient(
            where.host,
            baudrate=where.baud,
            parity=where.parity,
            stopbits=where.stopbits,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
        )
    return AsyncModbusTcpClient(
        where.host, port=where.port, framer=FramerType.RTU, timeout=timeout_s, retries=0, reconnect_delay=0
    )
