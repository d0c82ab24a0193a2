"""Grid operators' files to readings and monthly volumes: workbooks and CSV, and what is told of wrong cells."""

import contextlib
import csv
import json
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.imports.cells import LocalTimes, amount_of, ean_of, instant_of
from cli.imports.formats import format_named, shipped_formats
from cli.imports.monthly import read_monthly
from cli.imports.quarters import read_quarters
from cli.main import app
from cli.settle.readings import read_readings
from energy.errors import ConfigError, DataError

HALL, SCHOOL = "541448910000123453", "541448911000000003"


@pytest.fixture
def workbook(tmp_path):
    """workbook({sheet: rows}): the path of an xlsx with these cells."""

    def make(sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
        path = tmp_path / "file.xlsx"
        book.save(path)
        return path

    return make


@pytest.fixture
def text(tmp_path):
    """text(content): the path of a CSV with it."""

    def make(content):
        path = tmp_path / "file.csv"
        path.write_text(content, encoding="utf-8")
        return path

    return make


SIBELGA = [
    "Code EAN",
    "Tarif",
    "Volume Partagé (kWh)",
    "Volume Complémentaire (kWh)",
    "Injection Partagée (kWh)",
    "Gridfee total (€)",
]


def test_sibelga_month_is_read_in_any_language_and_day_and_night_are_added(workbook):
    rows = [
        ["Partage de février"],
        [],
        SIBELGA,
        [HALL, "HI", 100.5, 20, 0, 3.1],
        [HALL, "LOW", 23.457, 7.25, 0, 1.005],
        [SCHOOL, "TH", 0, 1, 4.2, None],
    ]
    hall, school = read_monthly(workbook({"Blad1": rows}), format_named("sibelga-monthly"))
    assert (hall.ean, hall.shared_wh, hall.complementary_wh, hall.grid_fee_eur) == (
        HALL,
        123_957,
        27_250,
        Decimal("4.105"),
    )
    assert (school.shared_wh, school.injection_shared_wh, school.grid_fee_eur) == (0, 4200, None)
    dutch = ["EAN-code", "Gedeeld volume [kWh]", "Gridfee total"]
    (same,) = read_monthly(workbook({"x": [dutch, [HALL, 1.5, 2]]}), format_named("sibelga-monthly"))
    assert (same.shared_wh, same.complementary_wh, same.grid_fee_eur) == (1500, None, Decimal(2))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([SIBELGA], "has no rows"),
        ([["EAN"], [HALL]], "no header says 'volume partage'"),
        (
            [[*SIBELGA, "Shared volume"], [HALL, "TH", 1, 1, 1, 1, 1]],
            r"xlsx:1 Blad1 shared_kwh: two columns are headed",
        ),
        ([SIBELGA, [HALL[:-1] + "9", "TH", 1, 1, 1, 1]], r"xlsx:2 Blad1 ean: .*wrong check digit"),
        ([SIBELGA, [float(HALL), "TH", 1, 1, 1, 1]], r"xlsx:2 Blad1 ean: .*was made a number by a spreadsheet"),
        ([SIBELGA, [HALL, "TH", -1, 1, 1, 1]], r"xlsx:2 Blad1 shared_kwh: .*negative"),
        ([SIBELGA, [HALL, "TH", 1, 1, 1, "1 234,5"]], r"xlsx:2 Blad1 grid_fee_eur: .*no number"),
    ],
)
def test_wrong_cell_of_a_month_is_told_by_sheet_row_and_column(workbook, rows, told):
    with pytest.raises(DataError, match=told) as caught:
        read_monthly(workbook({"Blad1": rows}), format_named("sibelga-monthly"))
    assert caught.value.hint


def rep(values, *, first=datetime(2026, 6, 1), count=4):  # noqa: DTZ001 - a spreadsheet's local time
    """A sheet of ORES or RESA: hall and school withdraw, the school injects."""
    times = [first + timedelta(minutes=15 * n) for n in range(count)]
    head = ["", "Prélèvement", "Prélèvement", "Injection"], ["", HALL, SCHOOL, SCHOOL], ["unité"], [""]
    return [*head, *([at, *values] for at in times)]


def test_walloon_workbook_gives_readings_and_what_was_allotted(workbook):
    path = workbook({"Brut Rep": rep([1.5, 2, 4]), "Partagé Rep": rep([0.5, 2, 2.5]), "Net Rep": rep([1, 0, 1.5])})
    found = read_quarters(path, format_named("wallonia-rep")).of
    assert len(found) == 8
    first = found[1_780_264_800_000, SCHOOL]
    assert (first.withdrawal_kwh, first.injection_kwh) == (2, 4)
    assert (first.shared_withdrawal_kwh, first.shared_injection_kwh) == (2, Decimal("2.5"))


@pytest.mark.parametrize(
    ("sheets", "told"),
    [
        ({"Partagé Rep": None}, "has no sheet 'Partagé Rep', it has Brut Rep, Net Rep"),
        (
            {"Net Rep": rep([1, 1, 1.5])},
            rf"xlsx:5 Net Rep {SCHOOL}: gross 2.* kWh is not shared 2.* and net 1.* together",
        ),
        ({"Brut Rep": rep(["x", 2, 4])}, rf"xlsx:5 Brut Rep {HALL}: 'x' is no number"),
        ({"Brut Rep": rep([1, 2, 4], first=datetime(2026, 3, 29, 2))}, "does not exist in Europe/Brussels"),  # noqa: DTZ001
        ({"Brut Rep": rep([1, 2, 4], first=datetime(2026, 6, 1, 0, 5))}, "no start of a quarter-hour"),  # noqa: DTZ001
        ({"Brut Rep": rep([1, 2, 4])[:4]}, "ends before its first quarter-hour"),
    ],
)
def test_wrong_walloon_workbook_is_told(workbook, sheets, told):
    good = {"Brut Rep": rep([1.5, 2, 4]), "Partagé Rep": rep([0.5, 2, 2.5]), "Net Rep": rep([1, 0, 1.5])}
    made = {name: rows for name, rows in (good | sheets).items() if rows is not None}
    with pytest.raises(DataError, match=told):
        read_quarters(workbook(made), format_named("wallonia-rep"))


def test_day_with_25_hours_is_read_by_the_order_of_its_rows(workbook):
    first = datetime(2026, 10, 25)  # noqa: DTZ001
    wall = [first + timedelta(minutes=15 * n) for n in range(12)]
    wall += [first + timedelta(minutes=15 * n) for n in range(8, 96)]
    head = rep([0, 0, 0])[:4]
    sheet = [*head, *([at, 1, 1, 1] for at in wall)]
    empty = [*head, *([at, 0, 0, 0] for at in wall)]
    found = read_quarters(
        workbook({"Brut Rep": sheet, "Partagé Rep": empty, "Net Rep": sheet}), format_named("wallonia-rep")
    )
    starts = sorted({start for start, _ in found.of})
    assert len(starts) == 100
    assert {later - early for early, later in pairwise(starts)} == {900_000}


FLUVIUS = "Van (datum);Van (tijdstip);Tot (datum);Tot (tijdstip);EAN-code;Meter;Metertype;Register;Volume;Eenheid;Validatiestatus\n"


def fluvius(register, volume, time="00:00:00"):
    return f'01-06-2026;{time};01-06-2026;00:15:00;="{HALL}";1SAG;Digitale meter;{register};{volume};kWh;Gevalideerd\n'


def test_registers_of_day_and_night_are_added_by_direction(text):
    path = text(FLUVIUS + fluvius("Afname Dag", "0,125") + fluvius("Afname Nacht", "0,5") + fluvius("Injectie Dag", ""))
    (quarter,) = read_quarters(path, format_named("fluvius-quarters")).of.values()
    assert (quarter.withdrawal_kwh, quarter.injection_kwh) == (Decimal("0.625"), None)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (fluvius("Afname Dag", "1") * 2, r"csv:3 register: afname dag of .* twice"),
        (fluvius("Gas", "1"), r"csv:2 header: 'gas' is neither withdrawal nor injection"),
        (fluvius("Afname Dag", "1,2,3"), r"csv:2 volume: '1,2,3' is no number"),
        (fluvius("Afname Dag", "1", time="half"), r"csv:2 start: .*no time"),
    ],
)
def test_wrong_register_row_is_told(text, rows, told):
    with pytest.raises(DataError, match=told):
        read_quarters(text(FLUVIUS + rows), format_named("fluvius-quarters"))


def test_imported_file_is_settled_as_it_was(text, tmp_path):
    path = text(f"Timestamp;EAN;Afname (kWh);Injectie\n01/06/2026 00:00;{HALL};1,5;\n01/06/2026 00:15;{HALL};;0,25\n")
    out = tmp_path / "readings.csv"
    told = CliRunner().invoke(
        app, ["import", str(path), "--format", "generic", "--out", str(out)], catch_exceptions=False
    )
    assert "2 quarter-hours written" in told.stdout
    again = CliRunner().invoke(app, ["import", str(path), "--format", "generic", "--out", str(out), "--json"])
    assert json.loads(again.stdout) == {"file": str(out), "readings": 2, "interval": "15min", "verified": True}
    readings = read_readings(out, 1).readings
    assert readings.starts.tolist() == [1_780_264_800_000, 1_780_265_700_000]
    assert (readings.withdrawal[0, 0], readings.injection[1, 0]) == (1500, 250)
    assert readings.withdrawal_known[:, 0].tolist() == [True, False]


def test_import_of_a_month_is_read_again_as_the_same(workbook, tmp_path):
    path = workbook({"x": [SIBELGA, [HALL, "TH", 123.457, 7, 0, 3.105], [SCHOOL, "TH", 1, None, 2, None]]})
    out = tmp_path / "month.csv"
    told = CliRunner().invoke(
        app, ["import", str(path), "--format", "sibelga-monthly", "--out", str(out)], catch_exceptions=False
    )
    assert "never tried on a real file" in told.stdout
    assert read_monthly(out, format_named("monthly")) == read_monthly(path, format_named("sibelga-monthly"))


def test_own_format_is_a_yaml_file(text, tmp_path):
    layout = tmp_path / "ours.yaml"
    layout.write_text(
        "formats: [{name: ours, kind: long, source: us, columns: {ean: [point], start: [when], withdrawal_kwh: [used]}}]"
    )
    path = text(f"Point,When,Used\n{HALL},2026-06-01T00:00Z,1\n")
    assert len(read_quarters(path, format_named(str(layout))).of) == 1
    with pytest.raises(ConfigError, match="there is no format 'ores'"):
        format_named("ores")


def test_every_shipped_format_names_its_source():
    assert all(each.source for each in shipped_formats().values())


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("1234,5", "1234.5"), (0.1 + 0.2, "0.3"), ("", None), (None, None), (7, "7"), ("-3", "-3"), (1e-9, "0")],
)
def test_amount_is_read_with_comma_or_point_to_a_millionth(cell, amount):
    assert amount_of(cell) == (None if amount is None else Decimal(amount))


@given(st.one_of(st.none(), st.text(max_size=30), st.floats(), st.integers(), st.booleans(), st.datetimes()))
def test_any_cell_is_read_or_refused_in_words(cell):
    for parse in (amount_of, ean_of, instant_of):
        with contextlib.suppress(ValueError):
            parse(cell)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused_by_name(tmp_path, content):
    for name, layout in (("file.csv", "generic"), ("file.xlsx", "generic"), ("file.csv", "sibelga-monthly")):
        path = tmp_path / name
        path.write_bytes(content)
        read = read_monthly if layout == "sibelga-monthly" else read_quarters
        with pytest.raises(DataError) as caught:
            read(path, format_named(layout))
        assert str(path) in str(caught.value)


def test_local_times_need_no_offset_and_keep_one_that_is_there():
    times = LocalTimes("Europe/Brussels")
    assert times.start(datetime(2026, 6, 1)) == times.start(datetime.fromisoformat("2026-06-01T00:00:00+02:00"))  # noqa: DTZ001


def test_readings_of_an_import_have_our_columns(text, tmp_path):
    out = tmp_path / "out.csv"
    path = text(f"ean,start,withdrawal_kwh\n{HALL},2026-06-01T00:00Z,0.125\n")
    CliRunner().invoke(app, ["import", str(path), "--format", "generic", "--out", str(out)], catch_exceptions=False)
    with out.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["ean", "start", "withdrawal_kwh", "injection_kwh"],
            [HALL, "2026-06-01T00:00:00Z", "0.125", ""],
        ]
