"""`backtest` with cars on two weeks of real sessions: cost, energy unmet, limits, and errors that name the line."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli.backtest.command import backtest
from energy.errors import ConfigError, DataError

HUB = Path(__file__).parent / "hub"
FIRST = datetime.fromisoformat("2019-05-06T00:00:00-07:00")


def _data(path, days=14, load_kw=0.0, pv_kw=0.0):
    steps = (FIRST + timedelta(minutes=15 * step) for step in range(96 * days))
    rows = [f"{at.isoformat()},caltech,{load_kw},{pv_kw if 10 <= at.hour < 16 else 0}" for at in steps]
    path.write_text("start,site,load_kw,pv_kw\n" + "\n".join(rows) + "\n")


@pytest.fixture
def case(tmp_path):
    shutil.copytree(HUB, tmp_path / "case")
    _data(tmp_path / "case" / "data.csv")
    return tmp_path / "case"


def _edit(case, old, new, file="case.yaml"):
    text = (case / file).read_text()
    assert old in text
    (case / file).write_text(text.replace(old, new, 1))


def _first_days(case, days):
    """The case cut to its first days."""
    _data(case / "data.csv", days, load_kw=2.0, pv_kw=40.0)
    end = (FIRST + timedelta(days=days)).astimezone(datetime.fromisoformat("2019-01-01T00:00:00Z").tzinfo)
    lines = (case / "sessions.csv").read_text().splitlines()
    kept = [line for line in lines[1:] if datetime.fromisoformat(line.split(",")[1]) < end]
    (case / "sessions.csv").write_text("\n".join([lines[0], *kept]) + "\n")


def test_cars_cost_less_than_charged_at_once_and_get_their_energy(case, tmp_path):
    found = backtest(case, tmp_path / "out")["controllers"]
    rule, steered, perfect = (found[name] for name in ("plain_rule", "commonwatt", "perfect_foresight"))
    assert rule["cars_unmet_kwh"] <= 0.002 * rule["cars_asked_kwh"]
    assert steered["cars_unmet_kwh"] - rule["cars_unmet_kwh"] <= 0.01 * steered["cars_asked_kwh"]
    assert perfect["cars_unmet_kwh"] == pytest.approx(rule["cars_unmet_kwh"], abs=0.1)
    assert perfect["cost_eur"] < steered["cost_eur"] < rule["cost_eur"]
    assert steered["peak_kw"] < 0.75 * rule["peak_kw"]
    for each in (rule, steered, perfect):
        assert each["load_kwh"] == pytest.approx(each["cars_asked_kwh"] - each["cars_unmet_kwh"], abs=0.1)


def test_cars_with_battery_sun_and_hub_limit_keep_limits_and_balance(case, tmp_path):
    _first_days(case, 3)
    _edit(
        case, "least_kw: 1.38}", "least_kw: 1.38, limit_kw: 60}\n        batteries: [{capacity_kwh: 30, power_kw: 15}]"
    )
    out = tmp_path / "out"
    found = backtest(case, out)["controllers"]
    assert found["commonwatt"]["cost_eur"] < found["plain_rule"]["cost_eur"]
    table = pq.read_table(out / "series.parquet").to_pandas()
    for name in found:
        cars = table[f"{name}_cars_kw"]
        assert cars.max() <= 60 + 1e-6
        grid = table["load_kw"] - table["pv_kw"] + cars - table[f"{name}_battery_kw"]
        assert (grid - table[f"{name}_grid_kw"]).abs().max() < 1e-6


def test_cars_in_a_pool_are_billed_and_shared_at_their_site(case, tmp_path):
    _first_days(case, 2)
    _edit(case, "metering: own", "metering: pooled\n    key: prorata")
    facts = backtest(case, tmp_path / "out")
    community = facts["communities"][0]
    assert community["members_worse_than_plain_rule"] == []
    bills = sum(member["commonwatt_eur"] for member in community["members"])
    assert bills == pytest.approx(community["controllers"]["commonwatt"]["cost_eur"], abs=0.01)


def test_decisions_do_not_depend_on_when_cars_leave_later(case, tmp_path):
    """Cars that leave hours later than they did change nothing before they would have left."""
    _first_days(case, 2)
    backtest(case, tmp_path / "before")
    lines = (case / "sessions.csv").read_text().splitlines()
    second_day = FIRST + timedelta(days=1)
    changed = []
    for line in lines[1:]:
        cells = line.split(",")
        leaves = datetime.fromisoformat(cells[2])
        if leaves > second_day + timedelta(hours=12):
            cells[2] = (leaves + timedelta(hours=3)).isoformat()
        changed.append(",".join(cells))
    assert changed != lines[1:]
    (case / "sessions.csv").write_text("\n".join([lines[0], *changed]) + "\n")
    backtest(case, tmp_path / "after")
    steps = 96 + 48
    before, after = (
        pq.read_table(tmp_path / name / "series.parquet")["commonwatt_cars_kw"].to_pylist()[:steps]
        for name in ("before", "after")
    )
    assert sum(before) > 0
    assert before == after


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("energy_kwh", "kwh"), ["sessions.csv:1", "energy_kwh"]),
        (("caltech,", "jpl,"), ["sessions.csv:2 site", "jpl", "caltech"]),
        (("2019-05-06T", "2018-05-06T"), ["sessions.csv:2 arrival", "outside"]),
        (("Z,2019-05-06T", "Z,2018-05-06T"), ["sessions.csv:2 departure", "after"]),
        (("Z,", ","), ["sessions.csv:2 arrival", "offset"]),
    ],
)
def test_wrong_sessions_are_told_with_file_line_and_column(case, tmp_path, change, told):
    _edit(case, *change, "sessions.csv")
    with pytest.raises(DataError) as error:
        backtest(case, tmp_path / "out")
    assert all(part in str(error.value) + error.value.field for part in told)
    assert error.value.hint
    assert not (tmp_path / "out").exists()


def test_missing_sessions_and_impossible_chargers_are_told(case, tmp_path):
    (case / "sessions.csv").unlink()
    with pytest.raises(DataError, match=r"sessions\.csv"):
        backtest(case, tmp_path / "out")
    _edit(case, "least_kw: 1.38", "least_kw: 7.5")
    with pytest.raises(ConfigError, match="least_kw"):
        backtest(case, tmp_path / "out")
