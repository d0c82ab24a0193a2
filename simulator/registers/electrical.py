"""What the wires of a site carry besides power: voltage, frequency, and how a power splits over three phases."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["POWER_FACTOR", "Electrical", "split"]

POWER_FACTOR = 0.98  # of buildings; inverters run at 1
_SHARES = (0.34, 0.35)


@dataclass(slots=True)
class Electrical:
    """The supply of one site now."""

    voltages_v: tuple[float, float, float] = (230.0, 230.0, 230.0)
    frequency_hz: float = 50.0


def split(power_w: int) -> tuple[int, int, int]:
    """Whole watts per phase that add up exactly."""
    first = round(power_w * _SHARES[0])
    second = round(power_w * _SHARES[1])
    return first, second, power_w - first - second
