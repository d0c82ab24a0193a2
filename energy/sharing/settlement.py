"""From quarter-hour readings with gaps to settled quarter-hours: who received and gave what, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import ConfigError
from energy.quantities import Quality
from energy.sharing.exact import QuarterHour, share_exact, share_pairs
from energy.sharing.intervals import INTERVALS_MS
from energy.sharing.key import Roster, SharingKey
from energy.sharing.whole import IntArray, Mask, Pairs, share_whole

__all__ = ["QUALITIES", "Direction", "Missing", "QuarterReadings", "Settlement", "quarter_hour", "settle_quarters"]

Codes = npt.NDArray[np.int8]

QUALITIES: Final = (Quality.MEASURED, Quality.ESTIMATED, Quality.MISSING)
"""A quality's code is its place here, so the worst is the largest."""

_DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * _DAY_MS


class Direction(StrEnum):
    """The two columns of a reading."""

    WITHDRAWAL = "withdrawal"
    INJECTION = "injection"


# Consumption follows the days of the week, the sun does not: where a missing value is looked up first.
_ESTIMATE_FROM: Final = {Direction.WITHDRAWAL: (_WEEK_MS, _DAY_MS), Direction.INJECTION: (_DAY_MS, _WEEK_MS)}


@dataclass(frozen=True, slots=True)
class QuarterReadings:
    """Readings of consecutive quarter-hours (rows) and points (columns, in the order that decides ties).

    With a key for half-hours or hours a row is one of those.

    Energies are Wh >= 0, 0 where unknown: int64 at resolution 1, Fractions at resolution 0.
    """

    points: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    withdrawal: IntArray
    withdrawal_known: Mask
    injection: IntArray
    injection_known: Mask


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is needed and not there; `row` and `column` are its place in the readings."""

    row: int
    column: int
    direction: Direction


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was settled. Arrays are shaped as the readings; rows with `held` count for nothing.

    `takes_part`: where a point is a member; readings outside it are taken as unknown.

    `readings` are those settled with: gaps filled as the key says. `quality` codes index QUALITIES; a row's result
    is no better than the worst reading of its quarter-hour, for everybody's part depends on it. `held_for`: values
    that hold a quarter-hour back; `filled`: values that the key had filled.
    """

    readings: QuarterReadings
    roster: Roster
    takes_part: Mask
    received: IntArray
    given: IntArray
    quality: Codes
    held: Mask
    held_for: tuple[Missing, ...]
    filled: tuple[Missing, ...]


def settle_quarters(
    key: SharingKey,
    readings: QuarterReadings,
    coefficients: IntArray | Pairs | None = None,
    *,
    any_interval: bool = False,
) -> Settlement:
    """Shares every quarter-hour that is complete or that the key says how to complete.

    `coefficients`: weights in millionths, shaped as the readings, for a key that has them by quarter-hour; for one that
    has them by pair, such weights by the column of the producer. `any_interval`: the key is applied by the readings' own
    steps, as in a back-test. Raises ConfigError when the key does not fit the readings.
    """
    _check_coefficients(key, coefficients)
    if not any_interval:
        _check_interval(key, readings)
    withdraws = np.asarray(readings.withdrawal_known.any(axis=0))
    roster = Roster.of(key, readings.points, withdraws.tolist())
    takes_part = _takes_part(readings, roster)
    needed = _needed(readings, roster, takes_part)
    readings = _only(readings, takes_part)
    gaps = {direction: needed[direction] & ~_known(readings, direction) for direction in Direction}
    unsettled = gaps
    if key.on_missing == "estimate":
        readings, unsettled = _estimate(readings, gaps, INTERVALS_MS[key.interval])
    elif key.on_missing == "zero":  # unknown energies are 0 already
        unsettled = {direction: np.zeros_like(gap) for direction, gap in gaps.items()}
    filled = {direction: gaps[direction] & ~unsettled[direction] for direction in Direction}
    held = np.any([gap.any(axis=1) for gap in unsettled.values()], axis=0)
    received, given = _share(key, roster, readings, ~held, coefficients)
    return Settlement(
        readings=readings,
        roster=roster,
        takes_part=takes_part,
        received=received,
        given=given,
        quality=_quality(filled, Quality.MISSING if key.on_missing == "zero" else Quality.ESTIMATED),
        held=held,
        held_for=_places(unsettled),
        filled=_places(filled),
    )


def _check_coefficients(key: SharingKey, coefficients: IntArray | Pairs | None) -> None:
    given = "by_pair" if isinstance(coefficients, Mapping) else "by_quarter"
    if key.coefficients == ("constant" if coefficients is None else given):
        return
    told = (
        "come with each quarter-hour"
        if coefficients is None
        else f"are given {given}, the key's are {key.coefficients}"
    )
    raise ConfigError(
        told,
        field="coefficients",
        hint="a key with `coefficients: by_quarter` or `by_pair` goes with its file: `settle --coefficients`",
    )


def _check_interval(key: SharingKey, readings: QuarterReadings) -> None:
    step = int(readings.starts[1] - readings.starts[0]) if readings.starts.size > 1 else INTERVALS_MS[key.interval]
    if step != INTERVALS_MS[key.interval]:
        raise ConfigError(
            f"is {key.interval}, and the readings are by {step // 60_000} minutes",
            field="interval",
            hint="a key is for readings of its own interval: give it the other one, or other readings",
        )


def _places(masks: dict[Direction, Mask]) -> tuple[Missing, ...]:
    """The places where the masks hold, by quarter-hour and point."""
    places = [
        Missing(int(row), int(column), direction)
        for direction, mask in masks.items()
        for row, column in zip(*mask.nonzero(), strict=True)
    ]
    return tuple(sorted(places, key=lambda place: (place.row, place.column)))


def quarter_hour(readings: QuarterReadings, row: int) -> QuarterHour:
    """One row of `readings` for the exact rule."""
    return QuarterHour(
        _exact_values(readings.withdrawal[row], readings.withdrawal_known[row]),
        _exact_values(readings.injection[row], readings.injection_known[row]),
    )


def _exact_values(values: IntArray, known: Mask) -> tuple[Fraction | None, ...]:
    return tuple(Fraction(value) if there else None for value, there in zip(values.tolist(), known, strict=True))


def _known(readings: QuarterReadings, direction: Direction) -> Mask:
    return readings.withdrawal_known if direction is Direction.WITHDRAWAL else readings.injection_known


def _takes_part(readings: QuarterReadings, roster: Roster) -> Mask:
    member = np.ones(readings.withdrawal_known.shape, dtype=bool)
    for column, (since, until) in enumerate(roster.memberships):
        if since is not None:
            member[:, column] &= readings.starts >= since
        if until is not None:
            member[:, column] &= readings.starts < until
    return member


def _only(readings: QuarterReadings, where: Mask) -> QuarterReadings:
    if where.all():
        return readings
    return replace(
        readings,
        withdrawal=np.where(where, readings.withdrawal, 0),
        withdrawal_known=readings.withdrawal_known & where,
        injection=np.where(where, readings.injection, 0),
        injection_known=readings.injection_known & where,
    )


def _needed(readings: QuarterReadings, roster: Roster, takes_part: Mask) -> dict[Direction, Mask]:
    """Where a value must be known: withdrawal of receivers, injection of points that ever inject or say nothing."""
    receives = np.array(roster.receives, dtype=bool)
    injects = readings.injection_known.any(axis=0)
    silent = ~injects & ~readings.withdrawal_known.any(axis=0) & ~receives
    return {
        Direction.WITHDRAWAL: takes_part & receives,
        Direction.INJECTION: takes_part & (injects | silent),
    }


def _estimate(
    readings: QuarterReadings, gaps: dict[Direction, Mask], interval_ms: int
) -> tuple[QuarterReadings, dict[Direction, Mask]]:
    """Fills gaps with the same point's measured value a week or a day before; (filled, what is still missing)."""
    filled = {}
    for direction in Direction:
        known = _known(readings, direction)
        values = readings.withdrawal if direction is Direction.WITHDRAWAL else readings.injection
        new_values, new_known = values.copy(), known.copy()
        for back in (each // interval_ms for each in _ESTIMATE_FROM[direction]):
            usable = np.zeros_like(known)
            usable[back:] = gaps[direction][back:] & ~new_known[back:] & known[:-back]
            rows, columns = usable.nonzero()
            new_values[rows, columns] = values[rows - back, columns]
            new_known |= usable
        filled[direction] = (new_values, new_known)
    (withdrawal, withdrawal_known), (injection, injection_known) = filled.values()
    complete = replace(
        readings,
        withdrawal=withdrawal,
        withdrawal_known=withdrawal_known,
        injection=injection,
        injection_known=injection_known,
    )
    return complete, {direction: gaps[direction] & ~filled[direction][1] for direction in Direction}


def _share(
    key: SharingKey, roster: Roster, readings: QuarterReadings, rows: Mask, coefficients: IntArray | Pairs | None
) -> tuple[IntArray, IntArray]:
    if key.resolution_wh:
        known = readings.withdrawal_known
        return share_whole(key, roster, readings.withdrawal, readings.injection, known, rows, coefficients)
    received = np.full(readings.withdrawal.shape, Fraction(0), dtype=object)
    given = received.copy()
    for row in rows.nonzero()[0]:
        quarter = quarter_hour(readings, int(row))
        if isinstance(coefficients, Mapping):
            shared = share_pairs(key, roster, quarter, {own: grid[row].tolist() for own, grid in coefficients.items()})
        else:
            own = roster if coefficients is None else roster.weighing(coefficients[row].tolist())
            shared = share_exact(key, own, quarter)
        received[row], given[row] = shared.received, shared.given
    return received, given


def _quality(filled: dict[Direction, Mask], quality: Quality) -> Codes:
    """`quality` where a value was filled, and estimated at best for all others of that quarter-hour."""
    own = np.logical_or(*filled.values())
    codes: Codes = np.zeros(own.shape, dtype=np.int8)
    codes[own.any(axis=1)] = QUALITIES.index(Quality.ESTIMATED)
    codes[own] = QUALITIES.index(quality)
    return codes
