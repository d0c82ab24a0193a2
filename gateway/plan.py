"""Spans of registers gathered into few requests: no value is split, no request is too long. Pure.

A value and its scale factor are one span: devices may change the factor at run time (SolarEdge does), so both must
come from the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from energy.errors import DataError
from gateway.registers import Function

__all__ = ["Request", "Span", "coalesce"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers `start_including` to `end_excluding` that must be read in one request of `function`."""

    function: Function
    start_including: int
    end_excluding: int


@dataclass(frozen=True, slots=True)
class Request:
    """One read on the wire."""

    function: Function
    address: int
    count: int

    def covers(self, span: Span) -> bool:
        """Whether the answer holds the whole of `span`."""
        return (
            self.function == span.function
            and self.address <= span.start_including
            and span.end_excluding <= self.address + self.count
        )


def coalesce(spans: Iterable[Span], *, max_read: int, max_gap: int) -> tuple[Request, ...]:
    """The requests that cover every span, in rising order.

    `max_read`: registers one request may ask for. `max_gap`: registers nobody asked for that may be read along to
    save a request; 0 where a device answers an undefined address with an error. Raises DataError for a span longer
    than `max_read`.
    """
    requests: list[Request] = []
    for span in sorted(set(spans)):
        length = span.end_excluding - span.start_including
        if length > max_read:
            raise DataError(f"a value of {length} registers at {span.start_including} exceeds max_read {max_read}")
        joined = _joined(requests[-1], span, max_read, max_gap) if requests else None
        if joined is not None:
            requests[-1] = joined
        else:
            requests.append(Request(span.function, span.start_including, length))
    return tuple(requests)


def _joined(request: Request, span: Span, max_read: int, max_gap: int) -> Request | None:
    end = request.address + request.count
    new_end = max(end, span.end_excluding)
    if request.function != span.function or span.start_including - end > max_gap:
        return None
    if new_end - request.address > max_read:
        return None
    return Request(request.function, request.address, new_end - request.address)
