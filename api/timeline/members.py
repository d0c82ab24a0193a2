"""Members' quarter-hours: one's own from settled months, estimated where they are not settled yet; sums over all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from api.groups import SMALLEST_GROUP
from api.timeline.sharing import key_in_force, share_sites
from energy.community import Community
from energy.quarters import QUARTER_MS, local_midnight
from energy.settlement.curves import COLUMNS, UNKNOWN, Curve
from storage.history import History
from storage.register.facts import ALWAYS
from storage.register.participants import MeteringPoint

__all__ = ["Group", "MembersHistory", "OwnPoint", "estimate", "holds", "members_history", "own_points"]

_Values = npt.NDArray[np.int32]
_FINAL, _ESTIMATE, _MISSING = "final", "estimate", "missing"


@dataclass(slots=True)
class OwnPoint:
    """A metering point's quarter-hours, Wh; None: unknown. `status` of each: final, estimate or missing."""

    ean: str
    participant: str
    withdrawn_wh: list[int | None]
    received_wh: list[int | None]
    residual_wh: list[int | None]
    injected_wh: list[int | None]
    given_wh: list[int | None]
    surplus_wh: list[int | None]
    status: list[str]


def own_points(starts: range, curves: Sequence[Curve], estimates: Mapping[tuple[str, str], _Values]) -> list[OwnPoint]:
    """By point and participant, on the quarter-hours of `starts`; where nothing is settled the estimates are taken."""
    settled: dict[tuple[str, str], _Values] = {}
    for curve in curves:
        _lay(settled.setdefault((curve.point, curve.member), _empty(starts)), starts, curve)
    return [
        _own_point(each, settled.get(each, _empty(starts)), estimates.get(each, _empty(starts)))
        for each in sorted({*settled, *estimates})
    ]


def estimate(community: Community, point: MeteringPoint, starts: range, history: History) -> _Values:
    """What the point's site withdrew, received, injected and gave while the participant held it, by our live sharing."""
    values = _empty(starts)
    first = starts.start if point.valid_from == ALWAYS else local_midnight(point.valid_from, community.timezone)
    last = starts.stop if point.valid_to is None else local_midnight(point.valid_to, community.timezone)
    first, last = max(first, starts.start), min(last, starts.stop)
    if first >= last:
        return values
    sites = [site.id for site in community.sites]
    found = share_sites(sites, key_in_force(community, None), first, last, history, None)
    for quarter in found.quarters:
        for share in quarter.shares:
            if share.id == point.site and share.withdrawn_wh is not None and share.surplus_wh is not None:
                place = (quarter.t - starts.start) // QUARTER_MS
                injected = share.given_wh + share.surplus_wh
                values[:, place] = (share.withdrawn_wh, share.received_wh, injected, share.given_wh)
    return values


def holds(point: MeteringPoint, at: int, timezone: str) -> bool:
    """Whether the participant holds the point at that instant, ms UTC."""
    since = None if point.valid_from == ALWAYS else local_midnight(point.valid_from, timezone)
    until = None if point.valid_to is None else local_midnight(point.valid_to, timezone)
    return (since is None or since <= at) and (until is None or at < until)


@dataclass(frozen=True, slots=True)
class Group:
    """Whose parts in a sum a caller cannot take off: neither its own nor readable; at sites of ours, and elsewhere."""

    at_sites: Collection[str]
    elsewhere: Collection[str]


@dataclass(slots=True)
class MembersHistory:
    """Sums over the members of whom a quarter-hour is known, Wh; None where they are too few. `members`: how many."""

    withdrawn_wh: list[int | None] = field(default_factory=list)
    received_wh: list[int | None] = field(default_factory=list)
    injected_wh: list[int | None] = field(default_factory=list)
    given_wh: list[int | None] = field(default_factory=list)
    members: list[int] = field(default_factory=list)


def members_history(starts: range, curves: Sequence[Curve], group: Group) -> MembersHistory:
    """Sums of each quarter-hour of `starts`. Both parts of the group must be none or at least five in it."""
    sums = np.zeros((len(COLUMNS), len(starts)), dtype=np.int64)
    known: dict[str, npt.NDArray[np.bool_]] = {}
    for curve in curves:
        values = _empty(starts)
        _lay(values, starts, curve)
        there = (values != UNKNOWN).any(axis=0)
        known.setdefault(curve.member, np.zeros(len(starts), dtype=bool))
        known[curve.member] |= there
        sums += np.where(values == UNKNOWN, 0, values)
    counts = [_count(known, part, len(starts)) for part in (group.at_sites, group.elsewhere)]
    told = np.all([(count == 0) | (count >= SMALLEST_GROUP) for count in counts], axis=0)
    members = _count(known, known, len(starts))
    told &= members > 0
    columns = [
        [value if is_told else None for value, is_told in zip(row.tolist(), told.tolist(), strict=True)] for row in sums
    ]
    withdrawn, received, injected, given = columns
    return MembersHistory(withdrawn, received, injected, given, np.where(told, members, 0).tolist())


def _count(known: Mapping[str, npt.NDArray[np.bool_]], of: Collection[str], quarters: int) -> npt.NDArray[np.int64]:
    found = [known[member] for member in of if member in known]
    return np.sum(found, axis=0, dtype=np.int64) if found else np.zeros(quarters, dtype=np.int64)


def _empty(starts: range) -> _Values:
    return np.full((len(COLUMNS), len(starts)), UNKNOWN, dtype=np.int32)


def _lay(values: _Values, starts: range, curve: Curve) -> None:
    """Puts a curve that lies within `starts` into its place."""
    first = (curve.start - starts.start) // QUARTER_MS
    part = values[:, first : first + curve.values.shape[1]]
    np.copyto(part, curve.values, where=curve.values != UNKNOWN)


def _own_point(of: tuple[str, str], settled: _Values, estimated: _Values) -> OwnPoint:
    is_final = (settled != UNKNOWN).any(axis=0)
    is_estimate = ~is_final & (estimated != UNKNOWN).any(axis=0)
    values = np.where(is_final, settled, estimated)
    withdrawn, received, injected, given = (_told(row) for row in values)
    status = np.where(is_final, _FINAL, np.where(is_estimate, _ESTIMATE, _MISSING))
    return OwnPoint(
        ean=of[0],
        participant=of[1],
        withdrawn_wh=withdrawn,
        received_wh=received,
        residual_wh=_less(withdrawn, received),
        injected_wh=injected,
        given_wh=given,
        surplus_wh=_less(injected, given),
        status=status.tolist(),
    )


def _told(row: npt.NDArray[Any]) -> list[int | None]:
    return [None if value == UNKNOWN else value for value in row.tolist()]


def _less(whole: Sequence[int | None], part: Sequence[int | None]) -> list[int | None]:
    return [None if one is None or other is None else one - other for one, other in zip(whole, part, strict=True)]
