"""An Eastron SDM630 three-phase meter: 32-bit floats, high word first, input registers only."""

from __future__ import annotations

import math
import struct

from simulator.physics import Device
from simulator.registers.base import Space, WordMap
from simulator.registers.electrical import POWER_FACTOR, Electrical, split

__all__ = ["MeterMap", "meter_floats"]

FLOATS = 0x0182 // 2  # up to the per-phase totals
RANGES: dict[Space, tuple[range, ...]] = {"input": (range(0x0182),)}


def meter_floats(device: Device, electrical: Electrical) -> list[float]:
    """The meter's values by half their address; what it does not measure reads 0, as on the meter."""
    floats = [0.0] * FLOATS
    power = device.shown_power_w
    phases = split(power)
    volts = electrical.voltages_v
    apparent = [abs(watts) / POWER_FACTOR for watts in phases]
    reactive = [va * math.sqrt(1 - POWER_FACTOR**2) for va in apparent]
    factors = [math.copysign(POWER_FACTOR, watts) for watts in phases]
    currents = [va / volt for va, volt in zip(apparent, volts, strict=True)]
    floats[0x00 // 2 : 0x24 // 2] = [*volts, *currents, *phases, *apparent, *reactive, *factors]
    floats[0x2A // 2] = sum(volts) / 3
    floats[0x2E // 2] = sum(currents) / 3
    floats[0x30 // 2] = sum(currents)
    floats[0x34 // 2] = power
    floats[0x38 // 2] = sum(apparent)
    floats[0x3C // 2] = sum(reactive)
    floats[0x3E // 2] = math.copysign(POWER_FACTOR, power)
    floats[0x46 // 2] = electrical.frequency_hz
    imported, exported = device.counters.shown_import_wh / 1000, device.counters.shown_export_wh / 1000
    floats[0x48 // 2] = imported
    floats[0x4A // 2] = exported
    floats[0x156 // 2] = imported + exported
    floats[0x15A // 2 : 0x160 // 2] = [imported * share for share in (0.34, 0.35, 0.31)]
    floats[0x160 // 2 : 0x166 // 2] = [exported * share for share in (0.34, 0.35, 0.31)]
    return floats


class MeterMap(WordMap):
    """Registers of one meter."""

    space: Space = "input"
    max_read = 80  # 40 parameters in one request
    start = 0
    ranges = RANGES

    def __init__(self, device: Device, electrical: Electrical) -> None:
        self._device = device
        self._electrical = electrical

    def image(self, *, blank: bool) -> bytearray:
        floats = [math.nan] * FLOATS if blank else meter_floats(self._device, self._electrical)
        return bytearray(struct.pack(f">{FLOATS}f", *floats))
