"""Sentences of balancer and plan: the same values in every language, known again whatever stands in them, others left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.balancing.cycle import decide
from energy.languages import LANGUAGES
from energy.reasons import NOUNS, in_words, joined, say
from energy.reasons.device_texts import DEVICE_TEXTS
from energy.reasons.plan_texts import PLAN_TEXTS
from energy.reasons.site_texts import SITE_TEXTS
from tests.energy.balancing.test_cycle_limits import Chance

TEXTS = SITE_TEXTS | DEVICE_TEXTS | PLAN_TEXTS
OTHERS = LANGUAGES[1:]


def _names(text):
    return re.findall(r"\{(\w+)\}", text)


def test_tables_have_no_sentence_twice():
    assert len(TEXTS) == len(SITE_TEXTS) + len(DEVICE_TEXTS) + len(PLAN_TEXTS)
    assert len({english for english, *_ in TEXTS.values()}) == len(TEXTS)


@pytest.mark.parametrize("code", TEXTS)
def test_sentence_has_the_same_values_in_every_language_and_is_known_again(code):
    english, *others = TEXTS[code]
    values = {name: f"<{place}>" for place, name in enumerate(_names(english))}
    for language, text in zip(OTHERS, others, strict=True):
        assert sorted(_names(text)) == sorted(values)
        assert in_words(say(code, **values), language) == text.format_map(values)


def test_english_stays_as_it_is():
    assert in_words(say("starts"), "en") == "Starts."


def test_numbers_and_limits_inside_a_sentence_are_told_in_the_language_too():
    said = say("may_limit", power=say("may_one_phase", power="3.7 kW"), limit=say("keeps_connection", power="20.0 kW"))
    assert in_words(said, "fr") == "Peut prendre 3,7 kW sur une phase pour que le raccordement reste sous 20,0 kW."


def test_clauses_are_told_one_by_one_and_joined_in_the_language():
    said = joined([say("gives_own", power="5.0 kW"), say("gives_others", power="800 W")])
    assert said == "Gives 5.0 kW to its own building and gives 800 W to other members in this quarter-hour."
    assert in_words(said, "de") == (
        "Gibt 5,0 kW an das eigene Gebäude und gibt 800 W an andere Mitglieder in dieser Viertelstunde."
    )


@pytest.mark.parametrize("noun", NOUNS)
def test_rule_names_what_it_measures_in_the_language_even_beside_a_place_with_of_in_it(noun):
    english, french, *_ = NOUNS[noun]
    said = say("rule_above", rule="r", noun=english, name="Hall of Arts", value="1,200.5 W", limit="900 W")
    assert in_words(said, "fr") == (f"règle r : {french}, Hall of Arts : 1\u202f200,5 W, déclenchée au-dessus de 900 W")


def test_every_reason_and_limit_of_random_steps_is_told_in_every_language():
    chance = Chance(5)
    for _ in range(300):
        now = chance.community()
        brought = {site.unknown for site in now.sites} | {lamps.reason for site in now.sites for lamps in site.lamps}
        answer = decide(now)
        said = {decision.reason for decision in answer.decisions} - brought
        for text in said.union(*answer.limits.values()):
            for language in OTHERS:
                assert in_words(text, language) != text, text


@given(st.text(max_size=600), st.sampled_from(LANGUAGES))
def test_what_others_wrote_stays_or_is_told_without_an_error(text, language):
    told = in_words(text, language)
    assert told == text or told


@pytest.mark.parametrize("text", ["noon surplus", "release all", "and", " and .", "{power}", "Gives {} and takes."])
def test_what_others_wrote_stays_as_it_was_written(text):
    assert {in_words(text, language) for language in LANGUAGES} == {text}
