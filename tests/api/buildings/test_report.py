"""The council's report: complete in four languages, honest about what is unknown, readable without colour."""

import re
import string
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree as ET

import pytest
import yaml

from api.buildings.report.charts import Line, bars, lines, sparkline
from api.buildings.report.content import content
from api.buildings.report.page import html
from api.buildings.report.pdf import pdf
from api.buildings.report.words import Words
from papers.texts import LANGUAGES
from tests.api.buildings.material import material


@cache
def made():
    return material()


@cache
def told(language):
    return content(made(), language)


def test_every_text_stands_in_every_language_with_the_same_names():
    texts = yaml.safe_load((files("api.buildings.report") / "words.yaml").read_text(encoding="utf-8"))
    for key, of_each in texts.items():
        assert set(of_each) == set(LANGUAGES), key
        names = {
            frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name) for text in of_each.values()
        }
        assert len(names) == 1, key


@pytest.mark.parametrize(
    ("language", "number", "share", "energy"),
    [
        ("en", "1,234.5\u00a0m", "12%", "21.0\u00a0MWh"),
        ("fr", "1\u00a0234,5\u00a0m", "12\u00a0%", "21,0\u00a0MWh"),
        ("nl", "1.234,5\u00a0m", "12%", "21,0\u00a0MWh"),
        ("de", "1.234,5\u00a0m", "12\u00a0%", "21,0\u00a0MWh"),
    ],
)
def test_numbers_are_written_as_the_language_does(language, number, share, energy):
    say = Words(language)
    assert (say.number(1234.5, "m", 1), say.share(0.12), say.energy(21_000)) == (number, share, energy)
    assert say.number(None) == say("unknown")
    assert say.number(-1) == "\u22121"


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_tells_savings_with_their_drawing_and_what_is_unknown(language):
    of = told(language)
    assert len(of["savings"]["cards"]) >= 3
    for card in of["savings"]["cards"]:
        root = ET.fromstring(card["svg"])
        assert root.attrib["aria-label"]
        assert root.findall(".//{*}path")
    assert any("Dépôt communal" in item for item in of["unknown"]["items"])
    names = [row["name"] for row in of["buildings"]["rows"]]
    assert names[-1] == "Dépôt communal"  # of which nothing can be said stands last
    assert of["targets"]["items"][0].count("4") >= 1
    assert "{" not in re.sub(r"<style>.*?</style>", "", html(of), flags=re.DOTALL)


class _Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.headings, self.tables, self.captions, self.cells, self.open = [], 0, 0, [], []

    def handle_starttag(self, tag, attrs):
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(int(tag[1]))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        if tag == "th":
            self.cells.append(dict(attrs).get("scope"))
        if tag not in {"meta", "line", "rect", "path", "circle", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"meta", "line", "rect", "path", "circle", "br"}:
            assert self.open.pop() == tag


def test_page_is_well_formed_and_its_tables_have_captions_and_scopes():
    outline = _Outline()
    outline.feed(html(told("fr")))
    assert outline.open == []
    assert outline.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert outline.tables == outline.captions >= 3
    assert all(scope in {"col", "row"} for scope in outline.cells)


def test_names_from_outside_are_not_taken_for_markup():
    of = dict(told("en"))
    of["subject"] = "<script>alert(1)</script>"
    assert "<script>" not in html(of)


@pytest.mark.parametrize("language", LANGUAGES)
def test_paper_is_tagged_in_its_language_and_the_same_every_time(language):
    one, other = (pdf(told(language), made().made) for _ in range(2))
    assert one == other
    assert b"/MarkInfo" in one or b"/StructTreeRoot" in one
    assert f"({language})".encode() in one or language.encode() in one


def test_charts_leave_gaps_where_nothing_is_known():
    drawn = lines(
        ["a", "b", "c", "d"], [Line("x", [1.0, None, 2.0, 3.0])], [False, True, True, False], {"unit": "kW"}, alt="x"
    )
    path = ET.fromstring(drawn).find(".//{*}path").attrib["d"]
    assert path.count("M") == 2
    empty = bars(["a"], Line("now", [None]), Line("before", [None]), {"unit": "MWh"}, alt="y")
    assert len(ET.fromstring(empty).findall(".//{*}rect")) == 2  # the legend's alone
    assert sparkline([None, None], alt="z") == ""
    assert ET.fromstring(sparkline([None, 0.0, 3.0], alt='a "b" <c>')) is not None


def test_nothing_known_makes_a_report_that_says_so():
    of = made()
    depot = [one for one in of.accounts if one.year.building.id == "depot"]
    told_ = content(type(of)(of.municipality, of.month, depot, (), of.book, of.station, of.made), "en")
    assert told_["facts"][0]["value"] == "unknown"
    assert told_["savings"]["cards"] == []
    assert "No saving was found" in told_["savings"]["note"]
    assert html(told_)
    assert pdf(told_, of.made)
