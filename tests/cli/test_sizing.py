"""`commonwatt sizing`: the page's example as it stands there, files in and out, and what is wrong with them in words."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from cli.sizing.profile import read_profile
from energy.errors import CommonwattError, ConfigError, DataError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
HALL, SCHOOL, ROOF = "541448911000000003", "541448910000123453", "541448900000000007"
FROM = {"valid_from": "2026-01-01", "source": "made up"}
TERMS = {
    "energy": [{**FROM, "tariff": {"import_eur_kwh": 0.3, "feed_in_eur_kwh": 0.04}}],
    "sharing": [{**FROM, "eur_kwh": 0.14, "on_top_eur_kwh": 0.1, "paid_eur_kwh": 0.08}],
    "pv": [{**FROM, "eur_kwp": 1100, "upkeep_eur_kwp_year": 12, "lifetime_years": 25}],
    "battery": [
        {**FROM, "eur_kwh": 400, "upkeep_eur_kwh_year": 5, "lifetime_years": 10, "efficiency": 1, "kw_per_kwh": 1}
    ],
    "finance": [{**FROM, "discount_rate": 0.04}],
}
TIMES = [f"2026-06-01T10:{minute}:00Z" for minute in ("00", "15", "30", "45")]


@pytest.fixture
def run(tmp_path):
    """run(words, ...): what it printed; names of files in the folder become their paths."""
    readings = [f"{HALL},{t},1,\n{SCHOOL},{t},3,\n" for t in TIMES]
    files = {
        "readings.csv": "ean,start,withdrawal_kwh,injection_kwh\n" + "".join(readings),
        "data.csv": "start,site,load_kw,pv_kw\n" + "".join(f"{t},hall,4,8\n" for t in TIMES),
        "key.yaml": "rounds: prorata\n",
        "terms.yaml": yaml.safe_dump(TERMS),
        "pv.csv": "start,kwh\n2026-06-01T10:00:00Z,5\n2026-06-01T11:00:00Z,0\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def invoke(*words, plain=False):
        known = [*files, "sized", "other.csv", "other.yaml"]
        arguments = [str(tmp_path / word) if word in known else word for word in words]
        common = ["--terms", str(tmp_path / "terms.yaml"), "--on", "2026-11-28", *([] if plain else ["--json"])]
        result = CliRunner().invoke(app, ["sizing", *arguments, *common], catch_exceptions=False)
        return result.stdout if plain else json.loads(result.stdout)

    return invoke


COMMUNITY = ("--readings", "readings.csv", "--key", "key.yaml", "--at", HALL)
SUN = ("--profile", "pv.csv", "--profile-kwp", "10")


def test_sizes_of_an_hour_tell_energies_and_no_worth(run):
    """10 kWp made 5 kWh in the hour, 1.25 in each quarter: one for the hall itself, a quarter for the school."""
    found = run(*COMMUNITY, *SUN, "--pv-kwp", "0,10")
    none, ten = found["sizes"]
    assert (none["production_kwh"], ten["production_kwh"]) == (0, 5)
    assert ten["after"]["shared_kwh"] == 1
    assert ten["saved_eur"] == pytest.approx(5 * 0.3 - 1 * 0.1)
    assert [each["saved_eur"] for each in ten["points"]] == [
        pytest.approx(1 * 0.3 - 0.24),
        pytest.approx(4 * 0.3 + 0.08),
    ]
    assert found["whole_year"] is False
    assert (found["best"], ten["worth"]) == (None, None)
    assert "nothing on payback" in run(*COMMUNITY, *SUN, "--pv-kwp", "10", plain=True)


def test_sites_of_a_back_test_serve_as_readings_and_as_profile(run):
    found = run("--data", "data.csv", "--at", "hall", "--pv-kwp", "0,8", "--profile-kwp", "8", "--battery-kwh", "0,4")
    sizes = {(each["pv_kwp"], each["battery_kwh"]): each for each in found["sizes"]}
    assert found["before"]["self_consumption"] == 0.5
    assert sizes[8, 0]["production_kwh"] == 8
    assert sizes[0, 4]["after"]["export_kwh"] == 0
    assert sizes[0, 4]["charged_kwh"] == 4


def test_roof_of_its_own_shares_all_it_makes(run):
    found = run("--readings", "readings.csv", "--key", "key.yaml", "--at", ROOF, "--pv-kwp", "10", *SUN)
    assert found["sizes"][0]["after"]["shared_kwh"] == 5


def test_directory_takes_tables_report_and_result(run, tmp_path):
    found = run(*COMMUNITY, *SUN, "--pv-kwp", "0,10", "--battery-kwh", "0,1", "--out", "sized")
    folder = tmp_path / "sized"
    assert json.loads((folder / "result.json").read_text()) == found
    rows = list(csv.DictReader((folder / "sizes.csv").read_text().splitlines()))
    assert [float(row["saved_eur"]) for row in rows] == [size["saved_eur"] for size in found["sizes"]]
    assert len(list(csv.DictReader((folder / "points.csv").read_text().splitlines()))) == 4 * 2
    report = (folder / "report.html").read_text()
    assert report.count("<svg") == 2
    assert "made up (not verified)" in report


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--at", HALL), "--readings or --data: one of the two"),
        ((*COMMUNITY, "--data", "data.csv"), "--readings or --data: one of the two"),
        (("--readings", "readings.csv", "--at", ROOF), f"--at: '{ROOF}' is not in the readings"),
        ((*COMMUNITY, "--pv-kwp", "many"), "--pv-kwp: 'many' are no sizes"),
        ((*COMMUNITY, "--pv-kwp", "nan"), "pv: sizes go from 0"),
        ((*COMMUNITY, "--pv-kwp", "10"), "yield: is needed for PV"),
        ((*COMMUNITY, "--pv-kwp", "10", "--profile", "pv.csv"), "--profile: needs its scale"),
        ((*COMMUNITY, "--pv-kwp", "10", "--profile-kwp", "5"), "there is no production to scale"),
        ((*COMMUNITY, *SUN, "--yield", "950"), "one of the two is enough"),
        ((*COMMUNITY, "--place", "50.85,4.35"), "--place: goes with --yield alone"),
        ((*COMMUNITY, "--place", "Brussels", "--yield", "950"), "'Brussels' is no place"),
        ((*COMMUNITY, "--place", "50.85,4.35", "--yield", "-1"), "--yield: -1 is not possible"),
        ((*COMMUNITY, "--serves", "nobody"), "--serves: 'nobody' is not known"),
        ((*COMMUNITY, "--out", "data.csv"), "--out: .* is no directory"),
    ],
)
def test_wrong_question_is_told_and_nothing_is_written(run, tmp_path, words, told):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=told):
        run(*words)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("when,kwh\n", r"pv\.csv:1: the header is 'when,kwh'"),
        ("start,kwh\n2026-06-01T10:00:00Z\n", r"pv\.csv:2: has 1 cells"),
        ("start,kwh\n2026-06-01T10:00:00,1\n", r"pv\.csv:2: start: .* no offset"),
        ("start,kwh\n2026-06-01T10:00:00Z,-1\n", r"pv\.csv:2: kwh: '-1' is no energy"),
        ("start,kwh\n2026-06-01T10:00:00Z,1\n2026-06-01T10:00:00Z,1\n", "stands in line 2 already"),
        ("start,kwh\n2026-06-01T10:00:00Z,1\n2026-06-01T12:00:00Z,1\n", "steps are 120 minutes"),
        ("start,kwh\n2026-06-01T10:00:00Z,1\n", "less than two lines"),
        ("start,kwh\n2020-06-01T10:00:00Z,1\n2020-06-01T11:00:00Z,1\n", "less than a year"),
    ],
)
def test_wrong_profile_is_told_with_its_line(run, tmp_path, text, told):
    (tmp_path / "pv.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        run(*COMMUNITY, *SUN, "--pv-kwp", "10")


def test_profile_of_another_year_is_taken_by_month_day_and_time(tmp_path):
    starts = np.arange("2019-01-01", "2020-01-01", np.timedelta64(1, "h"), dtype="datetime64[s]")
    rows = "".join(f"{start}Z,{number}\n" for number, start in enumerate(starts))
    (tmp_path / "pv.csv").write_text("start,kwh\n" + rows)
    leap_day = int(np.datetime64("2024-02-29T10:15:00", "ms").astype(np.int64))
    march = int(np.datetime64("2024-03-01T00:00:00", "ms").astype(np.int64))
    found = read_profile(tmp_path / "pv.csv", np.array([leap_day, march]))
    assert found.tolist() == [((31 + 27) * 24 + 10) * 250, (31 + 28) * 24 * 250]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
def test_any_text_as_profile_is_read_or_refused_in_words(tmp_path, text):
    path = tmp_path / "any.csv"
    path.write_bytes(b"start,kwh\n" + text.encode("utf-8", "surrogatepass"))
    try:
        found = read_profile(path, np.array([0]))
    except CommonwattError as error:
        told = str(error)
    else:
        told = f"{path}: {found.size} read"
    assert str(path) in told


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """The folder after the page's commands, and what they printed."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "deploy").symlink_to(ROOT / "deploy")
    (block,) = re.findall(r"<!-- year: .*? -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_page_shows_what_its_commands_print(newcomer):
    _, printed = newcomer
    (shown,) = re.findall(r"```\n(541448910006000017: .*?)```", PAGE, re.DOTALL)
    assert shown.strip().splitlines() == printed.splitlines()[-len(shown.strip().splitlines()) - 1 : -1]


def test_example_shows_diminishing_returns_and_a_best(newcomer):
    folder, _ = newcomer
    found = json.loads((folder / "year" / "sized" / "result.json").read_text())
    steps = [size["next_kwp_eur"] for size in found["sizes"] if size["battery_kwh"] == 0]
    assert steps[1] > steps[2] > steps[3] > 0
    values = {(size["pv_kwp"], size["battery_kwh"]): size["worth"]["npv_eur"] for size in found["sizes"]}
    assert values[found["best"]["pv_kwp"], found["best"]["battery_kwh"]] == max(values.values())
    assert found["bands"]["all"][0] < found["bands"]["prices"][0] < max(values.values()) < found["bands"]["all"][1]
