"""Listens to one P1 port, over TCP or a serial line, and gives a reading per interval from the telegrams that come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Final

import serial

from energy.errors import DataError, DeviceError
from gateway import p1
from gateway.metrics import Metrics
from gateway.modbus import BusAddress
from gateway.p1_noise import explain_noise
from gateway.polling import FieldDevice
from messaging.codec import Reading, Value
from runtime.clock import Clock

__all__ = ["P1Reader", "next_telegram", "patience_s"]

log = logging.getLogger(__name__)

_SILENCE_S: Final = 15.0  # a telegram comes every second or, from some, every ten
_OLD_SILENCE_S: Final = 25.0  # one without a CRC counts when a second like it came ten seconds later
_CONNECT_S: Final = 5.0
_RETRY_S: Final = 1.0
_RETRY_MAX_S: Final = 30.0
_CHUNK: Final = 4096


@contextlib.asynccontextmanager
async def _opened(address: BusAddress) -> AsyncIterator[asyncio.StreamReader]:
    """The port's bytes. Raises DeviceError when it cannot be opened."""
    try:
        if address.scheme == "p1tcp":
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
            close: Callable[[], None] = writer.close
        else:
            reader, close = _open_serial(address)
    except (OSError, TimeoutError) as error:
        taken = isinstance(error, serial.SerialException) and "exclusively" in str(error)
        why = "another program reads it" if taken else error.strerror or "no answer"
        raise DeviceError(
            f"{address.host} cannot be opened: {why}",
            kind="connection",
            hint="check cable, address and port; a P1 port or dongle often takes one reader only",
        ) from error
    try:
        yield reader
    finally:
        close()


def _open_serial(address: BusAddress) -> tuple[asyncio.StreamReader, Callable[[], None]]:
    """8N1, for this process alone; an unplugged adapter ends the stream.

    Seven bits with parity take the same ten on the line: `TelegramStream` checks the parity, which drivers may not.
    """
    port = serial.Serial(address.host, address.baud, timeout=0, exclusive=True)  # SerialException is an OSError
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    descriptor = port.fileno()

    def receive() -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            reader.feed_data(data)
        else:
            loop.remove_reader(descriptor)
            reader.feed_eof()

    def close() -> None:
        loop.remove_reader(descriptor)
        port.close()

    loop.add_reader(descriptor, receive)
    return reader, close


def patience_s(address: BusAddress) -> float:
    """After how many seconds without a telegram something is wrong."""
    return _OLD_SILENCE_S if address.parity == "E" else _SILENCE_S


def _stream_of(address: BusAddress) -> p1.TelegramStream:
    return p1.TelegramStream(parity=address.parity == "E")


async def _telegrams(reader: asyncio.StreamReader, stream: p1.TelegramStream) -> AsyncIterator[p1.Telegram | DataError]:
    """What comes until the port closes; a telegram that cannot be read is its error. Raises DeviceError at the end."""
    shapes = p1.Shapes()
    while True:
        try:
            data = await reader.read(_CHUNK)
        except OSError as error:
            raise DeviceError(f"the connection broke: {error}", kind="connection") from error
        if not data:
            raise DeviceError("the connection was closed", kind="connection")
        for telegram in stream.feed(data):
            try:
                shapes.check(telegram)
                yield p1.parse(telegram)
            except DataError as error:
                yield error


async def next_telegram(address: BusAddress, *, within_s: float | None = None) -> p1.Telegram:
    """The first good telegram, for a look at a meter. Raises DeviceError when none comes."""
    within_s = within_s or patience_s(address)
    problem: DataError | None = None
    stream = _stream_of(address)
    try:
        async with asyncio.timeout(within_s), _opened(address) as reader:
            async for telegram in _telegrams(reader, stream):
                if isinstance(telegram, p1.Telegram):
                    return telegram
                problem = telegram
    except TimeoutError as error:
        raise _no_telegram(within_s, problem, stream.unread) from error
    raise AssertionError("telegrams end with an error only")


def _no_telegram(within_s: float, problem: DataError | None, unread: bytes) -> DeviceError:
    if (noise := explain_noise(unread)) is not None:
        return DeviceError(f"no telegram for {within_s:g} s: {noise.what}", kind="garbage", hint=noise.next_step)
    if problem is not None:
        return DeviceError(f"no readable telegram: {problem.message}", kind="garbage", hint=problem.hint)
    return DeviceError(
        f"no telegram for {within_s:g} s",
        kind="silent",
        hint="ask the network operator to switch the meter's P1 port on; then look at cable and supply",
    )


class P1Reader:
    """The task of one P1 port: reconnects for ever, one reading per interval, the device's status as it is."""

    def __init__(
        self,
        address: BusAddress,
        device: FieldDevice,
        clock: Clock,
        *,
        collect: Callable[[Reading], None],
        status_changed: Callable[[], None],
        metrics: Metrics,
        silence_s: float | None = None,
    ) -> None:
        self._address = address
        self._device = device
        self._clock = clock
        self._collect = collect
        self._status_changed = status_changed
        self._metrics = metrics
        self._silence_s = silence_s or patience_s(address)
        self._counted_ms: dict[str, int] = {}

    async def run(self) -> None:
        """Reads until cancelled."""
        while True:
            try:
                await self._read()
            except DeviceError as error:
                self._failed(error)
            except Exception as error:  # a defect met by one telegram must not stop the other devices
                log.exception("%s: a defect in reading it", self._device.device)
                self._failed(DeviceError(f"cannot be read: {error!r}", kind="defect"))
            pause_s = min(_RETRY_MAX_S, _RETRY_S * 2 ** min(self._device.failures - 1, 8))
            await asyncio.sleep(pause_s)  # the wire's pause, whatever clock the service has

    async def _read(self) -> None:
        problem: DataError | None = None
        stream = _stream_of(self._address)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._silence_s) as limit, _opened(self._address) as reader:
                async for telegram in _telegrams(reader, stream):
                    if isinstance(telegram, p1.Telegram):
                        limit.reschedule(loop.time() + self._silence_s)
                        problem = None
                        self._take(telegram)
                    else:
                        self._metrics.poll_errors["garbage"] += 1
                        problem = telegram
        except TimeoutError as error:
            raise _no_telegram(self._silence_s, problem, stream.unread) from error

    def _take(self, telegram: p1.Telegram) -> None:
        device, now = self._device, self._clock.now_ms()
        device.failures = 0
        if device.error is not None:
            device.error = None
            log.info("%s: answers", device.device)
            self._status_changed()
        if now < device.due_ms <= now + device.interval_ms:  # beyond an interval, the wall clock was set back
            return
        device.due_ms = (now // device.interval_ms + 1) * device.interval_ms
        self._metrics.polls += 1
        for reading in self._readings(telegram, now):
            self._collect(reading)

    def _readings(self, telegram: p1.Telegram, now_ms: int) -> list[Reading]:
        """The meter's own values now; before, what other meters counted, once and with the time of counting."""
        at: dict[int, dict[str, Value]] = {
            now_ms: {name: value for name, value in telegram.values.items() if name not in telegram.counted_ms}
        }
        for name, counted_ms in telegram.counted_ms.items():
            if self._counted_ms.get(name) != counted_ms:
                self._counted_ms[name] = counted_ms
                at.setdefault(min(counted_ms, now_ms), {})[name] = telegram.values[name]
        return [Reading(self._device.device, at_ms, values, []) for at_ms, values in sorted(at.items())]

    def _failed(self, error: DeviceError) -> None:
        self._metrics.poll_errors[error.kind] += 1
        self._device.failures += 1
        if self._device.error != error.message:  # say it once, not at every retry
            self._device.error = error.message
            log.warning("%s: %s; trying again", self._device.device, error.message)
            self._status_changed()
