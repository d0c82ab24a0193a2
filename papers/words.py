"""What stands on paper, in four languages, with each one's way to write numbers, money and days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

import yaml
from babel.dates import format_date
from babel.numbers import format_decimal

from energy.settlement.terms import Language

__all__ = ["Words"]

_LOCALES: Final[dict[Language, str]] = {"fr": "fr_BE", "nl": "nl_BE", "en": "en_GB", "de": "de_BE"}
_THIN: Final = {"\u202f": "\u00a0"}  # a narrow space that some fonts lack


@cache
def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = yaml.safe_load((files("papers") / "words.yaml").read_text(encoding="utf-8"))
    return table


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: Language

    def __call__(self, key: str, /, **values: str) -> str:
        """The text under that key. Raises KeyError when there is none."""
        return _table()[key][self.language].format(**values)

    def line(self, name: str, labels: Mapping[str, str]) -> str:
        """A line's name as members read it: the terms' label, ours, or the name itself."""
        if name in labels:
            return labels[name]
        return self(name) if name in _table() else name.replace("_", " ").capitalize()

    def number(self, value: Decimal, pattern: str) -> str:
        """By a CLDR pattern, as `#,##0.000`."""
        text = format_decimal(value, format=pattern, locale=_LOCALES[self.language], decimal_quantization=True)
        for odd, even in _THIN.items():
            text = text.replace(odd, even)
        return text.replace("-", "\u2212")

    def euros(self, amount: Decimal) -> str:
        """With cents and the sign of the euro."""
        return f"{self.number(amount, '#,##0.00')}\u00a0€"

    def kwh(self, energy_wh: int) -> str:
        """With all three decimals of a Wh."""
        return self.number(Decimal(energy_wh).scaleb(-3), "#,##0.000")

    def price(self, eur_kwh: Decimal) -> str:
        """Up to seven decimals, at least two."""
        return self.number(eur_kwh, "0.00#####")

    def percent(self, part: Decimal) -> str:
        """A part of 1, up to one decimal of a percent."""
        return f"{self.number(part * 100, '0.#')}\u00a0%"

    def day(self, day: date) -> str:
        """As 3 July 2026."""
        return format_date(day, format="long", locale=_LOCALES[self.language])

    def month(self, day: date) -> str:
        """The month of a day, as July 2026."""
        return format_date(day, format="MMMM y", locale=_LOCALES[self.language])
