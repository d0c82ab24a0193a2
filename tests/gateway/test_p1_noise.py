"""What a P1 port sends instead of telegrams, told in words an installer can act upon."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.p1_noise import explain_noise
from tests.gateway.test_p1 import OLD, compose, seven_even

ENCRYPTED = b"\xdb\x08SAGgpBZh\x82\x04\x17\x30\x00\x00\x01\x2d" + random.Random(3).randbytes(1042)


@pytest.mark.parametrize(
    ("heard", "what", "next_step"),
    [
        (ENCRYPTED, "encrypts its telegrams", "a meter of your own"),
        (seven_even(OLD), "seven bits with even parity", "?baud=9600&parity=E"),
        (seven_even(OLD)[30:200], "seven bits with even parity", "?baud=9600&parity=E"),
        (bytes(byte ^ 0xFF for byte in compose()), "no text", "P1 cable"),
        (bytes(200), "no text", "another speed|115200"),
        (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M\r\n" * 3, "no telegram", "really a P1 port"),
    ],
)
def test_noise_is_told_with_the_next_step(heard, what, next_step):
    noise = explain_noise(heard)
    assert what in noise.what
    assert any(words in noise.next_step for words in next_step.split("|"))


@pytest.mark.parametrize("heard", [b"", b"/AB", compose()[:300], OLD[:100]])
def test_too_little_or_the_part_of_a_telegram_is_not_noise(heard):
    assert explain_noise(heard) is None


@given(st.binary(max_size=400))
def test_anything_is_explained_or_not_without_an_error(heard):
    explain_noise(heard)
