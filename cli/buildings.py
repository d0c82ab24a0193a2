"""`commonwatt buildings`: what buildings use and could save, meters read by hand, weather, limits of new units."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli.options import CentreOption, JsonOption, WhoOption, WhyOption
from cli.register.command import open_database, who
from energy.errors import ConfigError, DataError
from runtime.cells import open_cells
from runtime.clock import clock_from_env

if TYPE_CHECKING:
    from api.buildings.accounts import Accounts
    from api.buildings.sources import Place
    from cli.configs import CentreConfig

__all__ = ["buildings_app"]

buildings_app = typer.Typer(help="Accounting of buildings: indicators, savings, meters by hand.", no_args_is_help=True)
index_app = typer.Typer(help="Meters that a person reads.", no_args_is_help=True)
buildings_app.add_typer(index_app, name="index")

YearOption = Annotated[int | None, typer.Option(help="Without it: the twelve months before today.")]
SiteArgument = Annotated[str, typer.Argument(help="The site's id.")]


@buildings_app.command("show")
def show_command(
    config: CentreOption,
    site: Annotated[str | None, typer.Option(help="One building instead of all.")] = None,
    year: YearOption = None,
    as_json: JsonOption = False,
) -> None:
    """The year of one building, or of all, the worst first."""
    from api.buildings.views import account_view, row_view
    from energy.buildings.portfolio import worst_first

    with _accounts(config) as accounts:
        places = [_place(accounts, site)] if site is not None else list(accounts.places.values())
        wanted = accounts.today(places[0].community).year if year is None else year
        days = accounts.year(places[0].community, wanted)
        if site is not None:
            facts = account_view(accounts.account(site, days), accounts.book, accounts.station, wanted)
            print(_as_json(facts) if as_json else _told(facts))
            return
        years = worst_first([accounts.building_year(place, days) for place in places])
        rows = [row_view(one, accounts.looked(accounts.places[one.building.id], days.end)) for one in years]
    print(_as_json({"year": wanted, "sites": rows}) if as_json else "\n".join(_row(row) for row in rows))


@index_app.command("add")
def add_index(
    site: SiteArgument,
    meter: Annotated[str, typer.Argument(help="The meter's id, as the configuration has it.")],
    day: Annotated[str, typer.Argument(help="As 2026-11-01: the beginning of that day.")],
    index: Annotated[str, typer.Argument(help="What the meter showed.")],
    config: CentreOption,
    exchanged_to: Annotated[
        str | None, typer.Option(help="The meter was exchanged: the new one's first index.")
    ] = None,
    rolled: Annotated[bool, typer.Option("--rolled", help="It went over its highest number since.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="An unusual value is right; say why.")] = False,
    corrects: Annotated[bool, typer.Option("--corrects", help="In place of the reading of that day; say why.")] = False,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Enters a reading; one that goes back or jumps is refused with what to do about it."""
    from energy.buildings.index import IndexReading
    from storage.register.readings_by_hand import enter

    centre = _load(config)
    community, of_site = _site(centre, site)
    found = next((one for one in of_site.meters if one.id == meter), None)
    if found is None:
        there = ", ".join(one.id for one in of_site.meters) or "none"
        raise ConfigError(f"{site} has no meter {meter!r}", field="meter", hint=f"there are: {there}")
    now_ms = clock_from_env().now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(community.timezone)).date()
    reading = IndexReading(
        _day(day), _decimal(index), None if exchanged_to is None else _decimal(exchanged_to), rolled, confirm
    )
    with open_database(centre.register_) as database, database.write() as connection:
        kept = enter(
            connection, site, found, reading, today=today, by=who(by), note=why, now_ms=now_ms, corrects=corrects
        )
    facts = {"site": site, "meter": meter, "day": kept.reading.day, "index": str(kept.reading.index)}
    print(_as_json(facts) if as_json else f"{site}/{meter}: {kept.reading.index} on {kept.reading.day}")


@index_app.command("list")
def list_index(site: SiteArgument, config: CentreOption, as_json: JsonOption = False) -> None:
    """The readings of a building that count now."""
    from storage.register.readings_by_hand import entries

    centre = _load(config)
    _site(centre, site)
    with open_database(centre.register_) as database, database.read() as connection:
        found = entries(connection, [site])
    if as_json:
        rows = [
            {
                "meter": one.meter,
                "day": one.reading.day,
                "index": str(one.reading.index),
                "by": one.by,
                "note": one.note,
            }
            for one in found
        ]
        print(_as_json({"site": site, "readings": rows}))
        return
    for one in found:
        print(f"{one.meter}\t{one.reading.day}\t{one.reading.index}\t{one.by}\t{one.note}")
    if not found:
        print("no readings yet; `commonwatt buildings index add` enters one")


@buildings_app.command("report")
def report_command(
    config: CentreOption,
    community: Annotated[str, typer.Option(help="The community's id.")],
    out: Annotated[Path, typer.Option(help="Where to write it: a name that ends in .html or .pdf.")],
    month: Annotated[str | None, typer.Option(help="As 2026-10; without it the last month that is over.")] = None,
    municipality: Annotated[str | None, typer.Option(help="Only the buildings of one.")] = None,
    language: Annotated[str, typer.Option(help="en, fr, nl or de")] = "fr",
) -> None:
    """The monthly report on a municipality's buildings for its council."""
    from api.buildings.report.content import content
    from api.buildings.report.month import month_of, report_material
    from api.buildings.report.page import html
    from api.buildings.report.pdf import pdf
    from papers.texts import LANGUAGES

    found = next((one for one in LANGUAGES if one == language), None)
    if found is None:
        raise ConfigError(f"{language!r} is no language", field="--language", hint=", ".join(LANGUAGES))
    if out.suffix not in {".html", ".pdf"}:
        raise ConfigError(f"{out.name} is neither", field="--out", hint="a name that ends in .html or .pdf")
    with _accounts(config) as accounts:
        places = [
            one for one in accounts.of_community(community) if municipality is None or one.municipality == municipality
        ]
        if not places:
            there = ", ".join(accounts.municipalities(community)) or "none"
            raise ConfigError(f"{community} has no such building", field="--municipality", hint=f"there are: {there}")
        name = municipality or places[0].community.municipality or community
        of = report_material(accounts, places, name, month_of(month, accounts, places[0]))
    told = content(of, found)
    out.write_bytes(pdf(told, of.made) if out.suffix == ".pdf" else html(told).encode())
    print(f"{out}: {told['title']}, {told['subject']}")


@buildings_app.command("weather")
def weather_command(
    file: Annotated[Path, typer.Argument(help="CSV with day,temperature_c: the mean of each local day.")],
    config: CentreOption,
    source: Annotated[str, typer.Option(help="Where the temperatures are from.")],
    station: Annotated[str | None, typer.Option(help="Default: the one of the configuration.")] = None,
    by: WhoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Takes in daily mean temperatures; days that are known already are replaced."""
    from storage.register.weather import keep_temperatures

    centre = _load(config)
    wanted = station or centre.buildings.station
    days = _read_temperatures(file)
    with open_database(centre.register_) as database, database.write() as connection:
        keep_temperatures(connection, wanted, days, source=source, by=who(by), now_ms=clock_from_env().now_ms())
    facts = {"station": wanted, "days": len(days), "first": min(days), "last": max(days)}
    print(_as_json(facts) if as_json else f"{wanted}: {len(days)} days from {min(days)} to {max(days)}")


@buildings_app.command("factors")
def factors_command(config: CentreOption, as_json: JsonOption = False) -> None:
    """The factors that hold today, the town's own first, each with its source; `commonwatt check` validates a file."""
    book = _load(config).buildings.book()
    today = datetime.fromtimestamp(clock_from_env().now_ms() / 1000, ZoneInfo("Europe/Brussels")).date()
    rows = [one.model_dump(mode="json") for file in book.files for one in file.factors if one.holds(today)]
    if as_json:
        print(_as_json({"factors": rows}))
        return
    for row in rows:
        where = row["region"] or "everywhere"
        basis = f" ({row['basis']})" if row["basis"] else ""
        print(
            f"{row['what']}\t{row['carrier']}\t{row['value']:g} {row['unit']}{basis}\t{where}\t{row['evidence']}: {row['source']}"
        )


@buildings_app.command("limits")
def limits_command(
    kind: Annotated[str, typer.Argument(help="dwelling or tertiary (offices and schools)")],
    compactness: Annotated[float, typer.Option(help="Protected volume by loss area, m.")],
    volume: Annotated[float | None, typer.Option(help="Volume of the unit, m³; for a dwelling.")] = None,
    nhr: Annotated[float | None, typer.Option(help="X of the alternative for badly placed or compact units.")] = None,
    as_new: Annotated[bool, typer.Option("--as-new", help="Renewed like new: a fifth more.")] = False,
    uncapped: Annotated[bool, typer.Option("--uncapped", help="Compactness counts beyond 4.")] = False,
    reference: Annotated[
        float | None, typer.Option(help="Not a dwelling, since July 2017: primary energy of the reference unit.")
    ] = None,
    y: Annotated[float, typer.Option(help="Its factor Y, as the regulation of the year has it.")] = 0.6,
    as_json: JsonOption = False,
) -> None:
    """Limits for new units in Brussels: net heating need (NHR) and primary energy (PEC)."""
    from energy.buildings.epbd import limits, reference_pec

    if kind not in {"dwelling", "tertiary"}:
        raise ConfigError(f"{kind!r} is no kind of unit", field="kind", hint="dwelling or tertiary")
    found = limits(
        "dwelling" if kind == "dwelling" else "tertiary",
        compactness,
        volume,
        nhr=nhr,
        as_new=as_new,
        capped=not uncapped,
    )
    pec = found.pec if reference is None or kind == "dwelling" else reference_pec(reference, y)
    facts = {"kind": kind, "nhr_kwh_m2": round(found.nhr, 3), "pec_kwh_m2": round(pec, 3)}
    print(_as_json(facts) if as_json else f"{kind}: NHR at most {found.nhr:g}, PEC at most {pec:g} kWh/m² and year")


@contextlib.contextmanager
def _accounts(config: Path) -> Iterator[Accounts]:
    from api.buildings.accounts import Accounts
    from storage.history.open import open_history
    from storage.register import Register

    centre = _load(config)
    with (
        contextlib.closing(open_history(centre.store, read_only=True)) as history,
        contextlib.closing(Register(centre.register_)) as register,
    ):
        book = centre.buildings.book()
        yield Accounts(centre.communities, history, register, book, centre.buildings.station, clock_from_env())


def _load(config: Path) -> CentreConfig:
    from cli.configs import load_centre

    return load_centre(config)


def _place(accounts: Accounts, site: str) -> Place:
    if site not in accounts.places:
        raise _no_site(site, list(accounts.places))
    return accounts.places[site]


def _site(centre: CentreConfig, name: str) -> tuple[Any, Any]:
    there = {site.id: (community, site) for community in centre.communities for site in community.sites}
    if name not in there:
        raise _no_site(name, list(there))
    return there[name]


def _no_site(name: str, there: list[str]) -> ConfigError:
    return ConfigError(f"there is no site {name!r}", field="site", hint=f"there are: {', '.join(there) or 'none'}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{text!r} is no day", field="day", hint="write 2026-11-01") from error


def _decimal(text: str) -> Any:
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise DataError(f"{text!r} is no number", field="index", hint="write 18250.4") from error


def _read_temperatures(path: Path) -> dict[date, float]:
    """Raises DataError naming file, line and column."""
    found: dict[date, float] = {}
    with open_cells(path, ("day", "temperature_c"), (), "a CSV file with day,temperature_c") as cells:
        for line, row in cells:
            try:
                day = date.fromisoformat(row["day"].strip())
            except ValueError:
                cells.fail(line, "day", f"is no day: {row['day']!r}", "write it as 2026-11-01")
            mean_c = cells.number(line, "temperature_c", row["temperature_c"], "write it as 7.4")
            if not -40 <= mean_c <= 45:
                cells.fail(line, "temperature_c", f"a mean of {mean_c:g} °C cannot be", "give °C from -40 to 45")
            if day in found:
                cells.fail(line, "day", f"{day} stands twice", "keep one of them")
            found[day] = mean_c
        if not found:
            cells.fail(1, "", "holds no day", "one row for each day")
    return found


def _as_json(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, default=str)


def _number(value: float | None, unit: str = "", digits: int = 0) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}{unit}"


def _row(row: dict[str, Any]) -> str:
    saving = row["saving"]
    told = "" if saving is None else f", {saving['kind']}: {_number(saving['kwh'])} kWh a year"
    return (
        f"{row['site']}\t{_number(row['primary_kwh_m2'], ' kWh/m² primary')}, {_number(row['energy_kwh_m2'], ' kWh/m²')}, "
        f"class {row['class'] or 'unknown'}, {row['coverage']:.0%} known{told}"
    )


def _told(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['name']}, {facts['from']} to {facts['to']}",
        f"  energy {_number(facts['energy_kwh_m2'], ' kWh/m²', 1)}, in a normal year {_number(facts['normalised_kwh_m2'], ' kWh/m²', 1)}",
        f"  primary {_number(facts['primary_kwh_m2'], ' kWh/m²', 1)}, class {facts['class'] or 'unknown'}, CO2 {_number(facts['co2_kg'], ' kg')}",
        f"  base load {_number(facts['base_load']['power_w'], ' W')}",
    ]
    for carrier in facts["carriers"]:
        change = carrier["change"]
        against = "" if change is None or change["ratio"] is None else f", {change['ratio']:+.1%} on the year before"
        known = f"{carrier['coverage']:.0%} known, {carrier['estimated_share']:.0%} estimated"
        lines.append(f"  {carrier['carrier']}: {_number(carrier['amount'], ' ' + carrier['unit'])} ({known}){against}")
    for saving in facts["savings"]:
        worth = "price unknown" if saving["eur"] is None else f"{saving['eur']:,.0f} EUR"
        lines.append(f"  saving, {saving['kind']} of {saving['carrier']}: {saving['kwh']:,.0f} kWh a year, {worth}")
    lines += [f"  could not look for {one['kind']} of {one['carrier']}: {one['why']}" for one in facts["not_looked"]]
    lines += [f"  unknown: {why}" for why in facts["unknown"]]
    return "\n".join(lines)
