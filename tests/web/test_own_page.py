"""A member's own page in a real browser: logs in by a pasted key, shows its own day, agrees and withdraws, leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from api.settings import BUILT_PAGE, ApiSettings
from energy.quarters import quarter_start
from messaging.connection import Message
from runtime.clock import SystemClock
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.month_runs import keep
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.people import PEOPLE, Person
from tests.api.conftest import NOW, Keys, live_site
from tests.api.test_me import EANS, settled
from tests.system.axe import violations_in_all_looks
from tests.system.browser import Page, browser
from tests.web.pages import picture, serving, shows

pytestmark = pytest.mark.skipif(not (BUILT_PAGE / "me.html").is_file(), reason="the page is not built")


@dataclass
class Served:
    """Where the page is, and keys for it."""

    url: str
    member: str
    viewer: str
    other: str


def running(clock: SystemClock) -> list[Message]:
    """The hall took 900 Wh since the quarter-hour began, the pool gave 600."""
    now = clock.now_ms()
    energies = {"ixl-hall": (900.0, 0.0), "ixl-pool": (0.0, 600.0)}
    return [
        Message(
            f"cw/v1/ixelles/live/site/{site}",
            msgspec.json.encode(live_site("ixelles", site, now, quarter=quarter)),
            True,
        )
        for site, (taken, given) in energies.items()
        for quarter in [{"start": quarter_start(now), "until": now, "import_wh": taken, "export_wh": given}]
    ]


@pytest.fixture
def served(tmp_path: Path, register: Register, free_port) -> Iterator[Served]:
    with register.database.write() as connection:
        for n, ean in enumerate(EANS[:8]):
            PEOPLE.put(connection, Person(id=f"p-{n}", name=f"Name {n}"), NOW)
            member = Participant(id=f"m-{n}", community="ixelles", person=f"p-{n}", member_class="citizen")
            PARTICIPANTS.put(connection, member, NOW)
            site = "ixl-hall" if n == 3 else None
            point = MeteringPoint(id=ean, participant=f"m-{n}", direction="both", site=site)
            METERING_POINTS.put(connection, point, NOW)
        keep(
            connection,
            settled(),
            "0" * 64,
            "final",
            issued=settled().inputs.setting().month.end,
            by="a",
            why="",
            now_ms=1,
        )
    clock = SystemClock()
    keys = Keys(register, clock)
    member = keys.create("of-3", "member", participants=["m-3"])
    other = keys.create("of-4", "member", participants=["m-4"])
    viewer = keys.create("viewer", "viewer", ["*"])
    history = SqliteHistory(tmp_path / "history.db")
    settings = ApiSettings(port=free_port())
    with serving(settings, history, register, clock, keys, told=lambda: running(clock)) as url:
        yield Served(f"{url}/me", member, viewer, other)
    history.close()


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    opened = Register(tmp_path / "register.db")
    yield opened
    opened.close()


def enter(page: Page, key: str) -> None:
    page.wait_for("document.querySelector('#key') !== null")
    page.evaluate(f"document.querySelector('#key').value = {key!r}; document.querySelector('form').requestSubmit()")


def test_member_enters_by_its_key_sees_its_own_and_leaves_nothing_behind(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        page.wait_for("document.querySelector('#key') !== null")
        picture(page, "own-login")
        page.evaluate("localStorage.setItem('commonwatt.language', 'en'); document.old = true; location.reload()")
        page.wait_for("!document.old && document.querySelector('#key') !== null")
        enter(page, served.member)
        shows(page, "My quarter-hours")
        page.wait_for("document.querySelector('#day').value === '2026-06-30'")  # yesterday is not settled
        shows(page, "You withdrew 9.89 kWh, 9.60 kWh of it (97%) from your community.")
        shows(page, "All 8 members together withdrew")
        shows(page, "to pay")
        picture(page, "own-en")
        page.evaluate("document.querySelector('[lang=de]').click()")
        shows(page, "Meine Viertelstunden")
        page.wait_for("document.querySelector('.uplot') !== null")
        shows(page, "Sie haben 9,89")
        picture(page, "own-de")
        page.open(served.url, width=390, height=1700)
        shows(page, "Meine Viertelstunden")
        shows(page, "Sie haben 9,89")
        picture(page, "own-narrow")
        assert page.evaluate("sessionStorage.getItem('commonwatt.key')") == served.member
        assert page.evaluate("Object.keys(localStorage).join()") == "commonwatt.language"
        page.evaluate("[...document.querySelectorAll('button')].find((each) => each.innerText === 'Verlassen').click()")
        page.wait_for("document.querySelector('#key') !== null && sessionStorage.length === 0")
        assert page.console == []


def test_member_sees_its_own_part_of_the_quarter_that_runs(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        page.wait_for("document.querySelector('#key') !== null")
        page.evaluate("localStorage.setItem('commonwatt.language', 'en'); document.old = true; location.reload()")
        page.wait_for("!document.old && document.querySelector('#key') !== null")
        enter(page, served.member)
        shows(page, "The quarter-hour that runs")
        shows(page, "You withdrew 900 Wh, 600 Wh of it (67%) from your community.")
        shows(page, "An estimate that changes until the quarter-hour is over.")
        picture(page, "own-running-en")
        for language, told in (
            ("fr", "Le quart d"),
            ("nl", "Het lopende kwartier"),
            ("de", "Die laufende Viertelstunde"),
        ):
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)


def test_member_whose_meter_is_not_read_live_is_told_so(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        page.wait_for("document.querySelector('#key') !== null")
        page.evaluate("localStorage.setItem('commonwatt.language', 'en'); document.old = true; location.reload()")
        page.wait_for("!document.old && document.querySelector('#key') !== null")
        enter(page, served.other)
        shows(page, "Your meter is not read live")


def test_own_page_breaks_no_rule_of_accessibility(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        enter(page, served.member)
        page.wait_for("document.querySelector('.uplot') !== null")
        page.wait_for("document.querySelector('#consent-curve') !== null")
        assert violations_in_all_looks(page) == []


def test_consent_is_given_and_withdrawn_with_a_tick(served: Served, register: Register, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        enter(page, served.member)
        for wanted in ("true", "false"):
            page.wait_for("document.querySelector('#consent-curve') !== null")
            page.evaluate("document.querySelector('#consent-curve').click()")
            page.wait_for(
                "fetch('api/v1/me/consents', {headers: {Authorization: 'Bearer ' + sessionStorage['commonwatt.key']}})"
                f".then((answer) => answer.json()).then((told) => told.purposes[0].given === {wanted})"
            )
        assert page.console == []


@pytest.mark.parametrize("key", ["viewer", "cw_wrong"])
def test_key_that_is_of_no_member_is_told_so(served: Served, tmp_path: Path, key: str):
    with browser(tmp_path) as page:
        page.open(served.url)
        enter(page, served.viewer if key == "viewer" else key)
        page.wait_for("document.querySelector('.wrong').innerText.length > 10")
