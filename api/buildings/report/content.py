"""What the monthly report tells, as text and drawings in the reader's language: one content for screen and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from api.buildings.accounts import Account
from api.buildings.report import charts
from api.buildings.report.savings import also, saving_card
from api.buildings.report.words import Words
from api.buildings.views import months
from energy.buildings.days import ENERGY, Carrier, Days, Stretch, used
from energy.buildings.degree_days import BASE_C
from energy.buildings.factors import Book, Factor
from energy.buildings.indicators import BuildingYear, Unknown
from energy.buildings.portfolio import Portfolio, TargetState, portfolio, worst_first
from energy.buildings.savings.saving import Kind
from energy.settlement.terms import Language

__all__ = ["Material", "content"]

_DRAWN: Final = 6  # savings with a picture; the others are listed
_SMALL: Final = 0.005  # less than that is no change
_QUIET: Final = frozenset({Unknown.SCALE})  # told once below, not of every building


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made of: the accounts of the year that ends with `month`, and where the targets stand."""

    municipality: str
    month: Days
    accounts: Sequence[Account]
    targets: Sequence[TargetState]
    book: Book
    station: str
    made: date

    @property
    def ordered(self) -> list[Account]:
        """The worst first."""
        by_site = {one.year.building.id: one for one in self.accounts}
        return [by_site[year.building.id] for year in worst_first([one.year for one in self.accounts])]


def content(of: Material, language: Language) -> dict[str, Any]:
    """All that is told, in the order it is read."""
    say = Words(language)
    total = portfolio([one.year for one in of.accounts])
    ordered = of.ordered
    found = sorted(
        ((account, saving) for account in ordered for saving in account.looked.savings),
        key=lambda pair: (pair[1].kind is Kind.PEAKS, -(pair[1].eur or 0.0), -pair[1].kwh),
    )
    return {
        "language": language,
        "title": say("title"),
        "subject": say("subject", municipality=of.municipality, month=say.month(of.month.first)),
        "for": say("for_council"),
        "made": say("made_on", day=say.day(of.made)),
        "page": say("page"),
        "of": say("of"),
        "facts": _facts(say, of, total, [saving.kwh for _, saving in found if saving.kind is not Kind.PEAKS]),
        "short": {"heading": say("in_short"), "sentences": _short(say, of, total, ordered, found)},
        "buildings": _buildings(say, ordered, total),
        "month": _month(say, of),
        "savings": {
            "heading": say("savings"),
            "note": say("savings_note") if found else say("say_no_saving"),
            "cards": [saving_card(say, account, saving) for account, saving in found[:_DRAWN]],
            "more": {
                "heading": say("more_savings"),
                "items": [also(say, account, saving) for account, saving in found[_DRAWN:]],
            },
        },
        "targets": {"heading": say("targets"), "items": [_target(say, one) for one in of.targets]},
        "unknown": {"heading": say("not_known"), "items": _unknown(say, ordered) or [say("all_known")]},
        "rests": _rests(say, of),
    }


def _change(accounts: Sequence[Account]) -> float | None:
    """Of all energy, on the days that both years know."""
    changes = [
        one.year.change
        for account in accounts
        for carrier, one in account.year.carriers.items()
        if carrier in ENERGY and one.year.change is not None
    ]
    before = sum(change.before for change in changes)
    return sum(change.now for change in changes) / before - 1 if before > 0 else None


def _signed(say: Words, ratio: float | None) -> str:
    """With an arrow, which is read without colour."""
    if ratio is None:
        return say("unknown")
    if abs(ratio) < _SMALL:
        return f"= {say.share(0.0)}"
    return f"{'↑' if ratio > 0 else '↓'} {say.share(abs(ratio), 0 if abs(ratio) >= 0.1 else 1)}"


def _facts(say: Words, of: Material, total: Portfolio, savings: Sequence[float]) -> list[dict[str, str]]:
    def counted(known: int) -> str:
        return say("of_known", known=known, all=total.buildings)

    return [
        {
            "name": say("fact_energy"),
            "value": say.energy(total.energy_kwh if total.known else None),
            "note": counted(total.known),
        },
        {"name": say("fact_change"), "value": _signed(say, _change(of.accounts)), "note": say("same_days")},
        {
            "name": say("fact_co2"),
            "value": say.number(total.co2_kg / 1000 if total.co2_known else None, "t", 1),
            "note": counted(total.co2_known),
        },
        {
            "name": say("fact_cost"),
            "value": say.number(total.cost_eur if total.cost_known else None, "€"),
            "note": counted(total.cost_known),
        },
        {
            "name": say("fact_savings"),
            "value": str(len(savings)),
            "note": say("largest", kwh=say.energy(max(savings))) if savings else "",
        },
    ]


def _short(
    say: Words, of: Material, total: Portfolio, ordered: Sequence[Account], found: Sequence[tuple[Account, Any]]
) -> list[str]:
    told = [say("say_known", month=say.month(of.month.first), known=total.known, all=total.buildings)]
    change = _change(of.accounts)
    if change is not None and abs(change) >= _SMALL:
        told.append(say("say_change_more" if change > 0 else "say_change_less", ratio=say.share(abs(change), 1)))
    worst = next((one.year for one in ordered if one.year.primary_kwh_m2 is not None), None)
    if worst is not None:
        primary = say.number(worst.primary_kwh_m2, "kWh/m²")
        told.append(say("say_worst", building=worst.building.name, primary=primary))
    savings = [(account, saving) for account, saving in found if saving.kind is not Kind.PEAKS]
    if savings:
        account, saving = savings[0]
        told.append(say("say_best_saving", building=account.year.building.name, kwh=say.energy(saving.kwh)))
    return told


def _buildings(say: Words, ordered: Sequence[Account], total: Portfolio) -> dict[str, Any]:
    columns = ("building", "area", "energy", "normal", "primary", "class", "change", "known", "trend")
    return {
        "heading": say("buildings"),
        "note": say("buildings_note"),
        "columns": [say(f"col_{name}") for name in columns],
        "rows": [_building(say, one) for one in ordered],
        "total": {
            "name": say("total_row"),
            "cells": [
                say.number(total.known_area_m2),
                say.number(total.energy_kwh_m2),
                "",
                say.number(total.primary_kwh_m2),
                "",
                _signed(say, _change(ordered)),
                say("of_known", known=total.known, all=total.buildings),
            ],
        },
    }


def _building(say: Words, account: Account) -> dict[str, Any]:
    year = account.year
    estimated = say("estimated", share=say.share(year.estimated_share)) if year.estimated_share >= _SMALL else ""
    return {
        "name": year.building.name,
        "kind": say.kind(year.building.kind),
        "cells": [
            say.number(year.building.area_m2),
            say.number(year.energy_kwh_m2),
            say.number(year.normalised_kwh_m2),
            say.number(year.primary_kwh_m2),
            year.class_ or say("unknown"),
            _signed(say, _change([account])),
            say.share(year.coverage),
        ],
        "estimated": estimated,
        "trend": charts.sparkline(_monthly(account), alt=f"{year.building.name}: {say('col_trend')}"),
    }


def _monthly(account: Account) -> list[float | None]:
    """Energy of the last twelve months; None where a carrier is unknown."""
    found = [
        [month["amount"] for month in months(account.metered.used.get(carrier, ()), account.year.days)]
        for carrier in account.year.carriers
        if carrier in ENERGY
    ]
    return [None if None in values else sum(values) for values in zip(*found, strict=True)]


def _month(say: Words, of: Material) -> dict[str, Any]:
    rows = []
    for carrier in Carrier:
        pairs = [_pair(account.metered.used.get(carrier, ()), of.month) for account in of.accounts]
        known = [(now, before) for now, before in pairs if now is not None and before is not None]
        if not any(carrier in account.year.carriers for account in of.accounts):
            continue
        now, before = sum(one for one, _ in known), sum(other for _, other in known)
        there = sum(carrier in account.year.carriers for account in of.accounts)
        unit = "m³" if carrier is Carrier.WATER else "kWh"
        rows.append(
            [
                say(f"carrier_{carrier}"),
                say.number(now if known else None, unit),
                say.number(before if known else None, unit),
                _signed(say, now / before - 1 if known and before > 0 else None),
                say("of_known", known=len(known), all=there),
            ]
        )
    heading = _first_upper(say("month_heading", month=say.month(of.month.first)))
    columns = [say(f"col_{name}") for name in ("carrier", "now", "before", "change", "both")]
    return {"heading": heading, "columns": columns, "rows": rows, "chart": _year_chart(say, of)}


def _pair(stretches: Sequence[Stretch], month: Days) -> tuple[float | None, float | None]:
    return used(stretches, month).total, used(stretches, month.year_before()).total


def _year_chart(say: Words, of: Material) -> dict[str, str]:
    """Of each month the buildings and carriers that both years know."""
    labels, now, before = [], [], []
    of_each = [
        months(account.metered.used.get(carrier, ()), account.year.days)
        for account in of.accounts
        for carrier in account.year.carriers
        if carrier in ENERGY
    ]
    for several in zip(*of_each, strict=True):
        both = [one for one in several if one["amount"] is not None and one["before"] is not None]
        labels.append(say.initial(date.fromisoformat(f"{several[0]['month']}-01")))
        now.append(sum(one["amount"] for one in both) / 1000 if both else None)
        before.append(sum(one["before"] for one in both) / 1000 if both else None)
    alt = say("chart_year")
    unit = {"unit": "MWh", "point": "." if say.language == "en" else ","}
    drawn = charts.bars(labels, charts.Line(say("col_now"), now), charts.Line(say("col_before"), before), unit, alt=alt)
    return {"svg": drawn if any(value is not None for value in now) else "", "alt": alt}


def _target(say: Words, state: TargetState) -> str:
    target = state.target
    told = [
        say(
            "target_line",
            id=target.id,
            reduction=say.share(target.reduction),
            reference=say.energy(target.reference_kwh),
            year=target.reference_year,
            due=say.day(target.due),
        )
    ]
    if state.to_go_kwh is None:
        told.append(say("target_unknown", known=state.known, all=state.buildings))
    elif state.to_go_kwh <= 0:
        told.append(say("target_reached", amount=say.energy(-state.to_go_kwh)))
    else:
        told.append(say("target_to_go", amount=say.energy(state.to_go_kwh)))
        if state.at_stake_eur:
            told.append(say("target_penalty", eur=say.euro(state.at_stake_eur)))
    return " ".join(told)


def _unknown(say: Words, ordered: Sequence[Account]) -> list[str]:
    told = []
    for account in ordered:
        reasons = [say(f"unknown_{why}") for why in account.year.unknown if why not in _QUIET]
        kinds = dict.fromkeys(say(f"kind_{one.kind}") for one in account.looked.not_looked)
        if kinds:
            reasons.append(say("could_not_look", kinds=", ".join(kinds)))
        if reasons:
            told.append(say.pair(account.year.building.name, "; ".join(reasons)))
    scales = dict.fromkeys(say.kind(one.year.building.kind) for one in ordered if Unknown.SCALE in one.year.unknown)
    if scales:
        told.append(say.pair(_first_upper(", ".join(scales)), say("unknown_scale")))
    return told


def _rests(say: Words, of: Material) -> dict[str, Any]:
    factors: dict[Factor, None] = dict.fromkeys(factor for one in of.accounts for factor in one.year.factors)
    return {
        "heading": say("rest_on"),
        "columns": [say(f"col_{name}") for name in ("factor", "value", "source")],
        "rows": [
            [
                f"{say(f'what_{one.what}')}, {say(f'carrier_{one.carrier}')}",
                say.number(one.value, one.unit, _decimals(one.value)),
                say.pair(say(f"evidence_{one.evidence}"), f"{one.source} ({one.as_of:%Y-%m-%d})"),
            ]
            for one in factors
        ],
        "degree_days": _degree_days(say, [one.year for one in of.accounts], of),
    }


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _decimals(value: float) -> int:
    return max(1, len(f"{value:.4f}".rstrip("0").partition(".")[2]))


def _degree_days(say: Words, years: Sequence[BuildingYear], of: Material) -> str:
    observed = next(
        (one.year.degree_days for year in years for one in year.carriers.values() if one.year.degree_days is not None),
        None,
    )
    normal = of.book.normal(of.station, BASE_C, of.month.end)
    return say(
        "degree_days",
        base=f"{BASE_C:g}/{BASE_C:g}",
        observed=say.number(observed),
        normal=say.number(None if normal is None else normal.value),
        source=say("unknown") if normal is None else normal.source,
    )
