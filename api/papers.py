"""A paper as the form that was asked for: PDF, Peppol XML or CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Query, Response
from pydantic import BaseModel

from api.answers import documented
from api.negotiation import liked
from api.problems import Problem
from energy.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from energy.settlement.lines import Line
    from energy.settlement.paper import Paper

__all__ = ["Dialect", "DialectQuery", "csv_answer", "documented_paper", "form_of", "paper_answer"]

_JSON: Final = "application/json"
_FORMS: Final = ("application/pdf", "application/xml", "text/csv")
Dialect = Literal["iso", "excel-be"]
DialectQuery = Annotated[
    Dialect,
    Query(description="of CSV: for programs, or with semicolons and decimal commas for a Belgian Excel"),
]


def documented_paper(model: type[BaseModel]) -> dict[int | str, Any]:
    """What OpenAPI says of a route that answers with JSON, or a paper in any form."""
    responses = documented(model, 404, 409, 503)
    responses[200]["content"] = {form: {"schema": {"type": "string", "format": "binary"}} for form in _FORMS}
    return responses


def form_of(accept: str) -> str | None:
    """Which of the forms is asked for; None: JSON."""
    form = liked(accept, (_JSON, *_FORMS))
    return None if form == _JSON else form


def csv_answer(lines: Sequence[Line], dialect: Dialect) -> Response:
    """Lines as CSV, for which nobody's name is needed."""
    from papers.tables import lines_csv  # noqa: PLC0415

    return Response(lines_csv(lines, dialect), media_type="text/csv")


def paper_answer(make: Callable[[], Paper], form: str, dialect: Dialect) -> Response:
    """The paper in that form. Raises Problem when it cannot have it."""
    from papers.pdf import pdf  # noqa: PLC0415 - the typesetter waits for the first who asks
    from papers.ubl import ubl  # noqa: PLC0415

    try:
        paper = make()
        if form == "text/csv":
            return csv_answer(paper.draft.lines, dialect)
        body = pdf(paper) if form == "application/pdf" else ubl(paper)
    except (RefusedError, ConfigError) as error:
        raise Problem(409, "refused", error.message, hint=error.hint) from None
    number = paper.document.number if paper.document else f"preview-{paper.draft.month}"
    named = {"Content-Disposition": f'inline; filename="{number}-{paper.draft.member}.{form.rpartition("/")[2]}"'}
    return Response(body, media_type=form, headers=named)
