"""CSV in two dialects: for programs (RFC 4180, UTF-8, decimal points) and for a Belgian Excel (semicolons, decimal commas)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal

from energy.settlement.lines import Line
from energy.settlement.paper import Paper
from papers.words import Words

__all__ = ["LINE", "Dialect", "lines_csv", "month_csv"]

Dialect = Literal["iso", "excel-be"]
LINE: Final = ("kind", "name", "ean", "energy_wh", "eur_kwh", "net", "vat_rate", "vat_category", "source")
_HEAD: Final = ("document", "type", "credits", "month", "version", "issued", "due", "communication", "member", "party")
_BOM: Final = "\ufeff"  # without it Excel takes UTF-8 for Windows-1252
_FORMULA: Final = ("=", "+", "@", "\t", "\r")  # what a spreadsheet would compute instead of show


def lines_csv(lines: Iterable[Line], dialect: Dialect = "iso") -> bytes:
    """A statement's lines."""
    return _written(LINE, ([getattr(line, name) for name in LINE] for line in lines), dialect)


def month_csv(papers: Sequence[Paper], dialect: Dialect = "iso") -> bytes:
    """Every line of every document, with what an accountant books it by; amounts of a credit note are negative."""
    header = (*_HEAD, "description", *LINE)
    return _written(header, _rows(papers), dialect)


def _rows(papers: Sequence[Paper]) -> Iterator[list[object]]:
    for paper in papers:
        document, draft = paper.document, paper.draft
        head = [
            document.number if document else "",
            draft.kind,
            draft.credits,
            draft.month,
            paper.version,
            document.issued if document else "",
            document.due if document else "",
            document.communication if document else "",
            draft.member,
            paper.member.name,
        ]
        say = Words(paper.language)
        for line in draft.lines:
            yield [*head, say.line(line.name, paper.labels or {}), *(getattr(line, name) for name in LINE)]


def _written(header: Sequence[str], rows: Iterable[Sequence[object]], dialect: Dialect) -> bytes:
    text = io.StringIO()
    excel = dialect == "excel-be"
    writer = csv.writer(text, delimiter=";" if excel else ",", lineterminator="\r\n" if excel else "\n")
    writer.writerow(header)
    writer.writerows([_cell(value, excel=excel) for value in row] for row in rows)
    return ((_BOM if excel else "") + text.getvalue()).encode()


def _cell(value: object, *, excel: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}".replace(".", ",") if excel else f"{value:f}"
    told = str(value)
    if excel and (told.startswith(_FORMULA) or (told.isdigit() and len(told) > 15)):
        return f'="{told}"' if told.isdigit() else f"'{told}"  # Excel keeps 15 digits of a number: an EAN has 18
    return told
