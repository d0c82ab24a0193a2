"""The live page in a real browser: what runs is shared as it runs, days are chosen, cars and machines told what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.settings import BUILT_PAGE, ApiSettings
from energy.balancing.settings import Steer
from energy.community import Community, Device
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS, quarter_start
from messaging.connection import Message
from runtime.clock import Clock, ScaledClock, SystemClock
from storage.history import SiteQuarter
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.machines import runs
from storage.register.wishes import wishes
from tests.api.conftest import COMMUNITIES, Keys, live_community, live_site
from tests.system.axe import violations_in_all_looks
from tests.system.browser import Page, browser
from tests.web.pages import enter_live, picture, serving, shows

pytestmark = pytest.mark.skipif(not (BUILT_PAGE / "index.html").is_file(), reason="the page is not built")

SITES = ("ixl-hall", "ixl-pool")
HALL = "#community=ixelles&site=ixl-hall"
DAY_MS = 86_400_000
BEGIN = 1_781_517_900_000  # 2026-06-15 12:05 in Brussels: no quarter-hour ends while a test looks
PERSON = "document.querySelector('[id$=ev-1-energy]')"


@dataclass
class Served:
    """Where the page is, keys for it, what lies below it, and which sites tell of the running quarter-hour."""

    url: str
    keys: dict[str, str]
    register: Register
    clock: Clock
    telling: set[str] = field(default_factory=lambda: set(SITES))

    def wish(self) -> Any:
        with self.register.database.read() as connection:
            return next(iter(wishes(connection, self.clock.now_ms())), None)

    def run(self) -> Any:
        with self.register.database.read() as connection:
            return next(iter(runs(connection, self.clock.now_ms())), None)

    def told(self) -> list[Message]:
        """The live objects as a collector publishes them, with the start that its plan finds for a wanted run."""
        now = self.clock.now_ms()
        start = quarter_start(now)
        found = [("live/community", live_community("ixelles", now))]
        for site in SITES:
            taken = 900.0 if site == "ixl-hall" else 0.0
            quarter = {"start": start, "until": now, "import_wh": taken, "export_wh": 600.0 - taken * 2 / 3}
            told = {"quarter": quarter} if site in self.telling else {"quarter": None}
            found.append((f"live/site/{site}", live_site("ixelles", site, now, devices=devices(site, now), **told)))
        wanted = self.run()
        starts = {} if wanted is None else {wanted.device: {"start": now + 3_600_000, "said": wanted.t}}
        plan = {
            "id": "ixelles",
            "community": "ixelles",
            "t": now,
            "missing": [],
            "plan": {"steps": [], "starts": starts},
        }
        return [Message(f"cw/v1/ixelles/{topic}", msgspec.json.encode(body), True) for topic, body in (*found, ("live/plan", plan))]  # fmt: skip


def devices(site: str, t: int) -> list[dict[str, Any]]:
    known = {"t": t, "power_w": 0.0, "soc_pct": None, "stale": False, "historical": False}
    return [{"id": f"{site}/{name}", "role": role, "state": state, **known} for name, role, state in (("pv", "pv", "mppt"), ("ev-1", "ev", "A"))]  # fmt: skip


def steered() -> tuple[Community, ...]:
    """Ixelles, whose hall has a charger that heeds deadlines and a boiler to run."""
    more = (
        Device(id="ev-1", role=Role.EV, rated_w=11_040, steer=Steer.model_validate({"charge": "by_deadline", "ready_by": "07:00"})),
        Device(id="boiler", role=Role.LOAD, steer=Steer(run="120@2500")),
    )  # fmt: skip
    ixelles = COMMUNITIES[0]
    hall, pool = ixelles.sites
    hall = hall.model_copy(update={"devices": (*hall.devices, *more)})
    return (ixelles.model_copy(update={"sites": (hall, pool)}),)


@pytest.fixture
def served(tmp_path: Path, free_port) -> Iterator[Served]:
    """Ten days of quarter-hours until the one before the last, of which the pool's is missing."""
    register = Register(tmp_path / "register.db")
    clock = ScaledClock(SystemClock().now_ms(), BEGIN, 1.0)
    keys, history = Keys(register, clock), SqliteHistory(tmp_path / "history.db")
    last = quarter_start(clock.now_ms()) - QUARTER_MS
    energies = (1000.0, 200.0, 100.0, 50.0, 25.0, 1075.0)
    history.write_quarters(
        [],
        [
            SiteQuarter("ixelles", site, last - n * QUARTER_MS, *energies, Quality.MEASURED)
            for site in SITES
            for n in range(960)
            if (site, n) != ("ixl-pool", 0)
        ],
    )
    made = {role: keys.create(role, role, ["ixelles"]) for role in ("operator", "viewer", "manager", "councillor")}
    found = Served("", made, register, clock)
    settings = ApiSettings(port=free_port())
    with serving(settings, history, register, clock, keys, steered(), found.told) as url:
        found.url = url
        yield found
    history.close()
    register.close()


def click(page: Page, text: str) -> None:
    """The first shown button that says so."""
    found = f"[...document.querySelectorAll('button')].find((each) => each.innerText === {text!r} && each.checkVisibility())"
    page.wait_for(f"{found} !== undefined")
    page.evaluate(f"{found}.click()")


def put(page: Page, selector: str, value: str) -> None:
    where = f"document.querySelector({selector!r})"
    page.evaluate(f"{where}.value = {value!r}; {where}.dispatchEvent(new Event('change'))")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_running_quarter_is_shown_as_it_is_shared_and_held_ones_with_their_reason(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["viewer"], "#community=ixelles")
        shows(page, "The quarter-hour that runs")
        shows(page, "600 Wh of the 600 Wh given out is used by others and covers 67% of the 900 Wh withdrawn.")
        shows(page, "1 quarter-hour is held")
        page.evaluate("document.querySelector('.sharing-parts details').open = true")
        shows(page, "Held: import or export is not known of Hall ixl-pool.")
        assert page.evaluate("document.querySelector('.sharing-parts progress').value") >= 0
        picture(page, "live-sharing-en")
        served.telling.discard("ixl-pool")
        page.wait_for("document.querySelector('.sharing-parts .wrong').innerText.includes('Hall ixl-pool')")
        for language, told in (("fr", "heure en cours"), ("nl", "Het lopende kwartier"), ("de", "Die laufende Viertelstunde")):  # fmt: skip
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)
        page.resize(390, 4000)
        assert fits(page), "nothing sticks out on a telephone"
        assert page.console == []


def test_operator_says_what_a_car_wants_and_takes_it_back(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["operator"], HALL)
        shows(page, "What cars and machines are to do")
        shows(page, "Nothing is said of this car")
        put(page, "[id$=ev-1-energy]", "12.5")
        click(page, "Charge so")
        shows(page, "Is this right?")
        shows(page, "12.5 kWh until")
        click(page, "No")
        page.wait_for("document.querySelector('dialog[open]') === null")
        assert served.wish() is None
        click(page, "Charge so")
        picture(page, "live-wish-confirm-en")
        click(page, "Yes, do so")
        shows(page, "Noted: plan and balancer take it up within seconds.")
        shows(page, "12.5 kWh until")
        assert served.wish().energy_wh == 12_500
        picture(page, "live-wish-en")
        click(page, "Take back")
        click(page, "Yes, take back")
        shows(page, "Taken back.")
        shows(page, "Nothing is said of this car")
        assert served.wish() is None
        assert page.console == []


def test_operator_runs_a_machine_once_and_sees_when(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["operator"], HALL)
        shows(page, "Nobody wants it to run.")
        click(page, "Run once")
        shows(page, "Once begun it is not cut.")
        click(page, "Yes, do so")
        shows(page, "One run between")
        shows(page, "The plan has it begin at")
        assert served.run().device == "ixl-hall/boiler"
        put(page, "[id$=boiler-end]", "2026-01-01T00:00")
        page.evaluate("document.querySelector('[id$=boiler-end]').form.noValidate = true")
        click(page, "Run once")
        click(page, "Yes, do so")
        shows(page, "This cannot be: it must lie in the future")
        page.evaluate("document.querySelector('[lang=de]').click()")
        shows(page, "Der Plan lässt ihn um")
        picture(page, "live-run-de")


def test_viewer_sees_what_is_wanted_and_can_say_nothing(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["viewer"], HALL)
        shows(page, "Nobody wants it to run.")
        assert page.evaluate("[...document.querySelectorAll('.wanted form')].every((each) => each.hidden)")
        assert page.evaluate("document.querySelector('.tools [href^=\"./statements\"]').hidden")


def test_keyboard_alone_says_what_a_car_wants(served: Served, tmp_path: Path):
    """From its first field to the answer without a pointer; the focus comes back to where it was."""
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["operator"], HALL)
        page.wait_for(f"{PERSON} !== null && {PERSON}.checkVisibility()")
        page.evaluate(f"{PERSON}.focus()")
        page.press("Enter")
        page.wait_for("document.querySelector('dialog[open]') !== null")
        assert page.evaluate("document.activeElement.innerText") == "No"  # the harmless one
        page.press("Escape")
        page.wait_for(f"document.querySelector('dialog') === null || document.activeElement === {PERSON}")
        assert page.evaluate(f"document.activeElement === {PERSON}")
        page.press("Enter")
        page.wait_for("document.querySelector('dialog[open]') !== null")
        page.press("Tab")
        page.press("Enter")
        shows(page, "Noted: plan and balancer take it up within seconds.")
        assert served.wish().energy_wh == 20_000


def test_days_are_chosen_kept_in_the_address_and_taken_along(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["viewer"], HALL)
        page.wait_for("document.querySelector('#site-span') !== null")
        assert page.evaluate("document.querySelector('#site-from').checkVisibility()") is False
        put(page, "#site-span", "days")
        page.wait_for("document.querySelector('#site-from').checkVisibility() && location.hash.includes('from=')")
        today = page.evaluate("document.querySelector('#site-to').value")
        first = page.evaluate(f"new Date(Date.parse('{today}') - 3 * {DAY_MS}).toISOString().slice(0, 10)")
        put(page, "#site-from", first)
        page.wait_for(f"location.hash.includes('from={first}') && location.hash.includes('to={today}')")
        put(page, "#site-step", "1h")
        page.wait_for("location.hash.includes('step=1h') && document.querySelector('.site .uplot') !== null")
        page.evaluate("document.old = true; location.reload()")
        page.wait_for("!document.old && document.querySelector('.site .uplot') !== null")
        assert page.evaluate("document.querySelector('#site-from').value") == first
        assert page.evaluate("document.querySelector('#site-step').value") == "1h"
        page.evaluate("[...document.querySelectorAll('.site figure button')].at(-1).click()")
        page.wait_for("document.querySelectorAll('#site-table tbody tr').length > 70")
        page.evaluate("window.taken = []; HTMLAnchorElement.prototype.click = function () { window.taken.push(this.download); }")  # fmt: skip
        page.evaluate("document.querySelector('.choices a[download]').dispatchEvent(new MouseEvent('click', {cancelable: true}))")  # fmt: skip
        page.wait_for("window.taken.join() === 'ixl-hall-consumption_w-1h.csv'")
        picture(page, "live-days-en")
        assert page.console == []


def test_days_that_are_too_many_or_reversed_are_told_so(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["viewer"], f"{HALL}&from=2026-01-01&to=2026-03-31&step=1m")
        shows(page, "at most 50,000 are given. Choose: 5 minutes.")
        for language, told in (("fr", "Choisissez : 5 minutes."), ("nl", "Kies: 5 minuten."), ("de", "Wählen Sie: 5 Minuten.")):  # fmt: skip
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)
        page.evaluate("document.querySelector('[lang=en]').click()")
        page.evaluate("location.hash = '#community=ixelles&site=ixl-hall&from=2026-03-31&to=2026-01-01'")
        shows(page, "The first day must lie before the last one")


def test_councillor_is_shown_sums_and_not_asked_for_another_key(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.setattr("api.groups.SMALLEST_GROUP", 2)  # as many as there are here
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["councillor"])
        shows(page, "Your key sees the community as a whole")
        shows(page, "sums only")
        shows(page, "600 Wh of the 600 Wh given out is used by others")
        page.wait_for("document.querySelector('.uplot') !== null")
        assert "Hall ixl" not in page.evaluate("document.body.innerText")
        picture(page, "live-councillor-en")
        assert violations_in_all_looks(page) == []


def test_manager_has_the_way_to_the_settled_months(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["manager"])
        page.wait_for("document.querySelector('.tools [href=\"./statements#community=ixelles\"]')?.checkVisibility()")


def test_site_with_all_its_controls_has_nothing_that_shuts_people_out(served: Served, tmp_path: Path):
    """axe-core over sharing, chosen days and controls, in both schemes and widths, and over the question that is asked."""
    with browser(tmp_path) as page:
        enter_live(page, served.url, served.keys["operator"], f"{HALL}&from=2026-06-12&to=2026-06-14")
        shows(page, "What cars and machines are to do")
        page.wait_for("document.querySelector('.sharing-parts table') !== null")
        click(page, "Run once")
        page.wait_for("document.querySelector('dialog[open]') !== null")
        assert violations_in_all_looks(page) == []
        page.press("Escape")
        page.evaluate("document.querySelectorAll('dialog img, main > img').forEach((each) => each.remove())")
        assert violations_in_all_looks(page) == []
