"""Bodies of requests: a name that is given twice is refused, where JSON's readers take the last and say nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import Problem

__all__ = ["BodyRoute"]


class BodyRoute(APIRoute):
    """A route whose body says everything once. Raises Problem 422 otherwise."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As the base class makes it, after a look at the body."""
        handle = super().get_route_handler()

        async def look_first(request: Request) -> Response:
            with suppress(ValueError, RecursionError):  # which the handler tells in its own words
                json.loads(await request.body() or b"{}", object_pairs_hook=_once)
            return await handle(request)

        return look_first


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Problem(
                422, "invalid", f"{name[:100]!r} is given twice", field=f"body.{name[:100]}", hint="keep one of them"
            )
        found[name] = value
    return found
