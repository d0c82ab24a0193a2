"""Late readings that a real store takes of a month that a real register has as final: found once, by point, and corrected."""

from datetime import date

import pytest

from collector.directory import Directory
from collector.late import METERS, LateJob
from collector.totals import TotalsJob
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from runtime.clock import ManualClock
from storage.dirty import DirtyQuarters
from storage.history import SiteQuarter
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.month_runs import keep, reopen, settled_late
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.reopened import reopened
from tests.api.test_me import EANS, START, readings, settled
from tests.energy.settlement.test_month import END

from .conftest import make_community

NOW = END + 5 * 86_400_000
HALL, SCHOOL = EANS[1], EANS[2]  # m-1, whose second quarter-hour was unknown, and m-2


class Town:
    """A community of two measured sites, June settled; `job` looks, `roll_up` is the collector's own."""

    def __init__(self, folder):
        self.community = make_community()
        self.history = SqliteHistory(folder / "history.db")
        self.register = Register(folder / "register.db")
        self.dirty = DirtyQuarters(folder / "dirty.db")
        self.clock = ManualClock(NOW)
        self.told = {}
        self.job = LateJob((self.community,), self.history, self.register, self.clock, self.told.update)
        with self.register.database.write() as connection:
            for n, site in ((1, "ixl-hall"), (2, "ixl-school")):
                member = Participant(id=f"m-{n}", community="ixelles", member_class="citizen")
                PARTICIPANTS.put(connection, member, 0)
                point = MeteringPoint(id=EANS[n], participant=f"m-{n}", direction="withdrawal", site=site)
                METERING_POINTS.put(connection, point, 0)
        self.meter("ixl-hall", 101, range(2, 96))
        self.meter("ixl-school", 102, range(96))
        self.settle("final")

    def settle(self, status, made=None, late=None):
        with self.register.database.write() as connection:
            keep(connection, made or settled(), "0" * 64, status, issued=date(2026, 7, 3), by="ann", why="x",
                 now_ms=NOW, readings=late or readings())  # fmt: skip

    def meter(self, site, import_wh, places, quality=Quality.MEASURED):
        """What a site's meter told in these quarter-hours of June, rolled up to days and months."""
        starts = [START + place * QUARTER_MS for place in places]
        energies = dict.fromkeys(("pv_wh", "export_wh", "charge_wh", "discharge_wh"), 0.0)
        rows = [
            SiteQuarter(
                "ixelles", site, start, import_wh=import_wh, consumption_wh=import_wh, quality=quality, **energies
            )
            for start in starts
        ]
        self.history.write_quarters([], rows)
        self.dirty.days.mark({(site, START + place // 96 * 86_400_000) for place in places})
        job = TotalsJob(self.history, self.dirty, Directory((self.community,)), self.clock)
        for find, compute in ((job.due_days, job.compute_day), (job.due_months, job.compute_month)):
            for mark in find():
                compute(mark)

    def reopened(self):
        with self.register.database.read() as connection:
            return reopened(connection, "ixelles")


@pytest.fixture
def town(tmp_path):
    town = Town(tmp_path)
    yield town
    town.history.close()
    town.register.close()


def test_meters_that_tell_what_was_settled_reopen_nothing(town):
    assert town.job.look() == {"ixelles": 0}
    assert town.job.look() == {"ixelles": 0}


def test_reading_that_came_late_reopens_the_month_and_its_correction_closes_it(town):
    town.job.look()
    town.meter("ixl-hall", 150, [1])
    assert town.job.look() == {"ixelles": 1}
    (found,) = town.reopened()
    assert (found.month, found.version, found.by, found.quarters) == ("2026-06", 1, METERS, 1)
    assert [(each.point, each.quarters, each.withdrawal_wh, each.injection_wh) for each in found.points] == [
        (HALL, 1, 150, 0)
    ]
    received = {each.member: each.energy_wh for each in found.changes if each.side == "consumer"}
    assert sum(received.values()) == 700, "the quarter-hour was held for everybody"
    with town.register.database.read() as connection:
        made, _, late = settled_late(connection, "ixelles", "2026-06")
    town.settle("correction", made, late)
    assert town.job.look() == {"ixelles": 0}
    assert town.job.look() == {"ixelles": 0}


def test_reading_that_was_there_before_the_first_look_is_found_too(town):
    town.meter("ixl-hall", 150, [1])
    assert town.job.look() == {"ixelles": 1}


def test_restated_reading_reopens_and_taken_back_closes(town):
    town.job.look()
    town.meter("ixl-school", 60, [5, 6])
    assert town.job.look() == {"ixelles": 1}
    ((school,),) = (found.points for found in town.reopened())
    assert (school.point, school.quarters, school.withdrawal_wh) == (SCHOOL, 2, -84)
    town.meter("ixl-school", 102, [5, 6])
    assert town.job.look() == {"ixelles": 0}


def test_reading_that_was_settled_by_another_file_is_not_put_in_doubt_by_the_meter(town):
    town.meter("ixl-school", 130, [7])  # the operator's 102 Wh were settled
    town.job.look()
    town.meter("ixl-school", 131.6, [7])
    assert town.job.look() == {"ixelles": 0}


def test_estimated_quarter_hour_is_no_reading(town):
    town.job.look()
    town.meter("ixl-hall", 150, [1], Quality.ESTIMATED)
    assert town.job.look() == {"ixelles": 0}


def test_month_that_a_person_reopened_is_left_as_it_is(town):
    late = readings()
    late.withdrawal[9, 3] = 0
    with town.register.database.write() as connection:
        reopen(connection, settled(600), late, by="ann", now_ms=NOW)
    town.meter("ixl-hall", 150, [1])
    assert town.job.look() == {"ixelles": 1}
    assert [found.by for found in town.reopened()] == ["ann"]


def test_two_points_at_one_site_are_not_told_apart_by_its_meter(town):
    with town.register.database.write() as connection:
        point = MeteringPoint(id=EANS[3], participant="m-1", direction="withdrawal", site="ixl-hall")
        METERING_POINTS.put(connection, point, 0)
    town.meter("ixl-hall", 150, [1])
    assert town.job.look() == {"ixelles": 0}
