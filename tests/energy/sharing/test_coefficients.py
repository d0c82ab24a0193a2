"""Coefficients for grid operators: they add up to one, and Spain's file is the published one to the byte."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.sharing.coefficients import constant_parts, millionths, spain_lines
from energy.sharing.key import SharingKey

CUPS = ("ES0031405123456001AB0F", "ES0031405123456002CD0F", "ES0031405123456003EF0F")


def key(*standings):
    people = {name: {"weight": each} for name, each in zip(CUPS, standings, strict=False)}
    return SharingKey.model_validate({"participants": people, "rounds": "fixed"})


def test_thirds_are_the_published_example_to_the_byte():
    parts = constant_parts(key("1/3", "1/3", "1/3"))
    assert list(spain_lines(parts)) == [
        "ES0031405123456001AB0F;0,333333",
        "ES0031405123456002CD0F;0,333333",
        "ES0031405123456003EF0F;0,333334",
    ]


def test_coefficients_by_the_hour_are_numbered_from_0001():
    lines = list(spain_lines({CUPS[0]: [1_000_000, 0, 250_000]}))
    assert lines == [f"{CUPS[0]};0001;1,000000", f"{CUPS[0]};0002;0,000000", f"{CUPS[0]};0003;0,250000"]


def test_weights_that_leave_a_rest_are_refused():
    with pytest.raises(ValueError, match=r"add up to 0\.900000"):
        constant_parts(key("0.5", "0.4"))
    assert constant_parts(key("0.333333", "0.333333", "0.333333")) == dict(
        zip(CUPS, (333_333, 333_333, 333_334), strict=True)
    )


@pytest.mark.parametrize("name", ["541448820000000015", "ES003140512345600AB", "es0031405123456001ab0f", ""])
def test_what_is_no_cups_is_refused(name):
    with pytest.raises(ValueError, match="is no CUPS"):
        list(spain_lines({name: 1}))


@given(st.lists(st.fractions(0, 1000), min_size=1, max_size=30).filter(any))
def test_millionths_add_up_and_are_less_than_one_off(parts):
    found = millionths(parts)
    assert sum(found) == 10**6
    total = sum(parts, Fraction(0))
    assert all(abs(own - part * 10**6 / total) < 1 for own, part in zip(found, parts, strict=True))
