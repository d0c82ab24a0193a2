"""The languages that people are spoken to in."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["LANGUAGES", "Language"]

Language = Literal["en", "fr", "nl", "de"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr", "nl", "de")
