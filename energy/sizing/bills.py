"""What each point pays for its quarter-hours: residual from its supplier, shared energy, capacity, less what it earns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from energy.dispatch.capacity import CapacityTariff
from energy.errors import ConfigError
from energy.sharing.whole import IntArray
from energy.sizing.terms import TermsOfDay
from energy.sizing.yields import Floats
from energy.tariff import Capacity, Tariff, prices

__all__ = ["Bills", "PriceBook", "Tally"]

_QUARTERS_PER_KW = 4 / 1000
_MONTHS = 12
_BLOCK = 1024  # rows: what is summed stays in the processor's cache
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bills:
    """EUR. `points_eur`: what each pays, in the order of the readings; `community_eur`: what stays with the community."""

    points_eur: Floats
    community_eur: float

    @property
    def total_eur(self) -> float:
        """What all pay together: what stays with the community is theirs."""
        return float(self.points_eur.sum()) - self.community_eur


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over quarter-hours, one entry each point: Wh, and EUR to suppliers less what they pay for injection."""

    withdrawal_wh: Floats
    injection_wh: Floats
    received_wh: Floats
    given_wh: Floats
    supplier_eur: Floats

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(self._sums(), other._sums(), strict=True)))

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*(mine - theirs for mine, theirs in zip(self._sums(), other._sums(), strict=True)))

    def _sums(self) -> tuple[Floats, ...]:
        return self.withdrawal_wh, self.injection_wh, self.received_wh, self.given_wh, self.supplier_eur


@dataclass(frozen=True, slots=True)
class _Group:
    """Points that have one tariff. `buy`, `sell`: EUR/kWh of each quarter-hour."""

    columns: Ints
    buy: Floats
    sell: Floats
    capacity: CapacityTariff | None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices of all points and quarter-hours, found once for many settlements of the same readings."""

    groups: tuple[_Group, ...]
    month: Ints
    received_eur_kwh: float
    community_eur_kwh: float
    paid_eur_kwh: float

    @classmethod
    def of(cls, points: tuple[str, ...], starts: Ints, terms: TermsOfDay, timezone: str, *, shares: bool) -> Self:
        """`shares`: whether energy is shared at all. Raises ConfigError where a price is missing."""
        if shares and terms.sharing is None:
            raise ConfigError("nothing holds", field="sharing", hint="add what a shared kWh costs, with its source")
        tariffs: dict[Tariff, list[int]] = {}
        for column, point in enumerate(points):
            tariffs.setdefault(terms.tariff_of(point), []).append(column)
        groups = []
        for tariff, columns in tariffs.items():
            buy, sell = prices(tariff, starts.tolist(), timezone, {})
            groups.append(_Group(np.array(columns), np.array(buy), np.array(sell), _peaks(tariff.capacity)))
        of = terms.sharing
        return cls(
            tuple(groups),
            _months(starts, timezone),
            0.0 if of is None else of.eur_kwh + of.on_top_eur_kwh,
            0.0 if of is None else of.eur_kwh,
            0.0 if of is None else of.paid_eur_kwh,
        )

    def tally(self, rows: Ints, withdrawal: IntArray, injection: IntArray, shares: tuple[IntArray, IntArray]) -> Tally:
        """Of quarter-hours `rows`, whose energies (Wh) and `shares` (received, given) the arrays hold."""
        received, given = shares
        tally = Tally(*np.zeros((5, withdrawal.shape[1])))
        for first in range(0, rows.size, _BLOCK):
            part = slice(first, first + _BLOCK)
            residual, surplus = withdrawal[part] - received[part], injection[part] - given[part]
            supplier = np.zeros(withdrawal.shape[1])
            for group in self.groups:
                of_rows = group.buy[rows[part]] @ residual - group.sell[rows[part]] @ surplus
                supplier[group.columns] = of_rows[group.columns]
            energies = [each[part].sum(axis=0) for each in (withdrawal, injection, received, given)]
            tally += Tally(energies[0], energies[1], energies[2], energies[3], supplier / 1000)
        return tally

    def bills(self, tally: Tally, scale: float, capacity_eur: Floats) -> Bills:
        """Of what was tallied, times `scale`; capacity is that of a year whatever the days."""
        shared = tally.received_wh * self.received_eur_kwh - tally.given_wh * self.paid_eur_kwh
        kept_eur = float(tally.received_wh.sum()) * (self.community_eur_kwh - self.paid_eur_kwh) / 1000
        return Bills(scale * (tally.supplier_eur + shared / 1000) + capacity_eur, scale * kept_eur)

    def capacity_eur(self, withdrawal: IntArray, columns: Ints) -> Floats:
        """What the month peaks of these points, whose withdrawal (Wh) the array holds, cost in a year."""
        costs = np.zeros(columns.size)
        for group in self.groups:
            if group.capacity is not None:
                mine = np.isin(columns, group.columns)
                peaks = group.capacity.month_peaks_kw(withdrawal[:, mine] * _QUARTERS_PER_KW, self.month, 0.25)
                costs[mine] = group.capacity.cost_eur(peaks) * _MONTHS / len(peaks)
        return costs


def _peaks(asked: Capacity | None) -> CapacityTariff | None:
    return None if asked is None else CapacityTariff(asked.month_rate_eur_kw, asked.least_kw)


def _months(starts: Ints, timezone: str) -> Ints:
    """The place of each quarter-hour's local calendar month among those there are."""
    zone = ZoneInfo(timezone)
    local = [datetime.fromtimestamp(start / 1000, UTC).astimezone(zone) for start in starts.tolist()]
    return np.unique([each.year * _MONTHS + each.month for each in local], return_inverse=True)[1].astype(np.int64)
