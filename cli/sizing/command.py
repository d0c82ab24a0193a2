"""`commonwatt sizing`: what more PV or a battery at one point would do to sharing, bills and payback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energy.errors import ConfigError

if TYPE_CHECKING:
    from energy.sizing.terms import TermsOfDay

__all__ = ["sizing_command"]


def sizing_command(
    at: Annotated[str, typer.Option(help="The metering point (with --data: the site) it would stand at.")],
    terms: Annotated[Path, typer.Option(help="YAML with what things cost and energy is worth.")],
    readings: Annotated[
        Path | None, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Instead: CSV with start,site,load_kw,pv_kw.")] = None,
    key: Annotated[Path | None, typer.Option(help="YAML with the sharing key; without: nothing is shared.")] = None,
    pv_kwp: Annotated[str, typer.Option(help="Sizes of PV to try, as 0,50,100.")] = "0",
    battery_kwh: Annotated[str, typer.Option(help="Sizes of batteries to try, as 0,100,200.")] = "0",
    kw_per_kwh: Annotated[float | None, typer.Option(help="Power of a battery; without: as the terms say.")] = None,
    profile: Annotated[Path | None, typer.Option(help="CSV start,kwh of another plant, or of a yield model.")] = None,
    profile_kwp: Annotated[float | None, typer.Option(help="Peak power of what is scaled.")] = None,
    yield_kwh: Annotated[float | None, typer.Option("--yield", help="kWh a year of a kWp.")] = None,
    place: Annotated[str | None, typer.Option(help="latitude,longitude: a clear sky scaled to --yield.")] = None,
    produced: Annotated[Path | None, typer.Option(help="CSV start,kwh of PV that is there, behind the meter.")] = None,
    serves: Annotated[str, typer.Option(help="Whose surplus the battery takes: site or community.")] = "site",
    steered: Annotated[bool, typer.Option("--steered", help="Batteries run by the planner; takes minutes.")] = False,
    on: Annotated[str | None, typer.Option(help="The day of which the terms hold; without: today.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory for result.json, sizes.csv, points.csv, report.html.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """What other sizes of PV and batteries would have done to sharing, bills and payback."""
    # Here and not above: the command line also serves gateways, which have no numpy.
    from cli.sizing.inputs import ProfileOptions, place_of, sizes, yield_of
    from energy.sizing.facts import facts_of
    from energy.sizing.grid import size_up
    from energy.sizing.study import Question
    from energy.sizing.terms import SizingTerms
    from runtime.config import load_config

    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is no directory", field="--out", hint="name a directory; it is made when missing")
    valid = load_config(terms, SizingTerms, env={}, kind="investment").on(_day(on))
    where = place_of(readings, data, key, at, produced)
    if at not in where.readings.points and (key is None or serves != "site"):
        hint = f"one of {', '.join(where.readings.points[:8])}; a new roof of its own needs --key"
        raise ConfigError(f"{at!r} is not in the readings", field="--at", hint=hint)
    question = Question(
        pv_kwp=sizes("--pv-kwp", pv_kwp),
        battery_kwh=sizes("--battery-kwh", battery_kwh),
        yield_wh=yield_of(where, ProfileOptions(profile, profile_kwp, yield_kwh, place)),
        kw_per_kwh=kw_per_kwh,
        serves=_serves(serves),
        steered=steered,
    )
    quiet = as_json or not sys.stderr.isatty()
    facts = facts_of(size_up(where, question, valid, _hush if quiet else _tell))
    if out is not None:
        _write(out, facts, valid)
    print(json.dumps(facts, indent=2) if as_json else "\n".join(_text(facts, out)))


def _day(text: str | None) -> date:
    from runtime.clock import clock_from_env

    if text is None:
        return datetime.fromtimestamp(clock_from_env().now_ms() / 1000, UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no day", field="--on", hint="write it as 2026-07-01") from None


def _serves(text: str) -> Any:
    from energy.sizing.change import Serves

    try:
        return Serves(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not known", field="--serves", hint=f"one of {', '.join(Serves)}") from None


def _write(out: Path, facts: dict[str, Any], terms: TermsOfDay) -> None:
    from cli.settle.output import write_all
    from cli.sizing.report import points_csv, report_html, sizes_csv

    out.mkdir(parents=True, exist_ok=True)
    contents = {
        "result.json": json.dumps(facts, indent=2) + "\n",
        "sizes.csv": sizes_csv(facts),
        "points.csv": points_csv(facts),
        "report.html": report_html(facts, terms),
    }
    write_all({out / name: [text.encode()] for name, text in contents.items()})


def _text(facts: dict[str, Any], out: Path | None) -> Iterator[str]:
    days = f"{facts['quarters']:,} quarter-hours compared, {facts['left_out']:,} left out"
    yield f"{facts['point']}: {days}; now {facts['before']['shared_kwh']:,.0f} kWh are shared"
    if not facts["whole_year"]:
        yield "less than a year is known: energies and savings of these days, and nothing on payback"
    yield f"{'kWp':>7}{'kWh':>7}{'shared kWh':>12}{'saved EUR':>11}{'price EUR':>11}{'payback':>9}{'NPV EUR':>11}{'owner NPV':>11}"
    for size in facts["sizes"]:
        yield _row(size) + (
            "  best" if facts["best"] == {name: size[name] for name in ("pv_kwp", "battery_kwh")} else ""
        )
    for cause, (low, high) in facts["bands"].items():
        yield f"NPV of the best, {cause} off: {low:,.0f} to {high:,.0f} EUR"
    if out is not None:
        yield f"written: {', '.join(str(out / name) for name in ('result.json', 'sizes.csv', 'points.csv', 'report.html'))}"


def _row(size: dict[str, Any]) -> str:
    row = (
        f"{size['pv_kwp']:>7g}{size['battery_kwh']:>7g}{size['after']['shared_kwh']:>12,.0f}{size['saved_eur']:>11,.0f}"
    )
    all_, owner = size["worth"], size["owner"]
    if all_ is None or owner is None:
        return row
    years = all_["payback_years"]
    payback = f"{years:.1f} y" if years is not None else "never" if all_["investment_eur"] else ""
    return f"{row}{all_['investment_eur']:>11,.0f}{payback:>9}{all_['npv_eur']:>11,.0f}{owner['npv_eur']:>11,.0f}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _hush(_text: str) -> None:
    """Nobody watches."""
