"""EAN of a metering point (GSRN-18): 18 digits, the last a GS1 modulo-10 check digit."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

__all__ = ["Ean", "check_digit", "parse_ean"]


def check_digit(first: str) -> int:
    """The check digit after the 17 digits `first`: weights 3, 1, 3, ... from the left (GS1 General Specifications 7.9)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(first))
    return -total % 10


def parse_ean(text: str) -> str:
    """`text` if it is an EAN. Raises ValueError saying what is wrong with it."""
    if len(text) != 18 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no EAN: 18 digits are needed")
    expected = check_digit(text[:17])
    if int(text[17]) != expected:
        raise ValueError(f"EAN {text} has a wrong check digit: it ends in {text[17]}, its other digits give {expected}")
    return text


def _digits(value: object) -> object:
    """YAML reads an EAN without quotes as a number; no digit is lost, for none begins with 0."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Ean = Annotated[str, BeforeValidator(_digits), AfterValidator(parse_ean)]
