"""A heat pump behind a relay board (coils 0 and 1 are SG-Ready contacts A and B) with a meter on the same unit."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.physics import HeatPump
from simulator.registers.base import Refusal, RegisterMap, Space
from simulator.registers.electrical import Electrical
from simulator.registers.meter import MeterMap

__all__ = ["RELAYS", "HeatPumpMap"]

RELAYS = 8  # of the board; the other six are not wired


class HeatPumpMap(RegisterMap):
    """Coils of the relay board and input registers of the meter."""

    def __init__(self, heat_pump: HeatPump, electrical: Electrical) -> None:
        self._heat_pump = heat_pump
        self._meter = MeterMap(heat_pump, electrical)
        self._unwired = [0] * (RELAYS - 2)

    @property
    def ranges(self) -> dict[Space, tuple[range, ...]]:
        return {"coil": (range(RELAYS),), **self._meter.ranges}

    def read(self, space: Space, address: int, count: int, *, blank: bool = False) -> list[int] | Refusal:
        if space != "coil":
            return self._meter.read(space, address, count, blank=blank)
        if not self.is_legal(space, address, count):
            return Refusal.ILLEGAL_ADDRESS
        return self._coils()[address : address + count]

    def write(self, space: Space, address: int, values: Sequence[int], now_ms: int) -> Refusal | None:  # noqa: ARG002
        if space != "coil":
            return Refusal.ILLEGAL_FUNCTION
        if not self.is_legal(space, address, len(values)):
            return Refusal.ILLEGAL_ADDRESS
        coils = self._coils()
        coils[address : address + len(values)] = [int(bool(value)) for value in values]
        self._heat_pump.contact_a, self._heat_pump.contact_b = bool(coils[0]), bool(coils[1])
        self._unwired = coils[2:]
        return None

    def _coils(self) -> list[int]:
        return [int(self._heat_pump.contact_a), int(self._heat_pump.contact_b), *self._unwired]
