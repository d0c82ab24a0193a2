"""The last hours of chosen quantities, a minute a bucket: means, rms values and what counters moved, with their gaps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
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


class Windows:
    """Takes live values in order of time; only what somebody wants is kept, and only as long as it is wanted."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, str], int] = {}
        self._wanted: dict[str, list[str]] = {}
        self._buckets: dict[tuple[str, str], deque[_Bucket]] = {}

    def want(self, key: str, quantity: str, span_s: float) -> None:
        """From now on `quantity` of `key` (a device or a site) is kept for `span_s`."""
        known = self._spans.get((key, quantity))
        if known is None:
            self._wanted.setdefault(key, []).append(quantity)
        self._spans[key, quantity] = max(known or 0, round(span_s * 1000))

    def add(self, key: str, t: int, values: Mapping[str, float | int | str]) -> None:
        """Takes in what was measured at `t` (ms UTC)."""
        for quantity in self._wanted.get(key, ()):
            value = values.get(quantity)
            if isinstance(value, int | float):
                self._add((key, quantity), t, float(value))

    def last(self, key: str, quantity: str, span_s: float, now_ms: int) -> Stretch | None:
        """The `span_s` before `now_ms`, to a minute; None when nothing was heard of it."""
        start = now_ms - round(span_s * 1000)
        found = [bucket for bucket in self._buckets.get((key, quantity), ()) if start <= bucket.last_t <= now_ms]
        if not found:
            return None
        count = sum(bucket.count for bucket in found)
        gaps = [now_ms - found[-1].last_t, found[0].first_t - start]
        gaps += [after.first_t - before.last_t for before, after in pairwise(found)]
        return Stretch(
            count=count,
            mean=sum(bucket.total for bucket in found) / count,
            rms=math.sqrt(sum(bucket.squares for bucket in found) / count),
            first=found[0].first,
            last=found[-1].last,
            seconds=(found[-1].last_t - found[0].first_t) / 1000,
            longest_gap_s=max(gaps) / 1000,
        )

    def _add(self, wanted: tuple[str, str], t: int, value: float) -> None:
        buckets = self._buckets.setdefault(wanted, deque())
        minute = t // _BUCKET_MS
        if buckets and t <= buckets[-1].last_t:
            return
        if not buckets or buckets[-1].minute != minute:
            buckets.append(_Bucket(minute, 1, value, value * value, value, t, value, t))
            while buckets[0].last_t < t - self._spans[wanted] - _BUCKET_MS:
                buckets.popleft()
            return
        bucket = buckets[-1]
        bucket.count += 1
        bucket.total += value
        bucket.squares += value * value
        bucket.last, bucket.last_t = value, t
