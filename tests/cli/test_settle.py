"""`settle` from files to files: contents, refusals, and nothing half written."""

import csv
import errno
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.settle.command import settle
from cli.settle.output import write_all
from energy.errors import ConfigError, DataError

A, B, C, D = "541448910000123453", "541448911000000003", "541449020000123458", "541448820000000015"
SUN = "541448900000000007"
HEADER = "ean,start,withdrawal_kwh,injection_kwh\n"
FOUR = f"{A},2026-06-01T10:00:00Z,0.5,\n{B},2026-06-01T10:00:00Z,1,\n{C},2026-06-01T10:00:00Z,1.5,\n{D},2026-06-01T10:00:00Z,,4\n"


class Desk:
    """A folder with a readings file and a key, and what settle makes of them."""

    def __init__(self, folder: Path) -> None:
        self.readings, self.key = folder / "readings.csv", folder / "key.yaml"
        self.out, self.summary = folder / "out.csv", folder / "summary.json"

    def settle(self, rows: str, key: str = "rounds: prorata\n", *, header: str = HEADER):
        self.readings.write_text(header + rows, encoding="utf-8")
        self.key.write_text(key, encoding="utf-8")
        self.report = settle(self.readings, self.key, self.out, self.summary)
        return self.rows()

    def rows(self):
        with self.out.open(newline="") as file:
            return {(row["ean"], row["start"]): row for row in csv.DictReader(file)}

    def facts(self):
        return json.loads(self.summary.read_text())


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def quarters(start, number, offset=UTC):
    return [(start + timedelta(minutes=15 * n)).astimezone(offset).isoformat() for n in range(number)]


def test_settle_writes_every_row_with_three_decimals(desk):
    rows = desk.settle(FOUR)
    assert desk.out.read_text().splitlines()[0] == (
        "ean,start,withdrawal_kwh,injection_kwh,received_kwh,residual_kwh,given_kwh,surplus_kwh,quality"
    )
    assert list(rows[C, "2026-06-01T10:00:00Z"].values())[2:] == [
        "1.500",
        "",
        "1.500",
        "0.000",
        "0.000",
        "0.000",
        "measured",
    ]
    assert list(rows[D, "2026-06-01T10:00:00Z"].values())[2:] == [
        "",
        "4.000",
        "0.000",
        "0.000",
        "3.000",
        "1.000",
        "measured",
    ]


def test_settle_at_resolution_zero_keeps_what_printing_adds_up_exact(desk):
    rows = desk.settle(FOUR.replace(",4\n", ",1\n"), "rounds: prorata\nresolution_wh: 0\n")
    first = rows[A, "2026-06-01T10:00:00Z"]
    assert (first["received_kwh"], first["residual_kwh"]) == ("0.166666666667", "0.333333333333")
    assert desk.facts()["totals"]["received_kwh"] == 1.0


def test_settle_sorts_by_start_and_ean_whatever_the_order_of_rows(desk):
    later = FOUR.replace("T10:00", "T10:15")
    shuffled = "".join(reversed((FOUR + later).splitlines(keepends=True)))
    rows = list(desk.settle(shuffled))
    assert rows == sorted(rows, key=lambda place: (place[1], place[0]))
    text = desk.out.read_text()
    desk.settle(FOUR + later)
    assert desk.out.read_text() == text


def test_settle_summary_has_totals_rates_fairness_and_held_quarters(desk):
    desk.settle(FOUR + FOUR.replace("T10:00", "T10:15").replace("Z,0.5,", "Z,,"))
    facts = desk.facts()
    assert facts["totals"] == {
        "withdrawal_kwh": 3.0,
        "injection_kwh": 4.0,
        "received_kwh": 3.0,
        "residual_kwh": 0.0,
        "given_kwh": 3.0,
        "surplus_kwh": 1.0,
    }
    assert (facts["sharing_rate"], facts["self_sufficiency"]) == (0.75, 1.0)
    assert (facts["jain"]["coverage"], facts["gini"]["coverage"]) == (1.0, 0.0)
    assert facts["jain"]["kwh"] == pytest.approx(9 / (3 * 3.5))
    assert facts["quarter_hours"] == {"settled": 1, "held": 1}
    assert facts["held"] == [
        {"start": "2026-06-01T10:15:00Z", "reasons": [f"{desk.readings}:6 withdrawal_kwh: empty for EAN {A}"]}
    ]
    assert desk.report.summary == facts


def test_settle_without_any_energy_has_null_rates(desk):
    desk.settle(f"{A},2026-06-01T10:00:00Z,0,0\n")
    facts = desk.facts()
    assert [facts[name] for name in ("sharing_rate", "self_sufficiency", "min_coverage")] == [None] * 3
    assert facts["jain"] == facts["gini"] == {"kwh": None, "coverage": None}
    assert "not defined" in desk.report.text()


def test_settle_holds_a_gap_and_names_the_line_before_it(desk):
    gap = "".join(
        f"{A},2026-06-01T{time}:00Z,1,\n{B},2026-06-01T{time}:00Z,,1\n" for time in ("10:00", "10:15", "10:30")
    )
    rows = desk.settle(gap.replace(f"{A},2026-06-01T10:15:00Z,1,\n", ""))
    assert {start for _, start in rows} == {"2026-06-01T10:00:00Z", "2026-06-01T10:30:00Z"}
    assert desk.facts()["held"] == [
        {
            "start": "2026-06-01T10:15:00Z",
            "reasons": [f"{desk.readings}:2 the row of EAN {A} for 2026-06-01T10:15:00Z is missing after this one"],
        }
    ]
    assert "held 2026-06-01T10:15:00Z: " in desk.report.text()


def test_settle_with_zero_gives_the_gap_a_row_of_its_own(desk):
    gap = "".join(
        f"{A},2026-06-01T{time}:00Z,1,\n{B},2026-06-01T{time}:00Z,,1\n" for time in ("10:00", "10:15", "10:30")
    )
    rows = desk.settle(gap.replace(f"{B},2026-06-01T10:15:00Z,,1\n", ""), "rounds: prorata\non_missing: zero\n")
    cells = list(rows[B, "2026-06-01T10:15:00Z"].values())[2:]
    assert cells == ["", "0.000", "0.000", "0.000", "0.000", "0.000", "missing"]
    assert rows[A, "2026-06-01T10:15:00Z"]["quality"] == "estimated"
    assert desk.facts()["filled"] == [{"ean": B, "values": 1}]


@pytest.mark.parametrize(
    ("day", "number"), [(datetime(2026, 3, 28, 23, tzinfo=UTC), 92), (datetime(2026, 10, 24, 22, tzinfo=UTC), 100)]
)
def test_settle_of_a_local_day_with_a_clock_change_has_92_or_100_quarters(desk, day, number):
    from zoneinfo import ZoneInfo

    starts = quarters(day, number, ZoneInfo("Europe/Brussels"))
    assert starts[0][11:] != starts[-1][11:]
    assert len({start[:10] for start in starts}) == 1, "one local day"
    rows = desk.settle("".join(f"{A},{start},1,\n{B},{start},,0.25\n" for start in starts))
    assert list(dict.fromkeys(start for _, start in rows)) == starts
    assert desk.facts()["quarter_hours"] == {"settled": number, "held": 0}
    assert desk.facts()["totals"]["received_kwh"] == number * 0.25


def test_settle_holds_where_a_meter_fell_silent_unless_the_key_says_it_left(desk):
    times = ("10:00", "10:15", "10:30")
    rows = "".join(f"{A},2026-06-01T{time}:00Z,1,\n{B},2026-06-01T{time}:00Z,,1\n" for time in times)
    rows = rows.replace(f"{A},2026-06-01T10:00:00Z,1,\n", "").replace(f"{B},2026-06-01T10:30:00Z,,1\n", "")
    assert {start for _, start in desk.settle(rows)} == {"2026-06-01T10:15:00Z"}
    assert [held["reasons"] for held in desk.facts()["held"]] == [
        [f"{desk.readings}:3 the row of EAN {A} for 2026-06-01T10:00:00Z is missing before this one"],
        [f"{desk.readings}:4 the row of EAN {B} for 2026-06-01T10:30:00Z is missing after this one"],
    ]
    key = f"participants:\n  {A}: {{since: 2026-06-01T12:15:00+02:00}}\nrounds: prorata\n"
    left = f"producers: {{points: {{{B}: {{until: 2026-06-01T10:30:00Z}}}}}}\n"
    settled = desk.settle(rows, key + left)
    assert desk.facts()["held"] == []
    assert [start[11:16] for _, start in settled] == ["10:00", "10:15", "10:15", "10:30"]


def test_settle_writes_no_row_for_a_bystander_without_one(desk):
    """A point that neither receives nor injects is no reason to hold and gets the rows that it has."""
    later = FOUR.replace("T10:00", "T10:15").replace(f"{C},2026-06-01T10:15:00Z,1.5,\n", "")
    settled = desk.settle(FOUR + later, f"participants:\n  {A}: {{}}\n  {B}: {{}}\nrounds: prorata\n")
    assert (C, "2026-06-01T10:00:00Z") in settled
    assert (C, "2026-06-01T10:15:00Z") not in settled


def test_settle_adds_up_to_the_wh_over_a_month(desk):
    starts = quarters(datetime(2026, 2, 1, tzinfo=UTC), 28 * 96)
    lines = [
        f"{ean},{start},{(7919 * n * m) % 3001 / 1000},{(104729 * n * m) % 1501 / 1000 if m > 2 else 0}\n"
        for n, start in enumerate(starts)
        for m, ean in enumerate((A, B, C, D), 1)
    ]
    rows = desk.settle("".join(lines), "rounds: equal\n").values()

    def wh(column):
        return sum(round(float(row[column]) * 1000) for row in rows)

    assert wh("received_kwh") == wh("given_kwh") == round(desk.facts()["totals"]["received_kwh"] * 1000) > 0
    assert wh("withdrawal_kwh") == wh("received_kwh") + wh("residual_kwh")
    assert wh("injection_kwh") == wh("given_kwh") + wh("surplus_kwh")


def test_settle_cuts_readings_finer_than_a_wh_and_says_so(desk):
    rows = desk.settle(f"{A},2026-06-01T10:00:00Z,0.0019,\n{B},2026-06-01T10:00:00Z,,2.5e-3\n")
    assert rows[A, "2026-06-01T10:00:00Z"]["withdrawal_kwh"] == "0.001"
    assert rows[B, "2026-06-01T10:00:00Z"]["surplus_kwh"] == "0.001"
    assert desk.facts()["notes"] == [
        "2 readings finer than 1 Wh were cut to whole Wh, 0.001400 kWh in all; resolution_wh: 0 settles them exactly"
    ]


def test_importing_the_command_needs_no_numpy():
    """The command line also runs on gateways, which have none."""
    probe = "import sys, cli.settle; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_settle_reads_the_contracts_key_with_eans_as_text_or_number(desk):
    key = f'participants:\n  "{A}": {{name: Town hall, weight: 0.25, tier: 1}}\n  {B}: {{weight: 0.75}}\nrounds: hybrid\nproducers: priority\n'
    rows = desk.settle(FOUR, key)
    assert [rows[ean, "2026-06-01T10:00:00Z"]["received_kwh"] for ean in (A, B, C)] == ["0.500", "1.000", "0.000"]
    assert {point["ean"]: point["name"] for point in desk.facts()["points"]}[A] == "Town hall"


def test_settle_notes_participants_without_weight(desk):
    desk.settle(FOUR, f'participants:\n  "{A}": {{weight: 0.25}}\n  "{B}": {{}}\nrounds: fixed\n')
    assert desk.facts()["notes"] == ["1 participants have no weight: fixed rounds give them nothing"]


@pytest.mark.parametrize(
    ("key", "line", "words"),
    [
        ('participants:\n  "541448910000123454": {}\nrounds: prorata\n', 2, "wrong check digit"),
        (
            f'participants:\n  "{A}": {{}}\n  "541448910000000016": {{}}\nrounds: prorata\n',
            3,
            "check digit|not in the readings",
        ),
        (f'# key\nparticipants:\n  "{A}": {{wieght: 0.5}}\nrounds: prorata\n', 3, "did you mean `weight`"),
        (f'participants:\n  "{A}": {{weight: 0.6}}\n  "{B}": {{weight: 0.5}}\nrounds: fixed\n', 1, "may not exceed 1"),
        (f'participants:\n  "{A}": {{weight: 1.5}}\nrounds: fixed\n', 2, "from 0 to 1"),
        ("rounds:\n- {method: prorata}\n- {method: cascade}\n", 3, "'priority'"),
        ("rounds: hibryd\n", 1, "short names are"),
        ("rounds: prorata\nproducers: fixed\n", 2, "no producer has a weight"),
        ("rounds: prorata\non_mising: zero\n", 2, "did you mean `on_missing`"),
        ("on_missing: zero\n", None, "Field required"),
        ("rounds: [\n", None, "no YAML"),
    ],
)
def test_settle_refuses_a_wrong_key_with_its_line_and_writes_nothing(desk, key, line, words):
    with pytest.raises(ConfigError, match=words) as caught:
        desk.settle(FOUR, key)
    if line is not None:
        assert (caught.value.file, caught.value.line) == (str(desk.key), line)
    assert caught.value.hint
    assert not desk.out.exists()
    assert not desk.summary.exists()


def test_settle_refuses_a_listed_point_that_the_readings_lack(desk):
    rows = FOUR.replace(f"{B},2026-06-01T10:00:00Z,1,\n", "")
    with pytest.raises(ConfigError, match=f"participants.{B}: is not in the readings") as caught:
        desk.settle(rows, f'participants:\n  "{A}": {{}}\n  "{B}": {{}}\nrounds: prorata\n')
    assert caught.value.line == 3


def test_settle_keeps_the_former_result_when_a_run_fails(desk):
    desk.settle(FOUR)
    before = desk.out.read_bytes(), desk.summary.read_bytes()
    with pytest.raises(DataError):
        desk.settle(FOUR + FOUR)
    assert (desk.out.read_bytes(), desk.summary.read_bytes()) == before
    assert sorted(path.name for path in desk.out.parent.iterdir()) == [
        "key.yaml",
        "out.csv",
        "readings.csv",
        "summary.json",
    ]


def test_settle_that_cannot_write_the_summary_writes_no_result_either(desk):
    desk.readings.write_text(HEADER + FOUR)
    desk.key.write_text("rounds: prorata\n")
    with pytest.raises(ConfigError, match="cannot be written"):
        settle(desk.readings, desk.key, desk.out, desk.out.parent / "nowhere" / "summary.json")
    assert sorted(path.name for path in desk.out.parent.iterdir()) == ["key.yaml", "readings.csv"]


def test_settle_refuses_to_write_over_what_it_reads(desk):
    desk.readings.write_text(HEADER + FOUR)
    desk.key.write_text("rounds: prorata\n")
    for out, summary in ((desk.readings, None), (desk.out, desk.key), (desk.out, desk.out)):
        with pytest.raises(ConfigError, match="write to another file"):
            settle(desk.readings, desk.key, out, summary)
    assert desk.readings.read_text() == HEADER + FOUR


def test_settle_refuses_an_out_that_is_a_folder(desk):
    desk.out.mkdir()
    with pytest.raises(ConfigError, match="no regular file"):
        desk.settle(FOUR)


def command(desk, *options):
    arguments = ["settle", "--readings", desk.readings, "--key", desk.key, "--out", desk.out, *options]
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_settle_command_prints_the_report_or_json(desk):
    desk.settle(FOUR)
    told = command(desk)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(
        "settled 1 quarter-hours of 4 metering points, held 0\nshared 3.000 kWh of 4.000 kWh injected"
    )
    assert json.loads(command(desk, "--json").stdout) == desk.facts()


def test_settle_command_with_a_wrong_file_says_where_and_exits_1(desk):
    desk.settle(FOUR)
    desk.readings.write_text(HEADER + FOUR.replace("1.5", "-1.5"))
    told = command(desk)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith(f"error: {desk.readings}:4 withdrawal_kwh: -1.5 is negative")
    assert "Traceback" not in told.stderr


DOCS = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text(encoding="utf-8")
YAML_BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
EXAMPLES = re.findall(r"```yaml\n([^`]*?)```\n```text\nwithdrawn(.*?)\nreceived(.*?)surplus(.*?)\n```", DOCS)


@pytest.mark.parametrize(("key", "withdrawn", "received", "surplus"), EXAMPLES)
def test_example_of_the_documentation_gives_its_numbers(desk, key, withdrawn, received, surplus):
    at = "2026-06-01T10:00:00Z"
    eans = sorted((A, B, C, D))
    listed = "".join(f'  "{ean}": {{weight: 0.25, tier: {1 + place // 2}}}\n' for place, ean in enumerate(eans))
    cells = zip(eans, withdrawn.split(), strict=True)
    rows = "".join(f"{ean},{at},{kwh},\n" for ean, kwh in cells) + f"{SUN},{at},,4\n"
    settled = desk.settle(rows, f"participants:\n{listed}{key}")
    assert [settled[ean, at]["received_kwh"] for ean in eans] == received.split()
    assert settled[SUN, at]["surplus_kwh"] == surplus.strip()


def test_every_key_of_the_documentation_is_valid(desk):
    assert len(EXAMPLES) >= 9
    for block in YAML_BLOCKS:
        listed = "" if "541448" in block or "participants" in block else f'participants:\n  "{A}": {{weight: 0.25}}\n'
        desk.settle(FOUR, listed + block)


def test_settle_takes_an_operators_key_by_its_name(desk):
    people = f'participants:\n  "{A}": {{stake: 100}}\n  "{B}": {{stake: 300}}\n'
    rows = desk.settle(FOUR, people + "preset: sibelga-fixed\n")
    assert [rows[ean, "2026-06-01T10:00:00Z"]["received_kwh"] for ean in (A, B)] == ["0.500", "1.000"]
    with pytest.raises(ConfigError, match="there is no preset 'sibelga-fix'; there are sibelga-fixed, ") as caught:
        desk.settle(FOUR, people + "preset: sibelga-fix\n")
    assert caught.value.file == str(desk.key)


def test_full_disk_is_named_with_what_helps_and_leaves_nothing(tmp_path, monkeypatch):
    out = tmp_path / "out.csv"

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device") as told:
        write_all({out: [b"a,b\n"]})
    assert told.value.hint == "make room on that disk, or write to another"
    assert list(tmp_path.iterdir()) == []
