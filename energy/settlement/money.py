"""Euros: decimals, rounded half up to cents at line level, and the structured communication of a payment."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

__all__ = ["CENT", "ZERO", "cents", "energy_price", "floor_cents", "parse_communication", "structured_communication"]

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal("0.00")
_WRITTEN: Final = re.compile(r"\+{3}(\d{3})/(\d{4})/(\d{5})\+{3}|(\d{12})", re.ASCII)


def cents(amount: Decimal) -> Decimal:
    """To cents, half up; away from zero for a credit, so that it mirrors what it credits."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def floor_cents(amount: Decimal) -> Decimal:
    """To cents, down."""
    return amount.quantize(CENT, ROUND_FLOOR)


def energy_price(energy_wh: int, eur_kwh: Decimal) -> Decimal:
    """Euros of so many Wh: the energy is never rounded, only the amount."""
    return cents(Decimal(energy_wh).scaleb(-3) * eur_kwh)


def structured_communication(number: int) -> str:
    """The Belgian OGM/VCS of a number of up to ten digits: its remainder by 97, 97 for 0, closes it."""
    if not 0 < number < 10**10:
        raise ValueError(f"{number} does not fit into a structured communication: 1 to 10 digits")
    digits = f"{number:010d}{number % 97 or 97:02d}"
    return f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"


def parse_communication(text: str) -> int:
    """The number in a structured communication. Raises ValueError when it is none or its check digits are wrong."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no structured communication: +++123/4567/89002+++")
    digits = "".join(part for part in found.groups() if part)
    number, check = int(digits[:10]), int(digits[10:])
    if check != (number % 97 or 97):
        raise ValueError(f"{text!r} has wrong check digits: {check:02d} where {number % 97 or 97:02d} is right")
    return number
