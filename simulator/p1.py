"""A Belgian meter's P1 port over TCP, as a dongle offers it: a telegram every second to whoever is connected."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from energy.errors import ConfigError
from runtime.clock import Clock
from simulator.faults import FaultBook
from simulator.physics import Device
from simulator.registers.electrical import POWER_FACTOR, Electrical, split

__all__ = ["P1Meter", "P1Port"]

TELEGRAM_S = 1.0
REAL_S = 0.1  # at least this much real time per telegram: a fast clock gets fewer, not more
QUARTER_MS = 900_000
HEAD = "/CWT5\\commonwatt simulated meter\r\n\r\n"
METER_ID = "1SIM0000000001"
MUTE = {"silent", "restart", "busy", "not_a_value"}


class P1Meter:
    """The telegrams of one grid meter, with the quarter-hour and month peaks it keeps."""

    def __init__(self, device: Device, electrical: Electrical, zone: ZoneInfo) -> None:
        self._device = device
        self._electrical = electrical
        self._zone = zone
        self._quarter: tuple[int, float] | None = None  # which one, and the import counter at its start
        self._peak: tuple[str, dt.datetime, float] | None = None  # month, when, kW

    def telegram(self, now_ms: int, *, behind_s: float = 0.0) -> bytes:
        """What the meter says at `now_ms`; `behind_s`: how far its clock is behind."""
        local = dt.datetime.fromtimestamp(now_ms / 1000, self._zone)
        demand_kw = self._demand_kw(now_ms, local)
        night = local.weekday() >= 5 or not 7 <= local.hour < 22
        counters = self._device.counters
        lines = [
            "0-0:96.1.4(50217)",
            f"0-0:96.1.1({METER_ID.encode().hex().upper()})",
            f"0-0:1.0.0({_stamp(local - dt.timedelta(seconds=behind_s))})",
            *_tariffs("1.8", counters.shown_import_wh),
            *_tariffs("2.8", counters.shown_export_wh),
            f"0-0:96.14.0({2 if night else 1:04d})",
            f"1-0:1.4.0({demand_kw:06.3f}*kW)",
            *self._month_peak(),
            *_signed("1", self._device.shown_power_w),
            *self._phases(),
        ]
        content = (HEAD + "".join(f"{line}\r\n" for line in lines) + "!").encode("ascii")
        return content + f"{_crc16(content):04X}\r\n".encode("ascii")

    def _demand_kw(self, now_ms: int, local: dt.datetime) -> float:
        """Energy since the quarter began over a full quarter: it starts at 0 and ends at the quarter's mean."""
        quarter, imported = now_ms // QUARTER_MS, self._device.counters.import_wh
        if self._quarter is None or self._quarter[0] != quarter:
            self._quarter = (quarter, imported)
        demand_kw = (imported - self._quarter[1]) * 4 / 1000
        month = f"{local:%Y-%m}"
        if self._peak is None or self._peak[0] != month or demand_kw > self._peak[2]:
            self._peak = (month, local, demand_kw)
        return demand_kw

    def _month_peak(self) -> list[str]:
        if self._peak is None or self._peak[2] <= 0:
            return ["1-0:1.6.0(632525252525W)(00.000*kW)"]
        return [f"1-0:1.6.0({_stamp(self._peak[1])})({self._peak[2]:06.3f}*kW)"]

    def _phases(self) -> list[str]:
        lines = []
        phases = zip(("21", "41", "61"), split(self._device.shown_power_w), self._electrical.voltages_v, strict=True)
        for code, watts, volts in phases:
            first = int(code)
            lines += _signed(code, watts)
            lines.append(f"1-0:{first + 11}.7.0({volts:05.1f}*V)")
            lines.append(f"1-0:{first + 10}.7.0({abs(watts) / POWER_FACTOR / volts:06.2f}*A)")
        return lines


class P1Port:
    """One port with its meter; has the shape of a Modbus bus to whoever starts and stops it."""

    devices = 1

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        meter: P1Meter,
        *,
        faults: FaultBook,
        clock: Clock,
        now_ms: Callable[[], int],
    ) -> None:
        self.host = host
        self.port = port
        self._name = name
        self._meter = meter
        self._faults = faults
        self._clock = clock
        self._now_ms = now_ms
        self._server: asyncio.Server | None = None
        self._sending: asyncio.Task[None] | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begins to listen and to send, if it does not already. Raises ConfigError when the port is taken."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
        except OSError as error:
            raise ConfigError(
                f"{self.host}:{self.port} cannot be listened on",
                field="port",
                hint="another program holds the port, or the address is not this machine's; choose another",
            ) from error
        self._sending = asyncio.create_task(self._send(), name=f"simulator.p1 {self._name}")

    async def stop(self) -> None:
        """Closes every connection and the port."""
        if self._sending is not None:
            self._sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sending
            self._sending = None
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            await self._server.wait_closed()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await reader.read(1024):  # a P1 port listens to nobody
                pass
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _send(self) -> None:
        pause_s = max(TELEGRAM_S, REAL_S * self._clock.speed)
        while True:
            await self._clock.sleep(pause_s)
            fault = self._faults.active(self._name)
            kind = None if fault is None else fault.kind
            behind_s = fault.seconds if fault is not None and kind == "clock_drift" else 0.0
            telegram = self._meter.telegram(self._now_ms(), behind_s=behind_s)  # always: it keeps the peaks
            if kind in MUTE:
                continue
            if fault is not None and kind == "slow":
                await asyncio.sleep(fault.seconds)
            if kind == "garbage":
                telegram = telegram.replace(b"(0", b"(9", 1)
            for writer in self._writers:
                writer.write(telegram)


def _stamp(local: dt.datetime) -> str:
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"


def _tariffs(code: str, total_wh: float) -> list[str]:
    """The counter in two tariffs that add up to it: two thirds by day."""
    wh = round(total_wh)
    day = wh * 2 // 3
    return [f"1-0:{code}.{n}({part // 1000:06d}.{part % 1000:03d}*kWh)" for n, part in ((1, day), (2, wh - day))]


def _signed(code: str, watts: int) -> list[str]:
    """Import and export as two lines, one of them 0."""
    taken, given = max(0, watts), max(0, -watts)
    return [
        f"1-0:{number}.7.0({value // 1000:02d}.{value % 1000:03d}*kW)"
        for number, value in ((int(code), taken), (int(code) + 1, given))
    ]


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
