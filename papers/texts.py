"""Texts in one of four languages, and how each writes numbers, days and months."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final, get_args

import yaml
from babel.dates import format_date
from babel.numbers import format_decimal

from energy.settlement.terms import Language

__all__ = ["LANGUAGES", "SPACE", "Texts"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
SPACE: Final = "\u00a0"
"""Between a number and its unit: they stay on one line."""

_LOCALES: Final[dict[Language, str]] = {"fr": "fr_BE", "nl": "nl_BE", "en": "en_GB", "de": "de_BE"}
_THIN: Final = "\u202f"  # a narrow space that some fonts lack


@cache
def _table(package: str) -> Mapping[str, Mapping[Language, str]]:
    table: Mapping[str, Mapping[Language, str]] = yaml.safe_load(
        (files(package) / "words.yaml").read_text(encoding="utf-8")
    )
    return table


class Texts:
    """The table words.yaml of a package, in one language."""

    def __init__(self, language: Language, package: str) -> None:
        self.language: Language = language
        self._table = _table(package)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text under that key. Raises KeyError when there is none."""
        return self._table[key][self.language].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def decimal(self, value: Decimal | float, pattern: str) -> str:
        """By a CLDR pattern, as `#,##0.000`."""
        text = format_decimal(value, format=pattern, locale=_LOCALES[self.language], decimal_quantization=True)
        return text.replace(_THIN, SPACE).replace("-", "\u2212")

    def day(self, day: date) -> str:
        """As 3 July 2026."""
        return format_date(day, format="long", locale=_LOCALES[self.language])

    def short_day(self, day: date) -> str:
        """For an axis, as 3 Jul."""
        return format_date(day, "d. MMM" if self.language == "de" else "d MMM", locale=_LOCALES[self.language])

    def month(self, day: date) -> str:
        """The month of a day, as July 2026."""
        return format_date(day, format="MMMM y", locale=_LOCALES[self.language])

    def initial(self, day: date) -> str:
        """Of the month of a day."""
        return format_date(day, "MMMMM", locale=_LOCALES[self.language])
