"""`backtest` on whatever may come: steps, zones, clock changes, signs of prices, sites without PV or battery, tasks."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.backtest.command import backtest
from energy.errors import DataError

_CHANGES = ("2026-03-28T00:00:00+01:00", "2026-10-24T00:00:00+02:00", "2026-06-01T05:00:00+00:00")


@st.composite
def _cases(draw):
    """Files of a case of two days: rows in no order, columns in no order."""
    minutes = draw(st.sampled_from([15, 30, 60, 120]))
    start = datetime.fromisoformat(draw(st.sampled_from(_CHANGES)))
    offset = draw(st.sampled_from([UTC, start.tzinfo]))
    steps, sites = 2 * 1440 // minutes, draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    buy = rng.uniform(draw(st.sampled_from([-0.2, 0.1])), 0.5, steps)
    sun = draw(st.sampled_from([0.0, 3.0]))
    columns = ["start", "site", "load_kw", "pv_kw", "price_eur_kwh", "feed_in_eur_kwh", "co2_g_kwh"]
    rows = []
    for step in range(steps):
        at = (start + timedelta(minutes=minutes * step)).astimezone(offset)
        for site in range(sites):
            pv = sun * max(0.0, np.sin((step / steps * 4 - 0.5) * np.pi)) * rng.random()
            rows.append((at.isoformat(), f"s{site}", rng.exponential(0.8), pv, buy[step], 0.05, rng.uniform(0, 500)))
    order = draw(st.permutations(range(len(columns))))
    lines = [",".join(str(row[place]) for place in order) for row in rng.permutation(np.array(rows, dtype=object))]
    header = ",".join(columns[place] for place in order)
    battery = "batteries: [{capacity_kwh: 4, power_kw: 2}]"
    whose = [draw(st.booleans()) for _ in range(sites)]
    homes = "".join(f"\n      - {{id: s{site}{', ' + battery if whose[site] else ''}}}" for site in range(sites))
    capacity = draw(st.sampled_from(["", "capacity: {eur_kw: 4}", "capacity: {eur_kw: 40, rule: flanders}"]))
    case = (
        f"objective: {draw(st.sampled_from(['cost', 'co2']))}\nhorizon_h: {draw(st.sampled_from([4, 36]))}\n"
        f"tariffs: {{t: {{{capacity}}}}}\ncommunities:\n  - id: c\n"
        f"    metering: {draw(st.sampled_from(['own', 'pooled']))}\n    sites:{homes}\n"
    )
    tasks = []
    for _ in range(draw(st.integers(0, 2))):
        first = draw(st.integers(0, steps - 12))
        window = [(start + timedelta(minutes=minutes * (first + more))).isoformat() for more in (0, 10)]
        tasks.append(f"s0,{window[0]},{window[1]},{minutes}@1500 {minutes // 2}@300")
    return case, "\n".join([header, *lines]), "\n".join(["site,earliest,finish_by,profile", *tasks])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=_cases())
def test_any_case_is_solved_keeps_its_limits_and_its_energy(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    for name, text in zip(("case.yaml", "data.csv", "tasks.csv"), files, strict=True):
        (folder / name).write_text(text + "\n")
    facts = backtest(folder, folder / "out")
    table = pq.read_table(folder / "out" / "series.parquet").to_pandas()
    json.dumps(facts, allow_nan=False)
    tasks = files[2].count("@") // 2
    minutes = facts["period"]["step_minutes"]
    for name, each in facts["controllers"].items():
        bought = each["import_kwh"] + each["pv_kwh"] + each["discharged_kwh"]
        assert bought == pytest.approx(each["load_kwh"] + each["export_kwh"] + each["charged_kwh"], abs=0.01)
        assert table[f"{name}_stored_kwh"].between(-1e-6, 8 + 1e-6).all()
        assert table[f"{name}_battery_kw"].abs().max() <= 4 + 1e-6
        if tasks:
            assert each["tasks_kwh"] == pytest.approx(tasks * (minutes * 1.5 + minutes // 2 * 0.3) / 60, abs=0.002)
    costs = {name: each["cost_eur"] for name, each in facts["controllers"].items()}
    if costs["commonwatt"] <= costs["plain_rule"]:
        assert facts["communities"][0]["members_worse_than_plain_rule"] == []


def _hours(cell):
    start = datetime(2026, 6, 1, tzinfo=UTC)
    return [cell(step, (start + timedelta(hours=step)).isoformat()) for step in range(48)]


@pytest.mark.parametrize(
    ("header", "rows", "told"),
    [
        (
            "start,site,load_kw,pv_kw,price_eur_kwh",
            _hours(lambda k, at: f"{at},a,1,0,{0.3 if k < 40 else ''}"),
            "42 price",
        ),
        ("start,site,load_kw,pv_kw", _hours(lambda k, at: f"{at},a,{'NaN' if k == 5 else 1},0"), ":7 load_kw"),
        (
            "start,site,load_kw,pv_kw",
            [row for row in _hours(lambda _, at: f"{at},a,1,0") if "T07" not in row],
            ":9 start",
        ),
        ("start;site;load_kw;pv_kw", _hours(lambda _, at: f"{at};a;1;0"), ":1 start"),
        ("start,site,load_kw", _hours(lambda _, at: f"{at},a,1"), ":1 pv_kw"),
        ("start,site,load_kw,pv_kw", _hours(lambda k, at: f"{at},a,{-1 if k == 3 else 1},0"), ":5 load_kw"),
        ("start,site,load_kw,pv_kw", _hours(lambda k, at: f"{at},{'a' if k != 9 else 'b'},1,0"), "site"),
        ("start,site,load_kw,pv_kw", ["2026-06-01T00:00Z,a,1,0", "2026-06-03T00:00Z,a,1,0"], "day"),
    ],
)
def test_data_that_cannot_be_used_are_told_with_line_and_column(tmp_path, header, rows, told):
    (tmp_path / "case.yaml").write_text(
        "tariffs: {t: {import_eur_kwh: column, feed_in_eur_kwh: 0.05}}\ncommunities: [{id: c, sites: [{id: a}]}]\n"
        if "price" in header
        else "tariffs: {t: {import_eur_kwh: 0.3, feed_in_eur_kwh: 0.05}}\ncommunities: [{id: c, sites: [{id: a}]}]\n"
    )
    (tmp_path / "data.csv").write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(DataError) as error:
        backtest(tmp_path, tmp_path / "out")
    assert "data.csv" in str(error.value)
    assert told in str(error.value)
    assert error.value.hint
