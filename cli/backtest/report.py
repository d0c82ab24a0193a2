"""report.html of a back-test: one file, plots as inline SVG, nothing fetched from anywhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from cli.backtest.plots import Line, bars, lines
from cli.backtest.run import CommunityRun
from energy.dispatch.storage import Floats

__all__ = ["report_html"]

_NAMES: Final = {
    "no_control": "No control",
    "plain_rule": "Plain rule",
    "commonwatt": "commonwatt",
    "perfect_foresight": "Perfect foresight",
}
_COLOURS: Final = {
    "no_control": "#8a8f98",
    "plain_rule": "#c77d0a",
    "commonwatt": "#0b6e4f",
    "perfect_foresight": "#3056a0",
}
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2329;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #dfe3e8}td:first-child,th:first-child{text-align:left}
.lead{font-size:1.15rem}.note{color:#59636e}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#3b434b}
@media(prefers-color-scheme:dark){body{background:#14181c;color:#e6e9ec}td,th{border-color:#333b43}.note{color:#9aa4ae}
svg text{fill:#c3cad1}}
"""


def report_html(facts: dict[str, Any], runs: Sequence[CommunityRun]) -> str:
    """The whole page."""
    title = html.escape(facts["case"] or "Back-test")
    body = [
        f"<h1>{title}</h1>",
        f"<p class=note>{_what(facts)}</p>",
        f"<p class=lead>{_lead(facts)}</p>",
        _cost_bars(facts["controllers"]),
        _controller_table(facts["controllers"]),
    ]
    for community, run in zip(facts["communities"], runs, strict=True):
        body += _community(community, run)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _what(facts: dict[str, Any]) -> str:
    period = facts["period"]
    return (
        f"{period['start']} to {period['end']}, steps of {period['step_minutes']:g} minutes, "
        f"{facts['forecast']} forecasts, horizon {facts['horizon_h']:g} h"
    )


def _lead(facts: dict[str, Any]) -> str:
    costs = {name: each["cost_eur"] for name, each in facts["controllers"].items()}
    saved = costs["plain_rule"] - costs["commonwatt"]
    if facts["captured"] is None:
        return "Perfect foresight saves nothing over the plain rule here."
    return (
        f"commonwatt cost {costs['commonwatt']:,.2f} EUR, {saved:,.2f} EUR less than the plain rule: "
        f"{facts['captured']:.1%} of what perfect foresight would have saved."
    )


def _cost_bars(controllers: dict[str, Any]) -> str:
    values = [(_NAMES[name], each["cost_eur"], _COLOURS[name]) for name, each in controllers.items()]
    return bars("Cost over the period, EUR", values)


def _controller_table(controllers: dict[str, Any]) -> str:
    rows = {
        "Cost, EUR": "cost_eur",
        "of it energy": "energy_cost_eur",
        "of it capacity": "capacity_cost_eur",
        "Import, kWh": "import_kwh",
        "Export, kWh": "export_kwh",
        "Battery losses, kWh": "losses_kwh",
        "Highest import, kW": "peak_kw",
        "Self-consumption": "self_consumption",
        "Self-sufficiency": "self_sufficiency",
    }
    if all("co2_kg" in each for each in controllers.values()):
        rows["CO2 of imports, kg"] = "co2_kg"
    head = "".join(f"<th>{_NAMES[name]}</th>" for name in controllers)
    lines_ = [
        f"<tr><td>{label}</td>{''.join(f'<td>{_cell(key, each[key])}</td>' for each in controllers.values())}</tr>"
        for label, key in rows.items()
    ]
    return f"<table><tr><th></th>{head}</tr>{''.join(lines_)}</table>"


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.1%}" if key.startswith("self_") else f"{value:,.1f}"


def _community(facts: dict[str, Any], run: CommunityRun) -> list[str]:
    captured = "not defined" if facts["captured"] is None else f"{facts['captured']:.1%}"
    what = "one pool, shared per interval" if facts["metering"] == "pooled" else "each site behind its own meter"
    return [
        f"<h2>{html.escape(facts['id'])}</h2>",
        f"<p>{facts['sites']} sites, {facts['batteries']} batteries, {what}. Captured: {captured}.</p>",
        _day_course(run),
        _week(run),
        _month_peaks(facts["controllers"]),
        _accuracy(facts["accuracy"]),
        _member_table(facts["members"]),
    ]


def _day_course(run: CommunityRun) -> str:
    """Mean grid power by time of day: where each controller buys and sells."""
    setting = run.setting
    of_day = setting.slot % setting.steps_per_day
    hours = np.arange(setting.steps_per_day, dtype=np.float64) * setting.hours

    def mean(values: Floats) -> Floats:
        total = np.bincount(of_day, weights=values.sum(axis=1), minlength=setting.steps_per_day)
        return np.asarray(total / np.maximum(np.bincount(of_day, minlength=setting.steps_per_day), 1))

    drawn = [Line(_NAMES[name], _COLOURS[name], mean(course.grid_kw)) for name, course in run.courses.items()]
    ticks = [(hour, f"{hour:.0f} h") for hour in range(0, 25, 4)]
    return lines("Mean grid power by time of day, kW (import above 0)", hours, drawn, ticks)


def _week(run: CommunityRun) -> str:
    """The last whole week, in which the forecasts have learned what they can."""
    setting = run.setting
    steps = min(7 * setting.steps_per_day, len(setting.load_kw))
    part = slice(len(setting.load_kw) - steps, len(setting.load_kw))
    days = np.arange(steps) / setting.steps_per_day
    first = setting.starts_ms[part.start]
    ticks = [
        (float(day), datetime.fromtimestamp(first / 1000 + day * 86_400, UTC).strftime("%d %b")) for day in range(8)
    ]
    net = Line("Load minus PV", "#8a8f98", setting.net_kw[part].sum(axis=1))
    grid = [
        Line(_NAMES[name], _COLOURS[name], run.courses[name].grid_kw[part].sum(axis=1))
        for name in ("plain_rule", "commonwatt")
    ]
    stored = [
        Line(_NAMES[name], _COLOURS[name], run.courses[name].energy_kwh[part].sum(axis=1))
        for name in ("plain_rule", "commonwatt", "perfect_foresight")
    ]
    value = [Line("Value of stored energy", "#0b6e4f", run.value_eur_kwh[part].mean(axis=1))]
    price = Line("Import price", "#c77d0a", np.asarray(setting.buy_eur_kwh[part].mean(axis=1)))
    return (
        lines("Last week: grid power, kW", days, [net, *grid], ticks)
        + lines("Last week: energy in store, kWh", days, stored, ticks)
        + lines("Last week: what stored energy is worth, EUR/kWh", days, [price, *value], ticks)
    )


def _month_peaks(controllers: dict[str, Any]) -> str:
    count = len(controllers["commonwatt"]["month_peaks_kw"])
    if count < 2:
        return ""
    months = np.arange(count, dtype=float)
    drawn = [Line(_NAMES[name], _COLOURS[name], np.array(each["month_peaks_kw"])) for name, each in controllers.items()]
    ticks = [(float(month), str(month + 1)) for month in range(count)]
    return lines("Month peaks, sum over the meters, kW, by month", months, drawn, ticks)


def _accuracy(figures: dict[str, float | None]) -> str:
    if not figures:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' '))}</td>"
        f"<td>{'not defined' if value is None else f'{value:.3f}'}</td></tr>"
        for name, value in figures.items()
    )
    return f"<h3>Forecast errors</h3><table>{rows}</table>"


def _member_table(members: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(member['site'])}</td><td>{member['plain_rule_eur']:,.2f}</td>"
        f"<td>{member['commonwatt_eur']:,.2f}</td>"
        f"<td>{member['plain_rule_eur'] - member['commonwatt_eur']:,.2f}</td></tr>"
        for member in members
    )
    return (
        "<h3>Members</h3><table><tr><th>Site</th><th>Plain rule, EUR</th><th>commonwatt, EUR</th>"
        f"<th>Saved, EUR</th></tr>{rows}</table>"
    )
