from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.settlement.money import cents, energy_price, parse_communication, structured_communication


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [("1.005", "1.01"), ("1.0049999", "1.00"), ("-1.005", "-1.01"), ("0.125", "0.13"), ("2.675", "2.68")],
)
def test_cents_are_rounded_half_up_and_credits_mirror_it(amount, rounded):
    assert cents(Decimal(amount)) == Decimal(rounded)
    assert cents(-Decimal(amount)) == -Decimal(rounded)


def test_energy_is_never_rounded_only_the_amount():
    assert energy_price(123_457, Decimal("0.14")) == Decimal("17.28")
    assert energy_price(1, Decimal("0.14")) == Decimal("0.00")
    assert energy_price(10**12, Decimal("0.1234567")) == Decimal("123456700.00")


@pytest.mark.parametrize(
    ("number", "text"),
    [(1_234_567_890, "+++123/4567/89002+++"), (97, "+++000/0000/09797+++"), (1, "+++000/0000/00101+++")],
)
def test_structured_communication_of_the_published_examples(number, text):
    assert structured_communication(number) == text
    assert parse_communication(text) == number


@pytest.mark.parametrize("number", [0, -1, 10**10])
def test_number_that_does_not_fit_is_refused(number):
    with pytest.raises(ValueError, match="1 to 10 digits"):
        structured_communication(number)


@pytest.mark.parametrize("text", ["", "+++123/4567/8900+++", "123456789002 EUR", "+++123/4567/89003+++"])
def test_communication_that_is_none_or_wrong_is_refused(text):
    with pytest.raises(ValueError, match=r"structured communication|check digits"):
        parse_communication(text)


@given(st.integers(1, 10**10 - 1), st.integers(0, 11), st.integers(1, 9))
def test_every_wrong_digit_is_found(number, place, by):
    digits = [character for character in structured_communication(number) if character.isdigit()]
    assert parse_communication("".join(digits)) == number
    digits[place] = str((int(digits[place]) + by) % 10)
    with pytest.raises(ValueError, match="check digits"):
        parse_communication("".join(digits))
