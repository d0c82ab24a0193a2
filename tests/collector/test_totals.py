"""Days and months are what their quarter-hours add up to, whatever came late."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.directory import Directory
from collector.totals import TotalsJob, rolled_up
from energy.errors import StoreError
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS, local_day, local_month
from runtime.clock import ManualClock
from storage.dirty import DirtyQuarters
from storage.history import DeviceQuarter, DeviceTags, Known, Period, Row, SiteQuarter
from storage.history.sqlite import SqliteHistory
from tests.storage.conftest import STORES, open_store, running_influx  # noqa: F401 - a fixture

from .conftest import eventually, make_community

SITE = "ixl-hall"
PV = DeviceTags("ixelles", SITE, "ixl-hall/pv", Role.PV)


def local(*day: int) -> int:
    return int(datetime(*day, tzinfo=ZoneInfo("Europe/Brussels")).timestamp() * 1000)


NOW = local(2026, 6, 15)


class Bench:
    """A store, marks, and the job, without the wire. What is written is marked as the quarter-hours' job does it."""

    def __init__(self, history, folder):
        self.history = history
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.open()

    def open(self):
        self.dirty = DirtyQuarters(self.folder / "dirty.db")
        self.directory = Directory([make_community()])
        self.job = TotalsJob(self.history, self.dirty, self.directory, self.clock)

    def restart(self):
        self.dirty.close()
        self.open()

    def write(self, starts, pv_wh=1.0, quality=Quality.MEASURED, *, values=None, mark=True):
        self.history.write([Row(PV, starts[0], {"power_w": 1.0})])
        self.history.write_quarters(
            [DeviceQuarter(PV, t, 0.0, pv_wh, quality, values(t) if values else {}) for t in starts],
            [SiteQuarter("ixelles", SITE, t, pv_wh, 0.0, 0.0, 0.0, 0.0, pv_wh, quality) for t in starts],
        )
        if mark:
            self.dirty.days.mark({(SITE, local_day(t, "Europe/Brussels")[0]) for t in starts})

    def compute(self):
        for mark in self.job.due_days():
            self.job.compute_day(mark)
        for mark in self.job.due_months():
            self.job.compute_month(mark)

    def pv(self, period, of_device=False):
        find = self.history.device_totals if of_device else self.history.site_totals
        found = find(period, PV.device if of_device else [SITE], 0, NOW)
        return [(t.start, t.end, t.known.get("export_wh" if of_device else "pv_wh"), t.quality) for t in found]


@pytest.fixture(params=STORES)
def bench(request, tmp_path):
    history = open_store(request, tmp_path)
    made = Bench(history, tmp_path)
    yield made
    made.dirty.close()
    history.close()


@pytest.mark.parametrize(
    ("day", "quarters"), [((2026, 3, 28), 96), ((2026, 3, 29), 92), ((2025, 10, 26), 100), ((2026, 1, 1), 96)]
)
def test_a_local_day_is_the_sum_of_its_quarter_hours(bench, day, quarters):
    start, end = local_day(local(*day), "Europe/Brussels")
    bench.write(range(start - 2 * QUARTER_MS, end + 2 * QUARTER_MS, QUARTER_MS))
    bench.compute()
    [_, found, _] = bench.pv(Period.DAY)
    assert found == (start, end, Known(quarters * 1.0, quarters), Quality.MEASURED)
    assert bench.pv(Period.DAY, of_device=True)[1] == found


def test_a_month_is_the_sum_of_its_days(bench):
    start, end = local_month(local(2026, 3, 10), "Europe/Brussels")
    bench.write(range(start, end, QUARTER_MS))
    bench.compute()
    quarters = 31 * 96 - 4
    assert bench.pv(Period.MONTH) == [(start, end, Known(quarters * 1.0, quarters), Quality.MEASURED)]
    assert bench.pv(Period.MONTH, of_device=True) == bench.pv(Period.MONTH)
    assert not bench.job.due_days()
    assert not bench.job.due_months()


def test_late_quarter_hours_restate_their_day_and_its_month(bench):
    start, end = local_day(local(2026, 5, 4), "Europe/Brussels")
    starts = range(start, end, QUARTER_MS)
    bench.write(starts[:90])
    bench.compute()
    assert bench.pv(Period.DAY) == [(start, end, Known(90.0, 90), Quality.MEASURED)]
    bench.write(starts[88:], pv_wh=3.0, quality=Quality.ESTIMATED)
    bench.restart()
    bench.compute()
    whole = Known(88.0 + 8 * 3.0, 96)
    assert bench.pv(Period.DAY) == [(start, end, whole, Quality.ESTIMATED)]
    assert [known for _, _, known, _ in bench.pv(Period.MONTH)] == [whole]
    bench.write(starts[95:], pv_wh=None, quality=Quality.MISSING)
    bench.compute()
    less = Known(88.0 + 7 * 3.0, 95)
    assert bench.pv(Period.DAY) == [(start, end, less, Quality.MISSING)]
    assert [known for _, _, known, _ in bench.pv(Period.MONTH)] == [less]


def test_a_day_that_runs_still_or_whose_quarter_hours_are_not_computed_waits(bench):
    today, yesterday = local(2026, 6, 15), local(2026, 6, 14)
    bench.write([today - QUARTER_MS, today])
    bench.dirty.mark([(SITE, yesterday)])
    assert bench.job.due_days() == []
    bench.dirty.clear(bench.dirty.pending())
    assert [mark.start for mark in bench.job.due_days()] == [yesterday]
    bench.clock.step_wall(86_400)
    assert [mark.start for mark in bench.job.due_days()] == [today, yesterday]
    bench.compute()
    assert bench.job.due_months() == []
    assert [mark.start for mark in bench.dirty.months.pending()] == [local(2026, 6, 1)]


def test_a_day_that_changes_while_it_is_computed_is_computed_again(bench):
    start = local(2026, 5, 4)
    bench.write([start])
    [mark] = bench.job.due_days()
    bench.write([start + QUARTER_MS])
    bench.job.compute_day(mark)
    assert [again.start for again in bench.job.due_days()] == [start]


def test_gauges_are_averaged_by_quarter_hours_and_counters_and_texts_are_the_last(bench):
    first, second = local(2026, 5, 4), local(2026, 5, 5)
    bench.write(
        [first, first + QUARTER_MS],
        values=lambda t: {"temperature_c": 10.0 if t == first else 20.0, "energy_export_wh": float(t), "state": "on"},
    )
    bench.write([second], values=lambda _: {"temperature_c": 30.0, "state": "off"})
    bench.compute()
    days = bench.history.device_totals(Period.DAY, PV.device, 0, NOW)
    assert [day.known["temperature_c"] for day in days] == [Known(15.0, 2), Known(30.0, 1)]
    [month] = bench.history.device_totals(Period.MONTH, PV.device, 0, NOW)
    assert month.known["temperature_c"] == Known(20.0, 3)
    assert month.last == {"energy_export_wh": float(first + QUARTER_MS), "state": "off"}


def test_days_of_an_earlier_version_are_computed_once(bench):
    start, end = local_day(local(2026, 5, 4), "Europe/Brussels")
    bench.write(range(start, end, QUARTER_MS), mark=False)
    bench.directory.remember(bench.history.devices())
    bench.job.begin()
    bench.compute()
    assert bench.pv(Period.DAY) == [(start, end, Known(96.0, 96), Quality.MEASURED)]
    bench.restart()
    bench.job.begin()
    assert bench.job.due_days() == []


def test_a_month_has_the_days_whose_marks_another_collector_took_with_it(bench):
    first, last = local(2026, 5, 4), local(2026, 5, 20)
    bench.write([first], mark=False)
    bench.write([last])
    bench.compute()
    assert [known for _, _, known, _ in bench.pv(Period.MONTH)] == [Known(2.0, 2)]
    assert [start for start, *_ in bench.pv(Period.DAY)] == [first, last]
    assert not bench.job.due_months()


def test_a_site_of_no_community_of_ours_is_left_alone(bench):
    bench.dirty.days.mark([("elsewhere", local(2026, 5, 4))])
    assert bench.job.due_days() == []


_parts = st.lists(
    st.dictionaries(
        st.sampled_from(["pv_wh", "temperature_c"]),
        st.builds(Known, st.integers(-1000, 1000).map(float), st.integers(1, 96)),
    ),
    max_size=12,
)


@given(parts=_parts, cut=st.integers(0, 12))
def test_rolling_up_in_two_steps_is_rolling_up_at_once(parts, cut):
    at_once = rolled_up(parts)
    in_steps = rolled_up([rolled_up(parts[:cut]), rolled_up(parts[cut:])])
    assert in_steps.keys() == at_once.keys()
    for name, known in at_once.items():
        assert in_steps[name].quarters == known.quarters
        assert in_steps[name].value == pytest.approx(known.value, abs=1e-6)


class Away:
    """A store in front of a real one: every call fails while `away`."""

    def __init__(self, history):
        self.history = history
        self.away = True

    def __getattr__(self, name):
        if self.away:
            raise StoreError("the server is away")
        return getattr(self.history, name)


async def test_the_job_waits_for_a_store_that_is_away_and_goes_on_by_itself(tmp_path, caplog):
    history = SqliteHistory(tmp_path / "history.db")
    bench = Bench(history, tmp_path)
    start, end = local_day(local(2026, 5, 4), "Europe/Brussels")
    bench.write(range(start, end, QUARTER_MS))
    store = Away(history)
    task = asyncio.create_task(TotalsJob(store, bench.dirty, bench.directory, bench.clock).run())
    await eventually(lambda: "days and months wait for the store" in caplog.text)
    await bench.clock.advance(60)
    assert caplog.text.count("days and months wait for the store") == 1
    store.away = False

    async def pass_time():
        while True:
            await bench.clock.advance(30)
            await asyncio.sleep(0.005)

    passing = asyncio.create_task(pass_time())
    await eventually(lambda: bench.pv(Period.MONTH))
    assert bench.pv(Period.DAY) == [(start, end, Known(96.0, 96), Quality.MEASURED)]
    for each in (passing, task):
        each.cancel()
    await asyncio.gather(passing, task, return_exceptions=True)
    bench.dirty.close()
    history.close()
