"""The balancer: a stateless step from plan, present net load and limits to one power per meter; and the plain rule."""

from __future__ import annotations

import numpy as np

from energy.dispatch.storage import Floats, Storage
from energy.dispatch.value import CELLS, Prices, segment_lengths, thresholds

__all__ = ["follow_value", "plain_rule"]

_EPSILON = 1e-6  # EUR/kWh: values nearer than this are equal


def plain_rule(net_kw: Floats, storage: Storage, energy_kwh: Floats, hours: float) -> Floats:
    """Charges from surplus, discharges on deficit: battery power in kW, charging positive, within all limits."""
    return storage.within_limits(-net_kw, energy_kwh, hours)


def follow_value(
    net_kw: Floats,
    prices: Prices,
    ceilings_kw: Floats,
    value: Floats,
    storage: Storage,
    energy_kwh: Floats,
    hours: float,
    pool_kw: Floats | None = None,
) -> Floats:
    """The power per meter, charging positive, that is best for the present net load and the value of stored energy.

    Arrays have one entry per meter; `prices` one step; `value` (meters, CELLS) is what energy is worth after this
    step; `pool_kw` the pool's net load as each sees it, where sites share. Walks the segments of sources and uses in rising order of price until the value of the energy then stored
    no longer pays. Where both are equal it acts at once: the energy in hand beats the forecast. Never leaves the
    limits of power and energy.
    """
    bounds = thresholds(prices, storage)[:, :, 0]
    bounds[len(bounds) // 2] -= (
        2 * _EPSILON
    )  # charging from surplus: act at once on equality, as discharging to a deficit does
    lengths = segment_lengths(net_kw, ceilings_kw, storage, hours, pool_kw=pool_kw)
    worth_more = (value[None] > bounds[..., None] + _EPSILON).sum(axis=2) / CELLS * storage.capacity_kwh
    start = energy_kwh - storage.discharge_kw * hours / storage.discharge_efficiency
    ends = start + np.cumsum(lengths, axis=0)
    stored = start + np.clip(worth_more - (ends - lengths), 0.0, lengths).sum(axis=0)
    change = np.clip(stored, 0.0, storage.capacity_kwh) - energy_kwh
    return storage.within_limits(storage.power_kw(change, hours), energy_kwh, hours)
