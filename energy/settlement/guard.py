"""Nobody who has the social tariff pays more for shared energy than it would have paid without sharing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from energy.errors import RefusedError
from energy.settlement.lines import Line, Statement, totals
from energy.settlement.money import CENT, ZERO, floor_cents
from energy.settlement.terms import Month, SocialGuard, Terms

__all__ = ["allowed_gross", "guarded"]


def guarded(terms: Terms, month: Month, social_tariff: bool, statement: Statement) -> Statement:
    """The statement as it may be sent: warned about, lowered, or refused, as the terms say."""
    if not social_tariff or not statement.energy.received_wh:
        return statement
    guard = terms.guard(month, statement.member_class)
    allowed = allowed_gross(guard, statement.energy.received_wh)
    excess = statement.totals.gross - allowed
    if excess <= 0:
        return statement
    told = (
        f"{statement.totals.gross} EUR for shared energy is {excess} EUR more than the social tariff would have cost "
        f"({guard.reference_eur_kwh} EUR/kWh{_fee(guard)}; {guard.source})"
    )
    if guard.action == "stop":
        raise RefusedError(
            f"{statement.member}, {statement.month}: {told}",
            hint="lower the price of its class, end its sharing, or let the guard cap what it pays",
        )
    if guard.action == "warn":
        return replace(statement, warnings=(*statement.warnings, told))
    return _capped(statement, guard, allowed)


def _fee(guard: SocialGuard) -> str:
    return f" less {guard.supplier_fee_eur_year} EUR a year of supplier's fee" if guard.supplier_fee_eur_year else ""


def allowed_gross(guard: SocialGuard, received_wh: int) -> Decimal:
    """Euros with VAT that so much energy may cost: what the social tariff asks, less a month of the supplier's fee."""
    without = Decimal(received_wh).scaleb(-3) * guard.reference_eur_kwh
    return floor_cents(max(without - guard.supplier_fee_eur_year / 12, Decimal(0)))


def _capped(statement: Statement, guard: SocialGuard, allowed: Decimal) -> Statement:
    """Less by a line of its own: the community gives up its own price, never what it owes to others."""
    own = sum((line.net for line in statement.lines if line.kind == "energy"), ZERO)
    rate = statement.lines[0].vat_rate
    excess = statement.totals.gross - allowed
    reduction = min(floor_cents(excess / (1 + rate)), own)
    lowered = _lowered(statement, guard, reduction, rate)
    while lowered.totals.gross > allowed and reduction < own:  # VAT is rounded on the sum: a cent may be missing
        reduction += CENT
        lowered = _lowered(statement, guard, reduction, rate)
    if lowered.totals.gross > allowed:
        rest = lowered.totals.gross - allowed
        told = f"even without the community's own price sharing costs {rest} EUR more than the social tariff"
        return replace(lowered, warnings=(*lowered.warnings, told))
    return lowered


def _lowered(statement: Statement, guard: SocialGuard, reduction: Decimal, rate: Decimal) -> Statement:
    first = statement.lines[0]
    line = Line(
        "reduction",
        "never_worse_off",
        None,
        None,
        None,
        -reduction,
        rate,
        guard.source,
        first.vat_category,
        first.vat_reason,
    )
    lines = (*statement.lines, line)
    return replace(statement, lines=lines, totals=totals(lines))
