"""`backtest` with tasks that may be shifted: all run in time, for less, and a wrong row is named."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli.backtest.command import backtest
from energy.errors import DataError

HOMES = Path(__file__).parent / "homes"
HEADER = "site,task,earliest,finish_by,profile"


def _rows(days):
    return [
        f"{site},{task},2016-10-{day:02d}T{earliest}:00Z,2016-10-{day:02d}T{finish}:00Z,{profile}"
        for day in range(1, days + 1)
        for site, task, earliest, finish, profile in (
            ("home-01", "dishwasher", "06:00", "18:00", "20@2000 60@100 20@1800"),
            ("home-04", "boiler", "04:00", "20:00", "120@2500"),
        )
    ]


@pytest.fixture
def case(tmp_path):
    shutil.copytree(HOMES, tmp_path / "case")
    _tasks(tmp_path / "case", _rows(12))
    return tmp_path / "case"


def _tasks(case, rows):
    (case / "tasks.csv").write_text("\n".join([HEADER, *rows]) + "\n")


@pytest.mark.parametrize("metering", ["pooled", "own"])
def test_tasks_use_the_same_energy_for_less_and_everything_adds_up(case, tmp_path, metering):
    text = (case / "case.yaml").read_text()
    (case / "case.yaml").write_text(text.replace("metering: pooled", f"metering: {metering}"))
    facts = backtest(case, tmp_path / "out")
    controllers = facts["controllers"]
    asked = 12 * (2 / 3 + 0.1 + 0.6 + 5)
    for each in controllers.values():
        assert each["tasks_kwh"] == pytest.approx(asked, abs=0.01)
        bought, used = each["import_kwh"] + each["pv_kwh"] + each["discharged_kwh"], each["load_kwh"]
        assert bought == pytest.approx(used + each["export_kwh"] + each["charged_kwh"], abs=0.01)
    costs = {name: each["cost_eur"] for name, each in controllers.items()}
    assert costs["perfect_foresight"] < costs["commonwatt"] < costs["plain_rule"]
    assert facts["communities"][0]["members_worse_than_plain_rule"] == []
    bills = sum(member["commonwatt_eur"] for member in facts["communities"][0]["members"])
    assert bills == pytest.approx(costs["commonwatt"], abs=0.01)


def test_tasks_run_within_their_time_only(case, tmp_path):
    _tasks(case, _rows(12)[1::2])
    backtest(case, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "series.parquet").to_pandas()
    draws = table[table["commonwatt_tasks_kw"] > 0]
    assert len(draws) == 24  # two hours a day at 2.5 kW
    assert draws["start"].dt.hour.between(4, 19).all()
    assert draws["commonwatt_tasks_kw"].unique() == pytest.approx([2.5])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("home-99,x,2016-10-01T06:00Z,2016-10-01T18:00Z,60@2000", ["tasks.csv:2 site", "home-99"]),
        ("home-01,x,2016-10-01T06:00Z,2016-10-01T18:00Z,2000", ["tasks.csv:2 profile", "2000"]),
        ("home-01,x,2016-10-01T06:00Z,2016-10-01T18:00Z,", ["tasks.csv:2 profile", "empty"]),
        ("home-01,x,2016-10-01T06:00Z,2016-10-01T18:00Z,0@100", ["tasks.csv:2 profile", "1440"]),
        ("home-01,x,2016-10-01T06:00,2016-10-01T18:00Z,60@100", ["tasks.csv:2 earliest", "offset"]),
        ("home-01,x,2016-10-01T06:00Z,2016-10-01T06:30Z,60@100", ["tasks.csv:2 finish_by", "1 steps of 60"]),
        ("home-01,x,2016-10-01T06:00Z,2017-10-01T06:30Z,60@100", ["tasks.csv:2 finish_by", "outside"]),
        ("home-01,x,2015-10-01T06:00Z,2016-10-01T06:30Z,60@100", ["tasks.csv:2 earliest", "outside"]),
        ("home-01,x,2016-10-01T06:00Z,60@100", ["tasks.csv:2", "4 cells"]),
    ],
)
def test_wrong_task_is_told_with_file_line_and_column(case, tmp_path, row, told):
    _tasks(case, [row])
    with pytest.raises(DataError) as error:
        backtest(case, tmp_path / "out")
    assert all(part in str(error.value) for part in told)
    assert error.value.hint
    assert not (tmp_path / "out").exists()
