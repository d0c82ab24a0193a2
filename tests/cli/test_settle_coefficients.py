"""Coefficients by quarter-hour: a file beside the readings, checked line by line, and applied step by step."""

from __future__ import annotations

import pytest

from cli.settle.command import settle
from energy.errors import ConfigError, DataError

A, B, SUN = "541448820000000015", "541448910000123453", "541448900000000007"
TIMES = [f"2026-06-01T{hour}:{minute}:00Z" for hour in (10, 11) for minute in ("00", "15", "30", "45")]
KEY = f'participants:\n  "{A}": {{}}\n  "{B}": {{}}\npreset: %s\n'


@pytest.fixture
def shared(tmp_path):
    """shared(rows of coefficients, key): kWh received by A and B in each quarter-hour; each takes 1 kWh, 2 are injected."""

    def run(rows, key=KEY % "spain-beta-hourly", head="start,ean,coefficient\n"):
        files = {name: tmp_path / name for name in ("readings.csv", "key.yaml", "coefficients.csv", "out.csv")}
        readings = "".join(f"{A},{t},1,\n{B},{t},1,\n{SUN},{t},,2\n" for t in TIMES)
        files["readings.csv"].write_text("ean,start,withdrawal_kwh,injection_kwh\n" + readings)
        files["key.yaml"].write_text(key)
        files["coefficients.csv"].write_text(head + rows)
        settle(
            files["readings.csv"],
            files["key.yaml"],
            files["out.csv"],
            None,
            files["coefficients.csv"] if rows else None,
        )
        cells = [line.split(",") for line in files["out.csv"].read_text().splitlines()[1:]]
        return [[float(row[4]) for row in cells if row[0] == ean] for ean in (A, B)]

    return run


def test_row_holds_until_the_next_of_its_point_and_the_rest_is_surplus(shared):
    """Hourly: 30 and 60 % of 2 kWh, then 10 and 90 %, of which only 1 kWh can be used. Nothing is reassigned."""
    rows = f"{TIMES[0]},{A},0.3\n{TIMES[0]},{B},0.6\n{TIMES[4]},{A},0.100000\n2026-06-01T13:00:00+02:00,{B},0.9\n"
    assert shared(rows) == [[0.6] * 4 + [0.2] * 4, [1.0] * 8]
    assert shared(rows, KEY % "enedis-simple") == shared(rows)


def test_coefficients_may_change_every_quarter_hour(shared):
    rows = "".join(f"{t},{A},0.{n}\n{t},{B},0.1\n" for n, t in enumerate(TIMES))
    assert shared(rows) == [[min(1.0, n * 2 / 10) for n in range(8)], [0.2] * 8]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (f"{TIMES[0]},{A},0.7\n{TIMES[0]},{B},0.300001\n", "add up to 1.000001 at 2026-06-01T10:00:00Z"),
        (f"{TIMES[0]},{A},0.7\n", f"no coefficient of {B} holds at 2026-06-01T10:00:00Z"),
        (f"{TIMES[0]},{A},0.7\n{TIMES[1]},{B},0.3\n", f"no coefficient of {B} holds at 2026-06-01T10:00:00Z"),
        (f"{TIMES[0]},{A},0.1234567\n", "coefficients.csv:2 coefficient"),
        (f"{TIMES[0]},{A},1.1\n", "coefficients.csv:2 coefficient"),
        (f"{TIMES[0]},{A},0,7\n", "has 4 cells, not 3"),
        (f"{TIMES[0]},{A},-0.1\n", "is no part of 1"),
        (f"2026-06-01T10:05:00Z,{A},0.1\n", "coefficients.csv:2 start"),
        (f"{TIMES[0]},{A},0.1\n{TIMES[0]},{A},0.1\n", "coefficients.csv:3 start"),
        (f"{TIMES[0]},{SUN},0.1\n", "is no participant of the key"),
    ],
)
def test_file_that_is_wrong_is_refused_with_its_line(shared, rows, words):
    with pytest.raises(DataError) as caught:
        shared(rows)
    assert words in str(caught.value)


def test_file_and_key_must_go_together(shared):
    with pytest.raises(ConfigError, match="come with each quarter-hour"):
        shared("")
    with pytest.raises(ConfigError, match="are given by_quarter, the key's are constant"):
        shared(f"{TIMES[0]},{A},0.1\n{TIMES[0]},{B},0.1\n", KEY.replace("preset", "rounds") % "prorata")
    with pytest.raises(DataError, match="is not the first line"):
        shared(f"{TIMES[0]},{A},0.1\n", head="ean;start\n")
    with pytest.raises(ConfigError, match="leave out the participants' weights"):
        shared(f"{TIMES[0]},{A},0.1\n", KEY.replace(": {}", ": {weight: 0.5}", 1) % "spain-beta-hourly")
