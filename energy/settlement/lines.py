"""A statement and its lines as they are kept: plain values that go to JSON and back without a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from energy.settlement.money import ZERO, cents
from energy.settlement.terms import GridType, MemberClass, VatCategory

__all__ = ["Line", "LineKind", "Money", "Side", "Statement", "Totals", "VatTotal", "negated", "totals"]

LineKind = Literal["energy", "network", "levy", "remuneration", "reduction"]
Side = Literal["consumer", "producer"]


@dataclass(frozen=True, slots=True)
class Line:
    """One amount before VAT. `energy_wh` times `eur_kwh`, or an amount from elsewhere where `eur_kwh` is None."""

    kind: LineKind
    name: str
    ean: str | None
    energy_wh: int | None
    eur_kwh: Decimal | None
    net: Decimal
    vat_rate: Decimal
    source: str
    vat_category: VatCategory = "S"
    vat_reason: str = ""


@dataclass(frozen=True, slots=True)
class VatTotal:
    """VAT of all lines with one rate and category: rounded once, on their sum. `reason`: why none is due."""

    rate: Decimal
    net: Decimal
    vat: Decimal
    category: VatCategory = "S"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """Sums of a statement's lines, euros."""

    net: Decimal
    vat: Decimal
    gross: Decimal
    by_rate: tuple[VatTotal, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """A member's month at all its points, Wh; `quarters` count every point by itself."""

    withdrawal_wh: int
    received_wh: int
    injection_wh: int
    given_wh: int
    quarters: int
    estimated: int

    @property
    def complementary_wh(self) -> int:
        """What the member's own supplier delivered and bills."""
        return self.withdrawal_wh - self.received_wh


@dataclass(frozen=True, slots=True)
class Statement:
    """A member's month on one side: what it pays, or is paid."""

    community: str
    month: str
    member: str
    member_class: MemberClass
    side: Side
    lines: tuple[Line, ...]
    totals: Money
    energy: Totals
    grid_type: GridType | None
    warnings: tuple[str, ...]


def totals(lines: Sequence[Line]) -> Money:
    """Sums and VAT: half up on the subtotal of each rate."""
    by_rate = []
    for rate, category, reason in sorted({(line.vat_rate, line.vat_category, line.vat_reason) for line in lines}):
        alike = (line for line in lines if (line.vat_rate, line.vat_category) == (rate, category))
        net = sum((line.net for line in alike if line.vat_reason == reason), ZERO)
        by_rate.append(VatTotal(rate, net, cents(net * rate), category, reason))
    net, vat = sum((each.net for each in by_rate), ZERO), sum((each.vat for each in by_rate), ZERO)
    return Money(net, vat, net + vat, tuple(by_rate))


def negated(line: Line) -> Line:
    """The same line as a credit."""
    return replace(line, energy_wh=None if line.energy_wh is None else -line.energy_wh, net=-line.net)
