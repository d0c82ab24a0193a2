"""Years, savings and portfolios of buildings as the API tells them; what is unknown is null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from api.buildings.accounts import Account
from energy.buildings.annual import Annual, Change
from energy.buildings.days import Carrier, Days, Stretch, used
from energy.buildings.degree_days import BASE_C
from energy.buildings.factors import Book, Factor
from energy.buildings.indicators import BuildingYear, CarrierYear, Metered, per_m2
from energy.buildings.portfolio import Portfolio, TargetState
from energy.buildings.savings.saving import Looked, Saving

__all__ = ["account_view", "months", "portfolio_view", "row_view", "saving_view"]

_DIGITS: Final = 3


def account_view(account: Account, book: Book, station: str, year: int) -> dict[str, Any]:
    """A building's year with all that belongs to it."""
    of = account.year
    building, normal = of.building, book.normal(station, BASE_C, of.days.end)
    observed = next((one.year.degree_days for one in of.carriers.values() if one.year.degree_days is not None), None)
    return row_view(of, account.looked) | {
        "community": building.community,
        "year": year,
        "whole": of.days == Days.of_year(year),
        "energy_kwh": _round(of.energy_kwh),
        "normalised_kwh": _round(of.normalised_kwh),
        "primary_kwh": _round(of.primary_kwh),
        "co2_kg_m2": _round(of.co2_kg_m2),
        "degree_days": {
            "station": station,
            "base_c": BASE_C,
            "observed": _round(observed),
            "normal": None if normal is None else normal.value,
            "source": None if normal is None else normal.source,
        },
        "scale": None
        if of.scale is None
        else {
            "name": of.scale.name,
            "bounds": of.scale.bounds,
            "beyond": of.scale.beyond,
            "evidence": of.scale.evidence,
            "source": of.scale.source,
        },
        "like": _likes(account),
        "base_load": {"power_w": _round(account.looked.base_load_w), "share": _round(account.looked.base_load_share)},
        "carriers": [_carrier(one, of, account.metered) for one in of.carriers.values()],
        "savings": [saving_view(one) for one in account.looked.savings],
        "not_looked": [{"kind": one.kind, "carrier": one.carrier, "why": one.why} for one in account.looked.not_looked],
        "factors": [_factor(one) for one in of.factors],
    }


def row_view(of: BuildingYear, looked: Looked) -> dict[str, Any]:
    """A building as one of a portfolio."""
    building, best = of.building, next(iter(looked.savings), None)
    return {
        "site": building.id,
        "name": building.name,
        "kind": building.kind,
        "municipality": building.municipality,
        "area_m2": building.area_m2,
        "from": of.days.first,
        "to": of.days.end,
        "energy_kwh_m2": _round(of.energy_kwh_m2),
        "normalised_kwh_m2": _round(of.normalised_kwh_m2),
        "primary_kwh_m2": _round(of.primary_kwh_m2),
        "co2_kg": _round(of.co2_kg),
        "cost_eur": _round(of.cost_eur),
        "class": of.class_,
        "coverage": _round(of.coverage),
        "estimated_share": _round(of.estimated_share),
        "unknown": list(of.unknown),
        "change": {carrier: _change(one.year.change) for carrier, one in of.carriers.items()},
        "saving": None if best is None else {"kind": best.kind, "kwh": _round(best.kwh), "eur": _round(best.eur)},
        "savings_found": len(looked.savings),
    }


def portfolio_view(
    total: Portfolio, rows: Sequence[dict[str, Any]], targets: Sequence[TargetState], days: Days, year: int
) -> dict[str, Any]:
    """A portfolio, the worst first."""
    return {
        "year": year,
        "from": days.first,
        "to": days.end,
        "whole": days == Days.of_year(year),
        "buildings": total.buildings,
        "known": total.known,
        "area_m2": _round(total.area_m2),
        "known_area_m2": _round(total.known_area_m2),
        "energy_kwh": _round(total.energy_kwh) if total.known else None,
        "energy_kwh_m2": _round(total.energy_kwh_m2),
        "primary_kwh": _round(total.primary_kwh) if total.known else None,
        "primary_kwh_m2": _round(total.primary_kwh_m2),
        "co2_kg": _round(total.co2_kg) if total.co2_known else None,
        "co2_known": total.co2_known,
        "cost_eur": _round(total.cost_eur) if total.cost_known else None,
        "cost_known": total.cost_known,
        "classes": total.classes,
        "targets": [_target(one) for one in targets],
        "sites": list(rows),
    }


def saving_view(one: Saving) -> dict[str, Any]:
    """A saving with the picture that shows it."""
    return {
        "kind": one.kind,
        "carrier": one.carrier,
        "kwh": _round(one.kwh),
        "eur": _round(one.eur),
        "since": one.since,
        "facts": {name: _round(value) if isinstance(value, float) else value for name, value in one.facts.items()},
        "pattern": {
            "axis": one.pattern.axis,
            "unit": one.pattern.unit,
            "x": one.pattern.x,
            "lines": one.pattern.lines,
            "marked": one.pattern.marked,
        },
    }


def months(stretches: Sequence[Stretch], days: Days) -> list[dict[str, Any]]:
    """The twelve calendar months up to the last of `days`, each beside the year before; null where a day is unknown."""
    last = Days(days.first, days.end)
    year, month = _month_of(last)
    found = []
    for back in range(11, -1, -1):
        total = year * 12 + month - 1 - back
        span = Days.of_month(total // 12, total % 12 + 1)
        until = Days(span.first, min(span.end, days.end))
        found.append(
            {
                "month": f"{span.first:%Y-%m}",
                "amount": _round(used(stretches, until).total),
                "before": _round(used(stretches, until.year_before()).total),
                "days": until.count,
            }
        )
    return found


def _month_of(days: Days) -> tuple[int, int]:
    last: date = list(days)[-1] if days.count else days.first
    return last.year, last.month


def _carrier(one: CarrierYear, of: BuildingYear, metered: Metered) -> dict[str, Any]:
    year: Annual = one.year
    unit = "m³" if one.carrier is Carrier.WATER else "kWh"
    return {
        "carrier": one.carrier,
        "unit": unit,
        "amount": _round(year.amount),
        "known": _round(year.use.amount),
        "per_m2": _round(per_m2(year.amount, of.building.area_m2)),
        "normalised": _round(year.normalised),
        "bought": _round(one.bought),
        "coverage": _round(year.use.coverage),
        "estimated_share": _round(year.estimated_share),
        "primary_kwh": _round(one.primary_kwh),
        "co2_kg": _round(one.co2_kg),
        "cost_eur": _round(one.cost_eur),
        "change": _change(year.change),
        "months": months(metered.used.get(one.carrier, ()), of.days),
    }


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "now": _round(change.now),
        "before": _round(change.before),
        "days": change.days,
        "ratio": _round(change.ratio),
    }


def _likes(account: Account) -> dict[str, Any] | None:
    if account.likes is not None:
        return {
            "of": "community",
            "buildings": account.likes.others,
            "median_kwh_m2": _round(account.likes.median_kwh_m2),
            "place": account.likes.place,
            "source": None,
        }
    if account.benchmark is not None:
        return {
            "of": "benchmark",
            "buildings": None,
            "median_kwh_m2": account.benchmark.kwh_m2,
            "place": None,
            "source": account.benchmark.source,
        }
    return None


def _factor(one: Factor) -> dict[str, Any]:
    return {
        "what": one.what,
        "carrier": one.carrier,
        "value": one.value,
        "unit": one.unit,
        "basis": one.basis,
        "evidence": one.evidence,
        "source": one.source,
        "as_of": one.as_of,
    }


def _target(one: TargetState) -> dict[str, Any]:
    return {
        "id": one.target.id,
        "municipality": one.target.municipality,
        "carriers": one.target.carriers,
        "reference_year": one.target.reference_year,
        "reference_kwh": one.target.reference_kwh,
        "reduction": one.target.reduction,
        "allowed_kwh": _round(one.target.allowed_kwh),
        "due": one.target.due,
        "buildings": one.buildings,
        "known": one.known,
        "known_kwh": _round(one.known_kwh),
        "used_kwh": _round(one.used_kwh),
        "to_go_kwh": _round(one.to_go_kwh),
        "at_stake_eur": _round(one.at_stake_eur),
        "source": one.target.source,
        "evidence": one.target.evidence,
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
