"""Plans in the running collector: asked of a real child process, followed by the balancer, published, never in the way."""

import asyncio
import contextlib
import http.server
import itertools
import os
import threading
from datetime import UTC, datetime

import pytest

from collector.planning import PlanJob, request_of, without_planned
from collector.prices import KEY_ENV, MarketPrices, read_co2, read_prices
from energy.balancing.cars import CarHere, Wish
from energy.balancing.settings import BalancerSettings, Steer
from energy.community import Community, Device, Site
from energy.errors import DataError
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS
from energy.tariff import Capacity, Entsoe, Market, Tariff
from runtime.child import ask_child
from runtime.clock import ManualClock
from storage.history import DeviceQuarter, DeviceTags, SiteQuarter
from storage.register.wishes import CarWish, keep_wish

from .conftest import eventually
from .test_balancer import community as steered
from .test_control import now_ms, roof_on

NOW = 1_764_319_440_000  # Fri 28 Nov 2025, 09:44 in Brussels
QUARTER = NOW // QUARTER_MS * QUARTER_MS


def community(**tariff):
    battery = Device(id="battery", role=Role.BATTERY, rated_w=5000, capacity_wh=10_000, steer=Steer(soc_min_pct=20))
    grid = Device(id="grid", role=Role.GRID)
    return Community(
        id="ixelles",
        name="Ixelles",
        sites=(
            Site(id="hall", name="Hall", gateway="gw", devices=(grid, battery)),
            Site(id="school", name="School", gateway="gw-2", devices=(grid,)),
        ),
        tariff=Tariff(**tariff),
    )


def quarter(site, start, **energies):
    known = {
        "pv_wh": 100.0,
        "import_wh": 500.0,
        "export_wh": 0.0,
        "charge_wh": 0.0,
        "discharge_wh": 0.0,
        "consumption_wh": 600.0,
    }
    return SiteQuarter("ixelles", site, start, **(known | energies), quality=Quality.MEASURED)


def test_request_pools_the_sites_and_knows_what_is_unknown():
    rows = [quarter("hall", QUARTER - 2 * QUARTER_MS), quarter("school", QUARTER - QUARTER_MS, pv_wh=None)]
    asked = request_of(community(), QUARTER, rows, {}, lambda _: 60.0)
    assert asked.meters == ("ixelles",)
    assert asked.meter_of_site == (0, 0)
    assert asked.load_kw == [[2.4, None], [None, 2.4]]
    assert asked.pv_kw == [[0.4, None], [None, None]]
    (battery,) = asked.batteries
    assert battery.capacity_kwh == pytest.approx(7.5)
    assert battery.energy_kwh == pytest.approx(7.5 * (60 - 20) / 75)
    assert len(asked.buy_eur_kwh) == 144


def test_request_with_a_capacity_tariff_has_a_meter_a_site_and_what_is_billed_already():
    month = round(datetime(2025, 11, 1, tzinfo=UTC).timestamp() * 1000)
    rows = [
        quarter("hall", month + QUARTER_MS * 10, import_wh=2000.0),
        quarter("hall", month - QUARTER_MS * 100, import_wh=10_000.0),
        quarter("school", month + QUARTER_MS * 10, import_wh=1.0),
    ]
    asked = request_of(community(capacity=Capacity(rule="flanders", eur_kw=48)), QUARTER, rows, {}, lambda _: None)
    assert asked.meters == ("hall", "school")
    assert asked.peak_rate_eur_kw == 4
    assert asked.billed_kw == (pytest.approx(28.0), 2.5)
    assert asked.month_kw == (pytest.approx(8.0), 2.5)
    assert asked.daily_kw == [[pytest.approx(8.0), pytest.approx(0.004)]]  # of the last four weeks
    assert asked.batteries[0].energy_kwh == pytest.approx(asked.batteries[0].capacity_kwh / 2)


class Job:
    """A plan job on a clock set by hand."""

    def __init__(self, history, place=None):
        self.clock = ManualClock(NOW)
        self.plans = []
        self.job = PlanJob([place or community()], history, self, self.clock, self.plans.append)
        self.latest = {}

    async def look(self):
        (course,) = self.job._courses
        await self.job.look(course)


async def test_first_plan_is_made_without_any_past_and_says_so(history):
    job = Job(history)
    await job.look()
    (plan,) = job.plans
    assert plan.plan.t == QUARTER
    assert plan.missing == ("Only 0 h of the past are known: load and sun are guessed from them.",)
    await job.look()
    assert len(job.plans) == 1


async def test_plan_without_a_past_is_made_anew_as_soon_as_there_is_one(history):
    job = Job(history)
    await job.look()
    history.write_quarters([], [quarter(s, QUARTER - n * QUARTER_MS) for n in range(1, 90) for s in ("hall", "school")])
    await job.look()
    assert len(job.plans) == 1  # not a day yet
    history.write_quarters(
        [], [quarter(s, QUARTER - n * QUARTER_MS) for n in range(90, 200) for s in ("hall", "school")]
    )
    await job.look()
    await job.look()
    assert [plan.plan.t for plan in job.plans] == [QUARTER, QUARTER]
    assert job.plans[1].missing == ()


async def test_each_quarter_hour_has_its_plan(history):
    history.write_quarters(
        [], [quarter(s, QUARTER - n * QUARTER_MS) for n in range(1, 200) for s in ("hall", "school")]
    )
    job = Job(history)
    await job.look()
    await job.clock.advance(61)  # 09:45, and its predecessor is not computed yet
    await job.look()
    assert len(job.plans) == 1
    await job.clock.advance(45)
    await job.look()
    assert [plan.plan.t for plan in job.plans] == [QUARTER, QUARTER + QUARTER_MS]
    assert job.plans[0].missing == ()
    assert job.plans[0].plan.steps[0].consumption_w == pytest.approx(4800, rel=0.01)


async def test_prices_that_change_are_planned_with_at_once(history, tmp_path):
    file = tmp_path / "prices.csv"
    job = Job(history, community(market=Market(csv=str(file))))
    await job.look()
    assert job.plans[0].missing[1] == "Market prices are known for 0 of 36 h; the others are the tariff's."
    assert "No such file" in job.plans[0].missing[2]
    file.write_text("start,eur_kwh\n2025-11-28T09:00:00+01:00,0.11\n2025-11-28T10:00:00+01:00,0.09\n")
    await job.look()
    assert [step.import_eur_kwh for step in job.plans[1].plan.steps[:3]] == [0.11, 0.11, 0.09]
    assert len(job.plans) == 2


async def test_running_collector_plans_publishes_and_goes_on_balancing(start, wire):
    async with start(steered()), roof_on(wire) as roof:
        plan = await eventually(lambda: wire.last("cw/v1/ixelles/live/plan"), timeout_s=60)
        assert len(plan["plan"]["steps"]) == 144
        assert set(plan["plan"]["values"]) == {"ixl-school/battery"}
        await eventually(lambda: roof.battery_w == -3000)


async def test_child_that_fails_or_hangs_is_an_error_that_says_so():
    with pytest.raises(DataError, match=r"failed: .*JSON is malformed"):
        await ask_child("collector.planner", b"nonsense", 60)
    with pytest.raises(DataError, match="took longer"):
        await ask_child("collector.planner", b"", 0.01)


def test_price_file_holds_each_price_until_the_next(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("start,eur_kwh\n2025-11-28T09:00:00+01:00,0.11\n2025-11-28T10:00:00+01:00,-0.02\n\n")
    found = read_prices(file)
    hour = round(datetime(2025, 11, 28, 8, tzinfo=UTC).timestamp() * 1000)
    assert found == {hour + n * QUARTER_MS: 0.11 if n < 4 else -0.02 for n in range(8)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "prices.csv:1 start: column is missing"),
        ("time;price\n", "prices.csv:1 start: column is missing"),
        ("start,eur_kwh\nyesterday,0.1\n", "prices.csv:2 start: is no instant"),
        ("start,eur_kwh\n2025-11-28T09:00:00,0.1\n", "prices.csv:2 start: has no offset"),
        ("start,eur_kwh\n2025-11-28T09:00:00Z\n", "prices.csv:2: has 1 cells"),
        ("start,eur_kwh\n2025-11-28T09:00:00Z,91.2\n", "prices.csv:2 eur_kwh: 91.2 is no price per kWh"),
        ("start,eur_kwh\n2025-11-28T09:00:00Z,nan\n", "prices.csv:2 eur_kwh: is no number"),
    ],
)
def test_price_file_that_is_wrong_names_its_line(tmp_path, text, said):
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        read_prices(file)


async def test_wrong_price_file_leaves_what_is_known_and_says_why(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("start,eur_kwh\n2025-11-28T09:00:00+01:00,0.11\n")
    market = MarketPrices(Market(csv=str(file)))
    assert await market.refresh(NOW)
    known = market.known
    file.write_text("start,eur_kwh\nnever,0.11\n")
    os.utime(file, (1, 1))
    assert not await market.refresh(NOW)
    assert market.known == known
    assert "prices.csv:2" in market.problem


DOCUMENT = """<?xml version="1.0" encoding="utf-8"?>
<Publication_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3">
  <mRID>a1</mRID><type>A44</type>
  <TimeSeries><mRID>1</mRID><auction.type>A01</auction.type><businessType>A62</businessType>
    <in_Domain.mRID codingScheme="A01">10YBE----------2</in_Domain.mRID>
    <out_Domain.mRID codingScheme="A01">10YBE----------2</out_Domain.mRID>
    <contract_MarketAgreement.type>A01</contract_MarketAgreement.type>
    <currency_Unit.name>EUR</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name>
    <curveType>A03</curveType>
    <Period><timeInterval><start>2025-11-27T23:00Z</start><end>2025-11-28T23:00Z</end></timeInterval>
      <resolution>PT15M</resolution>POINTS</Period></TimeSeries>
</Publication_MarketDocument>"""


@contextlib.contextmanager
def serving(handler):
    """The address of a web server of this test's own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def platform():
    """A server that answers as ENTSO-E's does, with one day of quarter-hours at 80 EUR/MWh, from position 41 at 95.5."""
    points = "".join(
        f"<Point><position>{n}</position><price.amount>{p}</price.amount></Point>" for n, p in ((1, 80), (41, 95.5))
    )
    asked = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            known = "securityToken=right" in self.path
            body = DOCUMENT.replace("POINTS", points).encode() if known else b"<html>Unauthorized</html>"
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "text/xml")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Answers) as address:
        yield f"{address}/api", asked


ACKNOWLEDGEMENT = """<?xml version="1.0" encoding="utf-8"?>
<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">
<mRID>a</mRID><createdDateTime>2025-11-28T08:44:00Z</createdDateTime>
<Reason><code>999</code><text>REASON</text></Reason></Acknowledgement_MarketDocument>"""


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (200, "No matching data found for Data item Day-ahead Prices [12.1.D]", "no prices are known for that time"),
        (400, "No matching data found for Data item Day-ahead Prices [12.1.D]", "no prices are known for that time"),
        (400, "Input parameter does not exist: out_Domain", "400"),
        (429, "Max allowed requests per minute from each unique IP is max up to 400", "429"),
        (503, "Service temporarily unavailable", "503"),
    ],
)
async def test_platform_that_gives_no_prices_is_said_and_asked_again_later(status, reason, said, monkeypatch):
    pytest.importorskip("entsoe")
    monkeypatch.setenv(KEY_ENV, "s3cret")
    asked = []

    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = ACKNOWLEDGEMENT.replace("REASON", reason).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Refuses) as url:
        market = MarketPrices(Market(entsoe=Entsoe(url=f"{url}/api")))
        market.known = {QUARTER: 0.09}
        assert not await market.refresh(NOW)
        assert said in market.problem
        assert "s3cret" not in market.problem
        assert market.known == {QUARTER: 0.09}, "what is known goes on to count"
        count = len(asked)
        assert count
        await market.refresh(NOW + 300_000)
        assert len(asked) == count
        await market.refresh(NOW + 600_000)
        assert len(asked) > count


async def test_day_ahead_prices_come_from_the_platform_by_quarter_hour(platform, tmp_path, monkeypatch):
    pytest.importorskip("entsoe")
    url, asked = platform
    (tmp_path / "key").write_text("right\n")
    market = MarketPrices(Market(entsoe=Entsoe(key_file=str(tmp_path / "key"), url=url)))
    assert await market.refresh(NOW)
    assert market.problem is None
    assert market.known[QUARTER] == pytest.approx(0.08 if (QUARTER - 1_764_284_400_000) // QUARTER_MS < 40 else 0.0955)
    assert {round(price, 4) for price in market.known.values()} == {0.08, 0.0955}
    count = len(asked)
    assert not await market.refresh(NOW + 60_000)
    assert len(asked) == count, "it is asked once an hour"
    monkeypatch.setenv(KEY_ENV, "s3cret")
    refused = MarketPrices(Market(entsoe=Entsoe(url=url)))
    assert not await refused.refresh(NOW)
    assert "401" in refused.problem
    assert "s3cret" not in refused.problem


async def test_empty_file_of_the_platforms_key_is_told_and_nothing_is_asked(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("\n")
    monkeypatch.setenv(KEY_ENV, "s3cret")
    market = MarketPrices(Market(entsoe=Entsoe(key_file=str(tmp_path / "key"), url="http://127.0.0.1:1/api")))
    assert not await market.refresh(NOW)
    assert "market.entsoe.key_file: is empty" in market.problem


def hub(**changes):
    """A street charger whose cars are planned by price, and no battery."""
    ev = Device(
        id="ev-1", role=Role.EV, interval_s=0.3, rated_w=11_040,
        steer=Steer.model_validate({"charge": "by_price", "ready_by": "07:00", "energy_wh": 10_000, **changes}),
    )  # fmt: skip
    grid = Device(id="grid", role=Role.GRID, interval_s=0.3)
    return Community(
        id="ixelles",
        name="Ixelles",
        sites=(Site(id="ixl-school", name="School", gateway="gw-school", devices=(grid, ev), import_limit_w=30_000),),
        balancer=BalancerSettings(cycle_s=1, settle_s=0.1),
    )


def test_request_names_the_cars_that_are_planned_by_price():
    here = CarHere("ixl-school/ev-1", NOW - 1000, Wish(NOW + 3_600_000, 10_000), 7_500.0)
    (car,) = request_of(hub(one_phase=True), QUARTER, [], {}, lambda _: None, (here,)).cars
    assert (car.missing_kwh, car.ready_ms, car.limit_kw) == (7.5, NOW + 3_600_000, 30.0)
    assert (car.least_kw, car.most_kw) == (1.38, 11.04)
    full = CarHere("ixl-school/ev-1", NOW, Wish(NOW + 1, 1.0), 0.0)
    assert request_of(hub(), QUARTER, [], {}, lambda _: None, (full,)).cars == ()


async def test_car_by_price_is_planned_when_it_comes_and_when_a_person_says_what_it_wants(start, register, wire):
    community = hub()
    async with start(community), cars_on(wire):
        first = await eventually(
            lambda: (p := wire.last("cw/v1/ixelles/live/plan")) and p["plan"]["cars"] and p, timeout_s=30
        )
        powers = first["plan"]["cars"]["ixl-school/ev-1"]
        assert sum(powers) / 4 == pytest.approx(10_000, rel=0.01)
        assert powers[0] == 11_040  # one price for all hours: the first
        await eventually(lambda: (d := car_decision(wire)) and d["set"]["power_w"] == 11_040)
        ready_at = now_ms() + 4 * 3_600_000
        with register.database.write() as connection:
            keep_wish(connection, CarWish("ixl-school/ev-1", ready_at, 2_760.0, "lea", now_ms()))

        def anew():
            plan = wire.last("cw/v1/ixelles/live/plan")
            return sum(plan["plan"]["cars"].get("ixl-school/ev-1", [])) / 4 == pytest.approx(2_760, rel=0.01)

        await eventually(anew, timeout_s=60)


def car_decision(wire):
    said = wire.last("cw/v1/ixelles/live/balancer")
    return said and next((each for each in said["decisions"] if each["set"] and each["set"]["power_w"] > 0), None)


@contextlib.asynccontextmanager
async def cars_on(wire):
    """A gateway with a grid meter and a charger at which a car waits."""

    async def tell():
        for seq in itertools.count():
            t = now_ms()
            readings = [
                {
                    "device": "ixl-school/grid",
                    "t": t,
                    "v": {"power_w": 500.0, "energy_import_wh": 1000, "energy_export_wh": 0},
                },
                {"device": "ixl-school/ev-1", "t": t, "v": {"power_w": 0.0, "energy_import_wh": 5000, "state": "B2"}},
            ]
            body = {"epoch": "e", "seq": seq, "historical": False, "readings": readings}
            await wire.send("cw/v1/ixelles/gw-school/data", body)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_request_of_a_community_that_pays_to_share_keeps_its_sites_apart():
    asked = request_of(community(shared_fee_eur_kwh=0.06), QUARTER, [], {}, lambda _: None)
    assert asked.meters == ("hall", "school")
    assert asked.meter_of_site == (0, 1)
    assert asked.fee_eur_kwh == [0.06] * 144
    assert asked.internal_eur_kwh == [None] * 144
    agreed = {"internal": [{"valid_from": "2025-01-01", "eur_kwh": 0.14, "source": "their agreement"}]}
    asked = request_of(community(sharing=agreed), QUARTER, [], {}, lambda _: None)
    assert asked.internal_eur_kwh == [0.14] * 144
    assert request_of(community(), QUARTER, [], {}, lambda _: None).fee_eur_kwh == []


def curve_file(folder, clean, dirty):
    """A clean afternoon, a dirty evening; in UTC, for the day from `QUARTER` on."""
    rows = ["start,g_kwh"]
    for hour in range(36):
        moment = datetime.fromtimestamp(QUARTER / 1000 + 3600 * hour, UTC)
        rows.append(f"{moment.isoformat()},{clean if 2 <= hour < 8 else dirty}")
    (folder / "co2.csv").write_text("\n".join(rows) + "\n")
    return str(folder / "co2.csv")


async def test_plan_by_co2_buys_when_the_grid_is_clean_and_counts_it(history, tmp_path):
    flat = {"import_eur_kwh": 0.3, "feed_in_eur_kwh": 0.05, "co2": {"csv": curve_file(tmp_path, 50, 400)}}
    rows = [quarter(site, QUARTER - n * QUARTER_MS) for n in range(1, 97) for site in ("hall", "school")]
    history.write_quarters([], rows)
    by_cost, by_co2 = Job(history, community(**flat)), Job(history, community(**flat, objective="co2"))
    for job in (by_cost, by_co2):
        await job.look()
    cost, co2 = (job.plans[0].plan for job in (by_cost, by_co2))
    assert min(step.battery_w for step in cost.steps) >= 0  # one price: nothing is bought for later
    bought = [n for n, step in enumerate(co2.steps) if step.battery_w < -100]
    assert bought
    assert all(8 <= n < 32 for n in bought)
    assert co2.steps[0].counted_eur_kwh == pytest.approx(0.3 + 100 * 0.4)
    assert (co2.steps[0].co2_g_kwh, co2.steps[0].import_eur_kwh) == (400, 0.3)
    assert cost.steps[0].counted_eur_kwh == 0.3


async def test_co2_that_is_not_known_leaves_a_plan_by_price_that_says_so(history, tmp_path):
    job = Job(history, community(co2={"csv": str(tmp_path / "co2.csv")}, objective="co2"))
    await job.look()
    (plan,) = job.plans
    assert "CO2 of the grid is not known: the plan goes by price alone." in plan.missing
    assert any("co2.csv" in each for each in plan.missing)
    assert plan.plan.steps[0].counted_eur_kwh is None
    curve_file(tmp_path, 50, 400)
    await job.look()
    assert job.plans[-1].plan.steps[0].co2_g_kwh == 400


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2025-11-28T09:00Z,-1", "g_kwh"),
        ("2025-11-28T09:00Z,2001", "from 0 to 2000"),
        ("2025-11-28T09:00Z,x", "g_kwh"),
        ("2025-11-28T09:00,5", "start"),
    ],
)
def test_co2_file_that_is_wrong_names_its_line(tmp_path, row, said):
    path = tmp_path / "co2.csv"
    path.write_text(f"start,g_kwh\n{row}\n")
    with pytest.raises(DataError, match=said) as error:
        read_co2(path)
    assert "co2.csv:2" in str(error.value)


def test_objective_without_a_curve_is_refused():
    with pytest.raises(ValueError, match="needs `co2`"):
        Tariff(objective="co2")


def test_what_is_planned_apart_is_not_forecast_as_well():
    def drew(start, import_wh):
        tags = DeviceTags("ixelles", "hall", "hall/ev-1", Role.EV)
        return DeviceQuarter(tags, start, import_wh, 0.0, Quality.MEASURED)

    rows = [
        quarter("hall", 0),
        quarter("hall", 1),
        quarter("hall", 2, consumption_wh=None),
        quarter("hall", 3),
        quarter("school", 0),
    ]
    left = without_planned(rows, [drew(0, 250.0), drew(0, 50.0), drew(1, 900.0), drew(2, 1.0), drew(3, None)])
    assert [row.consumption_wh for row in left] == [300.0, 0.0, None, 600.0, 600.0]
    assert [row.import_wh for row in left] == [row.import_wh for row in rows]
