"""One field bus: a single Modbus connection, one request at a time in order of asking, with our own retry policy.

Pauses here are the wire's, not the service's: they run on the event loop's time, whatever clock the service has.

RTU framing has no transaction number: the late answer to a request that timed out is taken for the answer to the next
one, where unit, function and length are the same. After a timeout on such a bus the connection is closed, opened again,
and left alone for one more timeout, so that a late answer arrives while nobody waits for it; and the unit that was late
is left alone for longer, while its neighbours, whose answers carry another number, go on. With TCP framing the
transaction number protects and the connection stays.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from energy.errors import ConfigError, DeviceError
from gateway.modbus_tcp import BadAnswerError, RefusalError, TcpClient
from gateway.registers import Function

__all__ = ["Bus", "BusAddress", "parse_bus_url"]

_BUSY_CODES: Final = {4, 6}  # server failure and busy are transient on Huawei and GoodWe
_BUSY_PAUSES_S: Final = (0.1, 0.4, None)  # after the last the caller is told
_ABSENT_CODES: Final = {10, 11}  # a Modbus gateway says that the unit behind it does not answer
_EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "server failure",
    5: "acknowledged, not done yet",
    6: "busy",
    10: "gateway path unavailable",
    11: "no answer from the unit behind the gateway",
}
_TIMEOUTS_UNTIL_RECONNECT: Final = 3  # on TCP framing: a peer that vanished without closing
_LATE_TIMEOUTS: Final = 4  # a unit that did not answer is left alone for so many of them on RTU framing
_P1_BAUD: Final = 115_200
_CONNECT_PAUSE_S: Final = 0.5
_CONNECT_PAUSE_MAX_S: Final = 8.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a bus is. `host` is the device file of a serial line. A P1 port is no Modbus, but is told the same way."""

    scheme: Literal["tcp", "rtutcp", "rtu", "p1tcp", "p1"]
    host: str
    port: int = 502
    baud: int = 9600
    parity: str = "N"
    stopbits: int = 1

    @property
    def rtu_framing(self) -> bool:
        """Whether answers carry no transaction number."""
        return self.scheme != "tcp"

    @property
    def is_p1(self) -> bool:
        """Whether a meter's P1 port is there."""
        return self.scheme in {"p1tcp", "p1"}


def parse_bus_url(url: str) -> BusAddress:
    """`tcp://host:502`, `rtutcp://host:port`, `rtu:///dev/ttyUSB0?baud=9600&parity=N&stopbits=1`; for a P1 port
    `p1tcp://host:port` or `p1:///dev/ttyUSB0`, of an old meter with seven bits `p1:///dev/ttyUSB0?baud=9600&parity=E`.

    Raises ConfigError.
    """
    hint = (
        "write tcp://host:502, rtutcp://host:port or rtu:///dev/ttyUSB0?baud=9600&parity=N&stopbits=1; "
        "for a P1 port p1tcp://host:port or p1:///dev/ttyUSB0, of a meter before 2014 with ?baud=9600&parity=E"
    )
    try:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        if parts.scheme == "rtu" and parts.path and not parts.netloc and set(options) <= {"baud", "parity", "stopbits"}:
            parity = options.get("parity", "N").upper()
            baud, stopbits = int(options.get("baud", "9600")), int(options.get("stopbits", "1"))
            if parity in {"N", "E", "O"} and stopbits in {1, 2} and baud > 0:
                return BusAddress("rtu", parts.path, baud=baud, parity=parity, stopbits=stopbits)
        if parts.scheme == "tcp" and parts.hostname and not options:
            return BusAddress("tcp", parts.hostname, parts.port or 502)
        if parts.scheme in {"rtutcp", "p1tcp"} and parts.hostname and parts.port and not options:
            return BusAddress("rtutcp" if parts.scheme == "rtutcp" else "p1tcp", parts.hostname, parts.port)
        if parts.scheme == "p1" and parts.path and not parts.netloc and set(options) <= {"baud", "parity"}:
            baud, parity = int(options.get("baud", _P1_BAUD)), options.get("parity", "N").upper()
            if parity in {"N", "E"} and baud > 0:
                return BusAddress("p1", parts.path, baud=baud, parity=parity)
    except ValueError as error:
        raise ConfigError(f"{url!r} is no bus: {error}", field="url", hint=hint) from error
    raise ConfigError(f"{url!r} is no bus", field="url", hint=hint)


class Client(Protocol):
    """An open connection, whatever its framing. Calls raise RefusalError, BadAnswerError and OSError (TimeoutError is one)."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""

    async def connect(self) -> bool:
        """Opens it; False when it cannot be."""

    def close(self) -> None:
        """Ends it at once."""

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1."""

    async def write(self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool) -> None:
        """Writes registers or coils in one request."""


class Bus:
    """A transport over one connection. Safe to use from several tasks: requests queue up fairly."""

    def __init__(
        self,
        address: BusAddress,
        *,
        timeout_s: float = 1.0,
        connect_delay_s: float = 0.0,
        request_gap_s: float = 0.0,
        unit_gaps_s: Mapping[int, float] | None = None,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._connect_delay_s = connect_delay_s
        self._request_gap_s = request_gap_s
        self._unit_gaps_s = dict(unit_gaps_s or {})
        self._unit_quiet_until: dict[int, float] = {}
        self._lock = asyncio.Lock()
        self._client: Client | None = None
        self._quiet_until = 0.0
        self._timeouts = 0
        self._connect_failures = 0
        self._connect_not_before = 0.0

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        """`count` registers, or coils as 0 and 1. Raises DeviceError."""
        return await self._ask(unit, function, address, lambda client: client.read(unit, function, address, count))

    async def write(
        self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool = False
    ) -> None:
        """Writes registers (function code 16, one by 6 where `single`) or coils (15). Raises DeviceError."""
        if function not in {"holding", "coil"}:
            raise DeviceError(f"{function} registers cannot be written", kind="exception")
        await self._ask(
            unit, function, address, lambda client: client.write(unit, function, address, values, single=single)
        )

    def close(self) -> None:
        """Closes the connection; the next request opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _ask(
        self, unit: int, function: Function, address: int, request: Callable[[Client], Awaitable[_Answer]]
    ) -> _Answer:
        """One request, repeated while the device says it is busy; others may use the bus in the pauses."""
        for pause in _BUSY_PAUSES_S:
            if unit in self._unit_quiet_until:
                await asyncio.sleep(self.rest_s(unit))  # its neighbours have the bus meanwhile
            await self._lock.acquire()
            try:
                return await self._exchange(unit, request)
            except RefusalError as refusal:
                code = refusal.exception_code
            finally:
                self._lock.release()
            if code not in _BUSY_CODES:
                kind = "silent" if code in _ABSENT_CODES else "exception"
                why = _EXCEPTIONS.get(code, f"exception {code}")
                raise DeviceError(f"unit {unit}, {function} {address}: {why}", kind=kind)
            if pause is not None:
                await asyncio.sleep(pause)
        raise DeviceError(f"unit {unit}, {function} {address}: still busy", kind="busy")

    def rest_s(self, unit: int) -> float:
        """Seconds for which this unit is still left alone; a request made earlier waits for it."""
        until = self._unit_quiet_until.get(unit)
        if until is None:
            return 0.0
        rest_s = until - time.monotonic()
        if rest_s <= 0:
            del self._unit_quiet_until[unit]
        return max(0.0, rest_s)

    async def _exchange(self, unit: int, request: Callable[[Client], Awaitable[_Answer]]) -> _Answer:
        client = self._client
        if client is None or not client.connected:
            client = await self._connected()
        if self._quiet_until and (wait := self._quiet_until - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        try:
            answer = await request(client)
        except RefusalError:
            self._note_answer(unit)
            raise
        except BadAnswerError as error:
            self.close()
            raise DeviceError(f"unit {unit}: {error}", kind="garbage") from error
        except OSError as error:
            self._note_timeout(unit, time.monotonic())
            raise DeviceError(f"unit {unit} did not answer within {self.timeout_s:g} s", kind="silent") from error
        except asyncio.CancelledError:
            if self.address.rtu_framing:
                self._note_timeout(unit, time.monotonic())  # its answer may still come
            raise
        self._note_answer(unit)
        return answer

    def _note_answer(self, unit: int) -> None:
        self._timeouts = 0
        self._quiet_until = time.monotonic() + self._request_gap_s if self._request_gap_s else 0.0
        if unit in self._unit_gaps_s:
            self._unit_quiet_until[unit] = time.monotonic() + self._unit_gaps_s[unit]

    def _note_timeout(self, unit: int, now: float) -> None:
        self._timeouts += 1
        if self.address.rtu_framing:
            self.close()
            self._quiet_until = now + self.timeout_s
            self._unit_quiet_until[unit] = now + _LATE_TIMEOUTS * self.timeout_s
        elif self._timeouts >= _TIMEOUTS_UNTIL_RECONNECT:
            self.close()
            self._timeouts = 0

    async def _connected(self) -> Client:
        """A new connection. Raises DeviceError."""
        self.close()
        now = time.monotonic()
        if now < self._connect_not_before:
            raise DeviceError(f"{self.address.host} cannot be reached", kind="connection")
        client = self._make_client()
        try:
            connected = await client.connect()
        except asyncio.CancelledError:
            client.close()
            raise
        if not connected:
            client.close()
            pause = min(_CONNECT_PAUSE_MAX_S, _CONNECT_PAUSE_S * 2**self._connect_failures)
            self._connect_not_before = time.monotonic() + pause
            self._connect_failures += 1
            raise _unreachable(self.address)
        self._connect_failures = 0
        self._client = client
        if self._connect_delay_s:
            await asyncio.sleep(self._connect_delay_s)
        return client

    def _make_client(self) -> Client:
        where = self.address
        if where.scheme == "tcp":
            return TcpClient(where.host, where.port, self.timeout_s)
        from gateway.modbus_rtu import RtuClient  # noqa: PLC0415 - pymodbus is large, and most gateways have no such line

        return RtuClient(where, self.timeout_s)


def _unreachable(where: BusAddress) -> DeviceError:
    """Why a bus cannot be opened, as far as the machine tells."""
    if where.scheme != "rtu":
        hint = "check cable, address and port; many devices take one Modbus client only"
        return DeviceError(f"{where.host} cannot be reached", kind="connection", hint=hint)
    port = Path(where.host)
    if not port.exists():
        return DeviceError(
            f"there is no {port}",
            kind="connection",
            hint="plug the adapter in; `ls /dev/serial/by-id` lists those that are there, by names that stay",
        )
    if not os.access(port, os.R_OK | os.W_OK):
        return DeviceError(
            f"{port} may not be opened",
            kind="connection",
            hint="add the user to the port's group: `sudo usermod -aG dialout $USER`, then log in again",
        )
    return DeviceError(
        f"{port} cannot be opened with {where.baud} baud, parity {where.parity}",
        kind="connection",
        hint="another program may have it (`fuser` tells which), or the adapter cannot do these settings",
    )
