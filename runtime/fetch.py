"""A document from the internet: over a bounded time, of a bounded size, and from nowhere else than asked."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any, Final

from energy.errors import DataError

__all__ = ["fetch"]

_MOST_BYTES: Final = 4 * 1024 * 1024
_PART_BYTES: Final = 64 * 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address was not asked for: it is an error like any other answer that is none."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def fetch(url: str, within_s: float) -> bytes:
    """What `url` answers. Blocks. Raises DataError with what went wrong, in one line."""
    deadline = time.monotonic() + within_s
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=within_s / 2) as answer:
            return _read(answer, deadline)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace").split("\n")[0]
        raise DataError(f"it answered {error.code} {error.reason}: {said[:200]}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"it did not answer: {getattr(error, 'reason', None) or error}") from error


def _read(answer: Any, deadline: float) -> bytes:
    parts: list[bytes] = []
    while part := answer.read1(_PART_BYTES):
        parts.append(part)
        if sum(map(len, parts)) > _MOST_BYTES:
            raise DataError(f"its answer is larger than {_MOST_BYTES // 1024} KiB")
        if time.monotonic() > deadline:
            raise DataError("it answered too slowly")
    return b"".join(parts)
