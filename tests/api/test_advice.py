"""The advice page and poster: four languages, signs beside colours, one sheet, and who may see it without a key."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from api.advice.marks import COLOURS
from api.advice.page import Sheet, page, poster
from api.advice.texts import LIGHTS, WORDS, chosen_language
from api.app import create_app
from api.live.feed import LiveFeed
from energy.community import Community
from energy.forecast.advice import Light, advise
from energy.forecast.advice_texts import LANGUAGES
from tests.api.conftest import NOW, Api
from tests.api.test_forecast import write_past
from tests.web.test_page import contrast

STYLE = (Path(__file__).parents[2] / "api" / "advice" / "advice.css").read_text()
MORNING = int(datetime(2026, 6, 19, 7, 30, tzinfo=UTC).timestamp() * 1000)
NONE: list[float | None] = [None] * 144


def sheet(language: str = "en", pv: list[float | None] | None = None, **more: object) -> Sheet:
    """From 09:30 in Brussels: green, then red from 21:30 on."""
    series = pv or [2.0] * 48 + [0.0] * 96
    advice = advise(MORNING, series, [1.0] * 144, NONE, NONE)
    facts = {"community": "town", "name": "Town <of> sun", "timezone": "Europe/Brussels", "now_ms": MORNING}
    return Sheet(**{**facts, "made_ms": MORNING, "advice": advice, "language": language} | more)


class Balanced(HTMLParser):
    """Raises where tags do not close as they opened."""

    VOID = ("meta", "link", "path", "circle", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name == "style" or name.startswith("on")], "the policy refuses it"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("draw", [page, poster])
@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_poster_are_sound_html_that_speaks_its_language(language: str, draw):
    text = draw(sheet(language))
    Balanced(text)
    assert f'<html lang="{language}">' in text
    assert html.escape(WORDS[language]["title"], quote=False) in text
    for light in (Light.GREEN, Light.RED, Light.UNKNOWN):
        assert html.escape(LIGHTS[language][light], quote=False) in text
    assert "Town &lt;of&gt; sun" in text
    assert "{" not in text
    assert "<script" not in text


def test_languages_have_the_same_words_with_the_same_placeholders():
    def shape(language: str) -> dict[str, list[str]]:
        return {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in WORDS[language].items()}

    assert set(WORDS) == set(LIGHTS) == set(LANGUAGES)
    for language in LANGUAGES:
        assert shape(language) == shape("en")
        assert len(set(LIGHTS[language].values())) == len(Light)


def test_unknown_is_said_and_nothing_is_green_in_it():
    unknown = sheet(pv=NONE)
    assert 'class="now unknown"' in page(unknown)
    assert 'class="green"' not in page(unknown) + poster(unknown)
    assert "No green time" not in page(unknown)


def test_page_tells_until_when_and_the_next_good_time():
    pv = [0.0] * 24 + [2.0] * 12 + [0.0] * 108
    text = page(sheet(pv=pv))
    assert "Better wait" in text
    assert re.search(r"Next good time: today, from 15:\d\d to 1[89]:\d\d\.", text)
    assert "09:30&ndash;" in text
    assert "until 15:" in text


def test_poster_has_every_hour_of_two_days_once_past_ones_without_a_light():
    cells = re.findall(r'<li class="(\w+)"><b>(\d+)&ndash;', poster(sheet()))
    assert [int(hour) for _, hour in cells] == [*range(6, 24)] * 2
    assert [state for state, _ in cells[:3]] == ["past"] * 3
    assert cells[3][0] == "green"  # 9 to 10, of which the half is past
    assert cells[35][0] == "unknown"  # tomorrow 23 to 24 is not forecast
    assert "Good times: today 09:30" in poster(sheet())


def test_hour_of_two_lights_shows_the_more_careful_one():
    text = poster(sheet(pv=[0.0] * 3 + [0.0] * 13 + [2.0] * 128))
    green = next(hour for state, hour in re.findall(r'<li class="(\w+)"><b>(\d+)&ndash;', text) if state == "green")
    assert int(green) == 14  # green from 13:15 or so on


def test_signs_and_words_keep_their_contrast():
    for ground, ink in COLOURS.values():
        assert contrast(ground, ink) >= 4.5
    for light in (Light.GREEN, Light.RED):
        assert contrast(COLOURS[light][0], "#ffffff") >= 4.5
    colours = set(re.findall(r"(?<![-\w])color: (#[0-9a-f]{6})", STYLE))
    assert colours
    for colour in colours:
        for ground in ("#ffffff", "#f2f4f8"):
            assert contrast(colour, ground) >= 4.5


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("nl", "fr", "nl"),
        (None, "de-BE,fr;q=0.8", "de"),
        (None, "pt, en;q=0.5", "en"),
        ("xx", None, "fr"),
        (None, None, "fr"),
        ("../..", ";;,=,", "fr"),
    ],
)
def test_language_is_the_one_asked_for_else_the_browsers_else_french(asked, accepted, language):
    assert chosen_language(asked, accepted) == language


async def test_page_needs_a_key_unless_the_operator_publishes_it(api: Api):
    assert (await api.client.get("/advice/ixelles")).status_code == 401
    assert (await api.get("/advice/ixelles", "participant")).status_code == 403  # two sites are too few for a sum
    write_past(api, 2)
    answer = await api.get("/advice/ixelles", lang="nl")
    assert answer.status_code == 200
    assert answer.headers["content-language"] == "nl"
    assert "W</" not in answer.text
    assert (await api.get("/advice/ixelles/poster")).status_code == 200
    assert (await api.client.get("/advice/advice.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(("sites", "status"), [(5, 200), (4, 404)])
async def test_published_page_is_open_for_five_sites_or_more(api: Api, settings, sites: int, status: int):
    places = [{"id": f"s-{n}", "name": f"S {n}", "gateway": f"g-{n}"} for n in range(sites)]
    town = Community.model_validate({"id": "town", "name": "Town", "sites": places})
    opened = settings.model_copy(update={"public_advice": True})
    app = create_app(opened, [town], api.history, api.register, api.clock, LiveFeed([town], api.clock), api.keys)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        answer = await client.get("/advice/town", headers={"accept-language": "en"})
        assert answer.status_code == status
        assert (await client.get("/advice/nowhere")).status_code == 404
        assert (await client.get("/api/v1/communities/town/forecast")).status_code == 401
    if status == 200:
        assert "No advice" in answer.text  # nothing is known yet
        assert "S 1" not in answer.text
    assert api.clock.now_ms() == NOW
