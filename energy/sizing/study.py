"""One question studied: what is the same for all sizes is found once, of each size only what it changes is shared anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from energy.errors import DataError
from energy.sharing.key import Roster, SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters
from energy.sharing.whole import IntArray, Mask, share_whole
from energy.sizing.bills import Bills, PriceBook, Tally
from energy.sizing.change import Serves, surplus_of, with_point, with_production, with_store
from energy.sizing.outcome import Energies, Energy, Outcome, PointGain
from energy.sizing.steered import Meters, steered_wishes
from energy.sizing.store import Store, StoreCourse, run_store
from energy.sizing.terms import TermsOfDay
from energy.sizing.worth import Support, Worth, parts_of, worth
from energy.sizing.yields import Floats, production_of

__all__ = ["Place", "Question", "Study"]

_YEAR: Final = 35_040  # quarter-hours of 365 days
_ENOUGH: Final = 0.9  # of a year must be known before a year's figures are told


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is planned: the readings of all who share, their key, and the point it would stand at.

    `key` None: nobody shares. `produced_wh`: what PV behind the point's meter produced already, NaN where unknown; None:
    not known, or none there.
    """

    readings: QuarterReadings
    key: SharingKey | None
    point: str
    timezone: str
    produced_wh: Floats | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Which sizes. `yield_wh`: of a kWp in each quarter-hour, NaN where unknown; may be None without PV.

    `kw_per_kwh`: power of a battery, None: as the terms say; `steered`: run by the production planner, not the plain rule.
    """

    pv_kwp: tuple[float, ...]
    battery_kwh: tuple[float, ...]
    yield_wh: Floats | None = None
    kw_per_kwh: float | None = None
    serves: Serves = Serves.SITE
    steered: bool = False


class Study:
    """What is the same for all sizes. Raises ConfigError where a price is missing, DataError where nothing is known."""

    def __init__(self, place: Place, question: Question, terms: TermsOfDay) -> None:
        self.question, self.terms, self._timezone = question, terms, place.timezone
        readings = with_point(place.readings, place.point)
        if place.key is None:
            readings = _only(readings, place.point)
        rounds = SharingKey.model_validate({"rounds": "prorata"}) if place.key is None else place.key
        self._key = rounds.model_copy(update={"resolution_wh": 1})
        self.point, self._column = place.point, readings.points.index(place.point)
        self._settled = settle_quarters(self._key, readings)
        self.readings = self._settled.readings
        self._alone = _only(self.readings, place.point)
        told = place.produced_wh
        self._produced = None if told is None else np.rint(np.nan_to_num(told)).astype(np.int64)
        self.rows = self._comparable(told)
        known = int(self.rows.sum())
        if not known:
            raise DataError(
                "no quarter-hour is known of everybody", field=self.point, hint="look for gaps in the readings"
            )
        self.whole_year = known >= _ENOUGH * _YEAR
        self._scale = _YEAR / known if self.whole_year else 1.0
        shares = place.key is not None
        self._book = PriceBook.of(readings.points, readings.starts, terms, self._timezone, shares=shares)
        self._others = surplus_of(self.readings)
        self._before = self._tally(np.flatnonzero(self.rows))
        columns = np.arange(len(readings.points))
        self._capacity_eur = self._book.capacity_eur(self._counted(self.readings), columns)
        self._bills = self._book.bills(self._before, self._scale, self._capacity_eur)

    def _comparable(self, produced: Floats | None) -> Mask:
        """Quarter-hours that are settled before and after: all that a candidate needs is known in them."""
        rows = ~self._settled.held & self._settled.takes_part[:, self._column]
        for known in (self._alone.withdrawal_known, self._alone.injection_known):
            rows &= known[:, 0] | ~known.any()
        if self.question.yield_wh is not None and max(self.question.pv_kwp) > 0:
            rows &= np.isfinite(self.question.yield_wh)
        return rows if produced is None else rows & np.isfinite(produced)

    def outcomes(
        self, pv_kwp: Iterable[float], battery_kwh: Iterable[float], tell: Callable[[str], None], yields: float = 1.0
    ) -> Iterator[Outcome]:
        """Of these sizes, by PV, then battery; a kWp yields `yields` times what the question says."""
        sizes = sorted(set(battery_kwh))
        roofs = [(kwp, self._production(kwp * yields)) for kwp in sorted(set(pv_kwp))]
        pairs = [(kwp, kwh, production) for kwp, production in roofs for kwh in sizes if kwh > 0]
        steered = self._steered(pairs, tell) if self.question.steered and pairs else {}
        for kwp, production in roofs:
            roofed = with_production(self._alone, self.point, production)
            plain = self._wish(roofed)
            for kwh in sizes:
                tell(f"{kwp:g} kWp, {kwh:g} kWh")
                course = run_store(self._store(kwh), np.where(self.rows, steered.get((kwp, kwh), plain), 0))
                yield self._outcome((kwp, kwh), production, course, with_store(roofed, self.point, course))

    def _production(self, kwp: float) -> IntArray:
        if kwp == 0 or self.question.yield_wh is None:
            return np.zeros(self.rows.size, dtype=np.int64)
        return np.where(self.rows, production_of(self.question.yield_wh, kwp), 0)

    def _wish(self, roofed: QuarterReadings) -> IntArray:
        """What the plain rule wishes a battery to take: the site's surplus, or that of all together."""
        surplus, known = surplus_of(roofed)
        if self.question.serves is Serves.COMMUNITY:
            was, _ = surplus_of(self._alone)
            surplus, known = surplus + self._others[0] - was, known & self._others[1]
        return np.where(known, surplus, 0)

    def _store(self, kwh: float) -> Store:
        cost = self.terms.battery
        rate = self.question.kw_per_kwh or (cost.kw_per_kwh if cost is not None else 0.0)
        return Store(round(kwh * 1000), round(kwh * rate * 1000), cost.efficiency if cost is not None else 1.0)

    def _steered(
        self, pairs: Sequence[tuple[float, float, IntArray]], tell: Callable[[str], None]
    ) -> dict[tuple[float, float], IntArray]:
        """The planner's wishes for every pair with a battery; a community is planned as one meter."""
        tell(f"planning {len(pairs)} batteries quarter-hour by quarter-hour")
        site = self.question.serves is Serves.SITE
        of = self._alone if site else self.readings
        load, pv = of.withdrawal.sum(axis=1), of.injection.sum(axis=1)
        if self._produced is not None and site:
            load, pv = load + self._produced - pv, self._produced
        loads = np.tile(np.maximum(load, 0)[:, None], len(pairs))
        suns = np.stack([pv + production for _, _, production in pairs], axis=1)
        group = next(each for each in self._book.groups if self._column in each.columns)
        stores = [self._store(kwh) for _, kwh, _ in pairs]
        meters = Meters(loads, suns, group.buy, group.sell)
        wishes = steered_wishes(meters, stores, self.readings.starts, self._timezone)
        return {(kwp, kwh): wishes[:, place] for place, (kwp, kwh, _) in enumerate(pairs)}

    def _tally(self, rows: IntArray) -> Tally:
        """Of the readings as they were."""
        of = self.readings.withdrawal, self.readings.injection, self._settled.received, self._settled.given
        withdrawal, injection, received, given = (each[rows] for each in of)
        return self._book.tally(rows, withdrawal, injection, (received, given))

    def _tally_with(self, after: QuarterReadings) -> Tally:
        """As it was, with what is other in the quarter-hours that the point's new column changes."""
        column = self._column
        withdraws = np.asarray(self.readings.withdrawal_known.any(axis=0)).tolist()
        withdraws[column] = bool(after.withdrawal_known.any())
        roster = Roster.of(self._key, self.readings.points, withdraws)
        changed = self.rows & (
            (after.withdrawal != self._alone.withdrawal) | (after.injection != self._alone.injection)
        ).any(axis=1)
        rows = np.flatnonzero(changed if roster.receives == self._settled.roster.receives else self.rows)
        withdrawal, injection = self.readings.withdrawal[rows], self.readings.injection[rows]
        told = self.readings.withdrawal_known[rows]
        withdrawal[:, column], injection[:, column] = after.withdrawal[rows, 0], after.injection[rows, 0]
        told[:, column] = after.withdrawal_known[rows, 0]
        shares = share_whole(self._key, roster, withdrawal, injection, told)
        return self._before + (self._book.tally(rows, withdrawal, injection, shares) - self._tally(rows))

    def _counted(self, readings: QuarterReadings) -> IntArray:
        """Withdrawals of the quarter-hours that are compared."""
        return np.where(self.rows[:, None], readings.withdrawal, 0)

    def _outcome(
        self, size: tuple[float, float], production: IntArray, course: StoreCourse, after: QuarterReadings
    ) -> Outcome:
        tally = self._tally_with(after)
        capacity = self._capacity_eur.copy()
        capacity[self._column : self._column + 1] = self._book.capacity_eur(
            self._counted(after), np.array([self._column])
        )
        bills = self._book.bills(tally, self._scale, capacity)
        made_kwh = self._kwh(production)
        gains = tuple(self._gains(tally, bills))
        saved = self._bills.total_eur - bills.total_eur, gains[self._column].saved_eur
        all_, owner = (self._worth(size, each, made_kwh) if self.whole_year else None for each in saved)
        return Outcome(
            pv_kwp=size[0],
            battery_kwh=size[1],
            energies=Energies(
                production_kwh=made_kwh,
                charged_kwh=self._kwh(course.charged),
                discharged_kwh=self._kwh(course.discharged),
                losses_kwh=self._scale * course.losses_wh / 1000,
                before=self._energy(self._before, 0.0),
                after=self._energy(tally, made_kwh),
            ),
            gains=gains,
            cost_before_eur=self._bills.total_eur,
            cost_after_eur=bills.total_eur,
            community_eur=bills.community_eur - self._bills.community_eur,
            co2_saved_kg=self._saved_kg(tally),
            worth=all_,
            owner=owner,
        )

    def _worth(self, size: tuple[float, float], saved_eur: float, production_kwh: float) -> Worth:
        pv = self.terms.pv
        support = Support() if pv is None else Support(production_kwh * pv.support_eur_kwh, pv.support_years)
        return worth(saved_eur, parts_of(*size, pv, self.terms.battery), support, self.terms.finance)

    def _kwh(self, values: IntArray) -> float:
        return self._scale * float(values[self.rows].sum()) / 1000

    def _energy(self, tally: Tally, production_kwh: float) -> Energy:
        kwh = self._scale / 1000
        receives = np.array(self._settled.roster.receives, dtype=bool)
        own, load = self._behind_the_meter()
        return Energy(
            import_kwh=kwh * float(tally.withdrawal_wh[self._column]),
            export_kwh=kwh * float(tally.injection_wh[self._column]),
            own_kwh=None if own is None else own + production_kwh,
            load_kwh=load,
            shared_kwh=kwh * float(tally.received_wh.sum()),
            injected_kwh=kwh * float(tally.injection_wh.sum()),
            withdrawn_kwh=kwh * float(tally.withdrawal_wh[receives].sum()),
        )

    def _behind_the_meter(self) -> tuple[float | None, float | None]:
        """(PV that is there, use), kWh; unknown where PV is there that nobody told, or the battery is the community's."""
        withdrawn, injected = self._kwh(self._alone.withdrawal), self._kwh(self._alone.injection)
        if self.question.serves is Serves.COMMUNITY or (self._produced is None and injected):
            return None, None
        own = 0.0 if self._produced is None else self._kwh(self._produced)
        return own, withdrawn + own - injected

    def _gains(self, tally: Tally, bills: Bills) -> Iterator[PointGain]:
        kwh = self._scale / 1000
        sums = self._before.received_wh, tally.received_wh, self._before.given_wh, tally.given_wh
        columns = [(kwh * each).tolist() for each in sums]
        columns += [self._bills.points_eur.tolist(), bills.points_eur.tolist()]
        for point, *figures in zip(self.readings.points, *columns, strict=True):
            yield PointGain(point, *figures)

    def _saved_kg(self, tally: Tally) -> float | None:
        """By what all meters together draw less from outside, or feed into it more."""
        if self.terms.carbon is None:
            return None
        less = self._before - tally
        net_kwh = self._scale * float(less.withdrawal_wh.sum() - less.injection_wh.sum()) / 1000
        return net_kwh * self.terms.carbon.kg_kwh


def _only(readings: QuarterReadings, point: str) -> QuarterReadings:
    """Of one point alone."""
    column = [readings.points.index(point)]
    return replace(
        readings,
        points=(point,),
        withdrawal=readings.withdrawal[:, column],
        withdrawal_known=readings.withdrawal_known[:, column],
        injection=readings.injection[:, column],
        injection_known=readings.injection_known[:, column],
    )
