"""Answers that a client may keep: each has an ETag, and one that is still the same is not sent again (RFC 9110)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from fastapi import Request, Response

__all__ = ["SAME", "conditional"]

SAME: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "As `If-None-Match` has it: nothing new"}}

_KEPT: Final = "private, no-cache"  # may be kept by who asked, and is asked for again each time
_OF_304: Final = ("cache-control", "vary")


def conditional(request: Request, answer: Response) -> Response:
    """`answer`, whole and of status 200, with its ETag; 304 without a body where the client has it already."""
    answer.headers.setdefault("Cache-Control", _KEPT)
    etag = f'"{blake2b(answer.body, digest_size=12).hexdigest()}"'
    if not _has(request.headers.get("if-none-match", ""), etag):
        answer.headers["ETag"] = etag
        return answer
    kept = {name: value for name, value in answer.headers.items() if name in _OF_304}
    return Response(status_code=304, headers=kept | {"ETag": etag})


def _has(held: str, etag: str) -> bool:
    """Whether `If-None-Match` names it, compared weakly: a proxy that compresses makes a tag weak."""
    tags = {tag.strip().removeprefix("W/") for tag in held.split(",")}
    return etag in tags or tags == {"*"}
