"""Sentences of the evidence in every language: the same values in each, and nothing that a reader would stumble over."""

import re
from typing import get_args

import pytest

from energy.alerts import evidence_texts as texts
from energy.alerts.evidence_texts import Said, amount, moment, noun, told
from energy.alerts.rules import Balance, QuantityAbove, QuantityBelow, Rule
from energy.languages import LANGUAGES, Language

T = 1_782_000_000_000


def test_languages_are_those_of_the_rules():
    assert sorted(get_args(Language)) == sorted(LANGUAGES)


@pytest.mark.parametrize("code", list(texts._SENTENCES))
def test_each_sentence_says_the_same_values_in_every_language(code):
    named = [set(re.findall(r"{(\w+)}", sentence)) for sentence in texts._SENTENCES[code]]
    assert all(names == named[0] for names in named)
    assert len(set(texts._SENTENCES[code])) == 4


def test_every_kind_of_rule_has_a_name_in_every_language():
    kinds = {rule.kind for rule in get_args(get_args(Rule)[0])}
    of_quantities = {Balance.kind, QuantityAbove.kind, QuantityBelow.kind}
    for kind in kinds - of_quantities:
        assert all(noun(kind, language) for language in LANGUAGES)
        assert len({noun(kind, language) for language in LANGUAGES} | {kind}) > 2


CROSSED = Said(
    "crossed_above",
    {"noun": "fuse_load", "name": "Town hall", "value": amount(12345.6, "%", 1), "limit": amount(None, "%", 1)},
)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "the load of the main fuse of Town hall rose to 12,345.6 %, above unknown"),
        ("fr", "charge du fusible principal, Town hall : 12\u202f345,6 %, au-dessus de inconnu"),
        ("nl", "belasting van de hoofdzekering, Town hall: 12.345,6 %, boven onbekend"),
        ("de", "Last der Hauptsicherung, Town hall: 12.345,6 %, über unbekannt"),
        ("pt", "the load of the main fuse of Town hall rose to 12,345.6 %, above unknown"),
    ],
)
def test_numbers_are_written_as_the_language_does(language, sentence):
    assert told(CROSSED, language) == sentence


def test_what_somebody_wrote_or_a_newer_program_kept_stands_as_it_is():
    assert told(Said(text="hall/battery: out of range"), "fr") == "hall/battery: out of range"
    assert told(Said("of_tomorrow", {"x": 1.0}, "what it said"), "de") == "what it said"
    assert told(Said("asked", {}, "what it said"), "de") == "what it said"


def test_act_of_a_person_tells_until_when_and_why():
    said = Said("mute_until", {"by": "lea", "until": moment(T), "why": ": roof works"})
    assert told(said) == "muted by lea until 2026-06-21 00:00 UTC: roof works"
    assert told(said, "nl") == "gedempt door lea tot 2026-06-21 00:00 UTC: roof works"
