"""The grid operator's own volumes of a month, which are the legal ones: what members are charged by when they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from energy.errors import DataError
from energy.settlement.volumes import Tenure, Volume

__all__ = ["Cause", "Difference", "OperatorTotal", "differences", "operator_volumes"]


@dataclass(frozen=True, slots=True)
class OperatorTotal:
    """A metering point's month by the operator. None: its file does not say. `grid_fee_eur` is before VAT."""

    ean: str
    shared_wh: int
    complementary_wh: int | None
    injection_shared_wh: int
    grid_fee_eur: Decimal | None

    def plus(self, other: OperatorTotal) -> OperatorTotal:
        """Both rows of a point, of day and night, together."""
        return replace(
            self,
            shared_wh=self.shared_wh + other.shared_wh,
            complementary_wh=None
            if self.complementary_wh is None or other.complementary_wh is None
            else self.complementary_wh + other.complementary_wh,
            injection_shared_wh=self.injection_shared_wh + other.injection_shared_wh,
            grid_fee_eur=other.grid_fee_eur
            if self.grid_fee_eur is None
            else self.grid_fee_eur + (other.grid_fee_eur or 0),
        )


_CUT_WH: Final = 1  # both count to the Wh
Cause = Literal["only_ours", "only_theirs", "held", "readings", "estimated", "rounding", "key"]
"""Why the operator's month may be another: see `Difference`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the operator's shared energy of a month is not ours, Wh; `members`: whose point it is.

    `causes`: all that two totals can tell of why. The point is in one of both only; quarter-hours are held by us, or stand
    on estimates; the operator counted another withdrawal; it is less than a Wh for each quarter-hour, as rounding is. `key`:
    none of these, so the operator shares by another key, or among others.
    """

    ean: str
    direction: Literal["withdrawal", "injection"]
    ours_wh: int
    theirs_wh: int
    members: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()


def operator_volumes(
    totals: Sequence[OperatorTotal], tenures: Sequence[Tenure], window: tuple[int, int]
) -> tuple[Volume, ...]:
    """The operator's totals as the volumes of members. Raises DataError when a point is not one member's all month long."""
    return tuple(
        _volume(total, _holder(total.ean, tenures, window)) for total in sorted(totals, key=lambda each: each.ean)
    )


def _holder(ean: str, tenures: Sequence[Tenure], window: tuple[int, int]) -> str:
    own = [tenure for tenure in tenures if tenure.point == ean]
    for tenure in own:
        if (tenure.since or 0) <= window[0] and (tenure.until is None or window[1] <= tenure.until):
            return tenure.member
    raise DataError(
        f"{ean} is in the operator's file and "
        + (
            "changes its member within the month, which monthly totals cannot divide" if own else "belongs to no member"
        ),
        field="operator",
        hint="register its member, or settle the month by readings",
    )


def _volume(total: OperatorTotal, member: str) -> Volume:
    return Volume(
        member=member,
        point=total.ean,
        withdrawal_wh=total.shared_wh + (total.complementary_wh or 0),
        received_wh=total.shared_wh,
        injection_wh=total.injection_shared_wh,
        given_wh=total.injection_shared_wh,
        quarters=0,
        estimated=0,
    )


def differences(
    ours: Sequence[Volume], totals: Sequence[OperatorTotal], charged: Sequence[Volume] = (), held: int = 0
) -> tuple[Difference, ...]:
    """Every point whose shared withdrawal or injection is not the same in both, by EAN.

    `charged`: the operator's volumes of members; `held`: how many quarter-hours of the month have no result of ours.
    """
    own: dict[str, list[Volume]] = {}
    for volume in ours:
        own.setdefault(volume.point, []).append(volume)
    theirs = {total.ean: total for total in totals}
    members: dict[str, set[str]] = {}
    for volume in (*ours, *charged):
        members.setdefault(volume.point, set()).add(volume.member)
    found = []
    for ean in sorted({*own, *theirs}):
        total, volumes = theirs.get(ean), own.get(ean, [])
        pairs = (
            ("withdrawal", sum(each.received_wh for each in volumes), total.shared_wh if total else 0),
            ("injection", sum(each.given_wh for each in volumes), total.injection_shared_wh if total else 0),
        )
        for direction, one, other in pairs:
            if one != other:
                told = _causes(volumes, total, abs(one - other), held)
                whose = tuple(sorted(members.get(ean, ())))
                found.append(Difference(ean, direction, one, other, whose, told))  # type: ignore[arg-type]
    return tuple(found)


def _causes(volumes: Sequence[Volume], total: OperatorTotal | None, apart_wh: int, held: int) -> tuple[Cause, ...]:
    if total is None:
        return ("only_ours",)
    found: list[Cause] = ["held"] if held else []
    if not volumes:
        return (*found, "only_theirs")
    if not held and total.complementary_wh is not None:  # held quarter-hours are in their withdrawal alone
        ours, theirs = sum(each.withdrawal_wh for each in volumes), total.shared_wh + total.complementary_wh
        found += ["readings"] if abs(ours - theirs) > _CUT_WH else []
    found += ["estimated"] if any(each.estimated for each in volumes) else []
    if not found and apart_wh < sum(each.quarters for each in volumes):
        found.append("rounding")
    return tuple(found or ["key"])
