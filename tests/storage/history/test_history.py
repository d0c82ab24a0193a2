"""One suite for every store: what the `History` protocol promises."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind, Quality, Role
from energy.quarters import QUARTER_MS
from storage.history import Columns, DeviceQuarter, DeviceTags, Known, Period, Row, Series, SiteQuarter, Total

T = 1_749_999_600_000  # a whole hour
MINUTE = 60_000
DAY = 86_400_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
GRID = DeviceTags("ixelles", "hall", "hall/grid", Role.GRID)

_numbers = itertools.count()


def fresh_tags(role=Role.LOAD) -> DeviceTags:
    """A device no other example has used."""
    site = f"site{next(_numbers)}"
    return DeviceTags("ixelles", site, f"{site}/device", role)


def device_quarter(tags, start, import_wh, export_wh, quality=Quality.MEASURED):
    return DeviceQuarter(tags, start, import_wh, export_wh, quality)


def site_quarter(site, start, pv_wh, consumption_wh, quality=Quality.MEASURED):
    return SiteQuarter("ixelles", site, start, pv_wh, 10.0, 0.0, 1.5, 0.0, consumption_wh, quality)


def total(start, known, *, site="hall", device=None, last=None, quality=Quality.MEASURED):
    return Total("ixelles", site, device, start, start + DAY, quality, known, last or {})


def told(columns):
    """Columns to be compared: what is not a number is None."""
    known = {name: [None if math.isnan(v) else v for v in values] for name, values in columns.numbers.items()}
    return list(columns.t), known, {name: list(texts) for name, texts in columns.texts.items()}


def test_every_question_to_an_empty_store_has_an_empty_answer(history):
    assert history.readings("hall/pv", 0, T) == []
    assert told(history.columns("hall/pv", 0, T)) == ([], {}, {})
    assert history.before("hall/pv", T) is None
    assert history.after("hall/pv", T) is None
    assert history.series("hall/pv", "power_w", T, T + 1, None) == Series()
    assert history.series("hall/pv", "power_w", T, T + 2 * MINUTE, MINUTE) == Series([T, T + MINUTE], [None, None])
    assert history.quantities("hall/pv") == []
    assert history.last() == {}
    assert history.last(["hall/pv"]) == {}
    assert history.last([]) == {}
    assert history.devices() == []
    assert history.device_quarters("hall/pv", 0, T) == []
    assert history.site_quarters(["hall"], 0, T) == []
    assert history.site_quarters([], 0, T) == []
    assert history.device_totals(Period.DAY, "hall/pv", 0, T) == []
    assert history.site_totals(Period.MONTH, ["hall"], 0, T) == []
    assert history.site_totals(Period.MONTH, [], 0, T) == []
    history.check()


def test_nothing_to_write_is_no_error(history):
    history.write([])
    history.write_quarters([], [])
    history.write_totals(Period.DAY, [])
    assert history.devices() == []


def test_a_reading_comes_back_as_it_was_written(history):
    row = Row(PV, T, {"power_w": -5120.5, "energy_export_wh": 1_234_567, "state": "mppt"}, bad=("voltage_l1_v",))
    history.write([row])
    assert history.readings(PV.device, T, T + 1) == [row]
    assert isinstance(history.readings(PV.device, T, T + 1)[0].values["energy_export_wh"], float)


def test_a_reading_of_which_everything_was_bad_is_a_reading(history):
    row = Row(PV, T, {}, bad=("power_w", "voltage_l1_v"))
    history.write([row])
    assert history.readings(PV.device, T, T + 1) == [row]
    assert history.last() == {PV.device: row}


def test_a_reading_that_says_nothing_is_not_kept(history):
    history.write([Row(PV, T, {})])
    assert history.readings(PV.device, T, T + 1) == []


def test_quantities_nobody_knows_are_left_out(history):
    history.write([Row(PV, T, {"power_w": 1.0, "mood": 3.0})])
    assert history.readings(PV.device, T, T + 1) == [Row(PV, T, {"power_w": 1.0})]
    assert history.quantities(PV.device) == ["power_w"]


def test_readings_are_of_one_device_in_a_half_open_interval_by_time(history):
    history.write([Row(PV, T + n, {"power_w": float(n)}) for n in (3, 1, 2, 0)])
    history.write([Row(GRID, T + 1, {"power_w": 7.0})])
    assert [row.t for row in history.readings(PV.device, T + 1, T + 3)] == [T + 1, T + 2]
    assert [row.values["power_w"] for row in history.readings(GRID.device, 0, T + 9)] == [7.0]


def test_columns_are_the_readings_with_gaps_where_a_quantity_is_not_told(history):
    history.write(
        [
            Row(PV, T, {"power_w": 1.0}),
            Row(PV, T + 1, {"energy_export_wh": 2.0, "state": "mppt"}),
            Row(PV, T + 2, {}, bad=("power_w",)),
            Row(PV, T + 3, {"power_w": 3.0}),
        ]
    )
    assert told(history.columns(PV.device, T, T + 3)) == (
        [T, T + 1, T + 2],
        {"power_w": [1.0, None, None], "energy_export_wh": [None, 2.0, None]},
        {"state": [None, "mppt", None]},
    )


def test_before_is_strict_and_after_is_not(history):
    history.write([Row(PV, T + n, {"power_w": float(n)}) for n in (0, 10, 20)])
    assert history.before(PV.device, T + 10).t == T
    assert history.after(PV.device, T + 10).t == T + 10
    assert history.after(PV.device, T + 11).t == T + 20
    assert history.before(PV.device, T) is None
    assert history.after(PV.device, T + 21) is None


def test_the_same_reading_again_changes_nothing(history):
    rows = [Row(PV, T + n * 1000, {"power_w": n * 1.5, "state": "on"}, bad=("soc_pct",)) for n in range(5)]
    history.write(rows)
    history.write(rows)
    history.write([*rows, *rows])
    assert history.readings(PV.device, T, T + MINUTE) == rows


def test_a_fuller_reading_of_the_same_instant_completes_it(history):
    history.write([Row(PV, T, {"power_w": 1.0}, bad=("soc_pct", "soh_pct"))])
    history.write([Row(PV, T, {"power_w": 1.0, "soc_pct": 50.0, "state": "on"})])
    expected = Row(PV, T, {"power_w": 1.0, "soc_pct": 50.0, "state": "on"}, bad=("soh_pct",))
    assert history.readings(PV.device, T, T + 1) == [expected]


def test_a_poorer_reading_of_the_same_instant_takes_nothing_away(history):
    full = Row(PV, T, {"power_w": 1.0, "soc_pct": 50.0, "state": "on"}, bad=("soh_pct",))
    history.write([full])
    history.write([Row(PV, T, {"power_w": 1.0})])
    assert history.readings(PV.device, T, T + 1) == [full]


def test_late_readings_take_their_place_and_are_not_the_last(history):
    history.write([Row(PV, T + MINUTE, {"power_w": 2.0})])
    history.write([Row(PV, T, {"power_w": 1.0})])
    assert [row.t for row in history.readings(PV.device, T, T + 2 * MINUTE)] == [T, T + MINUTE]
    assert history.last()[PV.device].t == T + MINUTE
    assert history.before(PV.device, T + MINUTE).t == T


def test_raw_series_shows_bad_as_none_and_leaves_out_what_was_not_asked(history):
    history.write(
        [
            Row(PV, T, {"power_w": 1.0, "soc_pct": 50}),
            Row(PV, T + 1, {"power_w": 2.0}, bad=("soc_pct",)),
            Row(PV, T + 2, {"power_w": 3.0}, bad=("soh_pct",)),
            Row(PV, T + 3, {"soc_pct": 51.0}),
        ]
    )
    assert history.series(PV.device, "soc_pct", T, T + 9, None) == Series([T, T + 1, T + 3], [50.0, None, 51.0])
    assert history.series(PV.device, "power_w", T, T + 3, None) == Series([T, T + 1, T + 2], [1.0, 2.0, 3.0])


def test_raw_series_of_a_text(history):
    history.write([Row(PV, T, {"state": "off"}), Row(PV, T + 1, {"power_w": 1.0}, bad=("state",))])
    assert history.series(PV.device, "state", T, T + 9, None) == Series([T, T + 1], ["off", None])


def test_stepped_series_of_a_gauge_is_the_mean_with_gaps_as_none(history):
    readings = {0: 10.0, 20_000: 20.0, 2 * MINUTE: 5.0, 2 * MINUTE + 1: 7}
    history.write([Row(PV, T + after, {"power_w": value}) for after, value in readings.items()])
    history.write([Row(PV, T + MINUTE, {"soc_pct": 1.0}, bad=("power_w",))])
    found = history.series(PV.device, "power_w", T, T + 3 * MINUTE, MINUTE)
    assert found == Series([T, T + MINUTE, T + 2 * MINUTE], [15.0, None, 6.0])


def test_stepped_series_is_aligned_to_the_epoch_and_holds_only_what_lies_in_the_interval(history):
    history.write([Row(PV, T + n * 10_000, {"power_w": float(n)}) for n in range(12)])
    found = history.series(PV.device, "power_w", T + 30_000, T + 90_000, MINUTE)
    assert found == Series([T, T + MINUTE], [4.0, 7.0])  # readings 3, 4, 5 and 6, 7, 8


def test_stepped_series_of_a_counter_and_a_text_is_the_last_value(history):
    for after, energy, state in [(0, 100, "off"), (30_000, 90, "on"), (MINUTE, 95, "alarm")]:
        history.write([Row(PV, T + after, {"energy_export_wh": energy, "state": state})])
    grid = [T, T + MINUTE, T + 2 * MINUTE]
    assert history.series(PV.device, "energy_export_wh", T, T + 3 * MINUTE, MINUTE) == Series(grid, [90.0, 95.0, None])
    assert history.series(PV.device, "state", T, T + 3 * MINUTE, MINUTE) == Series(grid, ["on", "alarm", None])


@pytest.mark.parametrize("step_ms", [None, MINUTE])
def test_series_of_a_quantity_nobody_knows_is_refused(history, step_ms):
    with pytest.raises(DataError, match="mood"):
        history.series(PV.device, "mood", T, T + 1, step_ms)


def test_every_quantity_has_a_series_and_is_listed(history):
    values = {name: "on" if quantity.kind is Kind.TEXT else 0.5 for name, quantity in QUANTITIES.items()}
    history.write([Row(PV, T, values), Row(GRID, T, {"power_w": 1.0}, bad=("soc_pct",))])
    assert history.quantities(PV.device) == sorted(QUANTITIES)
    assert history.quantities(GRID.device) == ["power_w"]
    for name, value in values.items():
        assert history.series(PV.device, name, T, T + MINUTE, MINUTE).values == [value]


def test_last_of_all_some_and_unknown_devices(history):
    history.write([Row(PV, T, {"power_w": 1.0}), Row(PV, T + 5, {"soc_pct": 2.0}), Row(GRID, T + 1, {"power_w": 3.0})])
    newest = {PV.device: Row(PV, T + 5, {"soc_pct": 2.0}), GRID.device: Row(GRID, T + 1, {"power_w": 3.0})}
    assert history.last() == newest
    assert history.last(["hall/grid", "nowhere/pv"]) == {GRID.device: newest[GRID.device]}


def test_last_of_many_named_devices(history):
    many = [DeviceTags("ixelles", "hall", f"hall/load-{n:03}", Role.LOAD) for n in range(150)]
    history.write([Row(tags, T + n, {"power_w": n}) for n, tags in enumerate(many)])
    asked = [tags.device for tags in many[:120]]
    found = history.last(asked)
    assert sorted(found) == asked
    assert found["hall/load-007"] == Row(many[7], T + 7, {"power_w": 7.0})


def test_devices_are_listed_once_in_order(history):
    later = DeviceTags("schaerbeek", "school", "school/pv", None)
    history.write([Row(tags, T + n, {"power_w": 1.0}) for n in range(3) for tags in (later, PV, GRID)])
    assert history.devices() == [GRID, PV, later]


def test_a_device_given_a_role_later_stays_one_device(history):
    before = DeviceTags("ixelles", "hall", "hall/pv", None)
    history.write([Row(before, T, {"power_w": 1.0}), Row(before, T + 1, {"power_w": 2.0, "soc_pct": 5.0})])
    history.write([Row(PV, T + 1, {"power_w": 2.0, "state": "on"}), Row(PV, T + 2, {"power_w": 3.0})])
    found = [(row.t, row.values) for row in history.readings(PV.device, T, T + 9)]
    assert found == [
        (T, {"power_w": 1.0}),
        (T + 1, {"power_w": 2.0, "soc_pct": 5.0, "state": "on"}),
        (T + 2, {"power_w": 3.0}),
    ]
    assert history.devices() == [PV]
    assert history.last()[PV.device].t == T + 2


def test_names_and_texts_in_any_script(history):
    tags = DeviceTags("Région, Bruxelles=1", "école été", "école été/pännel, 1=2", Role.PV)
    row = Row(tags, T, {"state": 'défaut "42" \\ ☀️, a=b\nnext line'})
    history.write([row])
    assert history.readings(tags.device, T, T + 1) == [row]
    assert history.devices() == [tags]
    history.write_quarters([device_quarter(tags, T, 1.0, 2.0)], [site_quarter(tags.site, T, 1.0, 2.0)])
    assert history.device_quarters(tags.device, T, T + 1)[0].tags == tags
    assert history.site_quarters([tags.site], T, T + 1)[0].site == tags.site


def test_quotes_in_a_question_are_part_of_the_name(history):
    history.write([Row(PV, T, {"power_w": 1.0})])
    for name in ("x' OR device = 'hall/pv", 'hall/pv"', "hall/pv\\", "hall/pv'--\n"):
        assert history.readings(name, 0, T + 1) == []
        assert history.last([name]) == {}
        assert history.site_quarters([name], 0, T + 1) == []


def test_quarter_hours_come_back_in_order_and_half_open(history):
    starts = [T + n * QUARTER_MS for n in range(4)]
    of_devices = [device_quarter(PV, start, 0.0, n * 2.5) for n, start in enumerate(starts)]
    of_sites = [site_quarter(site, start, 12.5, 30.0) for start in starts for site in ("hall", "school")]
    history.write_quarters(of_devices[::-1], of_sites[::-1])
    history.write([Row(PV, T, {"power_w": 1.0})])
    assert history.device_quarters(PV.device, starts[1], starts[3]) == of_devices[1:3]
    assert history.site_quarters(["school", "hall"], starts[1], starts[3]) == of_sites[2:6]
    assert history.site_quarters(["school"], starts[0], starts[1]) == [of_sites[1]]


def test_an_unknown_energy_is_none_and_not_zero(history):
    missing = device_quarter(PV, T, None, None, Quality.MISSING)
    part = site_quarter("hall", T, None, 0.0, Quality.ESTIMATED)
    history.write_quarters([missing], [part])
    assert history.device_quarters(PV.device, T, T + 1) == [missing]
    assert history.site_quarters(["hall"], T, T + 1) == [part]


@pytest.mark.parametrize("energies", [(None, 5.0), (5.0, None), (5.0, 6.0), (None, None)])
def test_a_restated_quarter_hour_replaces_the_one_before(history, energies):
    first, second = energies
    history.write_quarters([device_quarter(PV, T, first, 1.0)], [site_quarter("hall", T, first, 2.0)])
    again = device_quarter(PV, T, second, 3.0, Quality.ESTIMATED)
    site_again = site_quarter("hall", T, second, 4.0, Quality.ESTIMATED)
    history.write_quarters([again], [site_again])
    assert history.device_quarters(PV.device, T, T + 1) == [again]
    assert history.site_quarters(["hall"], T, T + 1) == [site_again]


def test_a_restated_quarter_hour_replaces_the_one_before_a_role_was_known(history):
    nameless = DeviceTags(PV.community, PV.site, PV.device, None)
    history.write_quarters([device_quarter(nameless, T, 1.0, 1.0)], [])
    history.write_quarters([device_quarter(PV, T, 2.0, 2.0)], [])
    assert history.device_quarters(PV.device, T, T + 1) == [device_quarter(PV, T, 2.0, 2.0)]


def test_the_readings_of_a_quarter_hour_are_kept_with_it(history):
    values = {"temperature_c": -3.25, "energy_export_wh": 1_234_567.0, "state": 'défaut "42"'}
    quarter = DeviceQuarter(PV, T, 1.0, None, Quality.ESTIMATED, values)
    history.write([Row(PV, T, {"power_w": 1.0})])
    history.write_quarters([quarter, device_quarter(GRID, T, 1.0, 2.0)], [])
    assert history.device_quarters(PV.device, T, T + 1) == [quarter]
    assert history.device_quarters(GRID.device, T, T + 1)[0].values == {}
    fuller = DeviceQuarter(PV, T, 1.0, 2.0, Quality.MEASURED, {**values, "temperature_c": -3.5, "soc_pct": 4.0})
    history.write_quarters([fuller], [])
    assert history.device_quarters(PV.device, T, T + 1) == [fuller]


def test_totals_are_of_a_site_or_of_a_device_in_order_and_half_open(history):
    days = [T + n * DAY for n in range(3)]
    of_sites = [
        total(day, {"pv_wh": Known(2.5 * n, 96), "import_wh": Known(0.0, 92)}, site=site)
        for n, day in enumerate(days)
        for site in ("hall", "school")
    ]
    known = {"import_wh": Known(7.0, 96), "temperature_c": Known(-1.5, 40)}
    of_devices = [
        total(day, known, device=PV.device, last={"energy_export_wh": 5.0, "state": "on"}, quality=Quality.ESTIMATED)
        for day in days
    ]
    history.write([Row(PV, T, {"power_w": 1.0})])
    history.write_totals(Period.DAY, [*of_sites[::-1], *of_devices])
    assert history.site_totals(Period.DAY, ["school", "hall"], days[1], days[2]) == of_sites[2:4]
    assert history.site_totals(Period.DAY, ["school"], days[0], days[1]) == [of_sites[1]]
    assert history.device_totals(Period.DAY, PV.device, days[1], days[2] + 1) == of_devices[1:]
    assert history.site_totals(Period.MONTH, ["hall"], 0, days[2]) == []
    assert history.device_totals(Period.MONTH, PV.device, 0, days[2]) == []


def test_a_day_and_a_month_may_begin_at_the_same_instant(history):
    day, month = total(T, {"pv_wh": Known(1.0, 96)}), total(T, {"pv_wh": Known(30.0, 2976)})
    history.write_totals(Period.DAY, [day])
    history.write_totals(Period.MONTH, [month])
    assert history.site_totals(Period.DAY, ["hall"], T, T + 1) == [day]
    assert history.site_totals(Period.MONTH, ["hall"], T, T + 1) == [month]


@pytest.mark.parametrize("device", [None, PV.device])
def test_a_restated_total_replaces_the_one_before(history, device):
    history.write([Row(PV, T, {"power_w": 1.0})])
    find = (lambda: history.device_totals(Period.DAY, device, T, T + 1)) if device else None
    find = find or (lambda: history.site_totals(Period.DAY, ["hall"], T, T + 1))
    for known in (
        {"import_wh": Known(1.0, 96), "export_wh": Known(2.0, 96)},
        {"import_wh": Known(3.0, 95)},
        {"export_wh": Known(2.5, 96)},
        {},
        {"import_wh": Known(0.0, 96), "export_wh": Known(2.0, 96)},
    ):
        restated = total(T, known, device=device, quality=Quality.ESTIMATED)
        history.write_totals(Period.DAY, [restated])
        assert find() == [restated]


def test_a_large_write_is_stored_whole(history):
    rows = [Row(PV, T + n, {"power_w": n}) for n in range(12_000)]
    history.write(rows)
    found = history.series(PV.device, "power_w", T, T + 12_000, None)
    assert found.t == [row.t for row in rows]


_value = st.floats(-1e9, 1e9, allow_nan=False, width=32)
_reading = st.tuples(
    st.dictionaries(st.sampled_from(["power_w", "soc_pct", "energy_import_wh"]), _value, min_size=1),
    st.sampled_from([(), ("voltage_l1_v",)]),
)


@st.composite
def _streams(draw):
    """A stream of readings as it should be, and the same as it may arrive: shuffled, half of it twice, some in parts."""
    readings = draw(st.lists(_reading, min_size=1, max_size=12))
    clean = [(T + n * 20_000, values, bad) for n, (values, bad) in enumerate(readings)]
    repeated = draw(st.lists(st.sampled_from(clean), min_size=len(clean) // 2, max_size=len(clean)))
    parts = [(t, dict(list(values.items())[:1]), ()) for t, values, _ in draw(st.lists(st.sampled_from(clean)))]
    return clean, draw(st.permutations([*clean, *repeated, *parts]))


@given(streams=_streams(), cut=st.integers(0, 20))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_repetition_and_parts_make_no_difference(history, streams, cut):
    clean, arriving = streams
    one, other = fresh_tags(), fresh_tags()
    history.write([Row(one, *reading) for reading in clean])
    history.write([Row(other, *reading) for reading in arriving[:cut]])
    history.write([Row(other, *reading) for reading in arriving[cut:]])
    end = T + 20_000 * len(clean)
    assert [(row.t, row.values, row.bad) for row in history.readings(other.device, T, end)] == [
        (row.t, row.values, row.bad) for row in history.readings(one.device, T, end)
    ]
    for quantity in ("power_w", "energy_import_wh"):
        for step in (None, MINUTE):
            assert history.series(other.device, quantity, T, end, step) == history.series(
                one.device, quantity, T, end, step
            )
    assert history.quantities(other.device) == history.quantities(one.device)
    assert told(history.columns(other.device, T, end)) == told(Columns.of(history.readings(one.device, T, end)))


_name = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\\"), min_size=1, max_size=12)
_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(community=_name, site=_name, device=_name, power=_value, energy=st.integers(0, 10**15), state=_text)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_value_comes_back_as_it_was(history, community, site, device, power, energy, state):
    tags = DeviceTags(community, site, f"{next(_numbers)}{site}/{device}", Role.LOAD)
    row = Row(tags, T, {"power_w": power, "energy_import_wh": energy, "state": state})
    history.write([row])
    assert history.readings(tags.device, T, T + 1) == [row]
    assert history.last([tags.device]) == {tags.device: row}
    assert tags in history.devices()


def test_a_number_that_is_none_is_not_stored(history):
    history.write([Row(PV, T, {"power_w": math.nan, "soc_pct": 1.0})])
    assert history.readings(PV.device, T, T + 1) == [Row(PV, T, {"soc_pct": 1.0})]
