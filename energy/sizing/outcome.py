"""What sizing finds: of each size its energies, who gains what, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from energy.sizing.worth import Worth

__all__ = ["Band", "Energies", "Energy", "NextStep", "Outcome", "PointGain", "Sizing", "next_steps"]


@dataclass(frozen=True, slots=True)
class Energy:
    """kWh in the period. `own_kwh`, `load_kwh`: PV and use behind the meter, None: not known. Of all points: the last three."""

    import_kwh: float
    export_kwh: float
    own_kwh: float | None
    load_kwh: float | None
    shared_kwh: float
    injected_kwh: float
    withdrawn_kwh: float

    @property
    def self_consumption(self) -> float | None:
        """(PV - export) / PV behind the point's meter; losses of a battery count as used."""
        return _ratio(None if self.own_kwh is None else self.own_kwh - self.export_kwh, self.own_kwh)

    @property
    def self_sufficiency(self) -> float | None:
        """(use - import) / use behind the point's meter."""
        return _ratio(None if self.load_kwh is None else self.load_kwh - self.import_kwh, self.load_kwh)

    @property
    def sharing_rate(self) -> float | None:
        """Shared / injected, of the community."""
        return _ratio(self.shared_kwh, self.injected_kwh)

    @property
    def covered(self) -> float | None:
        """Shared / withdrawn, of the community, both at the meters."""
        return _ratio(self.shared_kwh, self.withdrawn_kwh)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole is not None and whole > 0 else None


@dataclass(frozen=True, slots=True)
class Energies:
    """kWh in the period: what the new parts did, and the point and the community before and after."""

    production_kwh: float
    charged_kwh: float
    discharged_kwh: float
    losses_kwh: float
    before: Energy
    after: Energy


@dataclass(frozen=True, slots=True)
class PointGain:
    """What changes for one point, kWh and EUR in the period."""

    point: str
    received_before_kwh: float
    received_after_kwh: float
    given_before_kwh: float
    given_after_kwh: float
    cost_before_eur: float
    cost_after_eur: float

    @property
    def saved_eur(self) -> float:
        """What it pays less."""
        return self.cost_before_eur - self.cost_after_eur


@dataclass(frozen=True, slots=True)
class Outcome:
    """One size. `worth`: for all together; `owner`: for the point that invests; None when less than a year is known."""

    pv_kwp: float
    battery_kwh: float
    energies: Energies
    gains: tuple[PointGain, ...]
    cost_before_eur: float
    cost_after_eur: float
    community_eur: float
    co2_saved_kg: float | None
    worth: Worth | None
    owner: Worth | None

    @property
    def saved_eur(self) -> float:
        """What all together pay less; what the community keeps is theirs."""
        return self.cost_before_eur - self.cost_after_eur

    @property
    def size(self) -> tuple[float, float]:
        """(kWp, kWh)."""
        return self.pv_kwp, self.battery_kwh


@dataclass(frozen=True, slots=True)
class Band:
    """The net present value, EUR, when `cause` is as far off as assumed, to the bad and to the good side."""

    cause: str
    low_eur: float
    high_eur: float


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the last step of a size added a year: of PV for each kWp, of a battery for each kWh."""

    pv_kwp: float
    battery_kwh: float
    eur_kwp: float | None
    eur_kwh: float | None


@dataclass(frozen=True, slots=True)
class Sizing:
    """All sizes. `quarters` were compared and `left_out`, somebody's value being unknown.

    Figures are of 365 days when `whole_year`, else of the quarter-hours compared, and nothing is said of worth. `best`:
    by the net present value for all together, `best_for_owner`: for the point that invests. `bands` are of the best.
    """

    point: str
    points: tuple[str, ...]
    quarters: int
    left_out: int
    whole_year: bool
    outcomes: tuple[Outcome, ...]
    best: Outcome | None
    best_for_owner: Outcome | None
    bands: tuple[Band, ...]


def next_steps(outcomes: Sequence[Outcome]) -> tuple[NextStep, ...]:
    """Of each outcome what the step from the next smaller PV, and from the next smaller battery, saved more."""
    saved = {each.size: each.saved_eur for each in outcomes}
    smaller = [dict(pairwise(sorted({each.size[axis] for each in outcomes}, reverse=True))) for axis in (0, 1)]
    steps = []
    for (kwp, kwh), eur in saved.items():
        less_kwp, less_kwh = smaller[0].get(kwp), smaller[1].get(kwh)
        of_kwp = None if less_kwp is None else (eur - saved[less_kwp, kwh]) / (kwp - less_kwp)
        of_kwh = None if less_kwh is None else (eur - saved[kwp, less_kwh]) / (kwh - less_kwh)
        steps.append(NextStep(kwp, kwh, of_kwp, of_kwh))
    return tuple(steps)
