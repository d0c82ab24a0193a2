"""Every error leaves as application/problem+json (RFC 9457) with a stable `code` and, where there is one, the next step."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from energy.errors import CommonwattError, DataError, RefusedError, StoreError

__all__ = ["Problem", "install", "not_found", "problem_response"]

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
}
_STATUS: Final[dict[type[CommonwattError], int]] = {DataError: 422, RefusedError: 403, StoreError: 503}


class Problem(CommonwattError):  # noqa: N818 - RFC 9457's own word
    """Raised by a route to answer with an error. `field` names the culprit of the request, `hint` the next step."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, hint=hint)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = headers
        self.extra = extra


_LISTS: Final = {
    "community": "communities",
    "site": "sites",
    "alert": "alerts",
    "channel": "channels",
    "command": "commands",
    "charger": "sites/{site}/devices",
    "wish": "sites/{site}/chargers/{charger}/wish",
    "machine": "sites/{site}/devices",
    "run": "sites/{site}/machines/{machine}/run",
    "participant": "communities/{community}/statements",
    "statement": "communities/{community}/statements",
    "document": "communities/{community}/statements",
}


def not_found(what: str, name: str) -> Problem:
    """`what` is unknown, or another's: the two must look the same."""
    return Problem(404, "not_found", f"there is no {what} {name[:100]!r}", hint=f"see /api/v1/{_LISTS[what]}")


def problem_response(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
    }
    body |= {name: value for name, value in (("hint", problem.hint), ("field", problem.field)) if value}
    body |= problem.extra or {}
    return Response(
        json.dumps(body),  # ASCII only: a detail may quote what no UTF-8 can hold
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(problem.headers or {}),
    )


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(CommonwattError, _on_error)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "error")
    hint = "see /docs for the routes there are" if error.status_code in {404, 405} else None
    return problem_response(Problem(error.status_code, code, str(error.detail), hint=hint, headers=error.headers))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_invalid_part(part) for part in error.errors()[:20]]
    first = found[0]
    status, code = (400, "malformed") if first["kind"] == "json_invalid" else (422, "invalid")
    errors = [{"field": part["field"], "detail": part["detail"]} for part in found]
    return problem_response(
        Problem(status, code, first["detail"], hint=first["hint"], field=first["field"], extra={"errors": errors})
    )


def _invalid_part(part: Mapping[str, Any]) -> dict[str, str]:
    location: Sequence[Any] = part["loc"]
    kind = str(part["type"])
    allowed = (part.get("ctx") or {}).get("expected")
    hint = f"allowed: {allowed}" if allowed else "add it" if kind == "missing" else "see /docs for what is allowed"
    return {
        "kind": kind,
        "field": ".".join(str(name)[:100] for name in location),
        "detail": str(part["msg"]).removeprefix("Value error, "),
        "hint": hint,
    }


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CommonwattError)
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    if status == 500:
        log.error("unexpected %s: %s", type(error).__name__, error)
    headers = {"Retry-After": "5"} if status == 503 else None
    return problem_response(
        Problem(
            status, error.code, error.message, hint=error.hint, field=getattr(error, "field", None), headers=headers
        )
    )
