"""What stands on a paper: its texts, and its numbers and money as members read them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from energy.settlement.terms import Language
from papers.texts import SPACE, Texts

__all__ = ["Words"]


class Words(Texts):
    """One language."""

    def __init__(self, language: Language) -> None:
        super().__init__(language, "papers")

    def line(self, name: str, labels: Mapping[str, str]) -> str:
        """A line's name as members read it: the terms' label, ours, or the name itself."""
        if name in labels:
            return labels[name]
        return self(name) if name in self else name.replace("_", " ").capitalize()

    def euros(self, amount: Decimal) -> str:
        """With cents and the sign of the euro."""
        return f"{self.decimal(amount, '#,##0.00')}{SPACE}€"

    def kwh(self, energy_wh: int) -> str:
        """With all three decimals of a Wh."""
        return self.decimal(Decimal(energy_wh).scaleb(-3), "#,##0.000")

    def price(self, eur_kwh: Decimal) -> str:
        """Up to seven decimals, at least two."""
        return self.decimal(eur_kwh, "0.00#####")

    def percent(self, part: Decimal) -> str:
        """A part of 1, up to one decimal of a percent."""
        return f"{self.decimal(part * 100, '0.#')}{SPACE}%"
