"""Modbus TCP, the part a gateway needs: one connection, one request at a time, every answer checked against it.

Requests and answers are those of the MODBUS Messaging on TCP/IP Implementation Guide V1.0b: a header of transaction,
protocol (0), length and unit, then the function and its data. Framing (`Frames`, `read_request`, `write_request`,
`values_of`) has no sockets. Serial lines and RTU over TCP go by pymodbus (docs/decisions/009-own-modbus-tcp.md).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, cast

from energy.errors import DeviceError
from gateway.registers import Function

__all__ = [
    "READ_CODES",
    "BadAnswerError",
    "Frame",
    "Frames",
    "RefusalError",
    "TcpClient",
    "check_written",
    "read_request",
    "values_of",
    "write_request",
]

READ_CODES: Final[dict[Function, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_WRITE_COILS, _WRITE_REGISTER, _WRITE_REGISTERS = 15, 6, 16
_ERROR: Final = 0x80  # set in the function code of an answer that is an exception
_HEADER: Final = struct.Struct(">HHHB")
_ASK: Final = struct.Struct(">BHH")
_LONGEST_PDU: Final = 253


class BadAnswerError(DeviceError):
    """What came is no answer to what was asked, or no Modbus at all."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="garbage")


class RefusalError(DeviceError):
    """The device answered with an exception code, which its caller puts into words."""

    def __init__(self, exception_code: int) -> None:
        super().__init__(f"exception {exception_code}", kind="exception")
        self.exception_code = exception_code


class Frame(NamedTuple):
    """One message: `pdu` is the function code and its data."""

    transaction: int
    unit: int
    pdu: bytes


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are complete with `data`. Raises BadAnswerError when the stream is no Modbus TCP."""
        data = self._rest + data if self._rest else data
        start = 0
        while len(data) - start >= _HEADER.size:
            transaction, protocol, length, unit = _HEADER.unpack_from(data, start)
            if protocol != 0 or not 2 <= length <= 1 + _LONGEST_PDU:
                raise BadAnswerError("what came is no Modbus TCP")
            end = start + _HEADER.size - 1 + length
            if end > len(data):
                break
            pdu = data[start + _HEADER.size : end]
            start = end
            self._rest = data[start:]
            yield Frame(transaction, unit, pdu)
        self._rest = data[start:]


def read_request(function: Function, address: int, count: int) -> bytes:
    """The PDU that asks for `count` registers or coils."""
    return _ASK.pack(READ_CODES[function], address, count)


def write_request(function: Function, address: int, values: Sequence[int], *, single: bool = False) -> bytes:
    """The PDU that writes registers (16, one by 6 where `single`) or coils (15)."""
    if function == "coil":
        bits = bytearray((len(values) + 7) // 8)
        for n, value in enumerate(values):
            bits[n // 8] |= bool(value) << n % 8
        return struct.pack(">BHHB", _WRITE_COILS, address, len(values), len(bits)) + bytes(bits)
    if single:
        (value,) = values
        return _ASK.pack(_WRITE_REGISTER, address, value)
    count = len(values)
    return struct.pack(f">BHHB{count}H", _WRITE_REGISTERS, address, count, 2 * count, *values)


def values_of(pdu: bytes, function: Function, count: int) -> list[int]:
    """The registers, or coils as 0 and 1, of an answer. Raises RefusalError and BadAnswerError."""
    _check_function(pdu, READ_CODES[function])
    size = 2 * count if function in {"holding", "input"} else (count + 7) // 8
    if len(pdu) != 2 + size or pdu[1] != size:
        raise BadAnswerError(f"{len(pdu) - 2} bytes came, {size} were asked for")
    if function in {"holding", "input"}:
        return list(struct.unpack_from(f">{count}H", pdu, 2))
    return [pdu[2 + n // 8] >> n % 8 & 1 for n in range(count)]


def check_written(pdu: bytes, request: bytes) -> None:
    """Whether `pdu` says that `request` was done; what a device makes of a value is for who reads it back.

    Raises RefusalError and BadAnswerError.
    """
    _check_function(pdu, request[0])
    if len(pdu) != _ASK.size:
        raise BadAnswerError(f"{len(pdu)} bytes confirm a write, not {_ASK.size}")


def _check_function(pdu: bytes, code: int) -> None:
    if pdu[0] == code | _ERROR and len(pdu) == 2:
        raise RefusalError(pdu[1])
    if pdu[0] != code:
        raise BadAnswerError(f"an answer to function {pdu[0]} came, {code} was asked")


class TcpClient(asyncio.Protocol):
    """One connection. Its caller asks one thing at a time."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._where = (host, port)
        self._timeout_s = timeout_s
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._transaction = 0
        self._unit = 0
        self._waiting: asyncio.Future[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._transport is not None

    async def connect(self) -> bool:
        """Opens the connection; False when it cannot be."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.get_running_loop().create_connection(lambda: self, *self._where)
        except OSError:  # TimeoutError is one
            return False
        return True

    def close(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._lost(ConnectionResetError("closed"))

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1. Raises RefusalError, BadAnswerError and OSError (TimeoutError is one)."""
        return values_of(await self._asked(unit, read_request(function, address, count)), function, count)

    async def write(self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool) -> None:
        """Writes registers or coils. Raises as `read`."""
        request = write_request(function, address, values, single=single)
        check_written(await self._asked(unit, request), request)

    def _asked(self, unit: int, pdu: bytes) -> asyncio.Future[bytes]:
        """Sends a request; the answer is the future's result. Raises ConnectionResetError."""
        if self._transport is None:
            raise ConnectionResetError("not connected")
        loop = self._loop
        self._transaction = self._transaction + 1 & 0xFFFF
        self._unit = unit
        self._waiting = waiting = loop.create_future()
        self._deadline = loop.time() + self._timeout_s
        self._transport.write(_HEADER.pack(self._transaction, 0, len(pdu) + 1, unit) + pdu)
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._look_at_the_time)
        return waiting

    def _look_at_the_time(self) -> None:
        """One timer at a time, which moves on with the requests instead of being made and cancelled for each."""
        self._timer = None
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        if self._loop.time() >= self._deadline:
            waiting.set_exception(TimeoutError())
        else:
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_time)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._answered(frame)
        except BadAnswerError as error:
            if self._transport is not None:
                self._transport.abort()
            self._lost(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc if isinstance(exc, OSError) else ConnectionResetError("closed by the device"))

    def _answered(self, frame: Frame) -> None:
        waiting = self._waiting
        if waiting is None or waiting.done() or frame.transaction != self._transaction:
            return  # the late answer to a request that was given up
        if frame.unit != self._unit:
            raise BadAnswerError(f"unit {frame.unit} answered")
        waiting.set_result(frame.pdu)

    def _lost(self, why: Exception) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(why)
