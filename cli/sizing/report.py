"""What `sizing` writes: tables for programs, and one HTML file with plots that needs nothing from elsewhere."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from cli.backtest.plots import Line, lines
from energy.sizing.terms import TermsOfDay

__all__ = ["points_csv", "report_html", "sizes_csv"]

_COLOURS: Final = ("#0b6e4f", "#3056a0", "#c77d0a", "#a0307e", "#5b6470", "#8a3b12")
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2329;background:#fff;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}.wide{overflow-x:auto}svg{width:100%;height:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #dfe3e8}td:first-child,th:first-child{text-align:left}
tr.best td{font-weight:600;background:#e6f4ec}svg text{font:12px system-ui,sans-serif;fill:#3b434b}.note{color:#59636e}
@media(prefers-color-scheme:dark){body{background:#14181c;color:#e6e9ec}td,th{border-color:#333b43}.note{color:#9aa4ae}
tr.best td{background:#173527}svg text{fill:#c3cad1}}
"""
_SIZE: Final = ("pv_kwp", "battery_kwh")
_FIGURES: Final = ("production_kwh", "charged_kwh", "discharged_kwh", "losses_kwh", "saved_eur", "community_eur", "co2_saved_kg", "next_kwp_eur", "next_kwh_eur")  # fmt: skip
_ENERGY: Final = ("import_kwh", "export_kwh", "self_consumption", "self_sufficiency", "shared_kwh", "sharing_rate", "covered")  # fmt: skip
_WORTH: Final = ("investment_eur", "payback_years", "npv_eur")


def sizes_csv(facts: dict[str, Any]) -> str:
    """A row for each size; what is unknown is empty."""
    header = [*_SIZE, *_FIGURES, *_ENERGY, *_WORTH, "owner_payback_years", "owner_npv_eur"]
    rows = []
    for size in facts["sizes"]:
        all_, owner = size["worth"] or {}, size["owner"] or {}
        row = [size[name] for name in (*_SIZE, *_FIGURES)] + [size["after"][name] for name in _ENERGY]
        row += [all_.get(name) for name in _WORTH]
        rows.append([*row, owner.get("payback_years"), owner.get("npv_eur")])
    return _csv(header, rows)


def points_csv(facts: dict[str, Any]) -> str:
    """A row for each size and metering point: who gains what."""
    header = [*_SIZE, "point", "received_before_kwh", "received_kwh", "given_before_kwh", "given_kwh", "saved_eur"]
    rows = [
        [
            size["pv_kwp"],
            size["battery_kwh"],
            each["point"],
            *each["received_kwh"],
            *each["given_kwh"],
            each["saved_eur"],
        ]
        for size in facts["sizes"]
        for each in size["points"]
    ]
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def report_html(facts: dict[str, Any], terms: TermsOfDay) -> str:
    """The whole page."""
    title = f"PV and batteries at {facts['point']}"
    body = [f"<h1>{html.escape(title)}</h1>", f"<p>{_lead(facts)}</p>"]
    if facts["whole_year"]:
        body.append(_plot(facts, "Net present value for all together, EUR", lambda size: size["worth"]["npv_eur"]))
    body.append(_plot(facts, "Saved a year by all together, EUR", lambda size: size["saved_eur"]))
    body.append(_plot(facts, "Shared in the community, kWh", lambda size: size["after"]["shared_kwh"]))
    body += [_table(facts), _bands(facts), _sources(terms)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _lead(facts: dict[str, Any]) -> str:
    days = facts["quarters"] / 96
    if not facts["whole_year"]:
        return f"Of {days:.0f} days: energies and savings of these days only; what is worth its price takes a year to tell."
    best, owner = facts["best"], facts["best_for_owner"]
    return (
        f"A year, of which {days:.0f} days are known of everybody. Best for all together: {best['pv_kwp']:g} kWp with "
        f"{best['battery_kwh']:g} kWh; for {html.escape(facts['point'])} alone: {owner['pv_kwp']:g} kWp with {owner['battery_kwh']:g} kWh."
    )


def _plot(facts: dict[str, Any], title: str, value: Any) -> str:
    """A line over the sizes of PV for each battery, or the other way round where there is but one size of PV."""
    across, beside, unit, other = "pv_kwp", "battery_kwh", "kWp", "kWh"
    if len({size["pv_kwp"] for size in facts["sizes"]}) == 1:
        across, beside, unit, other = beside, across, other, unit
    x = sorted({size[across] for size in facts["sizes"]})
    drawn = []
    for place, fixed in enumerate(sorted({size[beside] for size in facts["sizes"]})):
        values = [
            value(size) for size in sorted(facts["sizes"], key=lambda size: size[across]) if size[beside] == fixed
        ]
        drawn.append(Line(f"{fixed:g} {other}", _COLOURS[place % len(_COLOURS)], np.array(values, dtype=np.float64)))
    if len(x) < 2:
        return ""
    return lines(title, np.array(x, dtype=np.float64), drawn, [(each, f"{each:g} {unit}") for each in x])


def _table(facts: dict[str, Any]) -> str:
    head = "<tr><th>Size</th><th>Self-consumption</th><th>Self-sufficiency</th><th>Shared kWh</th><th>Saved EUR</th><th>Investment EUR</th><th>Payback years</th><th>NPV EUR</th><th>kg CO2</th></tr>"
    rows = []
    for size in facts["sizes"]:
        best = facts["best"] == {name: size[name] for name in _SIZE}
        worth = size["worth"] or {}
        cells = [
            f"{size['pv_kwp']:g} kWp, {size['battery_kwh']:g} kWh{' (best)' if best else ''}",
            *(_percent(size["after"][name]) for name in ("self_consumption", "self_sufficiency")),
            _number(size["after"]["shared_kwh"]),
            _number(size["saved_eur"]),
            _number(worth.get("investment_eur")),
            "never"
            if worth and worth["payback_years"] is None and worth["investment_eur"]
            else _number(worth.get("payback_years"), 1),
            _number(worth.get("npv_eur")),
            _number(size["co2_saved_kg"]),
        ]
        rows.append(f"<tr{' class=best' if best else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<h2>All sizes</h2><div class=wide><table>{head}{''.join(rows)}</table></div>"


def _bands(facts: dict[str, Any]) -> str:
    if not facts["bands"]:
        return ""
    rows = "".join(
        f"<tr><td>{cause}</td><td>{low:,.0f}</td><td>{high:,.0f}</td></tr>"
        for cause, (low, high) in facts["bands"].items()
    )
    head = "<tr><th>If it is as far off as assumed</th><th>NPV EUR, from</th><th>to</th></tr>"
    return f"<h2>How sure the best is</h2><table>{head}{rows}</table>"


def _sources(terms: TermsOfDay) -> str:
    entries = [("energy", each) for each in terms.energy]
    entries += [
        (field, each)
        for field in ("sharing", "pv", "battery", "finance", "carbon", "uncertainty")
        if (each := getattr(terms, field))
    ]
    items = "".join(
        f"<li>{field}: {html.escape(each.source)}{'' if each.verified else ' (not verified)'}</li>"
        for field, each in entries
    )
    return f"<h2>Sources</h2><ul class=note>{items}</ul>"


def _number(value: float | None, digits: int = 0) -> str:
    return "not known" if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0%}"
