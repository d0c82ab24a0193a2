"""Looks at a meter's P1 port once: one telegram as points, for commissioning."""

from __future__ import annotations

from typing import Final

from energy.quantities import QUANTITIES, Quality
from gateway.modbus import BusAddress
from gateway.p1 import ALSO, FED_BY
from gateway.p1_reader import next_telegram
from gateway.probe import Probe, ProbedPoint

__all__ = ["P1_PROFILE", "probe_p1"]

P1_PROFILE: Final = "p1-emucs"


async def probe_p1(address: BusAddress, *, within_s: float | None = None) -> Probe:
    """The first good telegram; its lines are the sources, there are no registers. Raises DeviceError when none comes."""
    telegram = await next_telegram(address, within_s=within_s)
    points = [
        ProbedPoint(name, value, QUANTITIES[name].unit, Quality.MEASURED, [], _source(name))
        for name, value in telegram.values.items()
    ]
    return Probe(P1_PROFILE, "", "", telegram.meter, telegram.version, points)


def _source(name: str) -> str:
    """The OBIS codes whose lines make the value, `1-0:1.7.0 - 1-0:2.7.0`."""
    text = ""
    for code, sign in FED_BY.get(name, ()):
        joint = " - " if sign < 0 else " + "
        text = f"{text}{joint}{code}" if text else code
    return text or ALSO.get(name, "")
