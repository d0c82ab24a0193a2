"""The report as PDF that anybody can read and keep: tagged (PDF/UA-1), archivable (PDF/A-2a)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import typst

__all__ = ["pdf"]


def pdf(content: dict[str, Any], made: date) -> bytes:
    """The same content gives the same bytes."""
    found = _compiler().compile(
        format="pdf",
        pdf_standards=["a-2a", "ua-1"],
        sys_inputs={"report": json.dumps(content, ensure_ascii=False)},
        timestamp=int(datetime.combine(made, time(), UTC).timestamp()),
    )
    assert isinstance(found, bytes)
    return found


@cache
def _compiler() -> typst.Compiler:
    """With the layout read once; its own fonts only, so that every machine draws the same."""
    with as_file(files("api.buildings.report") / "report.typ") as layout:
        return typst.Compiler(str(layout), ignore_system_fonts=True)
