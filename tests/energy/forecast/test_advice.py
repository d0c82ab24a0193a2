"""Lights for citizens: the rule, no flapping, nothing from the unknown, a sentence in every language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.forecast.advice import Advice, Light, Reason, advise
from energy.forecast.advice_texts import LANGUAGES, sentence
from energy.quarters import QUARTER_MS

T = 1_750_000_500_000
HOUR = 4


def _advise(pv, consumption=None, low=None, price=None):
    consumption = [1000.0] * len(pv) if consumption is None else consumption
    nothing = [None] * len(pv)
    return advise(T, pv, consumption, low or nothing, price or nothing)


def _lights(advice):
    return [(each.light, (each.end - each.start) // QUARTER_MS) for each in advice]


def test_day_goes_from_red_over_amber_to_green_and_back():
    pv = [0.0] * 8 + [600.0] * 8 + [2000.0] * 8 + [600.0] * 8 + [0.0] * 8
    lights = [light for light, _ in _lights(_advise(pv))]
    assert lights == [Light.RED, Light.AMBER, Light.GREEN, Light.AMBER, Light.RED]


def test_green_is_sure_only_where_even_the_low_forecast_leaves_a_surplus():
    pv = [2000.0] * 8
    assert _advise(pv, low=[100.0] * 8)[0].reason is Reason.SURE
    assert _advise(pv, low=[100.0] * 7 + [-1.0])[0].reason is Reason.LIKELY
    assert _advise(pv)[0].reason is Reason.LIKELY


def test_share_that_wavers_around_a_limit_does_not_flap():
    pv = [1060.0, 1060.0, 1060.0, 1060.0] + [980.0, 1040.0] * 20
    assert _lights(_advise(pv)) == [(Light.GREEN, 44)]
    assert _lights(_advise([980.0, 1040.0] * 20)) == [(Light.AMBER, 40)]


def test_quarter_hour_of_sun_is_no_green_light_and_one_cloud_ends_none():
    assert Light.GREEN not in [light for light, _ in _lights(_advise([100.0] * 20 + [3000.0] + [100.0] * 20))]
    assert _lights(_advise([2000.0] * 20 + [500.0] + [2000.0] * 20)) == [(Light.GREEN, 41)]


def test_unknown_is_said_and_never_green():
    advice = _advise([None] * 8 + [2000.0] * 8, [1000.0] * 16)
    assert _lights(advice) == [(Light.UNKNOWN, 8), (Light.GREEN, 8)]
    assert advice[0].share is None
    assert advice[0].reason is Reason.UNKNOWN
    assert _lights(_advise([2000.0] * 8, [None] * 8)) == [(Light.UNKNOWN, 8)]


def test_cheap_hours_without_sun_are_amber_only_where_all_prices_are_known():
    pv, price = [0.0] * 16, [0.30] * 8 + [0.10] * 8
    advice = _advise(pv, price=price)
    assert _lights(advice) == [(Light.RED, 8), (Light.AMBER, 8)]
    assert advice[1].reason is Reason.CHEAP
    assert _lights(_advise(pv, price=[*price[:-1], None])) == [(Light.RED, 16)]
    assert _lights(_advise(pv, price=[0.3] * 16)) == [(Light.RED, 16)]


def test_negative_prices_are_cheap():
    assert _advise([0.0] * 16, price=[0.05] * 8 + [-0.2] * 8)[-1].reason is Reason.CHEAP


powers = st.lists(st.one_of(st.none(), st.floats(0, 1e7)), min_size=1, max_size=160)


@settings(max_examples=300)
@given(powers, powers, powers)
def test_advice_has_no_gaps_no_short_light_beside_another_and_no_green_from_unknown(pv, consumption, price):
    steps = min(len(pv), len(consumption), len(price))
    pv, consumption, price = pv[:steps], consumption[:steps], price[:steps]
    advice = _advise(pv, consumption, price=price)
    assert advice[0].start == T
    assert advice[-1].end == T + steps * QUARTER_MS
    for place, each in enumerate(advice):
        if place:
            assert each.start == advice[place - 1].end
            assert each.light is not advice[place - 1].light
        quarters = range((each.start - T) // QUARTER_MS, (each.end - T) // QUARTER_MS)
        unknown = [pv[quarter] is None or consumption[quarter] is None for quarter in quarters]
        assert all(unknown) if each.light is Light.UNKNOWN else not any(unknown)
        beside = [advice[other].light for other in (place - 1, place + 1) if 0 <= other < len(advice)]
        if each.light is not Light.UNKNOWN and any(light is not Light.UNKNOWN for light in beside):
            assert len(quarters) >= HOUR


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_one_sentence_in_every_language(reason, language):
    text = sentence(Advice(T, T + QUARTER_MS, Light.AMBER, reason, 0.437), language)
    assert text.endswith(".")
    assert text.count(".") == 1
    assert "{" not in text
    if "%" in text:
        assert "45\xa0%" in text
