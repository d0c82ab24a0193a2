"""GET history over a real store: sums by role, gaps, steps, limits, formats."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, Known, Period, Total
from tests.api.conftest import NOW, Api, tags

MINUTE = 60_000
START = NOW - 10 * MINUTE
QUARTER = 15 * MINUTE
SITE = "/api/v1/sites/ixl-hall/history"


async def series(api: Api, **parameters: Any) -> dict[str | None, list[Any]]:
    answer = await api.get(SITE, **({"from": START, "to": NOW, "step": "1m"} | parameters))
    assert answer.status_code == 200, answer.text
    return {line["device"]: [value for _, value in line["points"]] for line in answer.json()["series"]}


def write_ten_minutes(api: Api, pv_gap: bool = False) -> None:
    """60 readings each: grid -300, pv 5120, battery 0 W; with a gap pv is silent in the fifth and sixth minute."""
    silent = range(24, 36) if pv_gap else range(0)
    api.write_power("ixl-hall/grid", START, [-300.0] * 60)
    api.write_power("ixl-hall/pv", START, [None if n in silent else 5120.0 for n in range(60)])
    api.write_power("ixl-hall/battery", START, [0.0] * 60)


async def test_site_consumption_is_the_sum_of_grid_pv_and_battery(api: Api):
    write_ten_minutes(api)
    assert await series(api) == {None: [4820.0] * 10}
    assert await series(api, quantity="pv_w") == {None: [5120.0] * 10}
    assert await series(api, quantity="grid_w") == {None: [-300.0] * 10}


async def test_site_sum_is_unknown_where_one_device_was_silent(api: Api):
    write_ten_minutes(api, pv_gap=True)
    known, unknown = [4820.0] * 4, [None] * 2
    assert await series(api) == {None: [*known, *unknown, *known]}
    assert await series(api, quantity="grid_w") == {None: [-300.0] * 10}


async def test_role_without_a_device_makes_nothing_but_no_grid_meter_is_unknown(api: Api):
    api.write("roof/pv", START, power_w=100.0)
    answer = (await api.get("/api/v1/sites/roof/history", **{"from": START, "to": START + 60_000, "step": "1m"})).json()
    assert answer["series"][0]["points"] == [[START, None]]
    answer = (
        await api.get(
            "/api/v1/sites/roof/history", **{"from": START, "to": START + 60_000, "step": "1m", "quantity": "battery_w"}
        )
    ).json()
    assert answer["series"][0]["points"] == [[START, 0.0]]


async def test_value_is_kept_on_a_fine_grid_for_three_intervals_and_not_into_the_future(api: Api):
    api.write_power("ixl-hall/pv", START, [100.0, None, None, None, None, 200.0])
    found = await series(api, quantity="power_w", device="ixl-hall/pv", step="10s", to=START + MINUTE)
    assert found == {"ixl-hall/pv": [100.0, 100.0, 100.0, 100.0, None, 200.0]}
    api.write("ixl-hall/pv", NOW, power_w=300.0)
    found = await series(api, quantity="power_w", device="ixl-hall/pv", step="10s", **{"from": NOW, "to": NOW + 30_000})
    assert found == {"ixl-hall/pv": [300.0, None, None]}


async def test_raw_series_has_a_null_in_every_gap(api: Api):
    api.write_power("ixl-hall/pv", START, [1.0, 2.0, None, None, None, None, 3.0])
    answer = (await api.get(SITE, **{"from": START, "to": NOW, "step": "raw", "quantity": "power_w"})).json()
    assert answer["series"] == [
        {
            "device": "ixl-hall/pv",
            "points": [[START, 1.0], [START + 10_000, 2.0], [START + 20_000, None], [START + 60_000, 3.0]],
        }
    ]
    assert answer["unit"] == "W"


async def test_wire_quantity_gives_one_series_for_each_device_that_has_it(api: Api):
    write_ten_minutes(api)
    api.write("ixl-hall/battery", START, soc_pct=55.0)
    assert list(await series(api, quantity="soc_pct")) == ["ixl-hall/battery"]
    assert list(await series(api, quantity="power_w")) == ["ixl-hall/grid", "ixl-hall/pv", "ixl-hall/battery"]
    assert list(await series(api, quantity="power_w", device="pv")) == ["ixl-hall/pv"]
    assert await series(api, quantity="heat_wh") == {}


async def test_text_is_given_as_it_was_said_last(api: Api):
    api.write("ixl-hall/pv", START, state="off")
    api.write("ixl-hall/pv", START + 30_000, state="mppt")
    assert (await series(api, quantity="state", to=START + MINUTE)) == {"ixl-hall/pv": ["mppt"]}


async def test_site_power_of_quarter_hours_comes_from_their_energy(api: Api):
    api.write_quarters("ixl-hall", NOW - 86_400_000, 8)
    span = {"from": NOW - 86_400_000, "to": NOW - 86_400_000 + 8 * QUARTER}
    assert await series(api, quantity="pv_w", step="15m", **span) == {None: [4000.0] * 8}
    assert await series(api, quantity="grid_w", step="15m", **span) == {None: [400.0] * 8}
    assert await series(api, quantity="battery_w", step="15m", **span) == {None: [-100.0] * 8}
    answer = (await api.get(SITE, **span, step="1d", quantity="consumption_w")).json()
    assert [value for _, value in answer["series"][0]["points"]] == [4300.0]


async def test_quarter_hours_not_computed_yet_are_filled_in_from_the_devices(api: Api):
    write_ten_minutes(api)
    found = await series(api, quantity="pv_w", step="15m", **{"from": NOW - 2 * QUARTER})
    assert found == {None: [None, 5120.0]}


async def test_energy_is_summed_over_local_days_and_unknown_with_a_hole(api: Api):
    midnight = int(datetime(2025, 6, 12, 22, tzinfo=UTC).timestamp() * 1000)  # 13 June, 00:00 in Brussels
    api.write_quarters("ixl-hall", midnight, 96)
    api.write_quarters("ixl-hall", midnight + 96 * QUARTER, 95)  # 14 June lacks its last
    span = {"from": midnight, "to": midnight + 192 * QUARTER}
    assert await series(api, quantity="pv_wh", step="1d", **span) == {None: [96_000.0, None]}
    hours = (await series(api, quantity="pv_wh", step="1h", **span))[None]
    assert hours[:47] == [4000.0] * 47
    assert hours[47] is None


async def test_energy_of_today_counts_what_there_is_so_far(api: Api):
    midnight = int(datetime(2025, 6, 14, 22, tzinfo=UTC).timestamp() * 1000)
    count = (NOW - midnight) // QUARTER - 1  # the one that closed this very moment is not computed yet
    api.write_quarters("ixl-hall", midnight, count)
    assert await series(api, quantity="pv_wh", step="1d", **{"from": midnight}) == {None: [count * 1000.0]}
    api.clock.step_wall(3600)  # an hour later nothing more has come: so far is not known any more
    assert await series(api, quantity="pv_wh", step="1d", **{"from": midnight}) == {None: [None]}


async def test_month_of_a_counter_is_its_last_reading_and_of_power_the_mean_of_quarter_hours(api: Api):
    first = int(datetime(2025, 5, 10, tzinfo=UTC).timestamp() * 1000)
    api.write("ixl-hall/pv", first, energy_export_wh=1000.0)
    api.write("ixl-hall/pv", first + 60_000, energy_export_wh=2000.0)
    api.write_quarters("ixl-hall", first, 4)
    span = {"from": first, "to": NOW, "step": "1M", "device": "pv"}
    assert await series(api, quantity="energy_export_wh", **span) == {"ixl-hall/pv": [2000.0, None]}
    assert await series(api, quantity="power_w", **span) == {"ixl-hall/pv": [4000.0, None]}
    api.write_power("ixl-hall/pv", first, [300.0])
    api.write("ixl-hall/pv", first + 1, temperature_c=20.0)
    api.write("ixl-hall/pv", first + QUARTER, temperature_c=30.0)
    assert await series(api, quantity="temperature_c", **span) == {"ixl-hall/pv": [25.0, None]}


def local(*day: int) -> int:
    return int(datetime(*day, tzinfo=ZoneInfo("Europe/Brussels")).timestamp() * 1000)


async def test_days_come_from_the_stores_totals_and_are_unknown_when_one_quarter_hour_is(api: Api):
    """The days around the clock change of 30 March 2025: 96, 92 and 96 quarter-hours."""
    days = [local(2025, 3, day) for day in (29, 30, 31)] + [local(2025, 4, 1)]
    sums = [{"pv_wh": Known(960.0, 96)}, {"pv_wh": Known(920.0, 92)}, {"pv_wh": Known(950.0, 95)}]
    api.history.write_totals(
        Period.DAY,
        [
            Total("ixelles", "ixl-hall", None, days[n], days[n + 1], Quality.MEASURED, known)
            for n, known in enumerate(sums)
        ],
    )
    api.write_quarters("ixl-hall", days[3], 96)  # this day has no total yet
    span = {"from": days[0], "to": days[3] + 1, "step": "1d"}
    assert await series(api, quantity="pv_wh", **span) == {None: [960.0, 920.0, None, 96_000.0]}
    assert await series(api, quantity="pv_w", **span) == {None: [40.0, 40.0, 40.0, 4000.0]}


async def test_a_power_of_energies_known_at_different_times_is_computed_from_the_quarter_hours(api: Api):
    day, following = local(2025, 5, 1), local(2025, 5, 2)
    known = {"import_wh": Known(9e9, 96), "export_wh": Known(1.0, 1)}
    api.history.write_totals(Period.DAY, [Total("ixelles", "ixl-hall", None, day, following, Quality.MEASURED, known)])
    api.write_quarters("ixl-hall", day, 2)
    span = {"from": day, "to": following, "step": "1d"}
    assert await series(api, quantity="grid_w", **span) == {None: [400.0]}


async def test_months_of_a_device_come_from_the_stores_totals(api: Api):
    months = [local(2024, 1 + n, 1) for n in range(3)]
    known = {"import_wh": Known(0.0, 2976), "export_wh": Known(2976.0, 2976), "temperature_c": Known(21.5, 7)}
    total = Total("ixelles", "ixl-hall", "ixl-hall/pv", *months[:2], Quality.MEASURED, known, {"state": "on"})
    api.write("ixl-hall/pv", NOW, power_w=1.0, temperature_c=1.0, state="off")
    api.history.write_totals(Period.MONTH, [total])
    span = {"from": months[0], "to": months[2], "step": "1M", "device": "pv"}
    assert await series(api, quantity="power_w", **span) == {"ixl-hall/pv": [4.0, None]}
    assert await series(api, quantity="temperature_c", **span) == {"ixl-hall/pv": [21.5, None]}
    assert await series(api, quantity="state", **span) == {"ixl-hall/pv": ["on", None]}


@pytest.mark.parametrize("step", ["15m", "1h", "1d"])
async def test_where_the_readings_are_gone_the_quarter_hours_tell(api: Api, step: str):
    day = local(2024, 11, 5)
    told = [{"temperature_c": 20.0 + n, "energy_export_wh": 100.0 * n, "state": f"s{n}"} for n in range(4)]
    known = tags("ixelles", "ixl-hall/pv", Role.PV)
    api.history.write_quarters(
        [DeviceQuarter(known, day + n * QUARTER, 0.0, 1.0, Quality.MEASURED, each) for n, each in enumerate(told)], []
    )
    ask = {"from": day, "to": day + (4 * QUARTER if step != "1d" else 86_400_000), "step": step, "device": "pv"}
    quarterly = step == "15m"
    temperature = [20.0, 21.0, 22.0, 23.0] if quarterly else [21.5]
    counter = [0.0, 100.0, 200.0, 300.0] if quarterly else [300.0]
    state = ["s0", "s1", "s2", "s3"] if quarterly else ["s3"]
    assert await series(api, quantity="temperature_c", **ask) == {"ixl-hall/pv": temperature}
    assert await series(api, quantity="energy_export_wh", **ask) == {"ixl-hall/pv": counter}
    assert await series(api, quantity="state", **ask) == {"ixl-hall/pv": state}


async def test_a_period_that_reaches_from_gone_readings_to_kept_ones_is_one_series(api: Api):
    kept = api.history.kept_since(NOW)
    assert (
        kept % (4 * QUARTER) == QUARTER
    )  # in the middle of an hour: its first quarter-hour is kept, of the others the readings are
    known = tags("ixelles", "ixl-hall/pv", Role.PV)
    told = {kept - QUARTER: 20.0, kept: 30.0}
    api.history.write_quarters(
        [DeviceQuarter(known, t, 0.0, 1.0, Quality.MEASURED, {"temperature_c": value}) for t, value in told.items()], []
    )
    api.write("ixl-hall/pv", kept + 1, temperature_c=31.0)
    api.write("ixl-hall/pv", kept + 4 * QUARTER, temperature_c=40.0)
    ask = {"from": kept - QUARTER, "to": kept + 4 * QUARTER, "quantity": "temperature_c", "device": "pv"}
    assert await series(api, step="15m", **ask) == {"ixl-hall/pv": [20.0, 31.0, None, None, None]}
    assert await series(api, step="1h", **ask) == {"ixl-hall/pv": [25.5, 40.0]}


@pytest.mark.parametrize(
    ("parameters", "code", "hint"),
    [
        ({"from": "2024-01-01T00:00Z", "to": "2025-01-01T00:00Z", "step": "1m"}, "too_many_points", "step=15m"),
        ({"from": "2000-01-01T00:00Z", "to": "2099-01-01T00:00Z", "step": "10s"}, "too_many_points", "step=1d"),
        ({"from": "2024-01-01T00:00Z", "to": "2025-01-01T00:00Z", "step": "raw", "quantity": "power_w"}, "too_many_points", "step=1h"),
        ({"from": "2025-01-01T00:00Z", "to": "2025-06-15T00:00Z", "step": "5m"}, "too_long", "days"),
        ({"step": "1m", "quantity": "pv_wh"}, "step_too_short", "step=15m"),
        ({"step": "raw", "quantity": "pv_w"}, "step_too_short", "step=10s"),
        ({"quantity": "pv_w", "device": "ixl-hall/pv"}, "invalid", "power_w"),
        ({"quantity": "power_vw"}, "unknown_quantity", "did you mean power_w?"),
        ({"step": "2m"}, "invalid", "'1M'"),
        ({"from": "2025-06-15T12:00:00"}, "invalid_instant", "Z"),
        ({"from": NOW, "to": START}, "reversed_period", "swap"),
    ],
)  # fmt: skip
async def test_question_that_cannot_be_answered_is_422_with_what_to_ask_instead(
    api: Api, parameters: dict[str, Any], code: str, hint: str
):
    write_ten_minutes(api)
    answer = await api.get(SITE, **parameters)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert hint in answer.json()["hint"]
    assert answer.json()["field"].startswith("query.")


async def test_device_that_speaks_faster_than_configured_cannot_exceed_the_limit(api: Api):
    api.write_power("ixl-hall/pv", START, [1.0] * 60_000, every_ms=10)
    answer = await api.get(SITE, **{"from": START, "to": NOW, "step": "raw", "quantity": "power_w"})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_points")
    assert answer.json()["points"] == pytest.approx(60_000, rel=0.01)


async def test_csv_has_a_row_for_each_point_and_an_empty_cell_for_unknown(api: Api):
    write_ten_minutes(api, pv_gap=True)
    answer = await api.client.get(
        SITE,
        params={"from": START, "to": NOW, "step": "1m", "quantity": "pv_w"},
        headers=api.headers["viewer"] | {"Accept": "text/csv"},
    )
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="ixl-hall-pv_w-1m.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 10
    assert rows[0] == {
        "time": "2025-06-15T15:05:00.000Z",
        "site": "ixl-hall",
        "device": "",
        "quantity": "pv_w",
        "unit": "W",
        "value": "5120.0",
    }
    assert rows[4]["value"] == ""


async def test_csv_for_excel_has_mark_semicolons_decimal_commas_and_local_time(api: Api):
    write_ten_minutes(api)
    api.write("ixl-hall/pv", START, state="=1+1")
    answer = await api.get(SITE, **{"from": START, "to": NOW, "step": "1m", "quantity": "pv_w", "format": "csv-excel"})
    assert answer.content.startswith(b"\xef\xbb\xbf")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "time_local;time_utc;site;device;quantity;unit;value"
    assert lines[1] == "2025-06-15 17:05:00;2025-06-15T15:05:00.000Z;ixl-hall;;pv_w;W;5120,0"
    answer = await api.get(SITE, **{"from": START, "step": "raw", "quantity": "state", "format": "csv-excel"})
    assert answer.text.splitlines()[1].endswith(";'=1+1")  # no formula from a device


@pytest.mark.parametrize("quantity", ["pv_w", "state"])
async def test_parquet_holds_the_same_points(api: Api, quantity: str):
    write_ten_minutes(api, pv_gap=True)
    api.write("ixl-hall/pv", START, state="mppt")
    answer = await api.client.get(
        SITE,
        params={"from": START, "to": NOW, "step": "1m", "quantity": quantity},
        headers=api.headers["viewer"] | {"Accept": "application/vnd.apache.parquet"},
    )
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == ["time", "site", "device", "quantity", "unit", "value"]
    values = table.column("value").to_pylist()
    assert (values[0], values[4]) == ((5120.0, None) if quantity == "pv_w" else ("mppt", None))
    assert table.column("time").to_pylist()[0] == datetime(2025, 6, 15, 15, 5, tzinfo=UTC)


async def test_unknown_device_is_404_naming_those_there_are(api: Api):
    answer = await api.get(SITE, device="nothing")
    assert answer.status_code == 404
    assert "ixl-hall/pv" in answer.json()["hint"]


async def test_community_history_sums_its_sites_and_shares_between_them(api: Api):
    api.write_quarters("ixl-hall", NOW - 2 * QUARTER, 2, import_wh=200.0, export_wh=100.0)
    api.write_quarters("ixl-pool", NOW - 2 * QUARTER, 1, import_wh=100.0, export_wh=500.0)
    answer = (await api.get("/api/v1/communities/ixelles/history", **{"from": NOW - 2 * QUARTER, "to": NOW})).json()
    assert answer["t"] == [NOW - 2 * QUARTER, NOW - QUARTER]
    assert answer["import_w"] == [1200.0, None]  # the pool's second quarter-hour is unknown, so is the sum
    assert answer["export_w"] == [2400.0, None]
    assert answer["shared_w"] == [1200.0, None]
    assert answer["pv_w"] == [8000.0, None]
    assert answer["quality"] == ["measured", "missing"]


async def test_community_history_is_limited_too(api: Api):
    answer = await api.get("/api/v1/communities/ixelles/history", **{"from": "2020-01-01T00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_points")
