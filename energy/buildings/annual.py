"""A carrier's year: what is known of it, what is filled in, and what a normal year would have taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from energy.buildings.days import Days, Stretch, Use, used
from energy.buildings.degree_days import BASE_C, degree_days, normalised_kwh
from energy.buildings.factors import Book, DegreeDays
from energy.buildings.signature import Signature, fit

__all__ = ["FILLED_FROM", "Annual", "Change", "Climate", "annual", "change"]

FILLED_FROM: Final = 0.75  # part of the days that must be known before the rest is estimated
_MODEL_R2: Final = 0.3  # from which days are filled in by the weather rather than by the mean
_WHOLE_YEAR: Final = 365
_COMPARED_FROM: Final = 0.25  # part of the days that both years must know


@dataclass(frozen=True, slots=True)
class Climate:
    """Daily mean temperatures of a station (°C), and the book that knows its normal year."""

    temperatures: Mapping[date, float]
    station: str
    book: Book

    def observed(self, days: Days) -> float | None:
        """Degree days of `days`: from the temperatures, else as a file has them for that year."""
        found = degree_days(self.temperatures, days)
        listed = self.book.observed(self.station, BASE_C, days) if found is None else None
        return listed.value if listed is not None else found

    def normal(self, on: date) -> DegreeDays | None:
        """Those of a normal year, with their source."""
        return self.book.normal(self.station, BASE_C, on)


@dataclass(frozen=True, slots=True)
class Change:
    """Two years compared on the days that both know: `now` and `before` are sums over `days` days each."""

    now: float
    before: float
    days: int

    @property
    def ratio(self) -> float | None:
        """0.1 for ten percent more; None when there was nothing before."""
        return self.now / self.before - 1 if self.before > 0 else None


@dataclass(frozen=True, slots=True)
class Annual:
    """A carrier in a year. `amount` None: too little is known; `filled_days` were estimated from the days that are.

    `normalised` None: it is not known how the use follows the weather, or what the weather was. `change` against the year before.
    """

    use: Use
    amount: float | None
    filled_days: int
    normalised: float | None
    degree_days: float | None
    signature: Signature | None
    change: Change | None

    @property
    def estimated_share(self) -> float:
        """Part of the days that is estimated, by interpolation or filled in."""
        return (self.use.estimated_days + self.filled_days) / self.use.days if self.use.days else 0.0


def annual(
    stretches: Sequence[Stretch],
    days: Days,
    climate: Climate,
    closed: Callable[[date], bool],
    *,
    follows_weather: bool = True,
) -> Annual:
    """The year `days` of a carrier of which all `stretches` are given, earlier years too."""
    use = used(stretches, days)
    recent = [stretch for stretch in stretches if stretch.days.common(days).count]
    signature = fit(recent, climate.temperatures, closed) if follows_weather else None
    amount, filled = _filled(use, recent, days, climate, signature, closed)
    observed = climate.observed(days) if follows_weather else None
    return Annual(
        use=use,
        amount=amount,
        filled_days=filled,
        normalised=_normalised(amount, days, climate, signature, observed) if follows_weather else None,
        degree_days=observed,
        signature=signature,
        change=change(stretches, days),
    )


def change(stretches: Sequence[Stretch], days: Days) -> Change | None:
    """Against the same days a year before; None when too few days are known in both."""
    now, before = _by_day(stretches, days), _by_day(stretches, days.year_before())
    pairs = [
        (now[one], before[other])
        for one, other in zip(days, days.year_before(), strict=False)
        if one in now and other in before
    ]
    if len(pairs) < max(1, _COMPARED_FROM * days.count):
        return None
    return Change(sum(one for one, _ in pairs), sum(other for _, other in pairs), len(pairs))


def _by_day(stretches: Sequence[Stretch], days: Days) -> dict[date, float]:
    return {day: stretch.per_day for stretch in stretches for day in stretch.days.common(days)}


def _filled(
    use: Use,
    stretches: Sequence[Stretch],
    days: Days,
    climate: Climate,
    signature: Signature | None,
    closed: Callable[[date], bool],
) -> tuple[float | None, int]:
    """The whole year's amount and how many days of it were filled in."""
    missing = use.days - use.known_days
    if missing == 0:
        return use.total, 0
    if use.coverage < FILLED_FROM:
        return None, 0
    known = {day for stretch in stretches for day in stretch.days}
    mean = use.amount / use.known_days
    model = signature if signature is not None and signature.r2 >= _MODEL_R2 else None
    total = use.amount
    for day in days:
        if day not in known:
            temperature = climate.temperatures.get(day)
            by_model = model is not None and temperature is not None
            total += max(0.0, model.of_day(temperature, closed=closed(day))) if by_model else mean  # type: ignore[union-attr,arg-type]
    return total, missing


def _normalised(
    amount: float | None, days: Days, climate: Climate, signature: Signature | None, observed: float | None
) -> float | None:
    """Only the part that heats is scaled; a use that does not follow the cold is its own normal."""
    if amount is None or signature is None or days.count < _WHOLE_YEAR:
        return None
    if signature.heating == 0:
        return amount
    normal = climate.normal(days.end)
    temperatures = [climate.temperatures.get(day) for day in days]
    if observed is None or normal is None or None in temperatures:
        return None
    heat = min(amount, sum(signature.heat_of(temperature) for temperature in temperatures if temperature is not None))
    return normalised_kwh(amount - heat, heat, observed, normal.value)
