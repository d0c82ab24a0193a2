"""An Alfen NG9xx EV charger: the station on unit 200, each socket on its own unit."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from simulator.physics import Charger
from simulator.registers.base import Refusal, RegisterMap, Space, WordMap, WorldTime
from simulator.registers.electrical import Electrical

__all__ = ["STATION_UNIT", "SocketMap", "StationMap"]

STATION_UNIT = 200
METER = range(300, 426)
STATUS = range(1200, 1216)
STATION = range(1100, 1106)
MAX_CURRENT, PHASES = 1210, 1215


class SocketMap(RegisterMap):
    """Registers of one socket: its meter at 300, state and control at 1200."""

    def __init__(self, charger: Charger, electrical: Electrical, time: WorldTime) -> None:
        self._charger = charger
        self._electrical = electrical
        self._time = time

    @property
    def ranges(self) -> dict[Space, tuple[range, ...]]:
        return {"holding": (METER, STATUS)}

    def read(self, space: Space, address: int, count: int, *, blank: bool = False) -> list[int] | Refusal:
        if space != "holding":
            return Refusal.ILLEGAL_FUNCTION
        if not self.is_legal(space, address, count):
            return Refusal.ILLEGAL_ADDRESS
        start, image = (METER.start, self._meter(blank=blank)) if address in METER else (STATUS.start, self._status())
        return list(struct.unpack_from(f">{count}H", image, 2 * (address - start)))

    def write(self, space: Space, address: int, values: Sequence[int], now_ms: int) -> Refusal | None:
        if space != "holding":
            return Refusal.ILLEGAL_FUNCTION
        if address == MAX_CURRENT and len(values) == 2:
            (current,) = struct.unpack(">f", struct.pack(">2H", *values))
            if not 0 <= current <= self._charger.max_current_a:  # also refuses NaN
                return Refusal.ILLEGAL_VALUE
            self._charger.set_current(now_ms, current)
            return None
        if address == PHASES and len(values) == 1:
            if values[0] not in {1, 3}:
                return Refusal.ILLEGAL_VALUE
            self._charger.phases = values[0]
            return None
        return Refusal.ILLEGAL_ADDRESS

    def _meter(self, *, blank: bool) -> bytes:
        charger, volts = self._charger, self._electrical.voltages_v
        image = bytearray(struct.pack(">HQH28f", 3, 1000, 0, *[math.nan] * 28))
        image += struct.pack(">16d", *[math.nan] * 16)
        if blank:
            return bytes(image)
        power = charger.shown_power_w
        used = charger.used_phases
        each = [power / used if phase < used else 0.0 for phase in range(3)]
        amps = [abs(watts) / volt for watts, volt in zip(each, volts, strict=True)]

        def put(address: int, letter: str, *values: float) -> None:
            struct.pack_into(f">{len(values)}{letter}", image, 2 * (address - METER.start), *values)

        put(306, "f", *volts)
        put(320, "f", *amps, sum(amps))
        put(336, "f", self._electrical.frequency_hz, *each, power)
        put(374, "d", charger.counters.shown_import_wh)
        return bytes(image)

    def _status(self) -> bytes:
        charger = self._charger
        left_ms = 0 if charger.until_ms is None else max(0, charger.until_ms - self._time.now_ms)
        mode = b"A" if charger.car is None else b"C2" if charger.power_w else b"B2"
        return struct.pack(
            ">H10sfIffHH",
            1,
            mode,
            charger.applied_a,
            math.ceil(left_ms / 1000),
            charger.setpoint_a,
            charger.safe_current_a,
            int(charger.until_ms is not None),
            charger.phases,
        )


class StationMap(WordMap):
    """Registers of the station itself."""

    start = STATION.start

    def __init__(self, sockets: Sequence[Charger]) -> None:
        self._sockets = sockets

    @property
    def ranges(self) -> dict[Space, tuple[range, ...]]:
        return {"holding": (STATION,)}

    def image(self, *, blank: bool) -> bytearray:
        current = math.nan if blank else self._sockets[0].max_current_a
        return bytearray(struct.pack(">ffHH", current, 24.0, 1, len(self._sockets)))
