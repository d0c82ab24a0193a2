"""Many sizes of PV and battery at one point, each over the same year: energies, who gains what, worth, and the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from energy.errors import ConfigError
from energy.sharing.settlement import QuarterReadings
from energy.sizing.outcome import Band, Outcome, Sizing
from energy.sizing.study import Place, Question, Study
from energy.sizing.terms import TermsOfDay
from energy.sizing.worth import Support, Worth, parts_of, worth

__all__ = ["last_year", "size_up"]

_YEAR: Final = 35_040  # quarter-hours of 365 days
_MOST_SIZES: Final = 100


def last_year(readings: QuarterReadings) -> QuarterReadings:
    """The last 365 days of longer readings."""
    part = slice(max(0, readings.starts.size - _YEAR), None)
    return QuarterReadings(
        readings.points,
        readings.starts[part],
        readings.withdrawal[part],
        readings.withdrawal_known[part],
        readings.injection[part],
        readings.injection_known[part],
    )


def size_up(
    place: Place, question: Question, terms: TermsOfDay, tell: Callable[[str], None] = lambda _text: None
) -> Sizing:
    """All sizes of the question. Raises ConfigError or DataError when terms, yield or readings do not allow it."""
    _check(question, terms)
    study = Study(place, question, terms)
    outcomes = tuple(study.outcomes(question.pv_kwp, question.battery_kwh, tell))
    best = _best(outcomes, lambda each: each.worth)
    return Sizing(
        point=place.point,
        points=study.readings.points,
        quarters=int(study.rows.sum()),
        left_out=int((~study.rows).sum()),
        whole_year=study.whole_year,
        outcomes=outcomes,
        best=best,
        best_for_owner=_best(outcomes, lambda each: each.owner),
        bands=() if best is None or best.size == (0, 0) else _bands(study, best, tell),
    )


def _best(outcomes: Iterable[Outcome], of: Callable[[Outcome], Worth | None]) -> Outcome | None:
    """The highest net present value, the smaller of equals."""
    valued = [(found.npv_eur, each) for each in outcomes if (found := of(each)) is not None]
    return max(valued, key=lambda pair: pair[0])[1] if valued else None


def _check(question: Question, terms: TermsOfDay) -> None:
    for field, sizes, cost in (("pv", question.pv_kwp, terms.pv), ("battery", question.battery_kwh, terms.battery)):
        if not sizes or min(sizes) < 0 or max(sizes) > 1e6 or not np.isfinite(sizes).all():
            raise ConfigError("sizes go from 0 to 1,000,000", field=field, hint="such as 0,50,100")
        if max(sizes) > 0 and cost is None:
            raise ConfigError(
                "no cost holds on that day", field=field, hint="add an entry with its days and its source"
            )
    if len(set(question.pv_kwp)) * len(set(question.battery_kwh)) > _MOST_SIZES:
        raise ConfigError(f"more than {_MOST_SIZES} pairs of sizes", field="sizes", hint="ask for fewer at once")
    if max(question.pv_kwp) > 0 and question.yield_wh is None:
        raise ConfigError("is needed for PV", field="yield", hint="name PV that is there, a profile, or a place")


def _bands(study: Study, best: Outcome, tell: Callable[[str], None]) -> tuple[Band, ...]:
    """How the best's net present value moves with each assumption, and with all of them at once."""
    off = study.terms.uncertainty
    if off is None:
        return ()

    def with_yield(part: float) -> Outcome:
        (found,) = study.outcomes((best.pv_kwp,), (best.battery_kwh,), tell, 1 + part)
        return found

    moved = {0.0: best} | {part: with_yield(part) for part in {-off.production, off.production} - {0.0}}
    sides = {
        "production": (off.production, 0.0, 0.0),
        "prices": (0.0, off.prices, 0.0),
        "investment": (0.0, 0.0, off.investment),
        "all": (off.production, off.prices, off.investment),
    }
    bands = []
    for cause, (production, prices, investment) in sides.items():
        if production or prices or investment:
            ends = [_npv(moved[sign * production], study.terms, sign * prices, -sign * investment) for sign in (-1, 1)]
            bands.append(Band(cause, min(ends), max(ends)))
    return tuple(bands)


def _npv(outcome: Outcome, terms: TermsOfDay, prices: float, investment: float) -> float:
    """With all prices of energy, and all that is bought, so much dearer."""
    base = outcome.worth
    if base is None:
        return 0.0
    parts = [
        replace(part, price_eur=part.price_eur * (1 + investment))
        for part in parts_of(*outcome.size, terms.pv, terms.battery)
    ]
    years = 0 if terms.pv is None else terms.pv.support_years
    return worth(base.gain_eur_year * (1 + prices), parts, Support(base.support_eur_year, years), terms.finance).npv_eur
