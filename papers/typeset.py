"""A layout with its content as PDF that anybody can read: tagged (PDF/UA-1), to be kept (PDF/A-2a)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import typst

__all__ = ["typeset"]


def typeset(package: str, layout: str, content: dict[str, Any], day: date) -> bytes:
    """`layout`: a Typst file of `package` that reads `sys.inputs.content`. The same content and day give the same bytes."""
    made = _compiler(package, layout).compile(
        format="pdf",
        pdf_standards=["a-2a", "ua-1"],
        sys_inputs={"content": json.dumps(content, ensure_ascii=False)},
        timestamp=int(datetime.combine(day, time(), UTC).timestamp()),
    )
    assert isinstance(made, bytes)
    return made


@cache
def _compiler(package: str, layout: str) -> typst.Compiler:
    """With the layout read once; its own fonts only, so that every machine draws the same."""
    with as_file(files(package) / layout) as path:
        return typst.Compiler(str(path), ignore_system_fonts=True)
