"""Quarter-hours are a pure function of what is stored, whatever way it came."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.directory import Directory
from collector.marks import Marker
from collector.metrics import Metrics
from collector.quarters import QuarterJob, Rows, energy_of
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS, local_day
from runtime.clock import ManualClock
from storage.dirty import DirtyQuarters
from storage.history import DeviceQuarter, DeviceTags, Row, SiteQuarter
from storage.history.sqlite import SqliteHistory

from .conftest import make_community

START = 1_750_000_500_000 // QUARTER_MS * QUARTER_MS
NOW = START + 30 * 86_400_000
SITE = "ixl-hall"
GRID = DeviceTags("ixelles", SITE, "ixl-hall/grid", Role.GRID)
PV = DeviceTags("ixelles", SITE, "ixl-hall/pv", Role.PV)


class Pipeline:
    """Store, mark and compute as the collector does, without the wire."""

    def __init__(self, folder, now_ms=NOW):
        self.folder = Path(folder)
        self.clock = ManualClock(now_ms)
        self.open()

    def open(self):
        self.history = SqliteHistory(self.folder / "history.db")
        self.dirty = DirtyQuarters(self.folder / "dirty.db")
        self.directory = Directory([make_community()])
        self.directory.remember(self.history.devices())
        self.marker = Marker(self.dirty, self.history.last())
        self.job = QuarterJob(self.history, self.dirty, self.directory, self.marker, Metrics(), self.clock)

    def close(self):
        self.history.close()
        self.dirty.close()

    def restart(self):
        self.close()
        self.open()

    def store(self, rows, *, crash_after=None):
        plan = self.marker.plan(rows)
        self.marker.mark(plan)
        if crash_after == "mark":
            return
        self.history.write(rows)
        if crash_after == "write":
            return
        self.marker.mark(plan)
        self.marker.stored(plan)

    def compute(self):
        for _ in range(1000):
            due = self.job.due()
            if not due:
                return
            self.job.compute(due[0])
        pytest.fail("the work never ends")

    def quarters(self):
        start, end = START - 100 * QUARTER_MS, NOW
        return {
            (q.site, q.start): (
                *(None if v is None else round(v, 6) for v in (q.import_wh, q.export_wh, q.pv_wh, q.consumption_wh)),
                q.quality,
            )
            for q in self.history.site_quarters([SITE], start, end)
        }


@contextmanager
def pipeline():
    with tempfile.TemporaryDirectory() as folder:
        opened = Pipeline(folder)
        yield opened
        opened.close()


@pytest.fixture
def pipe(tmp_path):
    opened = Pipeline(tmp_path)
    yield opened
    opened.close()


def grid(t, imported=None, exported=None, power_w=None):
    values = {"energy_import_wh": imported, "energy_export_wh": exported, "power_w": power_w}
    return Row(GRID, t, {name: value for name, value in values.items() if value is not None})


def pv(t, exported=None, power_w=None):
    values = {"energy_export_wh": exported, "power_w": power_w}
    return Row(PV, t, {name: value for name, value in values.items() if value is not None})


@st.composite
def streams(draw):
    """Readings of both devices in order of time, with gaps, missing values, resets and outages of many quarter-hours."""
    rows = []
    for make in ("grid", "pv"):
        t = START + draw(st.integers(-120, 120)) * 1000
        counter, exported = 1000.0, 50.0
        for _ in range(draw(st.integers(1, 14))):
            t += draw(st.sampled_from([60_000, 300_000, 900_000, 900_000, 1_234_567, 4 * 3_600_000]))
            counter += draw(st.integers(0, 500))
            exported += draw(st.integers(0, 500))
            if draw(st.integers(0, 15)) == 0:
                counter = 0.0
            missing = draw(st.integers(0, 5))
            power = draw(st.integers(-500, 500)) * 1.0
            if make == "grid":
                rows.append(
                    grid(t, None if missing in {1, 3} else counter, None if missing in {2, 3} else exported, power)
                )
            else:
                rows.append(pv(t, None if missing == 1 else exported, None if missing == 2 else abs(power)))
    return sorted(rows, key=lambda row: row.t)


@settings(max_examples=25, deadline=None)
@given(streams(), st.data())
def test_quarter_hours_are_the_same_whatever_order_repetition_or_interruption_the_readings_came_in(rows, data):
    with pipeline() as straight:
        straight.store(rows)
        straight.compute()
        expected = straight.quarters()
    shuffled = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=10))))
    with pipeline() as cut:
        while shuffled:
            size = data.draw(st.integers(1, 8))
            batch, shuffled = shuffled[:size], shuffled[size:]
            crash = data.draw(st.sampled_from([None, None, None, "mark", "write"]))
            cut.store(batch, crash_after=crash)
            if crash:
                cut.restart()
                if data.draw(st.booleans()):
                    cut.compute()
                cut.store(batch)  # it was not confirmed, so it comes again
            if data.draw(st.booleans()):
                cut.compute()
            if data.draw(st.integers(0, 5)) == 0:
                cut.restart()
        cut.compute()
        assert cut.quarters() == expected


@settings(max_examples=12, deadline=None)
@given(streams())
def test_in_order_readings_computed_as_they_come_equal_all_computed_at_the_end(rows):
    with pipeline() as at_the_end, pipeline() as as_they_come:
        at_the_end.store(rows)
        at_the_end.compute()
        for row in rows:
            as_they_come.store([row])
            as_they_come.compute()
        assert as_they_come.quarters() == at_the_end.quarters()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 400)), min_size=2, max_size=40))
def test_quarter_hours_add_up_to_the_difference_of_the_counters(steps):
    rows, t, counter = [], START, 10_000
    rows.append(grid(t, counter, 0))
    for minutes, energy in steps:
        t, counter = t + minutes * 60_000, counter + energy
        rows.append(grid(t, counter, 0))
    last = -(-t // QUARTER_MS) * QUARTER_MS
    rows.append(grid(last, counter, 0))
    with pipeline() as pipe:
        pipe.store(rows)
        pipe.compute()
        quarters = pipe.history.device_quarters(GRID.device, START, last)
        assert len(quarters) == (last - START) // QUARTER_MS
        assert sum(q.import_wh for q in quarters) == pytest.approx(counter - 10_000, abs=1e-6)


def test_an_outage_is_estimated_then_measured_when_the_backlog_comes(pipe):
    ticks = [START + n * 60_000 for n in range(61)]
    rows = [(grid(t, n * 10, 0), pv(t, n * 5)) for n, t in enumerate(ticks)]
    pipe.store([row for pair in rows[:10] + rows[50:] for row in pair])
    pipe.compute()
    estimated = pipe.history.site_quarters([SITE], START, START + 4 * QUARTER_MS)
    assert [q.import_wh for q in estimated] == pytest.approx([150] * 4)
    assert [q.quality for q in estimated] == [Quality.ESTIMATED] * 4
    pipe.store([row for pair in rows[10:50] for row in pair])
    pipe.compute()
    measured = pipe.history.site_quarters([SITE], START, START + 4 * QUARTER_MS)
    assert [q.quality for q in measured] == [Quality.MEASURED] * 4
    assert [q.consumption_wh for q in measured] == pytest.approx([225] * 4)


def test_a_late_reading_restates_the_quarter_hours_that_lean_on_it(pipe):
    pipe.store([grid(START, 0, 0), pv(START, 0), grid(START + 4 * QUARTER_MS, 400, 0), pv(START + 4 * QUARTER_MS, 0)])
    pipe.compute()
    late = grid(START + QUARTER_MS + 60_000, 0, 0)
    pipe.store([late])
    pipe.compute()
    found = pipe.history.site_quarters([SITE], START, START + 4 * QUARTER_MS)
    slope = 400 / (4 * QUARTER_MS - QUARTER_MS - 60_000) * QUARTER_MS
    assert [q.import_wh for q in found] == pytest.approx([0, slope * 14 / 15, slope, slope])


def test_a_device_never_heard_makes_the_site_unknown_not_zero(pipe):
    pipe.store([grid(START, 0, 0), grid(START + QUARTER_MS, 100, 0)])
    pipe.compute()
    found = pipe.history.site_quarters([SITE], START, START + QUARTER_MS)[0]
    assert (found.import_wh, found.pv_wh, found.consumption_wh, found.quality) == (100, None, None, Quality.MISSING)


def test_the_running_quarter_hour_waits_for_its_end(tmp_path):
    pipe = Pipeline(tmp_path, now_ms=START + 600_000)
    pipe.store([grid(START, 0, 0), grid(START + 600_000, 100, 0)])
    assert pipe.job.due() == []
    pipe.store([grid(START + QUARTER_MS, 150, 0)])
    assert [run.start for run in pipe.job.due()] == [START]
    pipe.close()


async def test_a_silent_site_is_computed_two_minutes_after_the_end(tmp_path):
    pipe = Pipeline(tmp_path, now_ms=START + QUARTER_MS)
    pipe.store([grid(START, 0, 0), grid(START + 600_000, 100, 0)])
    await pipe.clock.advance(119)
    assert pipe.job.due() == []
    await pipe.clock.advance(2)
    assert [run.start for run in pipe.job.due()] == [START]
    pipe.close()


def test_newest_quarter_hours_come_first(pipe):
    pipe.store([grid(START + n * QUARTER_MS, n, 0) for n in range(200)])
    runs = pipe.job.due()
    assert [run.end for run in runs] == sorted((run.end for run in runs), reverse=True)
    assert max(len(run.marks) for run in runs) <= 32


def test_a_quarter_hour_marked_again_while_it_was_computed_stays_due(pipe):
    pipe.store([grid(START, 0, 0), grid(START + QUARTER_MS, 100, 0)])
    run = pipe.job.due()[-1]
    write = pipe.history.write_quarters

    def write_while_more_comes(devices, sites):
        write(devices, sites)
        pipe.history.write_quarters = write
        pipe.store([grid(START + 60_000, 90, 0)])

    pipe.history.write_quarters = write_while_more_comes
    pipe.job.compute(run)
    assert START in {mark.start for due in pipe.job.due() for mark in due.marks}


def test_devices_outside_the_configuration_do_not_count_for_a_registered_site(pipe):
    stray = pipe.directory.place("ixelles", "gw-hall", "ixl-hall/pv-2")
    pipe.store([grid(START, 0, 0), pv(START, 0), Row(stray, START, {"energy_export_wh": 0})])
    end = START + QUARTER_MS
    pipe.store([grid(end, 100, 0), pv(end, 10), Row(stray, end, {"energy_export_wh": 1000})])
    pipe.compute()
    assert pipe.history.site_quarters([SITE], START, end)[0].pv_wh == 10
    assert pipe.history.device_quarters("ixl-hall/pv-2", START, end)[0].export_wh == 1000


def test_a_counter_missing_longer_than_the_reach_gives_way_to_power():
    rows = [grid(START - 60_000, 5, 0)] + [grid(START + n * 60_000, power_w=600.0) for n in range(17)]
    imported, _ = energy_of(Role.GRID, Rows.of(rows), START, START + QUARTER_MS)
    assert imported.quality is Quality.MISSING
    far = [grid(START + n * 60_000, power_w=600.0) for n in range(-5, 20)]
    imported, _ = energy_of(Role.GRID, Rows.of(far), START, START + QUARTER_MS)
    assert (imported.wh, imported.quality) == (pytest.approx(150), Quality.ESTIMATED)


def test_marks_of_a_site_that_is_not_ours_any_more_are_left_alone(pipe):
    pipe.dirty.mark([("elsewhere", START)])
    pipe.compute()
    assert [mark.site for mark in pipe.dirty.pending()] == ["elsewhere"]
    assert pipe.history.site_quarters(["elsewhere"], START, START + QUARTER_MS) == []


def test_a_quarter_hour_keeps_what_its_readings_told(pipe):
    weather = [Row(PV, START + n * 60_000, {"temperature_c": 10.0 + n, "state": f"s{n}"}) for n in range(15)]
    pipe.store(weather)
    pipe.store([pv(START + n * 60_000, exported=100.0 + n) for n in range(15)])
    pipe.store([Row(PV, START + QUARTER_MS, {"temperature_c": 99.0})])
    pipe.compute()
    first, second = pipe.history.device_quarters(PV.device, START, START + 2 * QUARTER_MS)
    assert first.values == {"temperature_c": 17.0, "state": "s14", "energy_export_wh": 114.0}
    assert second.values == {"temperature_c": 99.0}


def test_a_late_reading_of_no_energy_restates_what_its_quarter_hour_keeps(pipe):
    pipe.store([Row(PV, START, {"power_w": 1.0, "soc_pct": 10.0}), Row(PV, START + QUARTER_MS, {"power_w": 1.0})])
    pipe.compute()
    pipe.store([Row(PV, START + 1, {"soc_pct": 30.0})])
    pipe.compute()
    assert pipe.history.device_quarters(PV.device, START, START + 1)[0].values["soc_pct"] == 20.0


def test_a_written_quarter_hour_marks_its_local_day(pipe):
    pipe.store([pv(START + n * QUARTER_MS, exported=100.0) for n in range(3)])
    pipe.compute()
    day, _ = local_day(START, "Europe/Brussels")
    assert [(mark.site, mark.start) for mark in pipe.dirty.days.pending()] == [(SITE, day)]


def test_a_late_reading_does_not_undo_a_quarter_hour_whose_readings_are_gone(tmp_path):
    """The readings of a year ago are retired; one that comes now must not turn their energy into unknown."""
    pipe = Pipeline(tmp_path, now_ms=START + 366 * 86_400_000)
    known = SiteQuarter("ixelles", SITE, START, 5.0, 0.0, 5.0, 0.0, 0.0, 0.0, Quality.ESTIMATED)
    of_device = DeviceQuarter(PV, START, 0.0, 5.0, Quality.MEASURED, {"temperature_c": 20.0})
    pipe.history.write_quarters([of_device], [known])
    pipe.store([Row(PV, START + 1000, {"power_w": 7.0, "temperature_c": -5.0})])
    pipe.store([Row(PV, START + 5 * QUARTER_MS, {"power_w": 7.0})])
    pipe.compute()
    assert pipe.history.device_quarters(PV.device, START, START + 1) == [of_device]
    assert pipe.history.site_quarters([SITE], START, START + 1) == [known]
    [later] = pipe.history.site_quarters([SITE], START + 5 * QUARTER_MS, START + 6 * QUARTER_MS)
    assert later.quality is Quality.MISSING  # nothing stood there
    pipe.close()
