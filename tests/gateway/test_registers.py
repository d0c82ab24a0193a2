"""Register words to values and back."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DataError
from gateway.registers import decode, encode, is_not_implemented, parse_type

TABLE = [
    ("u16", [0xFFFE], 65534),
    ("s16", [0xFF9C], -100),
    ("u32", [0x0001, 0x0002], 65538),
    ("s32", [0xFFFF, 0xF448], -3000),
    ("u64", [0, 1, 0, 2], 4294967298),
    ("s64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
    ("f32", [0x4366, 0x8000], 230.5),
    ("f64", [0x4132, 0xD687, 0x0000, 0x0000], 1234567.0),
    ("acc32", [0x0012, 0xD687], 1234567),
    ("acc64", [0, 0, 0x0012, 0xD687], 1234567),
]


@pytest.mark.parametrize(("name", "words", "value"), TABLE)
def test_decode_each_type_both_word_orders(name, words, value):
    assert decode(words, parse_type(name), "big") == value
    assert decode(words[::-1], parse_type(name), "little") == value


@pytest.mark.parametrize(("name", "words", "value"), TABLE)
def test_encode_each_type_gives_the_words_back(name, words, value):
    assert encode(value, parse_type(name), "big") == words
    assert encode(value, parse_type(name), "little") == words[::-1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("u16", [0xFFFF]),
        ("s16", [0x8000]),
        ("u32", [0xFFFF, 0xFFFF]),
        ("s32", [0x8000, 0]),
        ("u64", [0xFFFF] * 4),
        ("s64", [0x8000, 0, 0, 0]),
        ("f32", [0x7FC0, 0]),
        ("f64", [0x7FF8, 0, 0, 0]),
        ("acc32", [0, 0]),
        ("acc64", [0, 0, 0, 0]),
        ("str4", [0, 0, 0, 0]),
    ],
)
def test_sunspec_sentinels_are_not_implemented(name, words):
    register_type = parse_type(name)
    assert is_not_implemented(decode(words, register_type), register_type)


def test_texts_lose_padding_and_trailing_blanks():
    words = list(struct.unpack(">6H", b"SolarEdge \0\0"))
    assert decode(words, parse_type("str6")) == "SolarEdge"


def test_coils_count_from_the_lowest_bit():
    assert decode([1, 0], parse_type("bits2")) == 1
    assert decode([0, 1], parse_type("bits2")) == 2
    assert encode(2, parse_type("bits2")) == [0, 1]


@pytest.mark.parametrize(
    ("name", "value"), [("u16", -1), ("u16", 65536), ("s16", 40000), ("f32", math.nan), ("f32", 1e39)]
)
def test_encode_beyond_the_type_is_an_error_not_a_wrap(name, value):
    with pytest.raises(DataError):
        encode(value, parse_type(name))


@pytest.mark.parametrize("name", ["u8", "str0", "float", "", "bits"])
def test_parse_type_unknown_says_what_is_known(name):
    with pytest.raises(DataError, match="unknown register type"):
        parse_type(name)


def test_decode_wrong_number_of_words_is_an_error():
    with pytest.raises(DataError):
        decode([1], parse_type("u32"))


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["big", "little"]))
def test_s32_survives_there_and_back(value, order):
    assert decode(encode(value, parse_type("s32"), order), parse_type("s32"), order) == value
