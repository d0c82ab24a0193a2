"""The one key model: every operator's sharing key is an ordered list of rounds.

Each round gives out its share of the quarter-hour's injection plus what the round before left. The grid operators'
names map on it in docs/sharing.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS

__all__ = [
    "LAST_TIER",
    "MILLIONTHS",
    "SHORT_NAMES",
    "Basis",
    "Method",
    "Participant",
    "ProducerMethod",
    "Producers",
    "Roster",
    "Round",
    "SharingKey",
    "Standing",
    "expand_producers",
    "expand_rounds",
    "unknown_points",
]


class Method(StrEnum):
    """How one round divides what it has."""

    EQUAL = "equal"
    FIXED = "fixed"
    PRORATA = "prorata"
    PRIORITY = "priority"


class Basis(StrEnum):
    """What a pro rata round weighs by."""

    RESIDUAL = "residual"  # withdrawal not covered yet
    WITHDRAWAL = "withdrawal"  # whole withdrawal of those not yet covered
    WITHDRAWAL_OF_ALL = "withdrawal_of_all"  # whole withdrawal of everybody; parts of the covered are not reassigned


class ProducerMethod(StrEnum):
    """Whose injection counts as shared."""

    PRORATA = "prorata"
    FIXED = "fixed"
    PRIORITY = "priority"


def _exact_part(value: object) -> Fraction:
    """A number from 0 to 1 exactly as it is written: 0.25, "0.333333" or "1/3"."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        raise ValueError(f"must be a number from 0 to 1, or a fraction such as '1/3', is {value!r}")  # noqa: TRY004 - pydantic
    if isinstance(value, str) and not _WRITTEN_PART.fullmatch(value):
        raise ValueError(f"must be a number from 0 to 1, or a fraction such as '1/3', is {value!r}")
    try:
        part = Fraction(str(value))  # a float's shortest text is what was written
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"must be a number from 0 to 1, is {value!r}") from None
    if not 0 <= part <= 1:
        raise ValueError(f"must lie from 0 to 1 (70 % is 0.7), is {value}")
    if part.denominator > _FINEST_PART:
        raise ValueError(f"has more than 24 decimals: {value}")
    return part


def _exact_stake(value: object) -> Fraction:
    """An amount of anything, exactly as it is written: euros invested, thousandths of a house."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        raise ValueError(f"must be a number from 0 up, is {value!r}")  # noqa: TRY004 - pydantic
    if isinstance(value, str) and not _WRITTEN_PART.fullmatch(value):
        raise ValueError(f"must be a number from 0 up, is {value!r}")
    try:
        stake = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"must be a number from 0 up, is {value!r}") from None
    if not 0 <= stake <= _FINEST or stake.denominator > _FINEST_PART:
        raise ValueError(f"must lie from 0 to a million millions, is {value}")
    return stake


_FINEST: Final = 10**12
_FINEST_PART: Final = 10**24  # a third computed by somebody's program has 16 decimals, a small part more
_FLOAT_NOISE: Final = Fraction(1, _FINEST)  # by which parts that were divided as floats may add up to more than 1
_MOST_ROUNDS: Final = 20
_WRITTEN_PART: Final = re.compile(r"\d{1,13}((\.\d{1,24})?([eE]-\d{1,2})?|/\d{1,13})")
Part = Annotated[
    Fraction,
    PlainValidator(_exact_part),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1}),
]

Stake = Annotated[
    Fraction,
    PlainValidator(_exact_stake),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0}),
]


def _quarter_start(moment: datetime) -> datetime:
    if (moment - _EPOCH) % timedelta(milliseconds=QUARTER_MS):
        raise ValueError("must be the start of a quarter-hour: minutes 00, 15, 30 or 45")
    return moment


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
QuarterStart = Annotated[AwareDatetime, AfterValidator(_quarter_start)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Standing(_Model):
    """Weight in fixed rounds, tier in priority rounds (1 is served first, who has none last), and time of membership.

    `stake`: instead of a weight, an amount (investment, millièmes) of which the weight is the part of all stakes.
    `participation_pct`: part of the withdrawal and injection that is offered to this community, where a point may be in
    several (Austria's Teilnahmefaktor). A point takes part in [since, until), None: from the first or to the last
    quarter-hour of the readings.
    """

    weight: Part = Fraction(0)
    stake: Stake | None = None
    participation_pct: int = Field(default=100, ge=1, le=100)
    tier: int | None = Field(default=None, ge=1, le=1000)
    since: QuarterStart | None = None
    until: QuarterStart | None = None


class Participant(Standing):
    """A metering point that receives."""

    name: str = ""


class Round(_Model):
    """One round. `max_rounds` null repeats a fixed or equal round on what is left until nothing moves."""

    method: Method
    share: Part | None = None  # part of the injection; None: all of it in the first round, nothing in later ones
    max_rounds: int | None = Field(default=1, ge=1, le=100)
    renormalise: bool = Field(default=False, description="repeats divide the weights by those still in demand")
    basis: Basis = Basis.RESIDUAL


class Producers(_Model):
    """Whose injection counts as shared; a producer not in `points` stands as it does among the participants."""

    method: ProducerMethod = ProducerMethod.PRORATA
    points: dict[str, Standing] = {}

    @field_validator("points")
    @classmethod
    def _weights(cls, points: dict[str, Standing]) -> dict[str, Standing]:
        return _weighted(points)


SHORT_NAMES: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "fixed": ({"method": "fixed", "max_rounds": 1},),
    "fixed-multi": ({"method": "fixed", "max_rounds": None},),
    "equal": ({"method": "equal", "max_rounds": 1},),
    "prorata": ({"method": "prorata"},),
    "hybrid": ({"method": "fixed", "max_rounds": 1}, {"method": "prorata"}),
    "priority": ({"method": "priority"},),
}


def expand_rounds(value: object) -> object:
    """A short name stands for its rounds."""
    if not isinstance(value, str):
        return value
    if value not in SHORT_NAMES:
        raise ValueError(f"unknown key {value!r}; short names are {', '.join(SHORT_NAMES)}")
    return SHORT_NAMES[value]


_Rounds = tuple[Round, ...] | Literal["fixed", "fixed-multi", "equal", "prorata", "hybrid", "priority"]


def expand_producers(value: object) -> object:
    """A method's name alone stands for producers with that method."""
    return {"method": value} if isinstance(value, str) else value


_S = TypeVar("_S", bound=Standing)


def _weighted(standings: Mapping[str, _S]) -> dict[str, _S]:
    """With weights made of stakes. Raises ValueError for weights that do not add up or stand beside stakes."""
    stakes = sum((each.stake or Fraction(0) for each in standings.values()), Fraction(0))
    if any(each.stake is not None for each in standings.values()):
        if not stakes:
            raise ValueError("stakes add up to 0")
        for point, each in standings.items():
            if each.weight not in {0, (each.stake or 0) / stakes}:
                raise ValueError(f"{point} has a weight where others have a stake: give all a weight or all a stake")
        return {
            point: each.model_copy(update={"weight": (each.stake or 0) / stakes}) for point, each in standings.items()
        }
    total = sum((standing.weight for standing in standings.values()), Fraction(0))
    if total > 1 + _FLOAT_NOISE:
        raise ValueError(f"weights add up to {float(total):.9g}, they may not exceed 1; a stake may be any amount")
    if total > 1:
        return {point: each.model_copy(update={"weight": each.weight / total}) for point, each in standings.items()}
    return dict(standings)


class SharingKey(_Model):
    """A key: who receives, in which rounds, whose injection counts, to which resolution, and what a gap does.

    `coefficients` by_quarter: the weights of fixed rounds come with each quarter-hour, from a file beside the readings;
    by_pair: and for each producer apart, of whose own injection they are parts.
    `two_sided`: where no less is injected than withdrawn, the rounds divide among the producers what is withdrawn, and
    what these give goes to the receivers pro rata of withdrawal. `interval`: that of the readings, each shared by itself.
    """

    participants: dict[str, Participant] | None = Field(default=None, min_length=1)
    coefficients: Literal["constant", "by_quarter", "by_pair"] = "constant"
    two_sided: bool = False
    rounds: Annotated[tuple[Round, ...], BeforeValidator(expand_rounds, json_schema_input_type=_Rounds)] = Field()
    producers: Annotated[Producers, BeforeValidator(expand_producers)] = Producers()
    resolution_wh: Literal[0, 1] = 1
    on_missing: Literal["hold", "zero", "estimate"] = "hold"
    interval: Literal["15min", "30min", "60min"] = "15min"

    @field_validator("participants", mode="before")
    @classmethod
    def _bare_points(cls, written: Any) -> Any:
        """A point with nothing after its colon is one without weight and tier."""
        if not isinstance(written, dict):
            return written
        return {point: {} if standing is None else standing for point, standing in written.items()}

    @field_validator("participants")
    @classmethod
    def _participant_weights(cls, participants: dict[str, Participant] | None) -> dict[str, Participant] | None:
        return None if participants is None else _weighted(participants)

    @field_validator("producers")
    @classmethod
    def _producer_weights(cls, producers: Producers, info: ValidationInfo) -> Producers:
        standings = [*producers.points.values(), *(info.data.get("participants") or {}).values()]
        fixed = producers.method is ProducerMethod.FIXED
        if fixed and "participants" in info.data and not any(each.weight for each in standings):
            raise ValueError("no producer has a weight: write {method: fixed, points: {EAN: {weight: 0.6}, ...}}")
        if info.data.get("coefficients") == "by_pair" and producers != Producers():
            raise ValueError("coefficients by pair say whose injection counts: leave out the producers")
        if info.data.get("two_sided"):
            _check_two_sided(info.data.get("rounds") or (), any(each.weight for each in producers.points.values()))
        return producers

    @field_validator("rounds")
    @classmethod
    def _shares(cls, rounds: tuple[Round, ...], info: ValidationInfo) -> tuple[Round, ...]:
        if not 1 <= len(rounds) <= _MOST_ROUNDS:
            raise ValueError(f"must be 1 to {_MOST_ROUNDS} rounds, are {len(rounds)}")
        participants = info.data.get("participants") or {}
        fixed = any(round_.method is Method.FIXED for round_ in rounds)
        if info.data.get("coefficients") == "by_pair" and (len(rounds) > 1 or rounds[0].max_rounds != 1):
            raise ValueError(
                "coefficients by pair are of one fixed round: what a consumer does not use is not given on"
            )
        if info.data.get("coefficients") in {"by_quarter", "by_pair"}:
            _check_by_quarter(
                fixed, info.data.get("two_sided") is True, any(each.weight for each in participants.values())
            )
        elif fixed and "participants" in info.data and not any(each.weight for each in participants.values()):
            raise ValueError("a fixed round needs participants with a weight; `equal` needs none")
        resolved = tuple(_with_share(round_, place) for place, round_ in enumerate(rounds))
        total = sum((round_.share or Fraction(0) for round_ in resolved), Fraction(0))
        if total > 1 + _FLOAT_NOISE:
            raise ValueError(f"shares of the rounds add up to {float(total):.9g}, they may not exceed 1")
        if total > 1:
            return tuple(each.model_copy(update={"share": (each.share or 0) / total}) for each in resolved)
        return resolved


def _check_two_sided(rounds: Sequence[Round], weighted: bool) -> None:
    methods = {round_.method for round_ in rounds}
    if Method.EQUAL in methods:
        raise ValueError("a two-sided key has no equal rounds: give the points weights and make them fixed")
    if Method.FIXED in methods and not weighted:
        raise ValueError("a two-sided fixed key needs weights of producers: {points: {EAN: {weight: 0.6}, ...}}")


def _check_by_quarter(fixed: bool, two_sided: bool, weighted: bool) -> None:
    if not fixed:
        raise ValueError("coefficients by quarter-hour need a fixed round: they are its weights")
    if two_sided:
        raise ValueError("a two-sided key cannot have coefficients by quarter-hour")
    if weighted:
        raise ValueError("coefficients come with each quarter-hour: leave out the participants' weights and stakes")


def _with_share(round_: Round, place: int) -> Round:
    return round_ if round_.share is not None else round_.model_copy(update={"share": Fraction(int(place == 0))})


LAST_TIER: Final = 1001
MILLIONTHS: Final = 10**6
"""The unit of coefficients by quarter-hour: six decimals, as Spain's files have them."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A key applied to metering points, one entry each, in the order that decides ties."""

    points: tuple[str, ...]
    receives: tuple[bool, ...]
    weights: tuple[Fraction, ...]
    tiers: tuple[int, ...]
    producer_weights: tuple[Fraction, ...]
    producer_tiers: tuple[int, ...]
    participation_pct: tuple[int, ...]
    memberships: tuple[tuple[int | None, int | None], ...]  # [since, until) in ms UTC, None: open

    def weighing(self, millionths: Sequence[int]) -> Roster:
        """With the weights of one quarter-hour."""
        return replace(self, weights=tuple(Fraction(part, MILLIONTHS) for part in millionths))

    def mirrored(self) -> Roster:
        """Producers in the place of receivers, for a two-sided key."""
        return replace(
            self,
            receives=(True,) * len(self.points),
            weights=self.producer_weights,
            tiers=self.producer_tiers,
            producer_weights=self.weights,
            producer_tiers=self.tiers,
        )

    @classmethod
    def of(cls, key: SharingKey, points: Sequence[str], withdraws: Sequence[bool]) -> Roster:
        """`withdraws`: who has any withdrawal value, which decides who receives when nobody is listed.

        Raises ConfigError when the key names points that are not in `points`.
        """
        for field, point in unknown_points(key, points):
            raise ConfigError("is not in the readings", field=f"{field}.{point}", hint="add its readings or remove it")
        listed = key.participants
        receivers = [_standing(listed, None, point) for point in points]
        producers = [
            _standing(key.producers.points, None if key.two_sided else listed, point) for point in points
        ]  # with two sides a weight is of one side only: both may add up to 1
        return cls(
            points=tuple(points),
            receives=tuple(bool(withdraws[n]) if listed is None else point in listed for n, point in enumerate(points)),
            weights=tuple(each.weight for each in receivers),
            tiers=tuple(each.tier or LAST_TIER for each in receivers),
            producer_weights=tuple(each.weight for each in producers),
            producer_tiers=tuple(each.tier or LAST_TIER for each in producers),
            participation_pct=tuple(
                _standing(listed, key.producers.points, point).participation_pct for point in points
            ),
            memberships=tuple(_membership(_standing(listed, key.producers.points, point)) for point in points),
        )


_NO_STANDING: Final = Standing()


def _standing(first: Mapping[str, Standing] | None, second: Mapping[str, Standing] | None, point: str) -> Standing:
    return (first or {}).get(point) or (second or {}).get(point) or _NO_STANDING


def _membership(standing: Standing) -> tuple[int | None, int | None]:
    since, until = (
        None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)
        for moment in (standing.since, standing.until)
    )
    return since, until


def unknown_points(key: SharingKey, points: Sequence[str]) -> list[tuple[str, str]]:
    """(field, point) for every point that `key` names and `points` lacks."""
    known = set(points)
    named = [("participants", point) for point in key.participants or {}]
    named += [("producers.points", point) for point in key.producers.points]
    return [(field, point) for field, point in named if point not in known]
