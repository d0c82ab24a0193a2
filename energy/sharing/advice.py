"""Which key serves a stated aim best on given readings: candidates are settled, measured and ranked, with the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from energy.sharing.fairness import Fairness, PointTotals, fairness, point_totals, ratio
from energy.sharing.key import LAST_TIER, Participant, SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters

__all__ = ["IN_FORCE", "Aim", "Figures", "Option", "candidates", "measure", "rank", "recommend"]

IN_FORCE: Final = "in force"
_LEAST_SHARED: Final = 0.9  # an equal share of little is no aim: only keys that share nine tenths of the most compete
_WEIGHT_UNITS: Final = 10**6


class Aim(StrEnum):
    """What a community may want of its key."""

    MOST_SHARED = "most-shared"
    MOST_EQUAL = "most-equal"  # coverage x/c as alike as possible
    VULNERABLE_FIRST = "vulnerable-first"  # coverage of tier 1 as high as possible


@dataclass(frozen=True, slots=True)
class Figures:
    """What a key did with the readings. `vulnerable_coverage`: of tier 1 together; None: there is none, or no withdrawal."""

    shared_wh: int
    sharing_rate: float | None
    self_sufficiency: float | None
    fairness: Fairness
    vulnerable_coverage: float | None


@dataclass(frozen=True, slots=True)
class Option:
    """A key and its figures; `name` is a short name or says what it is."""

    name: str
    key: SharingKey
    figures: Figures

    def facts(self) -> dict[str, Any]:
        """What it is and what it did, to be told as JSON; what was shared comes beside it in the teller's unit."""
        measures = self.figures.fairness
        return {
            "name": self.name,
            "rounds": self.key.model_dump(mode="json", include={"rounds"})["rounds"],
            "weights": {
                point: str(each.weight) for point, each in (self.key.participants or {}).items() if each.weight
            },
            "sharing_rate": self.figures.sharing_rate,
            "self_sufficiency": self.figures.self_sufficiency,
            "jain": {"kwh": measures.jain_kwh, "coverage": measures.jain_coverage},
            "gini": {"kwh": measures.gini_kwh, "coverage": measures.gini_coverage},
            "min_coverage": measures.min_coverage,
            "vulnerable_coverage": self.figures.vulnerable_coverage,
        }


def recommend(key: SharingKey, readings: QuarterReadings, aim: Aim) -> list[Option]:
    """The key in force and what could stand in its place, the best for the aim first."""
    options = [Option(name, one, measure(one, readings)) for name, one in candidates(key, readings).items()]
    return rank(options, aim)


def rank(options: Sequence[Option], aim: Aim) -> list[Option]:
    """The best for the aim first; of equals the one named first."""
    most = max((option.figures.shared_wh for option in options), default=0)

    def order(option: Option) -> tuple[float, ...]:
        figures, measures = option.figures, option.figures.fairness
        jain, gini = measures.jain_coverage or 0.0, 1.0 if measures.gini_coverage is None else measures.gini_coverage
        enough = -float(figures.shared_wh >= _LEAST_SHARED * most)
        if aim is Aim.MOST_SHARED:
            return (-figures.shared_wh, -jain)
        if aim is Aim.MOST_EQUAL:
            return (enough, gini, -figures.shared_wh)
        return (-(figures.vulnerable_coverage or 0.0), -figures.shared_wh, -jain)

    return sorted(options, key=order)


def measure(key: SharingKey, readings: QuarterReadings) -> Figures:
    """Settles the readings by the key and takes its measures."""
    settlement = settle_quarters(key.model_copy(update={"resolution_wh": 1}), readings)
    totals = point_totals(settlement)
    receivers = [total for total in totals if total.receives]
    shared = int(sum(total.received_wh for total in totals))
    vulnerable = [total for total in receivers if _tier(key, total.point) == 1]
    return Figures(
        shared_wh=shared,
        sharing_rate=ratio(shared, sum(total.injection_wh for total in totals)),
        self_sufficiency=ratio(shared, sum(total.withdrawal_wh for total in receivers)),
        fairness=fairness(totals),
        vulnerable_coverage=ratio(
            sum(total.received_wh for total in vulnerable), sum(total.withdrawal_wh for total in vulnerable)
        ),
    )


def _tier(key: SharingKey, point: str) -> int:
    standing = (key.participants or {}).get(point)
    return standing.tier if standing and standing.tier else LAST_TIER


def candidates(key: SharingKey, readings: QuarterReadings) -> dict[str, SharingKey]:
    """Keys that can be made of the same participants, tiers and weights, by name; the one in force first."""
    totals = point_totals(settle_quarters(key.model_copy(update={"resolution_wh": 1}), readings))
    people = {
        total.point: (key.participants or {}).get(total.point) or Participant() for total in totals if total.receives
    }
    made = {IN_FORCE: key}
    if not people:
        return made
    producers = key.producers.model_copy(update={"points": {**people, **key.producers.points}})
    alike = dict(key) | {
        "two_sided": False,
        "producers": producers,
    }  # producers stand as they stood, whatever the weights

    def add(name: str, rounds: Any, weights: Mapping[str, Fraction] | None = None) -> None:
        weighed = {
            point: each.model_copy(update={"stake": None, "weight": weights.get(point, Fraction(0))})
            if weights
            else each
            for point, each in people.items()
        }
        made[name] = SharingKey.model_validate(alike | {"participants": weighed, "rounds": rounds})

    for name in ("prorata", "equal"):
        add(name, name)
    add("equal, repeated", [{"method": "equal", "max_rounds": None}])
    if any(each.weight for each in people.values()):
        for name in ("fixed", "fixed-multi", "hybrid"):
            add(name, name)
    if need := _by_need(totals):
        add("fixed-multi by withdrawal", "fixed-multi", need)
    if any(each.tier for each in people.values()):
        add("priority", "priority")
        add(
            "30 % reserved by tier, then pro rata",
            [{"method": "priority", "share": 0.3}, {"method": "prorata", "share": 0.7}],
        )
        if first := _for_tier_one(key, totals):
            add("hybrid, fixed parts for tier 1", "hybrid", first)
    return made


def _by_need(totals: Sequence[PointTotals]) -> dict[str, Fraction]:
    """Everybody's part of all that was withdrawn, to a millionth."""
    whole = sum(total.withdrawal_wh for total in totals if total.receives)
    return {total.point: _part(total.withdrawal_wh, whole) for total in totals if total.receives} if whole else {}


def _for_tier_one(key: SharingKey, totals: Sequence[PointTotals]) -> dict[str, Fraction]:
    """Fixed parts as large as the needs of tier 1 are beside all injection: a priority that operators compute."""
    first = [total for total in totals if total.receives and _tier(key, total.point) == 1]
    whole = max(sum(total.injection_wh for total in totals), sum(total.withdrawal_wh for total in first))
    parts = {total.point: _part(total.withdrawal_wh, whole) for total in first} if whole else {}
    return parts if any(parts.values()) else {}


def _part(part: Fraction | int, whole: Fraction | int) -> Fraction:
    """Rounded down, so that parts never add up to more than one."""
    return Fraction(int(Fraction(part) / whole * _WEIGHT_UNITS), _WEIGHT_UNITS)
