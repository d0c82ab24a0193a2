"""A device's values by its plan are those of the plain rules, for every profile and whatever the registers hold."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind
from gateway.device import Layout, decode_answers, locate
from gateway.profile import Library, Point, Profile
from gateway.registers import parse_type
from gateway.sunspec import ModelBlock
from gateway.values import Located, physical

LIBRARY = Library(None)
NUMBERS = ("u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "acc32", "acc64")
TELLING = (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0xFFFE, 0xFFF6, 10, 0x7F80, 0xFF80, 0x7FC0, 0x4366, 0x3DCC, 0xCCCD)
WORD = st.one_of(st.sampled_from(TELLING), st.integers(0, 0xFFFF))


def by_the_rules(layout: Layout, answers: list[list[int]]):
    """Each point looked for in the answers and given to `physical`: what the plan must come to."""
    values, bad = {}, list(layout.not_implemented)
    for quantity, places in layout.quantities.items():
        parts = []
        for place in places:
            number = next(n for n, request in enumerate(layout.requests) if request.covers(place.span))
            base, words = layout.requests[number].address, answers[number]
            start, factor = place.address - base, place.scale_factor_address
            raw = words[start : start + place.register_type.words]
            parts.append(physical(place, raw, None if factor is None else words[factor - base]))
        facts = QUANTITIES[quantity]
        value = None
        if None not in parts:
            value = (
                str(parts[0]) if facts.kind is Kind.TEXT else sum(part for part in parts if not isinstance(part, str))
            )
            if not isinstance(value, str):
                value = round(value, 4) if facts.low <= value <= facts.high else None
        if value is None:
            bad.append(quantity)
        else:
            values[quantity] = value
    return values, bad


def exactly(values):
    """With types and signs of zeros: 1 is not 1.0 on the wire."""
    return [(name, type(value), repr(value)) for name, value in values.items()]


def layout_of(profile: Profile) -> Layout:
    """A SunSpec device with every model the profile knows, one behind the other."""
    chain, address = {}, 40002
    if profile.sunspec is not None:
        for model in sorted({model for point in profile.points for model in point.models}):
            chain[model] = ModelBlock(model, address, 400)
            address += 402
    return locate(profile, chain)


@pytest.mark.parametrize("name", LIBRARY.names())
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_profile_gives_by_plan_what_the_rules_give(name, data):
    layout = layout_of(LIBRARY.get(name))
    answers = [
        data.draw(
            st.lists(
                WORD if r.function in {"holding", "input"} else st.integers(0, 1), min_size=r.count, max_size=r.count
            )
        )
        for r in layout.requests
    ]
    values, bad = decode_answers(layout, answers)
    expected, expected_bad = by_the_rules(layout, answers)
    assert exactly(values) == exactly(expected)
    assert bad == expected_bad


POINTS = st.builds(
    dict,
    type=st.sampled_from(NUMBERS),
    scale=st.sampled_from([1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001, 10.0, 1000.0, 0.5, 3.6, 1 / 3]),
    sign=st.sampled_from([1, -1]),
    word_order=st.sampled_from(["big", "little"]),
    invalid=st.sampled_from([(), (0,), (0x8000, 0xFFFF), (-1,), (-0x8000,)]),
    range=st.sampled_from([None, (0.0, 230.4), (-1000.0, 1000.0)]),
    scale_factor=st.sampled_from([None, None, 4]),
)


@settings(deadline=None, max_examples=500)
@given(point=POINTS, words=st.lists(WORD, min_size=5, max_size=5), sunspec=st.booleans())
@example(point={"type": "s32", "scale": 0.1, "sign": -1}, words=[0, 0, 0, 0, 0], sunspec=False)
@example(point={"type": "f32", "scale": 1.0, "sign": -1}, words=[0, 0, 0, 0, 0], sunspec=False)
@example(point={"type": "f32", "scale": 1.0}, words=[0x7F80, 0, 0, 0, 0], sunspec=False)
@example(point={"type": "u16", "scale": 0.1, "range": (0.0, 230.4)}, words=[2304, 0, 0, 0, 0], sunspec=False)
def test_any_number_gives_by_plan_what_the_rules_give(point, words, sunspec):
    point = dict(point)
    factor = point.pop("scale_factor", None)
    place = {"models": (1,), "offset": 2} if sunspec else {"address": 0}
    shift = 2 if sunspec else 0
    made = Point(point="p", name="power_w", **place, scale_factor=None if factor is None else factor + shift, **point)
    model = {
        "profile": "p",
        "manufacturer": "m",
        "model": "m",
        "role": "grid",
        "source": ("s",),
        "verified": "simulated",
    }
    chain = {1: ModelBlock(1, 100, 60)} if sunspec else {}
    chained = {"sunspec": {"needs": ((1,),)}} if sunspec else {}
    layout = locate(Profile(**model, **chained, points=(made,)), chain)
    answers = [words[: request.count] for request in layout.requests]
    values, bad = decode_answers(layout, answers)
    expected, expected_bad = by_the_rules(layout, answers)
    assert exactly(values) == exactly(expected)
    assert bad == expected_bad


@pytest.mark.parametrize(
    ("point", "words", "factor", "expected"),
    [
        ({"type": "u16", "scale": 0.1}, [2301], None, 230.1),
        ({"type": "s16", "sign": -1}, [0xFFFE], None, 2),
        ({"type": "u16"}, [7], 0xFFFE, 0.07),  # a factor of -2
        ({"type": "u16"}, [7], 3, 7000),
        ({"type": "u16"}, [7], 11, None),
        ({"type": "u16"}, [7], 0x8000, None),
        ({"type": "u32", "word_order": "little"}, [1, 2], None, 0x2_0001),
        ({"type": "u16", "range": (0.0, 100.0)}, [100], None, 100),
        ({"type": "u16", "range": (1.0, 100.0)}, [1], None, 1),
        ({"type": "u16", "range": (0.0, 100.0)}, [101], None, None),
        ({"type": "u16", "range": (1.0, 100.0)}, [0], None, None),
        ({"type": "u16", "scale": 0.5, "range": (0.0, 100.0)}, [150], None, 75),
        ({"type": "u16", "scale": 0.5, "range": (0.0, 100.0)}, [201], None, None),
        ({"type": "u16", "invalid": (0xFFFF,)}, [0xFFFF], None, None),
        ({"type": "u64"}, [0x20, 0, 0, 1], None, 0x20_0000_0000_0001),  # more digits than a float has
        ({"type": "u16", "states": {3: "mppt"}}, [3], None, "mppt"),
        ({"type": "u16", "states": {3: "mppt"}}, [4], None, "unknown 4"),
    ],
)
def test_rule_gives_what_is_written_by_hand(point, words, factor, expected):
    """What the other tests compare the plan with, against numbers of its own."""
    order = point.get("word_order", "big")
    point = Point(point="p", name=None, address=0, **point)
    place = Located(point, parse_type(point.type), order, 0, None if factor is None else 9, False, "p")
    found = physical(place, words, factor)
    assert (found, type(found)) == (expected, type(expected))


@settings(deadline=None)
@given(raw=st.integers(-(2**31), 2**32 - 1), power=st.integers(1, 4))
def test_quotient_of_32_bits_is_the_rounded_product(raw, power):
    assert raw / 10**power == round(raw * 10.0**-power, 4)


def test_infinite_and_no_number_are_bad():
    layout = locate(LIBRARY.get("eastron-sdm630"), {})
    for number in (math.inf, -math.inf, math.nan):
        words = list(struct.unpack(">2H", struct.pack(">f", number)))
        answers = [(words * request.count)[: request.count] for request in layout.requests]
        assert decode_answers(layout, answers)[0] == {}


def test_answer_that_is_too_short_is_told():
    layout = locate(LIBRARY.get("eastron-sdm630"), {})
    with pytest.raises(DataError, match="came"):
        decode_answers(layout, [[0] * (request.count - 1) for request in layout.requests])


def test_types_the_plan_knows_are_all_numbers_there_are():
    assert {parse_type(name).kind for name in NUMBERS} == {"unsigned", "signed", "float"}
