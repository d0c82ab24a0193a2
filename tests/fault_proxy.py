"""An HTTP proxy in front of a real server that spoils the writes it is told to spoil, one fault for each request."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Answer", "Cut", "CutAfter", "FaultProxy", "fault_proxy"]


@dataclass(frozen=True)
class Answer:
    """Answers this and passes nothing on."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Closes the connection without an answer; nothing is passed on."""


@dataclass(frozen=True)
class CutAfter:
    """Passes the request on, and closes the connection before the answer: stored, but nobody knows."""


class FaultProxy:
    """Writes meet `faults` in order, then pass; `silent` set: no request is answered until it is cleared."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.faults: deque[Answer | Cut | CutAfter] = deque()
        self.writes = 0
        self.silent = False
        self.released = threading.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def release(self) -> None:
        """Answers again, also what waited."""
        with self.released:
            self.silent = False
            self.released.notify_all()

    def wait_until_released(self) -> None:
        with self.released:
            self.released.wait_for(lambda: not self.silent)


@contextmanager
def fault_proxy(upstream_port: int) -> Iterator[FaultProxy]:
    """A proxy on a free port in front of `upstream_port`."""
    proxy = FaultProxy(upstream_port)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_write = "/write" in self.path
            proxy.writes += is_write
            proxy.wait_until_released()
            fault = proxy.faults.popleft() if is_write and proxy.faults else None
            if isinstance(fault, Answer):
                self._answer(fault.status, fault.headers, b'{"error": "injected"}')
            elif isinstance(fault, Cut):
                self.close_connection = True
            else:
                status, data = self._passed_on(body)
                if not isinstance(fault, CutAfter):
                    self._answer(status, {}, data)

        def _passed_on(self, body: bytes) -> tuple[int, bytes]:
            upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream_port, timeout=10)
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream.request(self.command, self.path, body, {**kept, "Accept-Encoding": "identity"})
            answer = upstream.getresponse()
            data = answer.read()
            upstream.close()
            return answer.status, data

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            try:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(0 if status == 204 else len(body)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)
            except OSError:  # whoever asked is gone
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.release()
            server.shutdown()
