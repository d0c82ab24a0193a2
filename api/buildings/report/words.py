"""The report's texts, and how each language writes numbers, days and months."""

from __future__ import annotations

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

import yaml

__all__ = ["LANGUAGES", "Language", "Words"]

Language = Literal["en", "fr", "nl", "de"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_THIN: Final = "\u202f"
_SPACE: Final = "\u00a0"
_GROUPS: Final[dict[Language, str]] = {"en": ",", "fr": _THIN, "nl": ".", "de": "."}


@cache
def _texts() -> dict[str, dict[Language, str]]:
    found: dict[str, dict[Language, str]] = yaml.safe_load(
        (files("api.buildings.report") / "words.yaml").read_text(encoding="utf-8")
    )
    return found


class Words:
    """What is written in one language. An unknown number is written as unknown, never as 0."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, **values: object) -> str:
        """The text of that key with its values."""
        return _texts()[key][self.language].format(**values)

    def kind(self, kind: str) -> str:
        """A kind of building."""
        texts = _texts().get(f"kind_of_{kind}")
        return kind.replace("_", " ") if texts is None else texts[self.language]

    def number(self, value: float | None, unit: str = "", digits: int = 0) -> str:
        """With a unit that stays on its line."""
        if value is None:
            return self("unknown")
        text = f"{value:,.{digits}f}".replace("-", "\u2212")
        if self.language != "en":
            text = text.replace(",", "\0").replace(".", ",").replace("\0", _GROUPS[self.language])
        return f"{text}{_SPACE}{unit}" if unit else text

    def energy(self, kwh: float | None) -> str:
        """In kWh, in MWh from ten thousand on."""
        if kwh is not None and abs(kwh) >= 9_999.5:
            return self.number(kwh / 1000, "MWh", 0 if abs(kwh) >= 99_950 else 1)
        return self.number(kwh, "kWh")

    def power(self, watts: float | None) -> str:
        """In kW."""
        digits = 1 if watts is None or abs(watts) < 99_950 else 0
        return self.number(None if watts is None else watts / 1000, "kW", digits)

    def euro(self, value: float | None) -> str:
        """Whole euros."""
        return self("price_unknown") if value is None else self.number(value, "€")

    def share(self, value: float | None, digits: int = 0) -> str:
        """As a percentage."""
        if value is None:
            return self("unknown")
        percent = self.number(100 * value, digits=digits)
        return f"{percent}%" if self.language in {"en", "nl"} else f"{percent}{_SPACE}%"

    def day(self, day: date) -> str:
        """A day in full."""
        month = self("months").split(" ")[day.month - 1]
        return f"{day.day}. {month} {day.year}" if self.language == "de" else f"{day.day} {month} {day.year}"

    def month(self, day: date) -> str:
        """A month and its year."""
        return f"{self('months').split(' ')[day.month - 1]} {day.year}"

    def short_day(self, day: date) -> str:
        """A day for an axis."""
        month = self("months_short").split(" ")[day.month - 1]
        return f"{day.day}. {month}" if self.language == "de" else f"{day.day} {month}"

    def pair(self, subject: str, told: str) -> str:
        """A subject and what is told of it: in French the colon stands apart."""
        return f"{subject}{_SPACE}: {told}" if self.language == "fr" else f"{subject}: {told}"

    def initials(self) -> list[str]:
        """A letter for each month."""
        return [name[0].upper() for name in self("months").split(" ")]
