"""The live picture from readings in memory."""

from datetime import datetime

import pytest

from collector.directory import Directory
from collector.live import LiveState
from collector.views import community_object, encode_object, site_object
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS, local_day
from runtime.clock import ManualClock
from storage.history import DeviceTags, Row, SiteQuarter

from .conftest import make_community

DAY = 1_750_000_000_000
MIDNIGHT, NEXT_MIDNIGHT = local_day(DAY, "Europe/Brussels")


class Scene:
    """A live state with a clock set by hand."""

    def __init__(self, now_ms=MIDNIGHT + 10 * QUARTER_MS):
        self.clock = ManualClock(now_ms)
        self.directory = Directory([make_community()])
        self.live = LiveState(self.directory, self.clock, interval_s=5.0)

    def hear(self, device, t, *, gateway=None, **values):
        gateway = gateway or {"ixl-hall": "gw-hall", "ixl-school": "gw-school"}[device.partition("/")[0]]
        self.live.hear([Row(self.directory.place("ixelles", gateway, device), t, values)])

    def site(self, name="ixl-hall"):
        return next(site for site in self.live.picture().sites if site.balance.id == name)


@pytest.fixture
def scene():
    return Scene()


def quarter(site, start, *, pv=10.0, imported=20.0, exported=5.0, quality=Quality.MEASURED):
    consumption = None if quality is Quality.MISSING else pv + imported - exported
    return SiteQuarter("ixelles", site, start, pv, imported, exported, 0.0, 0.0, consumption, quality)


def test_an_older_reading_changes_nothing(scene):
    now = scene.clock.now_ms()
    scene.hear("ixl-hall/pv", now, power_w=5.0)
    scene.hear("ixl-hall/pv", now - 1, power_w=9.0)
    scene.hear("ixl-hall/pv", now, power_w=9.0)
    assert scene.site().balance.pv_w == 5.0


def test_a_site_that_is_heard_of_all_the_time_is_told_ten_times_a_second(scene):
    now = scene.clock.now_ms()
    scene.hear("ixl-hall/pv", now, power_w=1.0)
    assert [site.balance.pv_w for site in scene.live.take_news()] == [1.0]
    scene.clock.step_wall(0.099)
    scene.hear("ixl-hall/pv", now + 99, power_w=2.0)
    assert scene.live.take_news() == []
    assert scene.live.waiting
    scene.clock.step_wall(0.001)
    assert [site.balance.pv_w for site in scene.live.take_news()] == [2.0]
    assert not scene.live.waiting


def test_a_clock_that_was_set_back_holds_no_news_up(scene):
    now = scene.clock.now_ms()
    scene.hear("ixl-hall/pv", now, power_w=1.0)
    scene.live.take_news()
    scene.clock.step_wall(-30)
    scene.hear("ixl-hall/pv", now + 1, power_w=2.0)
    assert [site.balance.pv_w for site in scene.live.take_news()] == [2.0]


def test_a_reading_from_the_future_is_not_live(scene):
    scene.hear("ixl-hall/pv", scene.clock.now_ms() + 3_600_000, power_w=5.0)
    assert scene.site().balance.pv_w is None


async def test_a_device_silent_for_more_than_three_intervals_is_stale(scene):
    scene.hear("ixl-hall/pv", scene.clock.now_ms(), power_w=5.0)
    scene.hear("ixl-hall/grid", scene.clock.now_ms(), power_w=7.0)
    await scene.clock.advance(30)
    assert scene.site().balance.consumption_w == 12.0
    await scene.clock.advance(0.1)
    site = scene.site().balance
    assert site.stale == ("ixl-hall/grid", "ixl-hall/pv")
    assert site.consumption_w is None


async def test_an_unregistered_device_is_stale_by_the_interval_it_showed(scene):
    now = scene.clock.now_ms()
    scene.hear("barn/pv", now - 60_000, gateway="gw-x", power_w=5.0)
    scene.hear("barn/pv", now, gateway="gw-x", power_w=6.0)
    await scene.clock.advance(150)
    site = scene.site("barn")
    assert site.balance.pv_w == 6.0
    assert not site.registered
    await scene.clock.advance(31)
    assert scene.site("barn").balance.stale == ("barn/pv",)


def test_an_unregistered_site_is_in_no_sum(scene):
    now = scene.clock.now_ms()
    for device in ("ixl-hall/pv", "ixl-hall/grid", "ixl-school/pv", "ixl-school/grid", "ixl-school/battery"):
        scene.hear(device, now, power_w=10.0)
    scene.hear("barn/pv", now, gateway="gw-x", power_w=1000.0)
    (balance, _), *others = scene.live.picture().communities
    assert not others
    assert balance.pv_w == 20.0
    assert balance.known.of == 2


@pytest.mark.parametrize("name", ["a+b", "#", "x y", "ä", "x" * 65])
def test_a_site_whose_name_is_no_topic_level_is_not_shown(scene, name):
    scene.hear(f"{name}/pv", scene.clock.now_ms(), gateway="gw-x", power_w=1.0)
    assert {site.balance.id for site in scene.live.picture().sites} == {"ixl-hall", "ixl-school"}


def test_today_is_the_stored_quarter_hours_and_what_was_read_since(scene):
    now = scene.clock.now_ms()
    scene.live.today.written(quarter("ixl-hall", MIDNIGHT + n * QUARTER_MS) for n in range(-3, 9))
    for n in range(16):
        t = now - QUARTER_MS + n * 60_000
        scene.hear("ixl-hall/grid", t, energy_import_wh=100.0 + n, energy_export_wh=0.0)
        scene.hear("ixl-hall/pv", t, energy_export_wh=2.0 * n)
    today = scene.site().today
    assert today.pv_wh == pytest.approx(9 * 10 + 30)
    assert today.import_wh == pytest.approx(9 * 20 + 15)
    assert today.export_wh == pytest.approx(9 * 5)
    assert today.consumption_wh == pytest.approx(9 * 25 + 45)
    assert today.self_sufficiency == pytest.approx(1 - 195 / 270)
    assert today.quality is Quality.MEASURED


def test_late_readings_count_for_today_and_never_for_now(scene):
    """A system that starts within a quarter-hour and gets its beginning afterwards, as history."""
    now = scene.clock.now_ms()
    scene.live.today.written(quarter("ixl-hall", MIDNIGHT + n * QUARTER_MS) for n in range(9))
    readings = [(now - QUARTER_MS + n * 60_000, n) for n in range(16)]
    for t, n in readings[8:]:
        scene.hear("ixl-hall/grid", t, power_w=60.0, energy_import_wh=100.0 + n, energy_export_wh=0.0)
        scene.hear("ixl-hall/pv", t, power_w=120.0, energy_export_wh=2.0 * n)
    assert scene.site().today.pv_wh is None
    for t, n in reversed(readings[:9]):
        for device, values in (
            ("ixl-hall/grid", {"power_w": 9e9, "energy_import_wh": 100.0 + n, "energy_export_wh": 0.0}),
            ("ixl-hall/pv", {"power_w": 9e9, "energy_export_wh": 2.0 * n}),
        ):
            scene.live.recall([Row(scene.directory.place("ixelles", "gw-hall", device), t, values)])
    site = scene.site()
    assert site.today.pv_wh == pytest.approx(9 * 10 + 30)
    assert site.today.import_wh == pytest.approx(9 * 20 + 15)
    assert (site.balance.pv_w, site.balance.grid_w) == (120.0, 60.0)


def test_today_is_unknown_where_a_quarter_hour_is(scene):
    scene.live.today.written(quarter("ixl-hall", MIDNIGHT + n * QUARTER_MS) for n in range(10) if n != 4)
    assert scene.site().today.pv_wh is None
    assert scene.site().today.quality is Quality.MISSING


def test_a_community_shares_by_quarter_hour_not_by_day(scene):
    for n in range(10):
        giver, taker = ("ixl-hall", "ixl-school") if n % 2 else ("ixl-school", "ixl-hall")
        scene.live.today.written([quarter(giver, MIDNIGHT + n * QUARTER_MS, imported=0.0, exported=8.0)])
        scene.live.today.written([quarter(taker, MIDNIGHT + n * QUARTER_MS, imported=3.0, exported=0.0)])
    _, today = scene.live.picture().communities[0]
    assert (today.import_wh, today.export_wh, today.shared_wh) == (30, 80, 30)
    assert today.self_sufficiency == 1.0


@pytest.mark.parametrize(("day", "quarters"), [("2025-03-30T12:00+02:00", 92), ("2025-10-26T12:00+01:00", 100)])
def test_today_has_as_many_quarter_hours_as_the_local_day(day, quarters):
    midnight, end = local_day(int(datetime.fromisoformat(day).timestamp() * 1000), "Europe/Brussels")
    scene = Scene(end - 1)
    starts = range(midnight, end, QUARTER_MS)
    assert len(starts) == quarters
    scene.live.today.written(quarter("ixl-hall", start) for start in starts)
    assert scene.site().today.pv_wh == 10.0 * quarters


def test_unknown_numbers_are_null_in_json(scene):
    picture = scene.live.picture()
    body = encode_object(community_object(*picture.communities[0]))
    assert b'"pv_w":null' in body
    assert b'"shared_w":null' in body
    site = site_object(picture.sites[0])
    assert site["stale"] == ["ixl-hall/grid", "ixl-hall/pv"]
    assert [device["role"] for device in site["devices"]] == ["grid", "pv"]


def test_load_begins_with_what_the_store_has_and_leaves_other_communities_out(scene, history):
    now = scene.clock.now_ms()
    grid = DeviceTags("ixelles", "ixl-hall", "ixl-hall/grid", Role.GRID)
    pv = DeviceTags("ixelles", "ixl-hall", "ixl-hall/pv", Role.PV)
    history.write([Row(grid, now - 5_000, {"power_w": 1.0}), Row(pv, now - 90 * 60_000, {"power_w": 2.0})])
    history.write([Row(DeviceTags("brussels", "bxl", "bxl/pv", Role.PV), now, {"power_w": 3.0})])
    history.write_quarters([], [quarter("ixl-hall", MIDNIGHT + n * QUARTER_MS) for n in range(10)])
    scene.directory.remember(history.devices())
    scene.live.load(history)
    site = scene.site()
    assert site.balance.grid_w == 1.0
    assert site.balance.pv_w is None
    assert site.from_store == {"ixl-hall/grid", "ixl-hall/pv"}
    assert site.today.pv_wh == 100.0
    assert scene.live.heard_at("bxl/pv") is None


def running(scene, name="ixl-hall"):
    return site_object(scene.site(name))["quarter"]


async def test_running_quarter_is_told_by_the_grid_meter_as_far_as_it_was_read(scene):
    """A dead inverter says nothing of what the building took from the grid."""
    start = scene.clock.now_ms()
    scene.hear("ixl-hall/pv", start - 3_600_000, power_w=5.0, energy_export_wh=7.0)
    scene.hear("ixl-hall/grid", start, energy_import_wh=1000.0, energy_export_wh=50.0)
    assert running(scene) == {"start": start, "until": start, "import_wh": 0.0, "export_wh": 0.0, "quality": "measured"}
    await scene.clock.advance(60)
    scene.hear("ixl-hall/grid", start + 60_000, energy_import_wh=1030.0, energy_export_wh=52.0)
    assert running(scene) == {
        "start": start,
        "until": start + 60_000,
        "import_wh": 30.0,
        "export_wh": 2.0,
        "quality": "measured",
    }


async def test_running_quarter_begins_anew_when_the_one_before_is_over(scene):
    start = scene.clock.now_ms()
    scene.hear("ixl-hall/grid", start, energy_import_wh=1000.0, energy_export_wh=0.0)
    await scene.clock.advance(890)
    scene.hear("ixl-hall/grid", start + 890_000, energy_import_wh=1890.0, energy_export_wh=0.0)
    await scene.clock.advance(20)
    scene.hear("ixl-hall/grid", start + 910_000, energy_import_wh=1910.0, energy_export_wh=0.0)
    told = running(scene)
    assert (told["start"], told["import_wh"]) == (start + QUARTER_MS, 10.0)


async def test_running_quarter_of_a_silent_meter_stays_where_it_was_read(scene):
    start = scene.clock.now_ms()
    scene.hear("ixl-hall/grid", start, energy_import_wh=1000.0, energy_export_wh=0.0)
    await scene.clock.advance(600)
    assert running(scene)["until"] == start
    assert running(scene, "ixl-school") is None  # its meter told nothing yet
