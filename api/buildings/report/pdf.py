"""The report as PDF; its layout is report.typ."""

from __future__ import annotations

from datetime import date
from typing import Any

from papers.typeset import typeset

__all__ = ["pdf"]


def pdf(content: dict[str, Any], made: date) -> bytes:
    """The same content gives the same bytes."""
    return typeset("api.buildings.report", "report.typ", content, made)
