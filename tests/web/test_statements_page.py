"""A member's statements and the manager's months in a real browser: lines, why, papers, versions, and who may look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from api.settings import BUILT_PAGE, ApiSettings
from energy.settlement.operator import Difference
from runtime.clock import SystemClock
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.month_runs import keep, reopen
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.parties import PARTIES, BillingParty
from storage.register.people import PEOPLE, Person
from tests.api.conftest import NOW, Keys
from tests.api.test_me import EANS, readings, settled
from tests.system.axe import violations_in_all_looks
from tests.system.browser import Page, browser
from tests.web.pages import picture, serving, shows

pytestmark = pytest.mark.skipif(not (BUILT_PAGE / "statements.html").is_file(), reason="the page is not built")

REFERENCE = [{"eur_kwh": "0.39", "source": "CREG, June 2026", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}]

DIFFERENCES = (
    Difference(EANS[2], "withdrawal", 1000, 900, ("m-2",), ("held", "readings")),
    Difference(EANS[3], "withdrawal", 1000, 990, ("m-3",)),  # kept before causes were told
)


@dataclass
class Served:
    """Where the pages are, and keys for them."""

    url: str
    keys: dict[str, str]
    register: Register


@pytest.fixture
def served(tmp_path: Path, free_port) -> Iterator[Served]:
    """Eight members, June settled and corrected."""
    register = Register(tmp_path / "register.db")
    with register.database.write() as connection:
        PARTIES.put(connection, BillingParty(id="ixelles", name="Ixelles", city="Ixelles"), 0)
        for n, ean in enumerate(EANS[:8]):
            PEOPLE.put(connection, Person(id=f"p-{n}", name=f"Name {n}", language="en"), NOW)
            member = Participant(id=f"m-{n}", community="ixelles", person=f"p-{n}", member_class="citizen")
            PARTICIPANTS.put(connection, member, NOW)
            PARTIES.put(connection, BillingParty(id=f"m-{n}", name=f"Name {n}", city="Ixelles"), 0)
            METERING_POINTS.put(connection, MeteringPoint(id=ean, participant=f"m-{n}", direction="both"), NOW)
        for status, injected_wh in (("final", 700), ("correction", 600)):
            made = replace(settled(injected_wh, reference=REFERENCE), differences=DIFFERENCES)
            keep(
                connection,
                made,
                "0" * 64,
                status,
                issued=date(2026, 7, 3),
                by="a",
                why="",
                now_ms=1,
                readings=readings(injected_wh),
            )
    clock = SystemClock()
    keys = Keys(register, clock)
    made_keys = {
        "member": keys.create("of-3", "member", participants=["m-3"]),
        "manager": keys.create("manager", "manager", ["ixelles"]),
        "viewer": keys.create("viewer", "viewer", ["ixelles"]),
    }
    history = SqliteHistory(tmp_path / "history.db")
    settings = ApiSettings(port=free_port())
    with serving(settings, history, register, clock, keys) as url:
        yield Served(url, made_keys, register)
    history.close()
    register.close()


def enter(page: Page, url: str, key: str) -> None:
    page.open(url, height=2000)
    page.evaluate("localStorage.setItem('commonwatt.language', 'en'); document.old = true; location.reload()")
    page.wait_for("!document.old && document.querySelector('#key') !== null && document.documentElement.lang === 'en'")
    page.evaluate(f"document.querySelector('#key').value = {key!r}; document.querySelector('form').requestSubmit()")


def press(page: Page, text: str) -> None:
    """The first button that says so."""
    found = f"[...document.querySelectorAll('button')].find((each) => each.innerText === {text!r})"
    page.wait_for(f"{found} !== undefined")
    page.evaluate(f"{found}.click()")


def choose_month(page: Page, month: str) -> None:
    field = "document.querySelector('#month')"
    page.evaluate(f"{field}.value = {month!r}; {field}.dispatchEvent(new Event('change'))")


def downloads(page: Page) -> None:
    """Names what is taken along instead of writing it."""
    page.evaluate(
        "window.taken = []; HTMLAnchorElement.prototype.click = function () { window.taken.push(this.download); }"
    )


def test_member_opens_a_month_asks_why_and_takes_its_papers(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/me", served.keys["member"])
        shows(page, "June 2026")
        shows(page, "corrected")
        page.evaluate("document.querySelector('.months summary').click()")
        shows(page, "Without sharing, the same energy from a supplier would have cost")
        shows(page, "CREG, June 2026")
        press(page, "Why?")
        shows(page, "is what you received in")
        shows(page, "that your meter read.")
        picture(page, "own-statement-en")
        downloads(page)
        press(page, "CSV")
        page.wait_for("window.taken.length === 1")
        press(page, "PDF")
        page.wait_for("window.taken.length === 2", timeout_s=60)
        assert (
            page.evaluate("window.taken.join()")
            == "ixelles.2026-06.2.m-3.consumer.csv,ixelles.2026-06.2.m-3.consumer.pdf"
        )
        page.resize(390, 2400)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a telephone"
        picture(page, "own-statement-narrow")
        page.prefer("dark")
        picture(page, "own-statement-narrow-dark")
        assert "m-4" not in page.evaluate("document.body.innerText")
        assert page.console == []


def test_manager_sees_versions_documents_and_corrections(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/statements", served.keys["manager"])
        page.wait_for("document.querySelector('#month') !== null")
        choose_month(page, "2026-06")
        shows(page, "June 2026, corrected")
        shows(page, "What this version changes")
        shows(page, "credit note")
        picture(page, "months-en")
        press(page, "Version 1")
        shows(page, "June 2026, final")
        downloads(page)
        press(page, "PDF")
        page.wait_for("window.taken.length === 1", timeout_s=60)
        choose_month(page, "2026-05")
        shows(page, "May 2026 is not settled yet.")
        choose_month(page, "2026-06")
        for language, told in (
            ("fr", "Documents envoyés"),
            ("nl", "Verzonden documenten"),
            ("de", "Versandte Unterlagen"),
        ):
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)
        page.resize(390, 2600)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a telephone"
        picture(page, "months-narrow")
        page.prefer("dark")
        picture(page, "months-narrow-dark")
        assert [told for told in page.console if "401" not in told and "404" not in told] == []


def test_manager_sees_for_whose_sake_quarters_are_held_and_why_the_operator_differs(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/statements", served.keys["manager"])
        page.wait_for("document.querySelector('#month') !== null")
        choose_month(page, "2026-06")
        shows(page, "For whose sake quarter-hours are held")
        row = page.evaluate("document.querySelector('#gaps').closest('section').querySelector('tbody tr').innerText")
        assert [EANS[1], "withdrawal", "1"] == [part for n, part in enumerate(row.split("\t")) if n in {0, 1, 4}]
        assert "00:15" in row
        shows(page, "We hold quarter-hours for want of readings. The operator read another withdrawal.")
        causes = page.evaluate(
            "[...document.querySelectorAll('[aria-labelledby=differences] tbody tr')].map((each) => each.lastChild.innerText)"
        )
        assert causes[1] == "Not known."
        picture(page, "months-gaps-en")
        for language, told in (
            ("fr", "À cause de quoi"),
            ("nl", "Waarom kwartieren worden achtergehouden"),
            ("de", "Weshalb Viertelstunden"),
        ):
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)


def reopen_june(served: Served) -> None:
    """The reading of m-1 that June is held for has come, and one of m-2 was put right."""
    late = readings(600)
    late.withdrawal[1, 1], late.withdrawal_known[1, 1], late.withdrawal[5, 2] = 250, True, 900
    with served.register.database.write() as connection:
        made = settled(600, reference=REFERENCE, late=late)
        reopen(connection, made, late, by="meters", now_ms=NOW)


def test_manager_is_told_of_late_readings_looks_at_the_correction_and_makes_it_final(served: Served, tmp_path: Path):
    reopen_june(served)
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/statements", served.keys["manager"])
        page.wait_for("document.querySelector('#month') !== null")
        choose_month(page, "2026-05")
        shows(page, "Late readings change 1 other settled month:")
        press(page, "June 2026")
        shows(page, "June 2026: late readings change what was settled")
        shows(page, "In 2 quarter-hours a reading is another than it was settled by")
        rows = "[...document.querySelectorAll('[aria-labelledby=late] tbody tr')].map((each) => each.innerText.replaceAll('\\u00a0', ' '))"
        assert page.evaluate(rows) == [f"{EANS[1]}\t1\t+0.250 kWh\t0.000 kWh", f"{EANS[2]}\t1\t+0.798 kWh\t0.000 kWh"]
        picture(page, "months-late-en")
        for language, told in (
            ("fr", "des mesures tardives changent"),
            ("nl", "late metingen wijzigen"),
            ("de", "späte Messwerte ändern"),
            ("en", "late readings change"),
        ):
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)
            picture(page, f"months-late-{language}")
        press(page, "Preview the correction")
        shows(page, "What the correction would change")
        assert any(row.startswith("m-1\t") for row in page.evaluate(rows))
        picture(page, "months-late-preview")
        assert violations_in_all_looks(page) == []
        page.resize(390, 2600)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a telephone"
        picture(page, "months-late-narrow")
        page.evaluate(
            "document.querySelector('#why').value = 'the meter was late'; document.querySelector('.correction').requestSubmit()"
        )
        page.wait_for("document.querySelector('[aria-labelledby=late]') === null", timeout_s=30)
        shows(page, "Version 3")
        shows(page, "What this version changes")
        assert [told for told in page.console if "401" not in told and "404" not in told] == []


def test_months_have_nothing_that_shuts_people_out(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/statements", served.keys["manager"])
        page.wait_for("document.querySelector('#month') !== null")
        choose_month(page, "2026-06")
        shows(page, "June 2026, corrected")
        assert violations_in_all_looks(page) == []


def test_opened_statement_has_nothing_that_shuts_people_out(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/me", served.keys["member"])
        shows(page, "June 2026")
        page.evaluate("document.querySelector('.months summary').click()")
        press(page, "Why?")
        assert violations_in_all_looks(page) == []


@pytest.mark.parametrize("who", ["viewer", "member"])
def test_others_are_told_that_it_takes_a_manager(served: Served, tmp_path: Path, who: str):
    with browser(tmp_path) as page:
        enter(page, f"{served.url}/statements", served.keys[who])
        shows(page, "it takes a manager's")
        assert page.evaluate("document.querySelector('#month')") is None
