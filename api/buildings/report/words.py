"""The report's texts, and its numbers: an unknown one is written as unknown, never as 0."""

from __future__ import annotations

from energy.settlement.terms import Language
from papers.texts import SPACE, Texts

__all__ = ["Words"]


class Words(Texts):
    """One language."""

    def __init__(self, language: Language) -> None:
        super().__init__(language, "api.buildings.report")

    def kind(self, kind: str) -> str:
        """A kind of building."""
        key = f"kind_of_{kind}"
        return self(key) if key in self else kind.replace("_", " ")

    def number(self, value: float | None, unit: str = "", digits: int = 0) -> str:
        """With a unit that stays on its line."""
        if value is None:
            return self("unknown")
        text = self.decimal(value, f"#,##0.{'0' * digits}")
        return f"{text}{SPACE}{unit}" if unit else text

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
        return f"{percent}%" if self.language in {"en", "nl"} else f"{percent}{SPACE}%"

    def pair(self, subject: str, told: str) -> str:
        """A subject and what is told of it: in French the colon stands apart."""
        return f"{subject}{SPACE}: {told}" if self.language == "fr" else f"{subject}: {told}"
