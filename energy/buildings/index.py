"""Meters read by hand: which readings are believed, and what was used between them."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.buildings.days import Carrier, Days, Stretch
from energy.errors import DataError
from energy.names import Slug

__all__ = ["ImplausibleError", "IndexMeter", "IndexReading", "check_reading", "stretches"]

_JUMP: Final = 5.0  # times the usual use of a day, once every season is known
_SEASONS_DAYS: Final = 300
_JUMP_OF_SEASON: Final = 20.0  # before: gas in October beside summer, a roof in March beside winter
_USUAL_FROM: Final = 3  # stretches from which "usual" can be said
_NO_JUMP_BELOW: Final = {Carrier.WATER: 5.0}  # a day's use that needs no explanation, m³
_NO_JUMP_BELOW_KWH: Final = 50.0
_UNITS: Final = {
    "kWh": (Carrier.ELECTRICITY, Carrier.GAS, Carrier.HEAT),
    "MWh": (Carrier.ELECTRICITY, Carrier.HEAT),
    "m³": (Carrier.GAS, Carrier.WATER),
}


class IndexMeter(BaseModel):
    """A meter that a person reads. `factor`: of a transformer or impulse; `digits`: places before the point, for a rollover."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Slug
    carrier: Carrier
    unit: str = Field(description="kWh, MWh or m³")
    factor: float = Field(default=1.0, gt=0, le=1e6)
    digits: int | None = Field(default=None, ge=3, le=12)
    counts: Literal["import", "export", "production"] = Field(
        default="import", description="of electricity: what comes from the grid, goes to it, or a roof's production"
    )
    name: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        allowed = [unit for unit, carriers in _UNITS.items() if self.carrier in carriers]
        if self.unit not in allowed:
            raise ValueError(f"a meter of {self.carrier} is read in {' or '.join(allowed)}, not in {self.unit!r}")
        if self.counts != "import" and self.carrier is not Carrier.ELECTRICITY:
            raise ValueError(f"only a meter of electricity counts {self.counts}")
        return self


class ImplausibleError(DataError):
    """Raised for a reading that may be right and must be said twice: give `confirm`, and why."""

    code = "implausible"


@dataclass(frozen=True, slots=True)
class IndexReading:
    """What a meter showed at the beginning of a local day.

    `exchanged_to`: the meter was exchanged that day; `index` is the old one's last, this the new one's first. `rolled`: it
    went over its highest number since the reading before. `confirmed`: somebody stands for an unusual value.
    """

    day: date
    index: Decimal
    exchanged_to: Decimal | None = None
    rolled: bool = False
    confirmed: bool = False

    @property
    def goes_on_from(self) -> Decimal:
        """Where the meter counts on from."""
        return self.index if self.exchanged_to is None else self.exchanged_to


def check_reading(meter: IndexMeter, known: Sequence[IndexReading], new: IndexReading, today: date) -> None:
    """Returns when `new` fits between the readings already `known`.

    Raises DataError for what cannot be, ImplausibleError for what a person has to confirm.
    """
    _refuse_impossible(meter, new, today)
    ordered = sorted(known, key=lambda reading: reading.day)
    if any(reading.day == new.day for reading in ordered):
        raise DataError(
            f"{meter.id} has a reading of {new.day} already", field="day", hint="correct it: give `corrects` and why"
        )
    before = next((reading for reading in reversed(ordered) if reading.day < new.day), None)
    after = next((reading for reading in ordered if reading.day > new.day), None)
    for one, other, at_fault in ((before, new, new), (new, after, after)):
        if one is not None and other is not None:
            _refuse_backwards(meter, one, other, told=at_fault is new)
    if not new.confirmed:
        _refuse_jump(meter, ordered, [pair for pair in ((before, new), (new, after)) if None not in pair])


def stretches(meter: IndexMeter, readings: Sequence[IndexReading], kwh_per_m3: float | None = None) -> list[Stretch]:
    """What was used between each reading and the next, in kWh or of water m³.

    Gas read in m³ needs `kwh_per_m3`; without it nothing is known.
    """
    unit = _unit_value(meter, kwh_per_m3)
    if unit is None:
        return []
    ordered = sorted(readings, key=lambda reading: reading.day)
    return [
        Stretch(Days(one.day, other.day), float(_difference(meter, one, other)) * unit)
        for one, other in itertools.pairwise(ordered)
        if one.day < other.day
    ]


def _refuse_impossible(meter: IndexMeter, new: IndexReading, today: date) -> None:
    if new.day > today:
        raise DataError(f"{new.day} has not come yet", field="day", hint=f"today is {today}")
    for field, value in (("index", new.index), ("exchanged_to", new.exchanged_to)):
        if value is None:
            continue
        if not value.is_finite() or value < 0:
            raise DataError(f"must be 0 or more, is {value}", field=field)
        if meter.digits is not None and value >= 10**meter.digits:
            raise DataError(f"{value} has more than the {meter.digits} digits of {meter.id}", field=field)
    if new.rolled and meter.digits is None:
        raise DataError(
            f"how many digits {meter.id} has is not known", field="rolled", hint="give `digits` at the meter"
        )


def _difference(meter: IndexMeter, one: IndexReading, other: IndexReading) -> Decimal:
    over = Decimal(10) ** meter.digits if other.rolled and meter.digits is not None else Decimal(0)
    return other.index + over - one.goes_on_from


def _refuse_backwards(meter: IndexMeter, one: IndexReading, other: IndexReading, *, told: bool) -> None:
    if _difference(meter, one, other) >= 0:
        return
    if not told:
        raise DataError(
            f"{meter.id} showed {other.index} on {other.day}, less than {one.goes_on_from} on {one.day}",
            field="index",
            hint="check both; correct the wrong one",
        )
    raise DataError(
        f"{meter.id} goes back: {one.goes_on_from} on {one.day}, {other.index} on {other.day}",
        field="index",
        hint="read it again; for an exchanged meter give its last index and `exchanged_to`, for one that went over "
        "its highest number `rolled`",
    )


def _refuse_jump(
    meter: IndexMeter, ordered: Sequence[IndexReading], pairs: Sequence[tuple[IndexReading | None, IndexReading | None]]
) -> None:
    usual = _usual(meter, ordered)
    if usual is None:
        return
    known = (ordered[-1].day - ordered[0].day).days
    jump = _JUMP if known >= _SEASONS_DAYS else _JUMP_OF_SEASON
    least = _NO_JUMP_BELOW.get(meter.carrier, _NO_JUMP_BELOW_KWH)
    value = _unit_value(meter, 10.0) or 1.0
    for one, other in pairs:
        assert one is not None
        assert other is not None
        a_day = float(_difference(meter, one, other)) / (other.day - one.day).days
        if a_day * value > least and a_day > jump * usual:
            raise ImplausibleError(
                f"{meter.id} would have used {a_day:.4g} {meter.unit} a day from {one.day} to {other.day}, "
                f"usual are {usual:.4g}",
                field="index",
                hint="read it again; if it is right give `confirm` and say why",
            )


def _usual(meter: IndexMeter, ordered: Sequence[IndexReading]) -> float | None:
    """The highest that was used in a day of the stretches there are, outliers apart: gas is a matter of season."""
    a_day = [
        float(_difference(meter, one, other)) / (other.day - one.day).days
        for one, other in itertools.pairwise(ordered)
        if not other.confirmed
    ]
    if len(a_day) < _USUAL_FROM:
        return None
    return max(statistics.median(a_day), sorted(a_day)[int(0.9 * (len(a_day) - 1))])


def _unit_value(meter: IndexMeter, kwh_per_m3: float | None) -> float | None:
    """What one step of the index is, in kWh or of water m³."""
    if meter.unit == "m³" and meter.carrier is not Carrier.WATER:
        return None if kwh_per_m3 is None else meter.factor * kwh_per_m3
    return meter.factor * (1000.0 if meter.unit == "MWh" else 1.0)
