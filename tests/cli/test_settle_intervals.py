"""Readings of 30 and 60 minutes: shared by their own interval, never split, and never taken for quarter-hours."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from typer.testing import CliRunner

from cli.main import app
from cli.settle.command import settle
from energy.errors import ConfigError, DataError

HALL, SCHOOL, SUN = "541448910000123453", "541448911000000003", "541448900000000007"
DAY = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "ean,start,withdrawal_kwh,injection_kwh\n"
Run = Callable[..., tuple[list[dict[str, str]], dict[str, Any]]]


def rows(ean: str, energies: Iterable[tuple[str, str]], minutes: int, first: datetime = DAY) -> str:
    starts = (first + timedelta(minutes=minutes * n) for n in range(10_000))
    return "".join(
        f"{ean},{start:%Y-%m-%dT%H:%M:%SZ},{withdrawn},{injected}\n"
        for start, (withdrawn, injected) in zip(starts, energies, strict=False)
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(rows, key): the rows of the result and the summary."""

    def settled(text: str, key: str = "rounds: prorata\n") -> tuple[list[dict[str, str]], dict[str, Any]]:
        readings, rules, out, summary = (tmp_path / name for name in ("r.csv", "k.yaml", "o.csv", "s.json"))
        readings.write_text(HEADER + text, encoding="utf-8")
        rules.write_text(key, encoding="utf-8")
        settle(readings, rules, out, summary)
        with out.open(newline="") as file:
            return list(csv.DictReader(file)), json.loads(summary.read_text())

    return settled


@pytest.mark.parametrize("minutes", [30, 60])
def test_readings_are_shared_by_the_interval_that_the_key_says(run: Run, minutes: int):
    text = rows(HALL, [("3", "")] * 4, minutes) + rows(SCHOOL, [("1", "")] * 4, minutes)
    text += rows(SUN, [("", "2")] * 4, minutes)
    found, summary = run(text, f"rounds: prorata\ninterval: {minutes}min\n")
    assert [row["received_kwh"] for row in found if row["ean"] == HALL] == ["1.500"] * 4
    assert [row["start"] for row in found if row["ean"] == HALL][
        1
    ] == f"2026-06-01T0{minutes // 60}:{minutes % 60:02}:00Z"
    assert (summary["interval"], summary["quarter_hours"]) == (f"{minutes}min", {"settled": 4, "held": 0})
    assert any(f"shared by {minutes} minutes" in note for note in summary["notes"])


def test_quarter_hours_need_no_interval_and_get_no_note(run: Run):
    _, summary = run(rows(HALL, [("3", "")] * 4, 15) + rows(SUN, [("", "2")] * 4, 15))
    assert summary["interval"] == "15min"
    assert summary["notes"] == []


def test_missing_hour_is_held_and_named(run: Run):
    text = rows(HALL, [("3", ""), ("3", ""), ("", ""), ("3", "")], 60) + rows(SUN, [("", "2")] * 4, 60)
    _, summary = run(text, "rounds: prorata\ninterval: 60min\n")
    assert summary["quarter_hours"] == {"settled": 3, "held": 1}
    assert "r.csv:4 withdrawal_kwh: empty" in summary["held"][0]["reasons"][0]


def test_hours_under_a_key_for_quarter_hours_are_shared_row_by_row_and_the_key_is_named(run: Run):
    text = rows(HALL, [("3", "")] * 24, 60) + rows(SCHOOL, [("1", "")] * 2, 60) + rows(SUN, [("", "2")] * 24, 60)
    found, summary = run(text)
    assert [row["received_kwh"] for row in found if row["ean"] == HALL] == ["1.500", "1.500"]
    assert summary["quarter_hours"] == {"settled": 2, "held": 91}
    (note,) = summary["notes"]
    assert "all readings are 60 minutes apart and the key is for 15" in note
    assert "`interval: 60min` into the key" in note


def test_one_point_by_hours_among_quarter_hours_is_refused_with_file_and_line(run: Run):
    text = rows(HALL, [("1", "")] * 100, 15) + rows(SCHOOL, [("4", "")] * 25, 60) + rows(SUN, [("", "1")] * 100, 15)
    with pytest.raises(DataError, match=f"r.csv:102 start.*EAN {SCHOOL} is read by 60 minutes") as refused:
        run(text)
    assert refused.value.hint is not None
    assert "one interval" in refused.value.hint


def test_hours_in_rows_of_quarter_hours_are_known_too(run: Run):
    """Some exports have a row for each quarter-hour and the hour's energy in the first."""
    hours = rows(HALL, [("4", ""), *[("", "")] * 3] * 25, 15)
    _, summary = run(hours)
    assert "all readings are 60 minutes apart" in summary["notes"][0]
    with pytest.raises(DataError, match="is read by 60 minutes"):
        run(hours + rows(SUN, [("", "1")] * 100, 15))


def test_point_that_is_silent_every_second_quarter_hour_for_a_while_has_gaps(run: Run):
    text = (
        rows(HALL, [("1", "")] * 24, 15)
        + rows(SCHOOL, [("4", ""), ("", "")] * 12, 15)
        + rows(SUN, [("", "1")] * 24, 15)
    )
    _, summary = run(text)
    assert (summary["quarter_hours"], summary["notes"]) == ({"settled": 12, "held": 12}, [])


def test_point_that_changes_to_hours_within_the_file_is_refused_where_it_does(run: Run):
    text = rows(HALL, [("1", "")] * 8, 15) + rows(HALL, [("4", "")] * 26, 60, DAY + timedelta(hours=2))
    with pytest.raises(DataError, match=r"r\.csv:10 start"):
        run(text + rows(SUN, [("", "1")] * 112, 15))


@pytest.mark.parametrize(("interval", "start"), [("30min", "00:15"), ("60min", "00:30")])
def test_quarter_hour_among_longer_readings_is_refused_with_its_line(run: Run, interval: str, start: str):
    text = f"{HALL},2026-06-01T00:00:00Z,1,\n{HALL},2026-06-01T{start}:00Z,1,\n"
    with pytest.raises(DataError, match=rf"r\.csv:3 start.*no start of {interval[:2]} minutes"):
        run(text, f"rounds: prorata\ninterval: {interval}\n")


def test_hours_among_half_hours_are_refused(run: Run):
    text = rows(HALL, [("1", "")] * 50, 30) + rows(SUN, [("", "1")] * 25, 60)
    with pytest.raises(DataError, match=f"EAN {SUN} is read by 60 minutes.*30 minutes"):
        run(text, "rounds: prorata\ninterval: 30min\n")


def test_parquet_by_hours_is_shared_by_hours(tmp_path: Path):
    starts = pa.array([DAY + timedelta(hours=n) for n in range(4)] * 2, pa.timestamp("ms", "UTC"))
    table = {
        "ean": [HALL] * 4 + [SUN] * 4,
        "start": starts,
        "withdrawal_kwh": [3.0] * 4 + [None] * 4,
        "injection_kwh": [None] * 4 + [2.0] * 4,
    }
    pq.write_table(pa.table(table), tmp_path / "r.parquet")
    (tmp_path / "k.yaml").write_text("rounds: prorata\ninterval: 60min\n")
    report = settle(tmp_path / "r.parquet", tmp_path / "k.yaml", tmp_path / "o.csv")
    assert report.summary["totals"]["received_kwh"] == 8.0
    (tmp_path / "k.yaml").write_text("rounds: prorata\n")
    report = settle(tmp_path / "r.parquet", tmp_path / "k.yaml", tmp_path / "o.csv")
    assert (report.summary["quarter_hours"], report.summary["totals"]["received_kwh"]) == (
        {"settled": 4, "held": 9},
        8.0,
    )


@pytest.mark.parametrize("interval", ["10min", "1h", "60", "two-sided"])
def test_interval_that_is_none_is_refused_with_what_is_allowed(run: Run, interval: str):
    with pytest.raises(ConfigError, match="15min"):
        run(rows(HALL, [("1", "")], 15), f"rounds: prorata\ninterval: {interval}\n")


def command(*options: str | Path) -> Any:
    return CliRunner().invoke(app, [str(option) for option in options])


def test_what_if_recommend_and_coefficients_take_hours_too(tmp_path: Path):
    readings, key = tmp_path / "r.csv", tmp_path / "k.yaml"
    readings.write_text(HEADER + rows(HALL, [("3", "")] * 4, 60) + rows(SUN, [("", "2")] * 4, 60))
    key.write_text("rounds: prorata\ninterval: 60min\n")
    given = ("--readings", readings, "--key", key)
    assert command("sharing", "recommend", *given, "--aim", "most-shared").exit_code == 0
    more = tmp_path / "more.csv"
    more.write_text(HEADER + rows(SCHOOL, [("1", "")] * 4, 60))
    assert f"{SCHOOL}  receives +2.000 kWh" in command("sharing", "what-if", *given, "--more", more).stdout
    refused = command("sharing", "what-if", *given, "--battery", f"{HALL},10,5")
    assert (refused.exit_code, "runs by quarter-hours" in str(refused.exception)) == (1, True)
    out = tmp_path / "parts.csv"
    assert command("sharing", "coefficients", *given, "--out", out).exit_code == 0
    assert len(out.read_text().splitlines()) == 1 + 4


def imported(tmp_path: Path, text: str, layout: str = "generic") -> tuple[Any, Path]:
    source, out = tmp_path / "export.csv", tmp_path / "readings.csv"
    source.write_text(text)
    return command("import", source, "--format", layout, "--out", out), out


def export(ean: str, count: int, minutes: int) -> str:
    starts = [datetime(2026, 6, 1) + timedelta(minutes=minutes * n) for n in range(count)]  # noqa: DTZ001 - local
    return "".join(f"{start:%d/%m/%Y %H:%M};{ean};1,5;\n" for start in starts)


EXPORT = "Timestamp;EAN;Afname (kWh);Injectie\n"


def test_import_says_by_which_interval_a_file_is(tmp_path: Path):
    done, out = imported(tmp_path, EXPORT + export(HALL, 24, 60))
    assert "24 readings of 60 minutes (`interval: 60min` in the key) written" in done.stdout
    assert out.read_text().splitlines()[2].split(",")[1] == "2026-05-31T23:00:00Z"


def test_import_refuses_points_by_different_intervals_with_the_row(tmp_path: Path):
    done, out = imported(tmp_path, EXPORT + export(SCHOOL, 96, 15) + export(HALL, 24, 60))
    assert done.exit_code == 1
    told = f"export.csv:98 start: EAN {HALL} is read by 60 minutes from here on, and others by less"
    assert told in str(done.exception)
    assert not out.exists()


def test_import_by_a_declared_interval_refuses_another(tmp_path: Path):
    layout = tmp_path / "ours.yaml"
    layout.write_text(
        "formats: [{name: ours, kind: long, source: us, interval: 60min, columns: "
        "{ean: [ean], start: [timestamp], withdrawal_kwh: [afname]}}]"
    )
    done, _ = imported(tmp_path, EXPORT + export(HALL, 2, 60), str(layout))
    assert "2 readings of 60 minutes" in done.stdout
    refused, _ = imported(tmp_path, EXPORT + export(HALL, 2, 15), str(layout))
    assert f"export.csv:3 start: EAN {HALL} has a reading between its 60 minutes" in str(refused.exception)
