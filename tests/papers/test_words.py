"""Four languages: all words in each, numbers and days as it writes them."""

from __future__ import annotations

import string
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest
import yaml

from papers.words import Words

TABLE = yaml.safe_load((files("papers") / "words.yaml").read_text(encoding="utf-8"))


def test_every_word_is_there_in_every_language_with_the_same_blanks():
    for key, texts in TABLE.items():
        assert set(texts) == {"fr", "nl", "en", "de"}, key
        blanks = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert all(each == blanks[0] for each in blanks), key


@pytest.mark.parametrize(
    ("language", "euros", "price", "day"),
    [
        ("fr", "\u221212\u00a0345,60\u00a0€", "0,0494061", "1 août 2026"),
        ("nl", "\u221212.345,60\u00a0€", "0,0494061", "1 augustus 2026"),
        ("en", "\u221212,345.60\u00a0€", "0.0494061", "1 August 2026"),
        ("de", "\u221212.345,60\u00a0€", "0,0494061", "1. August 2026"),
    ],
)
def test_numbers_and_days_are_written_as_in_the_language(language, euros, price, day):
    say = Words(language)
    assert say.euros(Decimal("-12345.6")) == euros
    assert say.price(Decimal("0.0494061")) == price
    assert say.day(date(2026, 8, 1)) == day


def test_line_without_a_label_is_named_by_itself():
    assert Words("fr").line("excise", {"excise": "Accise, tranche 1"}) == "Accise, tranche 1"
    assert Words("nl").line("shared_energy", {}) == "Gedeelde energie"
    assert Words("nl").line("green_quota", {}) == "Green quota"
