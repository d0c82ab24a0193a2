"""Every panel's query against a real InfluxDB, and the numbers of the ones that sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dashboards import influxql
from dashboards.boards import BOARDS
from dashboards.model import Board, Panel

pytestmark = pytest.mark.influxdb

HERE = "\"community\" = '$community'"
HOUR = 3_600_000
HOLE = (2 * HOUR, 3 * HOUR)

QUERIES = [
    pytest.param(board, panel, target.query, id=f"{board.title}-{panel.title}-{number}".replace(" ", "_"))
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
    for number, target in enumerate(panel.targets)
]


def _hour(values: dict[int, Any], influx: Any, hour: int) -> list[Any]:
    """The four values of the hour-th hour of the data."""
    first = influx.start + hour * HOUR
    return [value for t, value in sorted(values.items()) if first <= t < first + HOUR]


@pytest.mark.parametrize(("board", "panel", "query"), QUERIES)
def test_panel_query_returns_values_when_there_is_data(influx: Any, board: Board, panel: Panel, query: str):
    """Each query of each board runs and finds at least one number in data that has everything."""
    found = influx.panel(query, interval=panel.step)
    values = [value for one in found for row in one["values"] for value in row[1:] if value is not None]
    assert values


@pytest.mark.parametrize(
    ("board", "variable"), [pytest.param(b, v, id=f"{b.title}-{v.name}") for b in BOARDS for v in b.variables]
)
def test_variable_query_offers_what_is_stored(influx: Any, board: Board, variable: Any):
    (found,) = influx.panel(variable.query)
    offered = {row[1] for row in found["values"]}
    assert offered == ({"ixelles", "other"} if variable.name == "community" else {"hall", "school"})


def test_complete_sums_sites_and_leaves_gaps_where_one_is_unknown(influx: Any, series: Callable[..., Any]):
    """125 + 175 Wh where both sites are known; null, not 125, in the hour of which one knows nothing."""
    values = series(influxql.complete(HERE, "pv_wh"))
    third, fourth = _hour(values, influx, 2), _hour(values, influx, 3)
    assert third == [None] * 4
    assert fourth == [125.0] * 4
    assert [v for hour in (0, 1, 4, 5) for v in _hour(values, influx, hour)] == [300.0] * 16


def test_sites_known_drops_where_a_site_has_no_row(influx: Any, series: Callable[..., Any]):
    """What `complete` cannot see stands beside it: one site in the fourth hour, not two."""
    values = series(influxql.sites_known(HERE))
    assert _hour(values, influx, 1) == [2] * 4
    assert _hour(values, influx, 2) == [1] * 4
    assert _hour(values, influx, 3) == [1] * 4


def test_sites_spread_tells_most_and_fewest(influx: Any):
    (found,) = influx.panel(influxql.sites_spread(HERE))
    assert found["columns"] == ["time", "most", "fewest"]
    assert [row[1:] for row in found["values"]] == [[2, 1]]


def test_shared_is_the_smaller_of_all_injection_and_all_withdrawal(influx: Any, series: Callable[..., Any]):
    values = series(influxql.shared(HERE))
    assert _hour(values, influx, 0) == [100.0] * 4
    assert _hour(values, influx, 2) == [None] * 4
    assert _hour(values, influx, 3) == [0.0] * 4


def test_shared_is_the_withdrawal_when_there_is_more_injection(influx: Any, series: Callable[..., Any]):
    """For the school alone 0 is withdrawn and 100 injected: nothing to share."""
    values = series(influxql.shared("\"community\" = '$community' AND \"site\" = 'school'"))
    assert {v for v in values.values() if v is not None} == {0.0}


def test_shared_total_adds_the_known_quarter_hours(series: Callable[..., Any]):
    assert list(series(influxql.shared_total(HERE)).values()) == [1600.0]


def test_self_sufficiency_counts_shared_energy_as_own(series: Callable[..., Any]):
    """16 times 400 Wh used and 250 withdrawn of which 100 shared, 4 times 325 used and 250 withdrawn, none shared."""
    (value,) = series(influxql.self_sufficiency(HERE)).values()
    assert value == pytest.approx(1 - (16 * 150 + 4 * 250) / (16 * 400 + 4 * 325))


def test_self_sufficiency_is_unknown_when_nothing_was_consumed(influx: Any):
    influx.post(
        "/write",
        {"db": "commonwatt", "precision": "ms"},
        f'site_quarter,community=idle,site=z import_wh=0,export_wh=0,consumption_wh=0,quality="measured" {influx.start}',
    )
    assert influx.panel(influxql.self_sufficiency("\"community\" = 'idle'")) == []


def test_power_now_sums_last_readings_of_one_community_with_signs(series: Callable[..., Any]):
    """Consumption of both sites: grid 1000 - 400, pv 500 + 700, battery -200."""
    (value,) = series(influxql.power_now(f'{HERE} AND "role" =~ /^(grid|pv|battery)$/')).values()
    assert value == 1600.0


def test_heard_counts_devices_of_one_community(series: Callable[..., Any]):
    assert list(series(influxql.heard(HERE, influxql.NOW)).values()) == [5]


def test_power_sum_stands_beside_the_number_of_devices_that_gave_it(influx: Any, series: Callable[..., Any]):
    """In the hole the sum lacks the school's 700 W, and the count says that one of two is missing."""
    where = f"{HERE} AND \"role\" = 'pv'"
    sums = series(influxql.power_sum("sum", where))
    counts = series(influxql.power_sum("count", where))
    middle = influx.start + HOLE[0] + HOUR // 2
    assert (sums[influx.start], counts[influx.start]) == (1200.0, 2)
    assert (sums[middle], counts[middle]) == (500.0, 1)


def test_device_line_is_null_where_the_device_was_silent(influx: Any):
    panel = next(p for b in BOARDS for r in b.rows for p in r.panels if p.title == "Power of each device")
    (found,) = [s for s in influx.panel(panel.targets[0].query, site="school") if s["tags"]["device"] == "school/pv"]
    values = {row[0]: row[1] for row in found["values"]}
    assert values[influx.start] == 700.0
    assert values[influx.start + HOLE[0] + HOUR // 2] is None


def test_longest_gap_is_the_hole(influx: Any):
    panel = next(p for b in BOARDS for r in b.rows for p in r.panels if p.title == "Longest gap")
    found = {s["tags"]["device"]: s["values"][0][1] for s in influx.panel(panel.targets[0].query, site="school")}
    assert found == {"school/grid": 60, "school/pv": 3660}


def test_last_reading_table_has_every_device_once(influx: Any):
    panel = next(p for b in BOARDS for r in b.rows for p in r.panels if p.title == "Sites and devices by last reading")
    found = influx.panel(panel.targets[0].query)
    assert sorted(s["tags"]["device"] for s in found) == [
        "hall/battery",
        "hall/grid",
        "hall/pv",
        "school/grid",
        "school/pv",
    ]
