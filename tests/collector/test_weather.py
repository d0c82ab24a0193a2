"""The weather feed against a real web server: what it tells is kept, what it gets wrong is said, and it stops no plan."""

import contextlib
import http.server
import json
import threading
import time

import pytest

from collector import weather as module
from collector.planning import PlanJob
from collector.weather import WeatherFeed
from energy.balancing.settings import Steer
from energy.community import Community, Device, Site
from energy.quantities import Role
from energy.quarters import QUARTER_MS
from energy.weather_feed import FeedSettings, Told
from runtime.clock import ManualClock
from storage.register.forecast_weather import told_weather

NOW = 1_764_319_440_000  # Fri 28 Nov 2025, 09:44 in Brussels
QUARTER = NOW // QUARTER_MS * QUARTER_MS
DAY = 86_400_000


def document(first=QUARTER, steps=192, **changes):
    """As Open-Meteo answers: seconds since 1970 at the end of each quarter-hour's mean."""
    series = {
        "time": [(first + (step + 1) * QUARTER_MS) // 1000 for step in range(steps)],
        "shortwave_radiation": [float(step % 96) for step in range(steps)],
        "temperature_2m": [4.5] * steps,
        **changes,
    }
    units = {"time": "unixtime", "shortwave_radiation": "W/m²", "temperature_2m": "°C"}
    return {
        "latitude": 50.85,
        "longitude": 4.35,
        "utc_offset_seconds": 0,
        "minutely_15_units": units,
        "minutely_15": series,
    }


class Answer:
    """What the server does next."""

    def __init__(self):
        self.status, self.body, self.headers, self.delay_s = 200, json.dumps(document()).encode(), {}, 0.0
        self.asked = []


@pytest.fixture
def server():
    answer = Answer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer.asked.append(self.path)
            time.sleep(answer.delay_s)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answer.body)

        def log_message(self, *_):
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    answer.url = f"http://127.0.0.1:{http_server.server_port}/v1/forecast"
    yield answer
    http_server.shutdown()
    http_server.server_close()


def community(url):
    place = {"latitude": 50.8466, "longitude": 4.3528}
    battery = Device(id="battery", role=Role.BATTERY, rated_w=5000, capacity_wh=10_000, steer=Steer())
    grid = Device(id="grid", role=Role.GRID)
    return Community(
        id="ixelles",
        name="Ixelles",
        sites=(Site(id="hall", name="Hall", gateway="gw", devices=(grid, battery), **place),),
        weather=FeedSettings(url=url, hosts=("127.0.0.1",)),
    )


@pytest.fixture
def feed(server, register):
    town = community(server.url)
    return WeatherFeed(town, town.middle, register)


def kept(register, now_ms=NOW):
    with register.database.read() as connection:
        return told_weather(connection, "ixelles", QUARTER - 60 * DAY, QUARTER + 60 * DAY, now_ms)


async def test_answer_is_kept_by_quarter_hour_and_asked_for_once_an_hour(feed, server, register):
    assert await feed.refresh(NOW)
    assert feed.problem is None
    assert kept(register)[QUARTER + 5 * QUARTER_MS] == Told(5.0, 4.5)
    (path,) = server.asked
    assert path.startswith("/v1/forecast?latitude=50.85&longitude=4.35&minutely_15=shortwave_radiation,temperature_2m&")
    assert not await feed.refresh(NOW + 3_599_000)
    assert len(server.asked) == 1
    server.body = json.dumps(document(temperature_2m=[9.0] * 192)).encode()
    assert await feed.refresh(NOW + 3_600_000)
    assert kept(register)[QUARTER].temperature_c == 9.0


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error":true,"reason":"Cannot initialize value"}', "400 Bad Request"),
        (429, b'{"error":true,"reason":"Minutely API request limit exceeded"}', "limit exceeded"),
        (503, b"<html>", "503 Service Unavailable"),
        (302, b"", "302"),
        (200, b"<html>hello</html>", "no JSON"),
        (200, b'{"error":true,"reason":"no"}', "refuses: no"),
        (200, b"[" * 100_000, "no JSON"),
        (200, b"\xff\xfe", "no JSON"),
        (200, b"{}", "has no minutely_15"),
        (200, b"[]", "has no minutely_15"),
        (200, json.dumps(document(temperature_2m=[1.0])).encode(), "not equally long"),
        (200, json.dumps(document(time=["2025"] * 192)).encode(), "is no quarter-hour"),
        (200, json.dumps(document(time=[17] * 192)).encode(), "is no quarter-hour"),
        (200, json.dumps(document(shortwave_radiation=[None] * 192, temperature_2m=["x"] * 192)).encode(), "tells nothing"),
        (200, b" " * 5_000_000, "larger than"),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_said_and_what_was_known_stays(feed, server, register, status, body, said):
    assert await feed.refresh(NOW)
    before = kept(register)
    server.status, server.body, server.headers = status, body, {"Location": server.url}
    assert not await feed.refresh(NOW + 3_600_000)
    assert said in feed.problem
    assert kept(register) == before
    count = len(server.asked)
    assert not await feed.refresh(NOW + 3_900_000)
    assert len(server.asked) == count, "it is given ten minutes"
    server.status, server.body = 200, json.dumps(document()).encode()
    assert await feed.refresh(NOW + 4_300_000)
    assert feed.problem is None


async def test_values_that_cannot_be_are_left_out_alone(feed, server, register):
    wrong = [-5.0, 1e9, "much", None, True, 300.0] * 32
    server.body = json.dumps(document(shortwave_radiation=wrong)).encode()
    assert await feed.refresh(NOW)
    assert [kept(register)[QUARTER + step * QUARTER_MS].irradiance_wm2 for step in range(6)] == [*[None] * 5, 300.0]


async def test_server_that_hangs_or_is_not_there_is_given_up(feed, server, monkeypatch):
    monkeypatch.setattr(module, "_WITHIN_S", 0.2)
    server.delay_s = 1.0
    assert not await feed.refresh(NOW)
    assert "did not answer" in feed.problem
    feed._url = "http://127.0.0.1:9/v1"
    assert not await feed.refresh(NOW + DAY)
    assert "did not answer" in feed.problem


async def test_what_was_told_a_day_ago_tells_the_past_and_nothing_of_what_comes(feed, register):
    await feed.refresh(NOW)
    assert max(kept(register, NOW + DAY)) > NOW + DAY
    late = NOW + DAY + QUARTER_MS
    assert max(kept(register, late)) < late
    assert min(kept(register, late)) == QUARTER


@pytest.mark.parametrize("broken", [False, True])
async def test_plan_is_made_with_the_feed_and_without_it(server, register, broken):
    if broken:
        server.status = 503
    plans = []
    job = PlanJob([community(server.url)], Nothing(), Nothing(), ManualClock(NOW), plans.append, register=register)
    await job.look(job._courses[0])
    (made,) = plans
    assert len(made.plan.steps) == 144
    assert any(said.startswith("Weather feed: it answered 503") for said in made.missing) is broken


class Nothing:
    """A store and a live picture in which nothing is known."""

    def __init__(self):
        self.latest = {}

    def site_quarters(self, *_):
        return []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "https://evil.example/v1"}, "may not be asked"),
        ({"url": "http://api.open-meteo.com/v1/forecast"}, "over https"),
        ({"url": "https://me@api.open-meteo.com/v1"}, "without user"),
        ({"url": "https://api.open-meteo.com/v1?x=1"}, "without user"),
        ({"url": "file:///etc/passwd"}, "may not be asked"),
        ({"url": "http://other.example/v1", "hosts": ["other.example"]}, "over https"),
    ],
)
def test_address_that_is_not_meant_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        FeedSettings.model_validate(settings)
    assert FeedSettings().url == "https://api.open-meteo.com/v1/forecast"
