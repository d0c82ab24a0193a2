"""The last hours of chosen quantities, a minute a bucket: means, rms values and what counters moved, with their gaps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import KeysView, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Stretch", "Windows"]

_BUCKET_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was heard of a quantity over a while. `longest_gap_s`: the longest time without a value, ends included."""

    count: int
    mean: float
    rms: float
    first: float
    last: float
    seconds: float
    longest_gap_s: float


@dataclass(slots=True)
class _Bucket:
    minute: int
    count: int
    total: float
    squares: float
    first: float
    first_t: int
    last: float
    last_t: int


@dataclass(slots=True)
class _Track:
    """One quantity of a device or site, kept for `span_ms`."""

    quantity: str
    span_ms: int
    buckets: deque[_Bucket]


class Windows:
    """Takes live values in order of time; only what somebody wants is kept, and only as long as it is wanted."""

    def __init__(self) -> None:
        self._tracks: dict[str, list[_Track]] = {}

    @property
    def wanted(self) -> KeysView[str]:
        """Of whom anything is wanted."""
        return self._tracks.keys()

    def want(self, key: str, quantity: str, span_s: float) -> None:
        """From now on `quantity` of `key` (a device or a site) is kept for `span_s`."""
        track = self._track(key, quantity)
        if track is None:
            track = _Track(quantity, 0, deque())
            self._tracks.setdefault(key, []).append(track)
        track.span_ms = max(track.span_ms, round(span_s * 1000))

    def add(self, key: str, t: int, values: Mapping[str, float | int | str]) -> None:
        """Takes in what was measured at `t` (ms UTC)."""
        for track in self._tracks.get(key, ()):
            value = values.get(track.quantity)
            if value is not None and not isinstance(value, str):
                _add(track, t, value)

    def last(self, key: str, quantity: str, span_s: float, now_ms: int) -> Stretch | None:
        """The `span_s` before `now_ms`, to a minute; None when nothing was heard of it."""
        track = self._track(key, quantity)
        if track is None:
            return None
        start = now_ms - round(span_s * 1000)
        found = [bucket for bucket in track.buckets if start <= bucket.last_t <= now_ms]
        if not found:
            return None
        count, total, squares = 0, 0.0, 0.0
        for bucket in found:
            count += bucket.count
            total += bucket.total
            squares += bucket.squares
        gaps = [now_ms - found[-1].last_t, found[0].first_t - start]
        gaps += [after.first_t - before.last_t for before, after in pairwise(found)]
        return Stretch(
            count=count,
            mean=total / count,
            rms=math.sqrt(squares / count),
            first=found[0].first,
            last=found[-1].last,
            seconds=(found[-1].last_t - found[0].first_t) / 1000,
            longest_gap_s=max(gaps) / 1000,
        )

    def _track(self, key: str, quantity: str) -> _Track | None:
        return next((track for track in self._tracks.get(key, ()) if track.quantity == quantity), None)


def _add(track: _Track, t: int, value: float) -> None:
    buckets = track.buckets
    if buckets:
        newest = buckets[-1]
        if t <= newest.last_t:
            return
        if newest.minute == t // _BUCKET_MS:
            newest.count += 1
            newest.total += value
            newest.squares += value * value
            newest.last, newest.last_t = value, t
            return
    buckets.append(_Bucket(t // _BUCKET_MS, 1, value, value * value, value, t, value, t))
    oldest = t - track.span_ms - _BUCKET_MS
    while buckets[0].last_t < oldest:
        buckets.popleft()
