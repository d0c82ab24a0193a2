"""The borders by which tables and settings come in, each with files that are good."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl

from collector.prices import read_prices
from tests.cli.test_imports import SIBELGA as SIBELGA_HEADER
from tests.damage.harness import Border, Table

__all__ = ["BORDERS", "HALL", "SCHOOL", "SETTINGS", "TABLES", "WORKBOOKS", "rows_of", "workbook"]

HALL, SCHOOL = "541448910000123453", "541448911000000003"
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
_HOMES = Path(__file__).parents[1] / "cli" / "homes"
_HUB = Path(__file__).parents[1] / "cli" / "hub"


def _starts(layout: str, count: int = 4) -> list[str]:
    return [(FIRST + timedelta(minutes=15 * n)).strftime(layout) for n in range(count)]


def _lines(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


READINGS = _lines(
    "ean,start,withdrawal_kwh,injection_kwh",
    *(
        f"{ean},{at},{kwh}"
        for at in _starts("%Y-%m-%dT%H:%M:%SZ")
        for ean, kwh in ((HALL, "0.512,"), (SCHOOL, "1.25,2"))
    ),
)
KEY = f"""\
participants:
  "{HALL}": {{name: Hall, weight: 0.25, tier: 1}}
  "{SCHOOL}": {{name: School, weight: 0.75}}
rounds:
  - {{method: fixed, share: 1.0}}
  - {{method: prorata, share: 0.0, basis: residual}}
producers: prorata
resolution_wh: 1
on_missing: hold
""".encode()
ALLOTTED = _lines(
    "ean,start,shared_withdrawal_kwh,shared_injection_kwh",
    *(f"{ean},{at},0.1,0" for at in _starts("%Y-%m-%dT%H:%M:%SZ") for ean in (HALL, SCHOOL)),
)
GENERIC = _lines(
    "EAN;Start;Afname (kWh);Injectie (kWh)",
    *(f"{HALL};{at};1,5;0,25" for at in _starts("%d/%m/%Y %H:%M")),
)
FLUVIUS = _lines(
    "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Register;Volume;Eenheid;Validatiestatus",
    *(
        f'{at[:10]};{at[11:]};{at[:10]};;="{HALL}";1SAG;{register};0,125;kWh;Gevalideerd'
        for at in _starts("%d-%m-%Y %H:%M:%S")
        for register in ("Afname Dag", "Injectie Dag")
    ),
)
SIBELGA_ROWS: list[list[object]] = [
    [HALL, "HI", 100.5, 20, 0, 3.1],
    [HALL, "LOW", 23.457, 7.25, 0, 1.005],
    [SCHOOL, "TH", 0, 1, 4.2, None],
]
SIBELGA = _lines(
    ";".join(SIBELGA_HEADER),
    *(";".join("" if cell is None else str(cell).replace(".", ",") for cell in row) for row in SIBELGA_ROWS),
)
TEMPERATURES = _lines("day,temperature_c", "2026-06-01,14.5", "2026-06-02,15", "2026-06-03,-3.25")
PRICES = _lines("start,eur_kwh", *(f"{at},0.0912" for at in _starts("%Y-%m-%dT%H:%M:%S+02:00")))

CENTRE = b"""\
communities:
  - id: ixelles
    name: Ixelles
    kind: cer
    grid_type: C
    sites:
      - id: hall
        name: Hall
        kind: town_hall
        gateway: gw
        floor_area_m2: 1000
        devices: [{id: grid, role: grid}]
store: {kind: embedded, path: "{folder}/history.db"}
register: {path: "{folder}/register.db"}
"""
PEOPLE = f"""\
people:
  - {{id: lea, name: Léa Dubois, mail: lea@example.org, language: fr}}
participants:
  - {{id: p-1, community: ixelles, person: lea, member_class: citizen, valid_from: 2026-01-01, legal_basis: consent}}
  - {{id: p-2, community: ixelles, member_class: sme}}
metering_points:
  - {{id: "{HALL}", participant: p-1, direction: withdrawal, valid_from: 2026-01-01}}
  - {{id: "{SCHOOL}", participant: p-2, direction: both}}
sharing_keys:
  - {{id: k1, community: ixelles, key: {{participants: {{"{HALL}": {{weight: 0.25}}}}, rounds: hybrid}}}}
prices:
  - {{id: shared, community: ixelles, what: shared energy, value: 0.14, unit: eur_kwh, source: "agreement, art. 7"}}
""".encode()
TERMS = b"""\
network: passed_on
shared_energy:
  - {eur_kwh: 0.14, valid_from: 2026-01-01, source: "agreement, art. 7"}
remuneration:
  - {eur_kwh: 0.06, valid_from: 2026-01-01, source: "agreement, art. 8"}
charges:
  - {name: excise, kind: levy, eur_kwh: 0.0494061, valid_from: 2026-01-01, source: tariff cards}
vat:
  - {rate: 0.06, classes: [citizen], valid_from: 2026-01-01, source: accountant}
  - {rate: 0.21, classes: [sme], valid_from: 2026-01-01, source: accountant}
remuneration_vat:
  - {rate: 0, valid_from: 2026-01-01, source: accountant}
"""
FACTORS = b"""\
factors:
  - {what: price, carrier: gas, value: 0.08, unit: EUR/kWh, evidence: secondary, source: contract, as_of: 2026-11-01}
"""
FORMAT = b"""\
formats:
  - {name: ours, kind: long, source: us, columns: {ean: [EAN], start: [Start], withdrawal_kwh: [Afname], injection_kwh: [Injectie]}}
"""
MONTH = _lines(
    "ean,start,withdrawal_kwh,injection_kwh",
    *(
        f"{ean},{(datetime(2026, 5, 31, 22, tzinfo=UTC) + timedelta(minutes=15 * n)).strftime('%Y-%m-%dT%H:%M:%SZ')},0.1,{given}"
        for n in range(30 * 96)
        for ean, given in ((HALL, ""), (SCHOOL, "0.2"))
    ),
)
OPERATOR = _lines(
    "ean,shared_kwh,complementary_kwh,injection_shared_kwh,grid_fee_eur", f"{HALL},200,88,,3", f"{SCHOOL},,,200,"
)


def rows_of(content: bytes, count: int) -> bytes:
    """The header and that many rows."""
    return b"".join(content.splitlines(keepends=True)[: count + 1])


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    """An xlsx with these cells."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _walloon(*kwh: float) -> list[list[object]]:
    head: list[list[object]] = [["", "Prélèvement", "Injection"], ["", HALL, SCHOOL], ["", "kWh", "kWh"], [""]]
    return [*head, *([datetime(2026, 6, 1, 0, 15 * n), *kwh] for n in range(4))]  # noqa: DTZ001 - a spreadsheet's time


WALLOON_SHEETS = {"Brut Rep": _walloon(1.5, 4), "Partagé Rep": _walloon(0.5, 2.5), "Net Rep": _walloon(1, 1.5)}
GENERIC_ROWS: list[list[object]] = [
    ["EAN", "Start", "Afname (kWh)", "Injectie (kWh)"],
    *([HALL, datetime(2026, 6, 1, 0, 15 * n), 1.5, 0.25] for n in range(4)),  # noqa: DTZ001
]


def _import(layout: str, file: str) -> tuple[str, ...]:
    return ("import", file, "--format", layout, "--out", "out.csv", "--shared", "shared.csv")


_SETTLE = ("settle", "--readings", "readings.csv", "--key", "key.yaml", "--out", "out.csv", "--summary", "summary.json")
_SETTLED = {"readings.csv": READINGS, "key.yaml": KEY}
_OUTS = ("out.csv", "summary.json")
_IMPORTED = ("out.csv", "shared.csv")
_WHERE = ("--config", "centre.yaml", "--community", "ixelles", "--month", "2026-06")
_STATEMENTS = (
    "statements", "run", *_WHERE, "--readings", "readings.csv", "--terms", "terms.yaml", "--operator", "operator.csv",
    "--status", "final", "--by", "a", "--why", "b",
)  # fmt: skip
_MONTH_FILES = {
    "centre.yaml": CENTRE, "people.yaml": PEOPLE, "terms.yaml": TERMS, "readings.csv": MONTH, "operator.csv": OPERATOR,
}  # fmt: skip
_BACKTEST = ("backtest", "--case", "{folder}/case", "--out", "{folder}/result")
_CASE = {
    "case/case.yaml": (_HOMES / "case.yaml").read_bytes().replace(b"forecast: real", b"forecast: perfect"),
    "case/data.csv": rows_of((_HOMES / "data.csv").read_bytes(), 4 * 24),
}
_CARS_DATA = _lines(
    "start,site,load_kw,pv_kw", *(f"2019-05-06T{hour:02}:00:00Z,caltech,10,0" for hour in range(12, 24))
)
_CARS = {
    "case/case.yaml": (_HUB / "case.yaml").read_bytes(),
    "case/data.csv": _CARS_DATA,
    "case/sessions.csv": rows_of((_HUB / "sessions.csv").read_bytes(), 3),
}
_READINGS_TABLE = Table(
    {"ean": "ean", "start": "instant", "withdrawal_kwh": "energy", "injection_kwh": "energy"}, strict=True
)
_WORDS_OF = {"EAN": "ean", "Start": "start", "Afname (kWh)": "withdrawal_kwh", "Injectie (kWh)": "injection_kwh"}

TABLES = [
    Border("settle", "readings.csv", _SETTLED, _SETTLE, outs=_OUTS, table=_READINGS_TABLE),
    Border(
        "what-if", "more.csv", {**_SETTLED, "more.csv": READINGS.replace(HALL.encode(), b"541448900000000007").replace(SCHOOL.encode(), b"541448910000000006")},
        ("sharing", "what-if", "--readings", "readings.csv", "--key", "key.yaml", "--more", "more.csv"), table=_READINGS_TABLE,
    ),
    Border(
        "reconcile", "allotted.csv", {**_SETTLED, "allotted.csv": ALLOTTED},
        ("sharing", "reconcile", "--readings", "readings.csv", "--key", "key.yaml", "--allotted", "allotted.csv"),
        table=Table({"ean": "ean", "start": "local", "shared_withdrawal_kwh": "amount"}, told_as={"shared_withdrawal_kwh": "withdrawal_kwh"}),
    ),
    Border(
        "import-generic", "file.csv", {"file.csv": GENERIC}, _import("generic", "file.csv"), outs=_IMPORTED,
        table=Table({"EAN": "ean", "Start": "local", "Afname (kWh)": "amount", "Injectie (kWh)": "amount"}, ";", frozenset({"Afname (kWh)", "Injectie (kWh)"}), _WORDS_OF),
    ),
    Border(
        "import-fluvius", "file.csv", {"file.csv": FLUVIUS}, _import("fluvius-quarters", "file.csv"), outs=_IMPORTED,
        table=Table(
            {"Van (datum)": "day", "Van (tijdstip)": "time", "EAN-code": "ean", "Register": "word", "Volume": "amount"}, ";",
            told_as={"EAN-code": "ean", "Van (datum)": "start", "Van (tijdstip)": "start", "Register": "header", "Volume": "volume"},
        ),
    ),
    Border(
        "import-sibelga", "file.csv", {"file.csv": SIBELGA}, ("import", "file.csv", "--format", "sibelga-monthly", "--out", "out.csv"),
        outs=("out.csv",),
        table=Table(
            {"Code EAN": "ean", "Volume Partagé (kWh)": "amount", "Gridfee total (€)": "amount"}, ";", frozenset({"Gridfee total (€)"}),
            {"Code EAN": "ean", "Volume Partagé (kWh)": "shared_kwh", "Gridfee total (€)": "grid_fee_eur"},
        ),
    ),
    Border(
        "weather", "days.csv", {"days.csv": TEMPERATURES, "centre.yaml": CENTRE},
        ("buildings", "weather", "days.csv", "--config", "centre.yaml", "--source", "IRM"),
        before=(("buildings", "weather", "days.csv", "--config", "centre.yaml", "--source", "before"),),
        table=Table({"day": "date", "temperature_c": "temperature"}, strict=True),
    ),
    Border(
        "prices", "prices.csv", {"prices.csv": PRICES}, call=lambda folder: read_prices(folder / "prices.csv"),
        table=Table({"start": "instant", "eur_kwh": "price"}),
    ),
    Border(
        "statements", "readings.csv", _MONTH_FILES, _STATEMENTS,
        before=(("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", "PLAN", "--by", "a"),),
        table=_READINGS_TABLE,
    ),
    Border(
        "statements-operator", "operator.csv", _MONTH_FILES, _STATEMENTS,
        before=(("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", "PLAN", "--by", "a"),),
        table=Table({"ean": "ean", "shared_kwh": "amount", "grid_fee_eur": "amount"}, optional=frozenset({"grid_fee_eur"})),
    ),
    Border(
        "backtest", "case/data.csv", _CASE, _BACKTEST,
        table=Table({"start": "instant", "site": "any", "load_kw": "power", "pv_kw": "power", "price_eur_kwh": "price"}, optional=frozenset({"price_eur_kwh"}), strict=True),
    ),
    Border(
        "backtest-cars", "case/sessions.csv", _CARS, _BACKTEST,
        table=Table({"site": "word", "arrival": "instant", "departure": "instant", "energy_kwh": "power"}, strict=True, may_be_empty=True),
    ),
]  # fmt: skip
WORKBOOKS = [
    Border(
        "sibelga-xlsx", "file.xlsx", {"file.xlsx": workbook({"Blad1": [SIBELGA_HEADER, *SIBELGA_ROWS]})},
        ("import", "file.xlsx", "--format", "sibelga-monthly", "--out", "out.csv"), outs=("out.csv",),
    ),
    Border("walloon-xlsx", "file.xlsx", {"file.xlsx": workbook(WALLOON_SHEETS)}, _import("wallonia-rep", "file.xlsx"), outs=_IMPORTED),
    Border("generic-xlsx", "file.xlsx", {"file.xlsx": workbook({"Blad1": GENERIC_ROWS})}, _import("generic", "file.xlsx"), outs=_IMPORTED),
]  # fmt: skip
SETTINGS = [
    Border("key", "key.yaml", _SETTLED, _SETTLE, outs=_OUTS),
    Border(
        "other-key", "other.yaml", {**_SETTLED, "other.yaml": KEY},
        ("sharing", "what-if", "--readings", "readings.csv", "--key", "key.yaml", "--other-key", "other.yaml"),
    ),
    Border("format", "ours.yaml", {"file.csv": GENERIC, "ours.yaml": FORMAT}, _import("ours.yaml", "file.csv"), outs=_IMPORTED),
    Border(
        "people", "people.yaml", {"centre.yaml": CENTRE, "people.yaml": PEOPLE},
        ("register", "plan", "--config", "centre.yaml", "--people", "people.yaml"),
        before=(("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", "PLAN", "--by", "a"),),
    ),
    Border(
        "centre", "centre.yaml", {"centre.yaml": CENTRE, "people.yaml": PEOPLE},
        ("register", "plan", "--config", "centre.yaml", "--people", "people.yaml"),
        before=(("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", "PLAN", "--by", "a"),),
    ),
    Border("terms", "terms.yaml", _MONTH_FILES, _STATEMENTS,
        before=(("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", "PLAN", "--by", "a"),),
    ),
    Border(
        "factors", "factors.yaml",
        {"centre.yaml": CENTRE + b'buildings: {factors: "{folder}/factors.yaml"}\n', "factors.yaml": FACTORS},
        ("buildings", "factors", "--config", "centre.yaml"),
    ),
    Border("case", "case/case.yaml", _CASE, _BACKTEST),
]  # fmt: skip
BORDERS = [*TABLES, *WORKBOOKS, *SETTINGS]
