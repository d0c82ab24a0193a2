"""The grid operator's own volumes of a month, which are the legal ones: what members are charged by when they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from energy.errors import DataError
from energy.settlement.volumes import Tenure, Volume

__all__ = ["Difference", "OperatorTotal", "differences", "operator_volumes"]


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


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the operator's shared energy of a month is not ours, Wh."""

    ean: str
    direction: Literal["withdrawal", "injection"]
    ours_wh: int
    theirs_wh: int


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


def differences(ours: Sequence[Volume], totals: Sequence[OperatorTotal]) -> tuple[Difference, ...]:
    """Every point whose shared withdrawal or injection is not the same in both, by EAN."""
    received: dict[str, int] = {}
    given: dict[str, int] = {}
    for volume in ours:
        received[volume.point] = received.get(volume.point, 0) + volume.received_wh
        given[volume.point] = given.get(volume.point, 0) + volume.given_wh
    theirs = {total.ean: total for total in totals}
    found = []
    for ean in sorted({*received, *theirs}):
        total = theirs.get(ean)
        pairs = (
            ("withdrawal", received.get(ean, 0), total.shared_wh if total else 0),
            ("injection", given.get(ean, 0), total.injection_shared_wh if total else 0),
        )
        found += [Difference(ean, direction, one, other) for direction, one, other in pairs if one != other]  # type: ignore[arg-type]
    return tuple(found)
