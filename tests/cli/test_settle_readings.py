"""The readings CSV: what is accepted, and what every wrong cell is told."""

from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from cli.settle.readings import _Reading, read_readings
from cli.settle.tables import careful_csv, plain_csv
from energy.errors import DataError

A, B = "541448910000123453", "541448911000000003"
HEADER = "ean,start,withdrawal_kwh,injection_kwh"
GOOD = f"{A},2026-06-01T10:00:00Z,0.5,0"


@pytest.fixture
def read(tmp_path):
    """read(text): the readings of that file content; bytes are written as they are."""

    def run(content, resolution_wh=1):
        path = tmp_path / "readings.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_readings(path, resolution_wh)

    return run


def row(start="2026-06-01T10:15:00Z", withdrawal="1", injection="0", ean=A):
    return f"{HEADER}\n{GOOD}\n{ean},{start},{withdrawal},{injection}\n"


@pytest.mark.parametrize(
    ("written", "wh"),
    [
        ("0.5", 500),
        ("5", 5000),
        (".25", 250),
        ("3.", 3000),
        ("0", 0),
        ("-0.0", 0),
        ("1e-2", 10),
        ("0.1", 100),
        (" 0.3 ", 300),
        ("1000000000", 10**12),
    ],
)
def test_energy_is_read_exactly(read, written, wh):
    assert read(row(withdrawal=written)).readings.withdrawal[1, 0] == wh


def test_energy_finer_than_a_wh_is_exact_at_resolution_zero_and_cut_at_one(read):
    text = row(withdrawal="0.00123456789")
    assert read(text, 0).readings.withdrawal[1, 0] == Fraction("1.23456789")
    file = read(text)
    assert (file.readings.withdrawal[1, 0], file.cut, file.cut_wh) == (1, 1, Fraction("0.23456789"))


def test_empty_cell_is_unknown_and_not_zero(read):
    readings = read(row(withdrawal="")).readings
    assert readings.withdrawal_known[:, 0].tolist() == [True, False]
    assert readings.injection_known[:, 0].tolist() == [True, True]


@pytest.mark.parametrize(
    "start",
    ["2026-06-01T10:15:00Z", "2026-06-01T12:15:00+02:00", "2026-06-01T12:15+02:00", "2026-06-01 10:15:00+00:00"],
)
def test_start_in_any_offset_is_the_same_instant_and_is_kept_as_written(read, start):
    file = read(row(start=start))
    assert file.readings.starts.tolist() == [1780308000000, 1780308900000]
    assert file.starts[1] == start


def test_columns_rows_and_line_ends_may_come_in_any_order(read):
    file = read(
        f"\ufeffstart,injection_kwh,ean,withdrawal_kwh\r\n2026-06-01T10:15:00Z,2,{B},\r\n\r\n2026-06-01T10:00:00Z,,{A},1\r\n"
    )
    assert file.readings.points == (A, B)
    assert file.lines.tolist() == [[4, 0], [0, 2]]


def test_quarters_nobody_has_rows_for_are_there_and_get_their_utc_start(read):
    file = read(row(start="2026-06-01T10:45:00Z"))
    assert file.starts == (
        "2026-06-01T10:00:00Z",
        "2026-06-01T10:15:00Z",
        "2026-06-01T10:30:00Z",
        "2026-06-01T10:45:00Z",
    )
    assert file.lines[:, 0].tolist() == [2, 0, 0, 3]


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (row(ean="541448910000123454"), ":3 ean", "wrong check digit: it ends in 4, its other digits give 3"),
        (row(ean="5.41448911E+17"), ":3 ean", "18 digits are needed"),
        (row(start="2026-06-01T10:00:00Z"), ":3 ean, start", "repeats line 2"),
        (row(start="2026-06-01T12:00:00+02:00"), ":3 ean, start", "repeats line 2"),
        (row(start="2026-06-01T12:15:00"), ":3 start", "has no offset\n"),
        (row(start="2026-03-29T02:30:00"), ":3 start", "does not exist in Brussels"),
        (row(start="2026-10-25T02:30:00"), ":3 start", "exists twice in Brussels"),
        (row(start="2026-06-31T10:15:00Z"), ":3 start", "no ISO 8601 instant"),
        (row(start=""), ":3 start", "no ISO 8601 instant"),
        (row(start='"2026-06-01,10:15:00Z"'), ":3 start", "no ISO 8601 instant"),
        (row(start="2026-06-01T10:05:00Z"), ":3 start", "no start of a quarter-hour"),
        (row(start="2026-06-01T10:15:00.001Z"), ":3 start", "no start of a quarter-hour"),
        (row(start="2062-06-01T10:15:00Z"), ": start", "spans 13149 days"),
        (row(withdrawal="-0.001"), ":3 withdrawal_kwh", "is negative"),
        (row(withdrawal="1,5".replace(",", ";")), ":3 withdrawal_kwh", "no number of kWh"),
        (row(injection="NaN"), ":3 injection_kwh", "no number of kWh"),
        (row(injection="inf"), ":3 injection_kwh", "no number of kWh"),
        (row(injection="1e99"), ":3 injection_kwh", "impossible"),
        (row(injection="1e999999"), ":3 injection_kwh", "no number of kWh"),
        (row(injection="1/3"), ":3 injection_kwh", "no number of kWh"),
        (row(injection="0,5"), ":3 row", "has 5 cells, the header has 4"),
        (f"{HEADER}\n{A},2026-06-01T10:00:00Z,1\n", ":2 row", "has 3 cells"),
        (f"{HEADER},price\n{GOOD},1\n", ":1 price", "unknown column"),
        (f"{HEADER},ean\n{GOOD},{A}\n", ":1 ean", "given twice"),
        ("ean,start,withdrawal_kwh\n", ":1 injection_kwh", "column is missing"),
        (HEADER.replace(",", ";") + "\n", ":1 header", "cells are separated by semicolons, not by commas"),
        (HEADER.replace(",", "\t") + "\n", ":1 header", "cells are separated by tabs, not by commas"),
        ("", ":1 ean", "column is missing"),
        (HEADER + "\n", "", "has no rows"),
        (f'{HEADER}\n"{A},2026\n', "", "no CSV"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "", "not UTF-8"),
    ],
)
def test_wrong_file_is_told_by_line_and_column(read, tmp_path, text, where, words):
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert caught.value.field.startswith(f"{tmp_path / 'readings.csv'}{where}")
    assert caught.value.hint


def test_file_that_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_readings(tmp_path / "none.csv", 1)


def test_line_numbers_hold_after_a_quoted_line_break_and_empty_lines(read):
    with pytest.raises(DataError) as caught:
        read(f'{HEADER}\n\n"{A}\n",2026-06-01T10:00:00Z,1,0\n\n{B},bad,1,0\n')
    assert ":6 start" in caught.value.field


ODD_QUOTES = ['"3"', '"3"5', '3"5"', '"3\n"', '"\n3"', '" 3\n "', '"3""5"', '""', '"', '"a,b"', f'"{A}"', f'"{B}\n"']
CELLS = st.sampled_from(
    [
        A,
        B,
        "2026-06-01T10:00:00Z",
        "2026-06-01T12:15:00+02:00",
        "1",
        "0.25",
        ".5",
        " 2 ",
        "0.00019",
        "",
        "x",
        *ODD_QUOTES,
    ]
)
GOOD_ROWS = st.tuples(
    st.sampled_from([A, B]),
    st.sampled_from([f"2026-06-01T{hour}:{minute}:00Z" for hour in (10, 11) for minute in ("00", "15", "30")]),
    st.sampled_from(["", "0", "1.5", "0.0019", "1e-1"]),
    st.sampled_from(["", "0", "7.25"]),
)
QUOTED_ROWS = GOOD_ROWS.map(lambda row: tuple(f'"{cell}"' for cell in row))
ODD_ROWS = st.tuples(
    st.sampled_from([A, f'"{A}"', f'"{B}\n"']),
    st.sampled_from(["2026-06-01T10:00:00Z", '"2026-06-01T10:15:00Z"']),
    st.sampled_from(["1", *ODD_QUOTES]),
    st.sampled_from(["", "0", *ODD_QUOTES]),
)
ROWS = st.one_of(GOOD_ROWS, QUOTED_ROWS, ODD_ROWS, st.tuples(CELLS, CELLS, CELLS, CELLS), st.just(()))


def contents(batches, path):
    file = _Reading(path, 1).of(batches(path))
    return [file.starts, file.lines.tolist(), file.cut, file.cut_wh, *map(_plain, astuple(file.readings))]


def _plain(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_arrow_reads_what_it_takes_as_the_careful_reader_does(tmp_path, rows, end, last_end):
    """Arrow may leave a file to the careful reader; what it reads it must read alike."""
    path = tmp_path / "readings.csv"
    text = end.join([HEADER, *(",".join(row) for row in rows)]) + (end if last_end else "")
    path.write_bytes(text.encode())
    try:
        fast = contents(plain_csv, path)
    except (pa.ArrowException, DataError):
        return
    assert fast == contents(careful_csv, path)


def test_quoted_cells_are_read_at_arrows_speed_and_odd_quotes_row_by_row(tmp_path):
    path = tmp_path / "readings.csv"
    path.write_text("".join(f'"{line.replace(",", chr(34) + "," + chr(34))}"\r\n' for line in (HEADER, GOOD)))
    assert contents(plain_csv, path) == contents(careful_csv, path)
    for odd in ('"3"5', '3"5', '"3\n"', '"3""5"', '"3'):
        path.write_text(row(withdrawal=odd))
        with pytest.raises(pa.ArrowInvalid, match="quotes within cells"):
            list(plain_csv(path))


def test_reading_ahead_needs_nothing_of_python_that_may_be_ending(read, monkeypatch):
    """A refused file ended one process in six by a signal: Arrow's thread called back while the interpreter went down."""
    given_to_arrow = []
    opened = arrow_csv.open_csv
    monkeypatch.setattr(
        arrow_csv, "open_csv", lambda file, **options: given_to_arrow.append(file) or opened(file, **options)
    )
    with pytest.raises(DataError, match="is no number of kWh"):
        read(row(withdrawal="NaN"))
    assert [type(each) for each in given_to_arrow] == [pa.OSFile]
