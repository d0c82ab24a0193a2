"""The sizing page in a real browser: asks, draws, tells who gains what, in every language and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from api.settings import BUILT_PAGE, ApiSettings
from energy.quarters import quarter_start
from runtime.clock import SystemClock
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from tests.api.conftest import Keys
from tests.api.test_sizing import YEAR, held_from, write
from tests.system.axe import violations_in_all_looks
from tests.system.browser import browser
from tests.web.pages import picture, serving, shows

pytestmark = pytest.mark.skipif(not (BUILT_PAGE / "sizing.html").is_file(), reason="the page is not built")


@dataclass
class Served:
    """Where the page is, and a key for it."""

    url: str
    viewer: str


@pytest.fixture
def served(tmp_path: Path, free_port) -> Iterator[Served]:
    """A community with a year of quarter-hours until now."""
    investment = tmp_path / "investment.yaml"
    off = [{"valid_from": "2025-01-01", "source": "made up", "production": 0.1, "prices": 0.2}]
    investment.write_text(yaml.safe_dump(held_from("2025-01-01") | {"uncertainty": off}))
    register, clock = Register(tmp_path / "register.db"), SystemClock()
    keys, history = Keys(register, clock), SqliteHistory(tmp_path / "history.db")
    write(history, YEAR, end=quarter_start(clock.now_ms()))
    settings = ApiSettings(port=free_port(), investment_file=investment)
    with serving(settings, history, register, clock, keys) as url:
        yield Served(f"{url}/sizing", keys.create("viewer", "viewer", ["*"]))
    history.close()
    register.close()


def test_page_asks_draws_and_tells_who_gains_what(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url, height=2600)
        page.evaluate("localStorage.setItem('commonwatt.language', 'en'); location.reload()")
        page.wait_for("document.querySelector('#key') !== null && document.documentElement.lang === 'en'")
        page.evaluate(
            f"document.querySelector('#key').value = {served.viewer!r}; document.querySelector('form').requestSubmit()"
        )
        page.wait_for("document.querySelector('#pv') !== null")
        page.evaluate(
            "document.querySelector('#pv').value = '0; 5 10 20'; document.querySelector('#battery').value = '0, 1, 4'"
        )
        page.evaluate("document.querySelector('form').requestSubmit()")
        page.wait_for("document.querySelector('.plot') !== null", timeout_s=120)
        shows(page, "Best for all together: 20 kWp, 4 kWh. It pays for itself in")
        shows(page, "PV yields as that of Hall ixl-pool did.")
        shows(page, "More or less sun: from")
        shows(page, "energy[0]: made up")
        assert page.evaluate("document.querySelectorAll('.plot path').length") == 3
        assert page.evaluate("document.querySelector('.plot').getAttribute('aria-label').length") > 10
        page.evaluate(
            "[...document.querySelectorAll('.result button')].find((each) => each.innerText.startsWith('5')).click()"
        )
        shows(page, "Who gains what with 5 kWp, 0 kWh")
        picture(page, "sizing-en")
        for language, told in (
            ("fr", "Qui gagne quoi avec"),
            ("nl", "Wie wint wat met"),
            ("de", "Wer was gewinnt mit"),
        ):
            page.evaluate(f"document.querySelector('[lang={language}]').click()")
            shows(page, told)
        picture(page, "sizing-de")
        page.resize(390, 2600)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a telephone"
        picture(page, "sizing-narrow")
        page.prefer("dark")
        picture(page, "sizing-narrow-dark")
        assert [told for told in page.console if "401" not in told] == []


def test_page_has_nothing_that_shuts_people_out(served: Served, tmp_path: Path):
    """axe-core over form and result, in both schemes and widths."""
    with browser(tmp_path) as page:
        page.open(served.url)
        page.wait_for("document.querySelector('#key') !== null")
        page.evaluate(
            f"document.querySelector('#key').value = {served.viewer!r}; document.querySelector('form').requestSubmit()"
        )
        page.wait_for("document.querySelector('#pv') !== null")
        page.evaluate("document.querySelector('form').requestSubmit()")
        page.wait_for("document.querySelector('.plot') !== null", timeout_s=120)
        assert violations_in_all_looks(page) == []


def test_question_that_is_refused_is_told_beside_the_form(served: Served, tmp_path: Path):
    with browser(tmp_path) as page:
        page.open(served.url)
        page.evaluate("localStorage.setItem('commonwatt.language', 'en'); location.reload()")
        page.wait_for("document.querySelector('#key') !== null && document.documentElement.lang === 'en'")
        page.evaluate(
            f"document.querySelector('#key').value = {served.viewer!r}; document.querySelector('form').requestSubmit()"
        )
        page.wait_for("document.querySelector('#pv') !== null")
        page.evaluate("document.querySelector('#pv').value = 'many'; document.querySelector('form').requestSubmit()")
        page.wait_for("document.querySelector('[role=status]').innerText.length > 10")
        assert page.evaluate("document.querySelector('.result')") is None
