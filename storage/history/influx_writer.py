"""Writes readings, quarter-hours and totals as line protocol, to InfluxDB or what takes its lines; isolates what is refused.

Writing the same point again overwrites it with itself, and a fuller one adds its fields: idempotence is the server's.
Where an identity meets a different value the last one written stands.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from energy.errors import DataError
from storage.history import DeviceQuarter, Period, Row, SiteQuarter, Total, Unstorable, UnstorableError
from storage.history.influx_client import InfluxClient, RejectedError
from storage.history.influx_setup import Shelf
from storage.history.line_protocol import device_quarter_line, reading_line, site_quarter_line, total_line

__all__ = ["InfluxWriter"]

log = logging.getLogger(__name__)

_LINES_PER_REQUEST: Final = 5000
_AT_A_TIME: Final = 2  # requests on their way, so that the server never waits for us; one more is ready
# A partial write: the server says how many it left out, not which. The others are stored.
_DROPPED: Final = re.compile(r"\bdropped=(\d+)")

_Lines = tuple[list[Any], list[str], bytes]  # what was encoded, its lines, and these as they are sent
_Point = tuple[str, str]  # measurement with tags, and time
_Refusal = tuple[Any, str]  # what was encoded, and why the server will never take it


class InfluxWriter:
    """The writing half of `History`. Every call raises StoreError while the server is away.

    A point the server refuses for ever (another program gave a field a different type, a name it cannot hold, older than
    the retention) is taken out and counted in `refused_total`; the rest of its batch is stored.
    """

    def __init__(self, client: InfluxClient) -> None:
        self.refused_total = 0
        self._client = client

    def write(self, rows: Sequence[Row]) -> None:
        refusals = self._write(Shelf.RAW, reading_line, rows)
        if refusals:
            raise UnstorableError([Unstorable(row, reason) for row, reason in refusals])

    def write_quarters(self, devices: Sequence[DeviceQuarter], sites: Sequence[SiteQuarter]) -> None:
        refusals = self._write(Shelf.QUARTERS, device_quarter_line, devices)
        refusals += self._write(Shelf.QUARTERS, site_quarter_line, sites)
        if refusals:
            log.error("%d quarter-hours cannot be stored; the first: %r: %s", len(refusals), *refusals[0])

    def write_totals(self, period: Period, totals: Sequence[Total]) -> None:
        refusals = self._write(Shelf.QUARTERS, partial(total_line, period), totals)
        if refusals:
            log.error("%d totals cannot be stored; the first: %r: %s", len(refusals), *refusals[0])

    def close(self) -> None:
        self._client.close()

    def _write(self, shelf: Shelf, encode: Callable[[Any], str | None], items: Sequence[Any]) -> list[_Refusal]:
        """Sends items in requests of bounded size."""
        refusals: list[_Refusal] = []
        if len(items) <= _LINES_PER_REQUEST:
            refusals += self._send_or_split(shelf, *_lines(encode, items, refusals))
        else:
            batches = (items[n : n + _LINES_PER_REQUEST] for n in range(0, len(items), _LINES_PER_REQUEST))
            self._send_many(shelf, (_lines(encode, batch, refusals) for batch in batches), refusals)
        self.refused_total += len(refusals)
        return refusals

    def _send_many(self, shelf: Shelf, requests: Iterable[_Lines], refusals: list[_Refusal]) -> None:
        """Two requests at a time, while the next one is made; none begins after one that failed.

        Requests that tell the same point go one after the other: the last one stands.
        """
        failed = threading.Event()

        def send(lines: _Lines) -> list[_Refusal]:
            try:
                return [] if failed.is_set() else self._send_or_split(shelf, *lines)
            except BaseException:
                failed.set()
                raise

        sent: deque[tuple[Future[list[_Refusal]], set[_Point]]] = deque()
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="influxdb") as senders:
            for lines in requests:
                points = set(map(_point, lines[1]))
                while len(sent) > _AT_A_TIME or not all(points.isdisjoint(others) for _, others in sent):
                    refusals += sent.popleft()[0].result()
                sent.append((senders.submit(send, lines), points))
            for each, _ in sent:
                refusals += each.result()

    def _send_or_split(self, shelf: Shelf, items: list[Any], lines: list[str], body: bytes) -> list[_Refusal]:
        """Halves what the server rejects until only culprits stand together; sending good points twice is harmless."""
        if not lines:
            return []
        try:
            self._client.write(shelf, body)
        except RejectedError as error:
            dropped = _DROPPED.search(error.reason)
            if len(lines) == 1 or (dropped and int(dropped[1]) == len(lines)):
                return [(item, error.reason) for item in items]
            middle = len(lines) // 2
            return [
                refusal
                for half in (slice(middle), slice(middle, None))
                for refusal in self._send_or_split(shelf, items[half], lines[half], _body(lines[half]))
            ]
        return []


def _point(line: str) -> _Point:
    """What a line's point is known by. A space in a tag is escaped, so that a key cut short there is still the point's."""
    return line.partition(" ")[0], line.rpartition(" ")[2]


def _body(lines: Sequence[str]) -> bytes:
    return "\n".join(lines).encode()


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
    return encoded, lines, _body(lines)
