"""Writes readings, quarter-hours and totals as line protocol, to InfluxDB or what takes its lines; isolates what is refused.

Writing the same point again overwrites it with itself, and a fuller one adds its fields: idempotence is the server's.
Where an identity meets a different value the last one written stands.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from energy.errors import DataError
from storage.history import DeviceQuarter, Period, Row, SiteQuarter, Total, Unstorable, UnstorableError
from storage.history.influx_client import InfluxClient, RejectedError
from storage.history.influx_setup import Shelf
from storage.history.line_protocol import (
    device_quarter_line,
    plain_lines,
    plain_rows,
    reading_line,
    site_quarter_line,
    total_line,
)

__all__ = ["InfluxWriter"]

log = logging.getLogger(__name__)

_LINES_PER_REQUEST: Final = 5000
_READY: Final = 2  # requests on their way or ready to be, so that the server never waits for us
# The thread that sends needs the interpreter for every piece of a body the socket takes, and would wait 5 ms for it each
# time; what is encoded meanwhile makes room as often as this.
_LINES_AT_ONCE: Final = 500
_ROOM_S: Final = 1e-3
# A partial write: the server says how many it left out, not which. The others are stored.
_DROPPED: Final = re.compile(r"\bdropped=(\d+)")

_Lines = tuple[list[Any], list[str]]  # what was encoded, and its lines
_Refusal = tuple[Any, str]  # what was encoded, and why the server will never take it
_Encode = Callable[[Sequence[Any], list[_Refusal]], _Lines]


class InfluxWriter:
    """The writing half of `History`. Every call raises StoreError while the server is away.

    A point the server refuses for ever (another program gave a field a different type, a name it cannot hold, older than
    the retention) is taken out and told; the rest of its batch is stored.
    """

    def __init__(self, client: InfluxClient) -> None:
        self._client = client

    def prepare(self, rows: Sequence[Row]) -> Sequence[Row]:
        return rows

    def write(self, rows: Sequence[Row]) -> None:
        refusals = self._write(Shelf.RAW, _reading_lines, rows)
        if refusals:
            raise UnstorableError([Unstorable(row, reason) for row, reason in refusals])

    def write_quarters(self, devices: Sequence[DeviceQuarter], sites: Sequence[SiteQuarter]) -> None:
        refusals = self._write(Shelf.QUARTERS, partial(_lines, device_quarter_line), devices)
        refusals += self._write(Shelf.QUARTERS, partial(_lines, site_quarter_line), sites)
        if refusals:
            log.error("%d quarter-hours cannot be stored; the first: %r: %s", len(refusals), *refusals[0])

    def write_totals(self, period: Period, totals: Sequence[Total]) -> None:
        refusals = self._write(Shelf.QUARTERS, partial(_lines, partial(total_line, period)), totals)
        if refusals:
            log.error("%d totals cannot be stored; the first: %r: %s", len(refusals), *refusals[0])

    def close(self) -> None:
        self._client.close()

    def _write(self, shelf: Shelf, encoded: _Encode, items: Sequence[Any]) -> list[_Refusal]:
        """Sends items in requests of bounded size, one after the other; meanwhile the next one is made ready."""
        refusals: list[_Refusal] = []
        if len(items) <= _LINES_PER_REQUEST:
            self._send_or_split(shelf, *_ready(encoded(items, refusals)), refusals)
        else:
            failed: list[Exception] = []

            def send(items: list[Any], lines: list[str], body: bytes) -> None:
                if not failed:
                    try:
                        self._send_or_split(shelf, items, lines, body, refusals)
                    except Exception as error:
                        failed.append(error)
                        raise

            with ThreadPoolExecutor(1, thread_name_prefix="influxdb") as sender:
                sent: deque[Future[None]] = deque()
                for start in range(0, len(items), _LINES_PER_REQUEST):
                    ready = _ready(_with_room(encoded, items[start : start + _LINES_PER_REQUEST], refusals))
                    if len(sent) == _READY:
                        sent.popleft().result()
                    sent.append(sender.submit(send, *ready))
                for each in sent:
                    each.result()
        return refusals

    def _send_or_split(
        self, shelf: Shelf, items: list[Any], lines: list[str], body: bytes, refusals: list[_Refusal]
    ) -> None:
        """Halves what the server rejects until only culprits stand together; sending good points twice is harmless."""
        if not lines:
            return
        try:
            self._client.write(shelf, body)
        except RejectedError as error:
            dropped = _DROPPED.search(error.reason)
            if len(lines) == 1 or (dropped and int(dropped[1]) == len(lines)):
                refusals += [(item, error.reason) for item in items]
                return
            middle = len(lines) // 2
            for half in (slice(middle), slice(middle, None)):
                self._send_or_split(shelf, items[half], lines[half], _body(lines[half]), refusals)


def _with_room(encoded: _Encode, items: Sequence[Any], refusals: list[_Refusal]) -> _Lines:
    """What `encoded` gives for all items, in pieces between which other threads run."""
    done: list[Any] = []
    lines: list[str] = []
    for start in range(0, len(items), _LINES_AT_ONCE):
        some, their_lines = encoded(items[start : start + _LINES_AT_ONCE], refusals)
        done += some
        lines += their_lines
        time.sleep(_ROOM_S)
    return done, lines


def _ready(lines: _Lines) -> tuple[list[Any], list[str], bytes]:
    return *lines, _body(lines[1])


def _body(lines: Sequence[str]) -> bytes:
    return "\n".join(lines).encode()


def _reading_lines(rows: Sequence[Row], refusals: list[_Refusal]) -> _Lines:
    """The lines of readings, of the usual ones together."""
    plain = plain_rows(rows)
    lines = plain_lines(plain)
    if lines is None:
        return _lines(reading_line, rows, refusals)
    if len(plain) == len(rows):
        return plain, lines
    usual = set(map(id, plain))
    others, their_lines = _lines(reading_line, (row for row in rows if id(row) not in usual), refusals)
    return plain + others, lines + their_lines


def _lines(encode: Callable[[Any], str | None], items: Iterable[Any], refusals: list[_Refusal]) -> _Lines:
    """The lines of items that have one; those that cannot be written are refused."""
    encoded: list[Any] = []
    lines: list[str] = []
    for item in items:
        try:
            line = encode(item)
        except DataError as error:
            refusals.append((item, str(error)))
        else:
            if line is not None:
                encoded.append(item)
                lines.append(line)
    return encoded, lines
