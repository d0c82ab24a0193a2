"""`backtest` on four real homes: results that add up, guarantees, files, and errors that name file, line and field."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from cli.backtest.command import backtest, backtest_command
from energy.errors import ConfigError, DataError

HOMES = Path(__file__).parent / "homes"
CONTROLLERS = ["no_control", "plain_rule", "commonwatt", "perfect_foresight"]


@pytest.fixture
def case(tmp_path):
    shutil.copytree(HOMES, tmp_path / "case")
    return tmp_path / "case"


def _edit(case, old, new, file="case.yaml"):
    text = (case / file).read_text()
    assert old in text
    (case / file).write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """The case as it stands, run once."""
    out = tmp_path_factory.mktemp("out")
    return backtest(HOMES, out), out


def test_result_names_every_controller_and_orders_their_costs(pooled):
    facts, out = pooled
    assert json.loads((out / "result.json").read_text()) == facts
    assert list(facts["controllers"]) == CONTROLLERS
    costs = {name: each["cost_eur"] for name, each in facts["controllers"].items()}
    assert costs["perfect_foresight"] < costs["commonwatt"] < costs["plain_rule"] < costs["no_control"]
    possible = costs["plain_rule"] - costs["perfect_foresight"]
    assert facts["captured"] == pytest.approx((costs["plain_rule"] - costs["commonwatt"]) / possible, abs=1e-4)


def test_energy_of_every_controller_balances(pooled):
    for each in pooled[0]["controllers"].values():
        bought, used = each["import_kwh"] + each["pv_kwh"] + each["discharged_kwh"], each["load_kwh"]
        assert bought == pytest.approx(used + each["export_kwh"] + each["charged_kwh"], abs=0.01)
        assert each["losses_kwh"] >= -0.01
        assert each["self_sufficiency"] == pytest.approx((used - each["import_kwh"]) / used, abs=1e-5)


def test_sites_may_be_called_what_their_data_call_them(case, tmp_path):
    rows = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join(row for row in rows[: 1 + 4 * 24 * 2]) + "\n")
    for number, name in {"01": "Maison Nº 1", "04": "17", "07": "MNZL", "15": " Home_4 "}.items():
        for file in ("case.yaml", "data.csv"):
            text = (case / file).read_text()
            (case / file).write_text(text.replace(f"home-{number}", name))
    facts = backtest(case, tmp_path / "out")
    members = [member["site"] for member in facts["communities"][0]["members"]]
    assert members == ["Maison Nº 1", "17", "MNZL", "Home_4"]


def test_result_that_cannot_be_written_leaves_every_file_as_it_was(case, tmp_path):
    rows = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join(rows[: 1 + 4 * 24 * 2]) + "\n")
    out = tmp_path / "out"
    (out / "report.html").mkdir(parents=True)
    (out / "series.parquet").write_bytes(b"of before")
    with pytest.raises(ConfigError, match="is no regular file"):
        backtest(case, out)
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "series.parquet"]
    assert (out / "series.parquet").read_bytes() == b"of before"


def test_members_pay_no_more_than_under_the_plain_rule_and_their_bills_add_up(pooled):
    community = pooled[0]["communities"][0]
    assert community["members_worse_than_plain_rule"] == []
    for name in ("plain_rule", "commonwatt"):
        bills = sum(member[f"{name}_eur"] for member in community["members"])
        assert bills == pytest.approx(community["controllers"][name]["cost_eur"], abs=0.01)


def test_sharing_by_the_key_gives_what_it_receives(pooled):
    sharing = pooled[0]["communities"][0]["sharing"]["commonwatt"]
    assert sum(sharing["received_kwh"].values()) == pytest.approx(sum(sharing["given_kwh"].values()), abs=0.01)
    assert sharing["shared_kwh"] > 0


def test_series_hold_every_step_and_keep_limits_and_balance(pooled):
    table = pq.read_table(pooled[1] / "series.parquet").to_pandas()
    assert len(table) == 14 * 24
    for name in CONTROLLERS:
        balance = table[f"{name}_grid_kw"] + table["pv_kw"] + table[f"{name}_battery_kw"] - table["load_kw"]
        assert balance.abs().max() < 1e-6
        assert table[f"{name}_stored_kwh"].between(-1e-6, 4 * 6.4 + 1e-6).all()
        assert table[f"{name}_battery_kw"].abs().max() <= 4 * 5.0 + 1e-6


def test_report_is_one_file_with_plots_that_fetches_nothing(pooled):
    page = (pooled[1] / "report.html").read_text()
    assert page.count("<svg") >= 5
    assert "NaN" not in page
    assert "http" not in page


def test_perfect_forecast_captures_nearly_everything(case, tmp_path):
    _edit(case, "forecast: real", "forecast: perfect")
    assert backtest(case, tmp_path / "out")["captured"] >= 0.96


def test_own_meters_are_steered_each_by_itself_and_nobody_ends_worse(case, tmp_path):
    _edit(case, "metering: pooled", "metering: own")
    facts = backtest(case, tmp_path / "out")
    assert facts["communities"][0]["members_worse_than_plain_rule"] == []
    assert 0.5 < facts["captured"] <= 1
    series = pq.read_table(tmp_path / "out" / "series.parquet")
    assert set(series["meter"].to_pylist()) == {"home-01", "home-04", "home-07", "home-15"}


def test_capacity_tariff_is_billed_by_month_and_lowers_the_peak(case, tmp_path, pooled):
    _edit(case, "    feed_in_eur_kwh: 0.08", "    feed_in_eur_kwh: 0.08\n    capacity: {eur_kw: 4}")
    each = backtest(case, tmp_path / "out")["controllers"]["commonwatt"]
    assert each["capacity_cost_eur"] == pytest.approx(4 * sum(each["month_peaks_kw"]), abs=0.01)
    assert each["peak_kw"] < pooled[0]["controllers"]["commonwatt"]["peak_kw"]


def test_steered_steps_do_not_depend_on_the_future(case, tmp_path, pooled):
    """Other loads in the last days leave every decision before them as it was."""
    lines = (case / "data.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for row in rows[1 + 4 * 24 * 11 :]:
        row[2] = str(float(row[2]) * 3 + 1)
    (case / "data.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    backtest(case, tmp_path / "out")
    before, after = (
        pq.read_table(path / "series.parquet")["commonwatt_battery_kw"].to_pylist()[: 24 * 11]
        for path in (pooled[1], tmp_path / "out")
    )
    assert before == after


def test_batteries_of_different_kinds_in_a_pool_keep_their_limits(case, tmp_path):
    _edit(
        case,
        "{capacity_kwh: 6.4, power_kw: 5.0, round_trip_efficiency: 0.9}",
        "{capacity_kwh: 20, charge_kw: 2, discharge_kw: 4, round_trip_efficiency: 0.8, start_soc_pct: 50}",
    )
    facts = backtest(case, tmp_path / "out")
    assert facts["captured"] > 0.3
    assert facts["communities"][0]["members_worse_than_plain_rule"] == []


def test_sites_without_batteries_have_nothing_to_capture(case, tmp_path):
    text = (case / "case.yaml").read_text()
    lines = [line.split(", batteries")[0] + "}" if "batteries" in line else line for line in text.splitlines()]
    (case / "case.yaml").write_text("\n".join(lines))
    facts = backtest(case, tmp_path / "out")
    assert facts["captured"] is None
    assert facts["controllers"]["commonwatt"] == facts["controllers"]["no_control"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("power_kw: 5.0", "powr_kw: 5.0", ["case.yaml:14", "powr_kw", "power_kw"]),
        ("metering: pooled", "metering: shared", ["case.yaml:11", "metering"]),
        ("home-04", "home-01", ["home-01", "unique"]),
        ("timezone: UTC", "timezone: Europe/Brussel", ["case.yaml:2", "timezone"]),
        ("key: prorata", "key: fixed", ["case.yaml:12", "weight"]),
    ],
)
def test_wrong_case_is_told_with_file_line_and_field(case, tmp_path, old, new, told):
    _edit(case, old, new)
    with pytest.raises(ConfigError) as error:
        backtest(case, tmp_path / "out")
    assert all(part in str(error.value) for part in told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",0.694,", ",0.69x,", ["data.csv:2", "load_kw", "0.69x"]),
        (",0.694,", ",,", ["data.csv:2", "load_kw"]),
        (",0.694,", ",-1,", ["data.csv:2", "load_kw", "-1"]),
        (",0.694,", ",nan,", ["data.csv:2", "load_kw", "nan"]),
        ("2016-09-30T00:00:00Z", "2016-09-30T00:00:00", ["data.csv:2", "start", "offset"]),
        ("load_kw", "load_w", ["data.csv:1", "load_kw"]),
        ("home-01", "home-99", ["data.csv:2", "home-01"]),
    ],
)
def test_wrong_data_are_told_with_file_line_and_field(case, tmp_path, old, new, told):
    _edit(case, old, new, "data.csv")
    with pytest.raises(DataError) as error:
        backtest(case, tmp_path / "out")
    assert all(part in str(error.value) for part in told)
    assert error.value.hint


def test_missing_step_twice_given_step_and_unknown_site_are_told(case, tmp_path):
    lines = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join(lines[:9] + lines[13:]))
    with pytest.raises(DataError, match=r"data.csv:10 start: the step before.*02:00"):
        backtest(case, tmp_path / "out")
    (case / "data.csv").write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"data.csv:1346 start: home-01 has this step already in line 2"):
        backtest(case, tmp_path / "out")
    (case / "data.csv").write_text("\n".join(lines))
    _edit(case, "home-15", "home-16")
    with pytest.raises(DataError, match="home-16"):
        backtest(case, tmp_path / "out")


def test_pool_with_different_prices_at_one_step_is_refused(case, tmp_path):
    _edit(case, ",0.694,0.0,0.22", ",0.694,0.0,0.25", "data.csv")
    with pytest.raises(DataError, match="different prices at 2016-09-30T00:00:00"):
        backtest(case, tmp_path / "out")


def test_bands_and_half_hours_and_local_months_are_understood(tmp_path):
    case = tmp_path / "case"
    case.mkdir()
    (case / "case.yaml").write_text(
        """
tariffs:
  day: {import_eur_kwh: 0.2, feed_in_eur_kwh: 0.05, bands: [{from: "17:00", until: "00:00", days: [1, 2, 3, 4, 5], eur_kwh: 0.4}]}
communities: [{id: c, metering: own, sites: [{id: a, batteries: [{capacity_kwh: 5, power_kw: 2}]}]}]
""".lstrip()
    )
    rows = [
        f"2026-03-{day:02d}T{hour:02d}:{minute:02d}:00+01:00,a,1,0"
        for day in range(2, 6)
        for hour in range(24)
        for minute in (0, 30)
    ]
    (case / "data.csv").write_text("start,site,load_kw,pv_kw\n" + "\n".join(rows) + "\n")
    facts = backtest(case, tmp_path / "out")
    assert facts["period"]["step_minutes"] == 30
    assert facts["controllers"]["no_control"]["cost_eur"] == pytest.approx(4 * (17 * 0.2 + 7 * 0.4))
    assert facts["controllers"]["commonwatt"]["cost_eur"] < facts["controllers"]["no_control"]["cost_eur"]


def test_case_of_two_hours_runs(tmp_path, case):
    lines = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join(lines[:9]))
    facts = backtest(case, tmp_path / "out")
    assert facts["communities"][0]["accuracy"] == {}


def test_command_prints_what_it_found_as_text_and_as_json(tmp_path):
    app = typer.Typer()
    app.command()(backtest_command)
    told = CliRunner().invoke(app, ["--case", str(HOMES), "--out", str(tmp_path)])
    assert told.exit_code == 0
    assert "captured:" in told.output
    told = CliRunner().invoke(app, ["--case", str(HOMES), "--out", str(tmp_path), "--json"])
    assert json.loads(told.output)["captured"] > 0


def _with_co2(case, cell):
    """The case with grams of CO2; `cell` makes them from the hour of the day."""
    lines = (case / "data.csv").read_text().splitlines()
    rows = [f"{line},{cell(int(line[11:13]))}" for line in lines[1:]]
    (case / "data.csv").write_text("\n".join([f"{lines[0]},co2_g_kwh", *rows]) + "\n")


def test_co2_as_objective_lowers_it_further_than_cost_does(case, tmp_path):
    _with_co2(case, lambda hour: 500 if hour < 8 else 100)
    by_cost = backtest(case, tmp_path / "cost")
    _edit(case, "forecast: real", "forecast: real\nobjective: co2")
    by_co2 = backtest(case, tmp_path / "co2")
    for facts in (by_cost, by_co2):
        kg = {name: each["co2_kg"] for name, each in facts["controllers"].items()}
        assert facts["captured_co2"] == pytest.approx(
            (kg["plain_rule"] - kg["commonwatt"]) / (kg["plain_rule"] - kg["perfect_foresight"]), abs=1e-4
        )
    kg, before = by_co2["controllers"], by_cost["controllers"]
    assert kg["perfect_foresight"]["co2_kg"] < kg["commonwatt"]["co2_kg"] < kg["plain_rule"]["co2_kg"]
    assert kg["commonwatt"]["co2_kg"] < before["commonwatt"]["co2_kg"]
    assert kg["commonwatt"]["cost_eur"] > before["commonwatt"]["cost_eur"]


def test_price_of_co2_lies_between_cost_and_co2(case, tmp_path):
    _with_co2(case, lambda hour: 500 if hour < 8 else 100)
    kg = []
    for change in ("objective: cost", "co2_eur_kg: 0.5", "objective: co2"):
        _edit(case, "forecast: real", f"forecast: perfect\n{change} #")
        kg.append(backtest(case, tmp_path / change)["controllers"]["perfect_foresight"]["co2_kg"])
        shutil.copy(HOMES / "case.yaml", case / "case.yaml")
    assert kg[0] >= kg[1] >= kg[2]
    assert kg[0] > kg[2]


def test_co2_as_objective_without_its_column_is_told(case, tmp_path):
    _edit(case, "forecast: real", "forecast: real\nobjective: co2")
    with pytest.raises(DataError, match="co2_g_kwh: column is missing"):
        backtest(case, tmp_path / "out")


def _with_weather(case, cell):
    """The case with an irradiance column; `cell` makes its text from a row's PV."""
    lines = (case / "data.csv").read_text().splitlines()
    column = lines[0].split(",").index("pv_kw")
    rows = [f"{line},{cell(float(line.split(',')[column]))}" for line in lines[1:]]
    (case / "data.csv").write_text("\n".join([f"{lines[0]},irradiance_wm2", *rows]) + "\n")


def test_weather_columns_make_the_pv_forecast_better_unless_the_case_leaves_them_out(case, tmp_path, pooled):
    _with_weather(case, lambda pv: f"{min(pv * 200, 2000):.1f}")
    told = backtest(case, tmp_path / "told")["communities"][0]["accuracy"]
    plain = pooled[0]["communities"][0]["accuracy"]
    assert told["pv_day_ahead_nmae"] < 0.8 * plain["pv_day_ahead_nmae"]
    _edit(case, "forecast: real", "forecast: real\nweather: none")
    unused = backtest(case, tmp_path / "unused")["communities"][0]["accuracy"]
    assert unused["pv_day_ahead_nmae"] == plain["pv_day_ahead_nmae"]


def test_weather_cells_may_be_empty_and_a_wrong_one_is_named(case):
    _with_weather(case, lambda _pv: "")
    assert backtest(case, case / "out")["captured"] is not None
    text = (case / "data.csv").read_text().splitlines()
    (case / "data.csv").write_text("\n".join([text[0], text[1] + "-3", *text[2:]]) + "\n")
    with pytest.raises(DataError, match="0 to 2000") as raised:
        backtest(case, case / "out")
    assert "data.csv:2 irradiance_wm2" in str(raised.value.field)
