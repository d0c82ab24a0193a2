"""A device behind a relay board with a meter on the same unit: coils 0 and 1 are its two contacts A and B."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.physics import HeatPump, Lamps, Machine
from simulator.registers.base import Refusal, RegisterMap, Space
from simulator.registers.electrical import Electrical
from simulator.registers.meter import MeterMap

__all__ = ["RELAYS", "RelayMap"]

RELAYS = 8  # of the board; the other six are not wired


class RelayMap(RegisterMap):
    """Coils of the relay board and input registers of the meter."""

    def __init__(self, device: HeatPump | Lamps | Machine, electrical: Electrical) -> None:
        self._device = device
        self._meter = MeterMap(device, electrical)
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
        self._device.contact_a, self._device.contact_b = bool(coils[0]), bool(coils[1])
        self._unwired = coils[2:]
        return None

    def _coils(self) -> list[int]:
        return [int(self._device.contact_a), int(self._device.contact_b), *self._unwired]
