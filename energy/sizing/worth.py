"""What an investment is worth: simple payback and net present value over the life of its longest part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energy.sizing.terms import BatteryCost, Finance, PvCost

__all__ = ["Part", "Support", "Worth", "parts_of", "worth"]


@dataclass(frozen=True, slots=True)
class Part:
    """Something bought, kept up, and bought again when its life is over."""

    price_eur: float
    upkeep_eur_year: float
    lifetime_years: int


@dataclass(frozen=True, slots=True)
class Support:
    """What is paid on production in the first years, EUR a year."""

    eur_year: float = 0.0
    years: int = 0


@dataclass(frozen=True, slots=True)
class Worth:
    """`payback_years`: price over what the first year brings; None where it brings nothing, or nothing was bought."""

    investment_eur: float
    upkeep_eur_year: float
    support_eur_year: float
    gain_eur_year: float
    payback_years: float | None
    npv_eur: float
    years: int


def parts_of(pv_kwp: float, battery_kwh: float, pv: PvCost | None, battery: BatteryCost | None) -> tuple[Part, ...]:
    """What is bought for these sizes; their costs must be there."""
    parts = []
    if pv_kwp > 0 and pv is not None:
        parts.append(Part(pv.fixed_eur + pv_kwp * pv.eur_kwp, pv_kwp * pv.upkeep_eur_kwp_year, pv.lifetime_years))
    if battery_kwh > 0 and battery is not None:
        price, upkeep = battery.fixed_eur + battery_kwh * battery.eur_kwh, battery_kwh * battery.upkeep_eur_kwh_year
        parts.append(Part(price, upkeep, battery.lifetime_years))
    return tuple(parts)


def worth(gain_eur_year: float, parts: Sequence[Part], support: Support, finance: Finance) -> Worth:
    """Of a yearly gain in today's prices. Years' cash counts at their ends; gains and support lose `wear` each year.

    Parts that end before the longest are bought again at today's price; what is left of them at the end counts by its
    years (straight line).
    """
    price = sum(part.price_eur for part in parts)
    upkeep = sum(part.upkeep_eur_year for part in parts)
    years = max((part.lifetime_years for part in parts), default=0)
    value = -price
    for year in range(1, years + 1):
        left = (1 - finance.wear) ** (year - 1)
        cash = gain_eur_year * left * (1 + finance.price_growth) ** (year - 1) - upkeep
        cash += support.eur_year * left if year <= support.years else 0.0
        cash += sum(_renewal_eur(part, year, years) for part in parts)
        value += cash / (1 + finance.discount_rate) ** year
    first = gain_eur_year + (support.eur_year if support.years else 0.0) - upkeep
    return Worth(
        investment_eur=price,
        upkeep_eur_year=upkeep,
        support_eur_year=support.eur_year if support.years else 0.0,
        gain_eur_year=gain_eur_year,
        payback_years=price / first if price > 0 and first > 0 else None,
        npv_eur=value,
        years=years,
    )


def _renewal_eur(part: Part, year: int, years: int) -> float:
    """Negative when it is bought again at the end of that year; at the very end what is left of it."""
    used = year % part.lifetime_years
    if year < years:
        return 0.0 if used else -part.price_eur
    return part.price_eur * (1 - used / part.lifetime_years) if used else 0.0
