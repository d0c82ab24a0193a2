"""What holds for every answer: bounded bodies, security headers, a count, and never a traceback."""

from __future__ import annotations

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import ApiMetrics
from api.problems import Problem, problem_response
from runtime.clock import Clock

__all__ = ["MAX_BODY_BYTES", "Guard"]

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 1_000_000
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CSP: Final = (
    b"default-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_HEADERS: Final = [
    (b"content-security-policy", _CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_NOT_CACHED: Final = (b"cache-control", b"no-store")  # measurements are somebody's, and soon old


class _TooLargeError(Exception):
    pass


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        answer = _Answer(send)
        try:
            await self._app(scope, await _whole_body(scope, receive), answer.send)
        except _TooLargeError:
            await _refuse(scope, receive, answer.send)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if answer.status:
                raise  # half an answer is out: only the connection's end can tell the client
            await _fail(scope, receive, answer.send)
        finally:
            self._count(scope, answer.status, self._clock.monotonic() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.answered(method, getattr(scope.get("route"), "path", "unmatched"), status, seconds)


class _Answer:
    """The way out: adds the headers, remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            names = {name for name, _ in headers}
            headers.extend(header for header in _HEADERS if header[0] not in names)
            if b"cache-control" not in names:
                headers.append(_NOT_CACHED)
        await self._send(message)


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """Reads the body before the app does, so that no route sees one that is too large. Raises _TooLargeError."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return receive
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _TooLargeError
        if not message.get("more_body", False):
            break
    return _replay(b"".join(parts), receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(
        413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes", hint="no request here needs as much"
    )
    await problem_response(problem)(scope, receive, send)


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(500, "internal", "this is a fault of the service", hint="its log says more; please report it")
    await problem_response(problem)(scope, receive, send)
