"""Coefficients by producer and consumer, from a key to files and back into `settle`; what every wrong cell is told."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from cli.settle.command import settle
from cli.sharing_enedis import enedis_files, pair_lines, read_enedis, read_points
from energy.errors import ConfigError, DataError

HALL, SCHOOL = "541448910000123453", "541448911000000003"
ROOF, SUN = "541448900000000007", "541448820000000015"
PRM = {HALL: "30001234567890", SCHOOL: "30001234567891", ROOF: "30001234567892", SUN: "30001234567893"}
TIMES = [f"2026-06-01T10:{minute}:00Z" for minute in ("00", "15", "30")]
READINGS = "ean,start,withdrawal_kwh,injection_kwh\n" + "".join(
    f"{HALL},{t},{1 + n}.5,\n{SCHOOL},{t},2,\n{ROOF},{t},,{2 - n}\n{SUN},{t},,0.7\n" for n, t in enumerate(TIMES)
)
LIST = f'participants:\n  "{HALL}": {{}}\n  "{SCHOOL}": {{}}\n'
BY_PAIR = LIST + "preset: enedis-full-dynamique\n"
POINTS = "prm,ean\n" + "".join(f"{prm},{ean}\n" for ean, prm in PRM.items())


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "readings.csv").write_text(READINGS)
    (tmp_path / "key.yaml").write_text(LIST + "rounds: prorata\n")
    (tmp_path / "pairs.yaml").write_text(BY_PAIR)
    (tmp_path / "points.csv").write_text(POINTS)
    return tmp_path


def command(*options: str | Path) -> Any:
    return CliRunner().invoke(app, [str(option) for option in options])


def write(desk: Path, layout: str, out: str, *more: str | Path) -> Any:
    given_files = ("--key", desk / "key.yaml", "--readings", desk / "readings.csv")
    return command("sharing", "coefficients", *given_files, "--format", layout, "--out", desk / out, *more)


def settled(desk: Path, key: str, coefficients: Path | None = None) -> dict[tuple[str, str], tuple[float, float]]:
    """(received, given) in kWh by point and start."""
    settle(desk / "readings.csv", desk / key, desk / "out.csv", None, coefficients)
    with (desk / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["ean"], row["start"]): (float(row["received_kwh"]), float(row["given_kwh"])) for row in rows}


def test_key_written_by_pair_shares_what_the_key_shares(desk: Path):
    done = write(desk, "pairs", "pairs.csv")
    assert done.exit_code == 0, done.exception
    ours, theirs = settled(desk, "key.yaml"), settled(desk, "pairs.yaml", desk / "pairs.csv")
    assert ours.keys() == theirs.keys()
    for place, parts in ours.items():
        assert theirs[place] == pytest.approx(parts, abs=0.002), place  # a millionth of the injection, and rounding
    assert sum(received for received, _ in ours.values()) > 0


def test_files_for_enedis_come_back_as_they_were(desk: Path):
    assert write(desk, "enedis", "enedis", "--points", desk / "points.csv").exit_code == 1  # no such folder yet
    (desk / "enedis").mkdir()
    assert write(desk, "enedis", "enedis", "--points", desk / "points.csv").exit_code == 0
    assert sorted(path.name for path in (desk / "enedis").iterdir()) == sorted(f"{PRM[ean]}.csv" for ean in (ROOF, SUN))
    roof = (desk / "enedis" / f"{PRM[ROOF]}.csv").read_bytes().decode()
    head, first, *_ = roof.split("\r\n")
    assert head == f"Horodate;{PRM[HALL]};{PRM[SCHOOL]}"
    assert (
        first == "01/06/2026 12:00;42,8519;57,1481"
    )  # 1.157 and 1.543 of 2.7 kWh, all of it shared; French local time
    write(desk, "pairs", "pairs.csv")
    back = command(
        "sharing", "read-coefficients", desk / "enedis", "--points", desk / "points.csv", "--out", desk / "back.csv"
    )
    assert "4 pairs written" in back.stdout
    assert (desk / "back.csv").read_text() == (desk / "pairs.csv").read_text()
    assert settled(desk, "pairs.yaml", desk / "back.csv") == settled(desk, "pairs.yaml", desk / "pairs.csv")


def test_coefficients_by_pair_need_readings(desk: Path):
    done = command("sharing", "coefficients", "--key", desk / "key.yaml", "--format", "pairs", "--out", desk / "p.csv")
    assert isinstance(done.exception, ConfigError)
    assert "is needed for coefficients by pair" in str(done.exception)


def test_point_that_gives_and_receives_at_once_is_refused(desk: Path):
    text = READINGS.replace(f"{HALL},{TIMES[1]},2.5,", f"{HALL},{TIMES[1]},2.5,1")
    (desk / "readings.csv").write_text(text)
    assert f"{HALL} gives and receives at 2026-06-01T10:15:00Z" in str(write(desk, "pairs", "pairs.csv").exception)
    assert not (desk / "pairs.csv").exists()


HEAD = "start,producer,ean,coefficient\n"
ROW = f"{TIMES[0]},{ROOF},{HALL},0.5\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROW + f"{TIMES[0]},{ROOF},{SCHOOL},0.500001\n", f"coefficients of {ROOF} add up to 1.000001 at 2026-06-01T10:00:00Z"),
        (ROW * 2, f"pairs.csv:3 start: a second coefficient of {ROOF} and {HALL}"),
        (f"{TIMES[1]},{ROOF},{HALL},0.5\n", f"no coefficient of {HALL} and {ROOF} holds at 2026-06-01T10:00:00Z"),
        (ROW.replace(ROOF, "541449020000123458"), "pairs.csv:2 producer: 541449020000123458 is not in the readings"),
        (ROW.replace(ROOF, HALL), "is its own producer"),
        (ROW.replace(HALL, SUN), f"pairs.csv:2 ean: {SUN} is no participant"),
        (ROW.replace("0.5", "1.5"), "pairs.csv:2 coefficient"),
        (ROW.replace("0.5", ""), "pairs.csv:2 coefficient"),
        (ROW.replace("10:00", "10:05"), "pairs.csv:2 start"),
        (ROW.replace(f"{ROOF},", ""), "has 3 cells, not 4"),
    ],
)  # fmt: skip
def test_wrong_row_by_pair_is_refused_with_its_line_and_nothing_is_written(desk: Path, rows: str, told: str):
    (desk / "pairs.csv").write_text(HEAD + rows)
    with pytest.raises(DataError) as refused:
        settled(desk, "pairs.yaml", desk / "pairs.csv")
    assert told in str(refused.value)
    assert not (desk / "out.csv").exists()


def test_pair_that_is_not_there_gets_nothing_and_a_row_holds_until_the_next(desk: Path):
    (desk / "pairs.csv").write_text(HEAD + ROW + f"{TIMES[2]},{ROOF},{HALL},0.25\n")
    found = settled(desk, "pairs.yaml", desk / "pairs.csv")
    assert [found[HALL, t][0] for t in TIMES] == [1.0, 0.5, 0.0]  # of 2, 1 and 0 kWh
    assert {found[point, t] for point in (SCHOOL, SUN) for t in TIMES} == {(0.0, 0.0)}


def test_coefficients_begin_where_readings_do(desk: Path):
    (desk / "pairs.yaml").write_text(BY_PAIR + "interval: 30min\n")
    (desk / "readings.csv").write_text(READINGS.replace("10:15", "11:00"))
    (desk / "pairs.csv").write_text(HEAD + ROW + f"2026-06-01T10:15:00Z,{ROOF},{HALL},0.2\n")
    with pytest.raises(DataError, match=r"pairs\.csv:3 start.*no start of 30 minutes"):
        settled(desk, "pairs.yaml", desk / "pairs.csv")


FILE = f"Horodate;{HALL};{SCHOOL}\r\n01/06/2026 12:00;50;12,5\r\n01/06/2026 12:15;0;100\r\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[tuple[str, str], dict[int, int]]]:
    """read(text, name): what a folder with that file has."""

    def run(text: str | bytes, name: str = ROOF) -> dict[tuple[str, str], dict[int, int]]:
        folder = tmp_path / "enedis"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_enedis(folder, {prm: ean for ean, prm in PRM.items()})

    return run


def test_file_is_read_with_percent_and_decimal_commas(read: Any):
    start = 1_780_308_000_000  # 12:00 in France
    assert read(FILE) == {
        (ROOF, HALL): {start: 500_000, start + 900_000: 0},
        (ROOF, SCHOOL): {start: 125_000, start + 900_000: 1_000_000},
    }


def test_day_with_25_hours_is_written_and_read_again(read: Any):
    first = 1_792_879_200_000  # 2026-10-25 00:00 in France
    parts = {(ROOF, HALL): {first + n * 900_000: n for n in range(100)}}
    (text,) = enedis_files(parts, {}).values()
    assert text.count("25/10/2026 02:30") == 2
    assert read(text) == parts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FILE.replace("12,5", "50,0001"), ".csv:2 row: adds up to 100.0001 %"),
        (FILE.replace("12,5", "12,50001"), f".csv:2 {SCHOOL}: '12,50001' is no percentage"),
        (FILE.replace("12,5", "-1"), "is no percentage"),
        (FILE.replace("12,5", ""), "is no percentage"),
        (FILE.replace("12:15", "12:00"), ".csv:3 Horodate: 01/06/2026 12:00 stands there twice"),
        (FILE.replace("12:15", "12:20"), ".csv:3 Horodate"),
        (FILE.replace("01/06/2026 12:15", "29/03/2026 02:15"), "does not exist"),
        (FILE.replace("01/06/2026 12:15", "25/10/2026 02:15"), "is twice on this day and stands there once"),
        (FILE.replace(";100", ""), ".csv:3 row: has 2 cells, the header has 3"),
        (FILE.replace("Horodate", "Date"), ".csv:1 header"),
        (FILE.replace(SCHOOL, HALL), ".csv:1 column 3: 541448910000123453 stands twice"),
        (FILE.replace(SCHOOL, ROOF), "is the producer itself"),
        (FILE.replace(SCHOOL, "30009999999999"), "list the PRM with its EAN in --points"),
        (FILE.replace(SCHOOL, "541448911000000004"), ".csv:1 column 3"),
        (f"Horodate;{HALL}\r\n", "has no rows"),
        ("", ".csv:1 header"),
        (b"\xff\xfe", "cannot be read"),
        (b'"', "is no CSV"),
    ],
)  # fmt: skip
def test_wrong_file_is_refused_with_its_line(read: Any, text: str | bytes, told: str):
    with pytest.raises(DataError) as refused:
        read(text)
    assert told in f"{refused.value} {refused.value.hint}"


def test_producer_with_two_files_and_empty_folder_are_refused(read: Any, tmp_path: Path):
    read(FILE)
    with pytest.raises(DataError, match="has two files"):
        read(FILE, PRM[ROOF])
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="has no CSV files"):
        read_enedis(tmp_path / "none", {})
    with pytest.raises(DataError, match="cannot be read"):
        read_enedis(tmp_path / "nowhere", {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (POINTS.replace("prm,ean", "ean,prm"), ":1 header"),
        (POINTS.replace("30001234567890", "3000123456789"), ":2 prm"),
        (POINTS.replace(HALL, "541448910000123454"), ":2 ean"),
        (POINTS + POINTS.splitlines()[1] + "\n", ":6 row"),
        (POINTS.replace(f",{HALL}", ""), ":2 row"),
    ],
)
def test_wrong_list_of_points_is_refused_with_its_line(tmp_path: Path, text: str, told: str):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(DataError, match=r"points\.csv") as refused:
        read_points(tmp_path / "points.csv")
    assert told in str(refused.value)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(FILE)), st.text(max_size=3)).map(
            lambda at: (FILE[: at[0]] + at[1] + FILE[at[0] + 1 :]).encode()
        ),
    )
)
def test_any_file_is_read_or_refused_by_name(tmp_path: Path, content: bytes):
    (tmp_path / f"{ROOF}.csv").write_bytes(content)
    try:
        found = read_enedis(tmp_path, {})
    except DataError as error:
        told = str(error)
        assert ROOF in told
    else:
        assert all(0 <= part <= 10**6 for parts in found.values() for part in parts.values())
        assert pair_lines(found).count("\n") == 1 + sum(map(len, found.values()))
