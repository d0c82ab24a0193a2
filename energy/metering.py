"""Energy of an interval from what a device tells: counters first, power only where there is no counter.

Theory. A counter sampled at t0 and t1 gives the energy between them exactly, however long the gap: an outage loses
the curve, not the energy. At the ends of the interval the counter is interpolated on a straight line between the two
samples around it; when these are close together the result counts as measured, when they are far apart (an outage
over a quarter-hour's end) it is estimated, and the sum over the outage still comes out right.

A counter that falls was reset, rolled over or its meter was swapped; one that rises faster than any device could is a
swap too. The step across such a break says nothing. Only a counter that stood right before the end of its register or
display and wrapped by a plausible step rolled over, and is exact. Otherwise the energy across the break is taken from
power (estimated) or unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import le, sub
from typing import Final, NamedTuple

from energy.quantities import Quality, Role, worst

__all__ = [
    "MODULI_WH",
    "DeviceSamples",
    "Direction",
    "Energy",
    "Sample",
    "SiteEnergy",
    "counter_energy",
    "device_energy",
    "directions",
    "power_energy",
    "site_energy",
    "steady",
]

CLOSE_MS: Final = 120_000  # samples this close around a boundary count as measuring it
MODULI_WH: Final = (
    *(2.0**32 * step for step in (1, 10, 100)),  # unsigned 32 bits counting 1 Wh, 0.01 kWh, 0.1 kWh
    *(2.0**31 * step for step in (1, 10, 100)),  # the same, signed
    *(10.0**digits for digits in (8, 9, 10, 11)),  # displays of five to eight digits, kWh
)
_END: Final = 0.01  # a rollover goes from the last to the first hundredth of the range
MAX_POWER_W: Final = 10e6  # no device of a municipal site exceeds 10 MW: a faster counter was swapped


class Sample(NamedTuple):
    """A value at an instant: `t` ms UTC, `value` Wh for counters, W for power."""

    t: int
    value: float


class Energy(NamedTuple):
    """Energy of an interval in Wh, None when unknown."""

    wh: float | None
    quality: Quality


class Direction(NamedTuple):
    """One direction of energy at a device: its counter, and the sign of `power_w` that feeds it."""

    counter: str
    sign: int


_IMPORT: Final = "energy_import_wh"
_EXPORT: Final = "energy_export_wh"

_DIRECTIONS: Final[dict[Role, tuple[Direction | None, Direction | None]]] = {
    # role: (from the site's bus into the device, from the device to the bus); signs: energy/quantities.py
    Role.GRID: (Direction(_IMPORT, +1), Direction(_EXPORT, -1)),
    Role.PV: (None, Direction(_EXPORT, +1)),
    Role.BATTERY: (Direction(_IMPORT, -1), Direction(_EXPORT, +1)),
}
_CONSUMER: Final = (Direction(_IMPORT, +1), None)


def directions(role: Role) -> tuple[Direction | None, Direction | None]:
    """The (import, export) directions that count for `role`; None where that direction is no business of the role."""
    return _DIRECTIONS.get(role, _CONSUMER)


_NOTHING: Final = Energy(0.0, Quality.MEASURED)
_UNKNOWN: Final = Energy(None, Quality.MISSING)


@dataclass(frozen=True, slots=True)
class DeviceSamples:
    """All that is known of one device around an interval, by t, with the neighbours before and after it."""

    power: Sequence[Sample]
    counters: dict[str, Sequence[Sample]]


def device_energy(role: Role, samples: DeviceSamples, start: int, end: int) -> tuple[Energy, Energy]:
    """(import, export) of a device in [start, end); a direction that does not count for the role is a measured 0."""
    imported, exported = (
        _NOTHING if direction is None else _directed_energy(direction, samples, start, end)
        for direction in directions(role)
    )
    return imported, exported


def _directed_energy(direction: Direction, samples: DeviceSamples, start: int, end: int) -> Energy:
    power = [Sample(t, max(0.0, value * direction.sign)) for t, value in samples.power]
    counter = samples.counters.get(direction.counter, ())
    if not counter:
        return power_energy(power, start, end)
    return counter_energy(counter, start, end, power=power)


def counter_energy(samples: Sequence[Sample], start: int, end: int, *, power: Sequence[Sample] = ()) -> Energy:
    """Energy in [start, end) from counter samples that reach from at or before `start` to at or after `end`."""
    if len(samples) < 2 or samples[0].t > start or samples[-1].t < end:
        return _UNKNOWN
    total = 0.0
    quality = Quality.MEASURED
    for left, right in pairwise(samples):
        low, high = max(left.t, start), min(right.t, end)
        if low >= high:
            continue
        span = right.t - left.t
        step = _counter_step(left, right)
        if step is None:
            bridged = power_energy(power, low, high)
            if bridged.wh is None:
                return _UNKNOWN
            total, quality = total + bridged.wh, worst(quality, Quality.ESTIMATED)
            continue
        total += step * (high - low) / span
        if high - low < span and span > CLOSE_MS:
            quality = worst(quality, Quality.ESTIMATED)
    return Energy(total, quality)


def steady(times: Sequence[int], values: Sequence[float]) -> bool:
    """Whether a counter only rises, and slowly: then its steps add up to the step from the first to the last sample."""
    if not all(map(le, values, values[1:])):
        return False
    shortest = min(map(sub, times[1:], times), default=0)
    return values[-1] - values[0] <= MAX_POWER_W * shortest / 3_600_000


def _counter_step(left: Sample, right: Sample) -> float | None:
    """Energy counted between two samples, None across a reset or a swap."""
    possible = MAX_POWER_W * (right.t - left.t) / 3_600_000
    step = right.value - left.value
    if step < 0:
        step += next((modulus for modulus in MODULI_WH if _wrapped(left.value, right.value, modulus)), 0.0)
    return step if 0 <= step <= possible else None


def _wrapped(before: float, after: float, modulus: float) -> bool:
    return modulus * (1 - _END) <= before <= modulus and 0 <= after <= modulus * _END


def power_energy(samples: Sequence[Sample], start: int, end: int) -> Energy:
    """Energy in [start, end) from power samples >= 0 by the trapezoidal rule: an estimate; unknown across a gap."""
    if len(samples) < 2 or samples[0].t > start or samples[-1].t < end:
        return _UNKNOWN
    total_w_ms = 0.0
    for left, right in pairwise(samples):
        low, high = max(left.t, start), min(right.t, end)
        if low >= high:
            continue
        if right.t - left.t > CLOSE_MS:
            return _UNKNOWN
        slope = (right.value - left.value) / (right.t - left.t)
        middle = left.value + slope * ((low + high) / 2 - left.t)
        total_w_ms += middle * (high - low)
    return Energy(total_w_ms / 3_600_000, Quality.ESTIMATED)


@dataclass(frozen=True, slots=True)
class SiteEnergy:
    """Energy of a site in an interval, Wh, all >= 0 but consumption, which may be off by metering errors; None: unknown.

    consumption = import - export + pv + discharge - charge
    """

    pv_wh: float | None
    import_wh: float | None
    export_wh: float | None
    charge_wh: float | None
    discharge_wh: float | None
    consumption_wh: float | None
    quality: Quality


def site_energy(devices: Sequence[tuple[Role, Energy, Energy]]) -> SiteEnergy:
    """A site's energy from its devices' (role, import, export). Without a grid meter import and export are unknown."""
    grid_import, grid_export = _role_sum(devices, Role.GRID)
    if not any(role is Role.GRID for role, _, _ in devices):
        grid_import = grid_export = _UNKNOWN
    _, pv = _role_sum(devices, Role.PV)
    charge, discharge = _role_sum(devices, Role.BATTERY)
    parts = (grid_import, grid_export, pv, charge, discharge)
    consumption = _balance(*(part.wh for part in parts))
    return SiteEnergy(
        pv_wh=pv.wh,
        import_wh=grid_import.wh,
        export_wh=grid_export.wh,
        charge_wh=charge.wh,
        discharge_wh=discharge.wh,
        consumption_wh=consumption,
        quality=worst(*(part.quality for part in parts)),
    )


def _balance(
    imported: float | None, exported: float | None, pv: float | None, charge: float | None, discharge: float | None
) -> float | None:
    if imported is None or exported is None or pv is None or charge is None or discharge is None:
        return None
    return imported - exported + pv + discharge - charge


def _role_sum(devices: Sequence[tuple[Role, Energy, Energy]], role: Role) -> tuple[Energy, Energy]:
    matching = [(imported, exported) for device_role, imported, exported in devices if device_role is role]
    return _sum([imported for imported, _ in matching]), _sum([exported for _, exported in matching])


def _sum(energies: Sequence[Energy]) -> Energy:
    total = 0.0
    for energy in energies:
        if energy.wh is None:
            return _UNKNOWN
        total += energy.wh
    return Energy(total, worst(*(energy.quality for energy in energies)))
