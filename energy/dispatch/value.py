"""What one more stored kWh is worth: the exact price recursion of one storage per meter over scenarios.

Theory. Behind one meter the best use of storage over a known future is a concave function V of the energy in the
cells. Write D(v) for the amount of energy whose value is at least v (the demand curve of stored energy). Going back
one step, a storage priced at v charges from every source cheaper than v and serves every use dearer than v; so

    D_before(v) = clip(D_after(v) - change(v), 0, capacity)

where change(v) is the change of stored energy that is best at price v. Sources and uses are six segments: the bus
energy is worth the feed-in price while the meter exports, the import price while it imports, and the import price
plus a penalty above a ceiling (the peak target); each charging (price / efficiency) or discharging
(price * efficiency - wear). The values D can take are these thresholds, so nothing is approximated while the
thresholds in the horizon are the levels used. This equals the dual of the linear program's storage row.

In a pool that pays a fee for what its sites share, what a storage gives or takes crosses two lines: where its own
site turns from feeding in to taking, and where the pool does. Between them energy is shared, so that it is worth the
import price less the fee, or the feed-in price plus the fee.

Uncertainty: each scenario of the net load has its own curve; the value of stored energy is their mean at equal
energy. It keeps a reserve exactly as large as the scenarios say it is worth, which a single forecast never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.storage import Floats, Storage

__all__ = ["CELLS", "Prices", "segment_lengths", "thresholds", "value_of_energy"]

CELLS: Final = 400
"""A curve of the value of stored energy gives the value in each such part of the capacity: a part is what is acted upon, and a
quarter-hour of a house is little of its battery."""

_MOST_LEVELS: Final = 256


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of bus energy, EUR/kWh, shaped (meters, steps).

    `over` (ceilings, meters, steps) is paid on top of `buy` above each ceiling and rises along its first axis.
    `fee`: of a kWh that is shared, where sites of a pool share; None: nothing is shared.
    """

    buy: Floats
    sell: Floats
    over: Floats
    fee: Floats | None = None

    def zones(self) -> Floats:
        """Worth of bus energy while exporting, sharing (given, taken), importing, and importing above each ceiling:
        (zones, meters, steps).
        """
        sell = np.minimum(self.sell, self.buy)  # dearer feed-in than import would be a money machine
        shared = []
        if self.fee is not None:
            fee = np.minimum(self.fee, self.buy - sell)  # who would lose by it does not plan to share
            shared = [(self.buy - fee)[None], (sell + fee)[None]]
        return np.concatenate([sell[None], *shared, self.buy[None], self.buy + self.over])


def thresholds(prices: Prices, storage: Storage) -> Floats:
    """Value of stored energy above which each segment is walked: (segments, meters, steps), discharging first."""
    zones = prices.zones()
    charging = zones / storage.charge_efficiency[:, None]
    # At negative prices taking out and putting back would burn energy for money; one battery cannot do both at once.
    discharging = np.minimum(zones * storage.discharge_efficiency[:, None], charging) - storage.wear_eur_kwh[:, None]
    return np.concatenate([discharging, charging])


def segment_lengths(
    net_kw: Floats,
    ceilings_kw: Floats,
    storage: Storage,
    hours: float,
    pool_kw: Floats | None = None,
) -> Floats:
    """Stored energy, kWh, in each segment from full discharge to full charge: (segments, *net_kw.shape).

    `net_kw` has meters on its first axis; `ceilings_kw` (ceilings, *net_kw.shape) rises along its first axis and has
    one entry less than there are zones of import. Segments: discharging by zone, then charging by zone.
    `pool_kw`, shaped as `net_kw`: the pool's net load as each storage sees it, where sites share; ceilings are then the pool's.
    """
    shape = (-1,) + (1,) * (net_kw.ndim - 1)
    charge, discharge = storage.charge_kw.reshape(shape), storage.discharge_kw.reshape(shape)
    edges = _edges(net_kw, ceilings_kw, pool_kw)
    highest = np.broadcast_to(charge, net_kw.shape)
    below = np.clip(edges, -discharge, 0.0)
    above = np.clip(edges, 0.0, highest)
    out = hours / storage.discharge_efficiency.reshape(shape)
    into = hours * storage.charge_efficiency.reshape(shape)
    lowest, zero = np.broadcast_to(-discharge, net_kw.shape)[None], np.zeros((1, *net_kw.shape))
    discharging = np.diff(np.concatenate([lowest, below, zero]), axis=0) * out
    charging = np.diff(np.concatenate([zero, above, highest[None]]), axis=0) * into
    return np.concatenate([discharging, charging])


def _edges(net_kw: Floats, ceilings_kw: Floats, pool_kw: Floats | None) -> Floats:
    """The bus powers, charging positive, at which one zone ends and the next begins."""
    if pool_kw is None:
        return np.concatenate([-net_kw[None], np.maximum(ceilings_kw, 0.0) - net_kw])
    exports_until = np.minimum(-net_kw, -pool_kw)
    gives_until = exports_until + np.maximum(pool_kw - net_kw, 0.0)
    imports_from = np.maximum(-net_kw, -pool_kw)
    above = np.maximum(np.maximum(ceilings_kw, 0.0) - pool_kw, imports_from)
    return np.concatenate([exports_until[None], gives_until[None], imports_from[None], above])


def value_of_energy(
    net_kw: Floats,
    prices: Prices,
    ceilings_kw: Floats,
    storage: Storage,
    hours: float,
    end_value: Floats,
    pool_kw: Floats | None = None,
) -> Floats:
    """Mean value of stored energy before the first of the steps: (meters, CELLS), EUR/kWh, falling with energy.

    `net_kw` (meters, scenarios, steps) is the future after the present step; `end_value` (meters, CELLS) what energy
    is worth after the last. `pool_kw`, shaped as `net_kw`: see `segment_lengths`.
    """
    if not len(storage.capacity_kwh):
        return np.zeros((0, CELLS))
    bounds = thresholds(prices, storage)
    levels = _levels(np.concatenate([bounds.ravel(), end_value.ravel()]))
    lengths = segment_lengths(net_kw, ceilings_kw, storage, hours, pool_kw)  # (segments, meters, scenarios, steps)
    lengths = np.ascontiguousarray(lengths.transpose(3, 1, 2, 0))
    capacity = storage.capacity_kwh[:, None, None]
    most_out = (storage.discharge_kw / storage.discharge_efficiency * hours)[:, None, None]
    demand = _demand(end_value, levels, storage.capacity_kwh)[:, None, :] + np.zeros((*net_kw.shape[:2], len(levels)))
    for step in range(net_kw.shape[2] - 1, -1, -1):  # step by step: all at once would be gigabytes for many meters
        walked = levels > bounds[:, :, step, None] + _EPSILON  # (segments, meters, levels)
        change = np.matmul(lengths[step], walked.transpose(1, 0, 2).astype(float))
        demand = np.clip(demand + most_out - change, 0.0, capacity)
    return _mean_value(demand, levels, storage.capacity_kwh)


_EPSILON: Final = 1e-9


def _levels(values: Floats) -> Floats:
    """The distinct values, rising; quantiles of them where dynamic prices give too many."""
    levels = np.unique(values.round(9))
    if len(levels) <= _MOST_LEVELS:
        return np.asarray(levels)
    return np.unique(np.quantile(levels, np.linspace(0, 1, _MOST_LEVELS)))


def _demand(value: Floats, levels: Floats, capacity_kwh: Floats) -> Floats:
    """Energy worth at least each level: (meters, levels)."""
    share = (value[:, :, None] >= levels - _EPSILON).mean(axis=1)
    return np.asarray(share * capacity_kwh[:, None])


def _mean_value(demand: Floats, levels: Floats, capacity_kwh: Floats) -> Floats:
    """The scenarios' mean value in each cell. `demand` (meters, scenarios, levels) falls along the levels."""
    meters, scenarios = demand.shape[:2]
    size = np.maximum(capacity_kwh, 1e-9)[:, None, None] / CELLS
    upto = np.minimum(demand[:, :, 1:] / size + 0.5, CELLS).astype(np.int64)  # cells worth at least the level
    upto += (np.arange(meters) * (CELLS + 1))[:, None, None]
    rises = np.broadcast_to(np.diff(levels) / scenarios, upto.shape)
    ending = np.bincount(upto.ravel(), rises.ravel(), meters * (CELLS + 1)).reshape(meters, CELLS + 1)
    return np.asarray(levels[0] + np.cumsum(ending[:, :0:-1], axis=1)[:, ::-1])
