"""Answers as JSON bytes, encoded once and not by the framework's own, much slower encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel

from api.schemas import ERRORS

__all__ = ["documented", "json_answer"]

_encoder = msgspec.json.Encoder()


def json_answer(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` (built-ins, dataclasses, structs) as JSON."""
    return Response(
        _encoder.encode(content), status_code=status, media_type="application/json", headers=dict(headers or {})
    )


def documented(model: type[BaseModel], *errors: int, status: int = 200, description: str = "") -> dict[int | str, Any]:
    """What OpenAPI says of a route: the model of its answer and the errors it may give beside the usual ones."""
    described = {"model": model} | ({"description": description} if description else {})
    usual = {code: ERRORS[code] for code in (401, 403, 422, 429, *errors)}
    return {status: described, **dict(sorted(usual.items()))}
