"""Whether the machine's wall clock can be believed: what the kernel says of its synchronisation, and a plain look.

A small computer without a battery-backed clock wakes up in the past. Until its clock is set, readings have an age but no
time: they wait here. A clock that runs but is not synchronised gives a time that may be off; its readings say so.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from messaging.codec import Reading
from runtime.clock import Clock

__all__ = ["EARLIEST_MS", "ClockWatch", "kernel_synchronised"]

EARLIEST_MS: Final = 1_704_067_200_000
"""2024-01-01: no gateway of this version ran before."""
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512  # struct timex has some 208 bytes on 64-bit machines; adjtimex(2) fills it in
_HELD: Final = 10_000
_ASK_AGAIN_S: Final = 5.0


_libc: Final = ctypes.CDLL(None)


def kernel_synchronised() -> bool | None:
    """What adjtimex(2) says of the machine's clock; None where it cannot be asked."""
    try:
        state = _libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # modes 0: only read
    except AttributeError:
        return None
    return None if state < 0 else state != _TIME_ERROR


class ClockWatch:
    """Believes a clock, or holds readings until it can be believed."""

    def __init__(self, clock: Clock, synchronised: Callable[[], bool | None] = kernel_synchronised) -> None:
        self._clock = clock
        self._synchronised = synchronised if clock.speed == 1 else lambda: None  # another clock than the machine's
        self._undated: deque[tuple[float, Reading]] = deque(maxlen=_HELD)
        self._asked_at_s = -_ASK_AGAIN_S
        self._unsynchronised = False

    @property
    def unsynchronised(self) -> bool:
        """Whether the clock is known not to be synchronised, as of some seconds ago."""
        now_s = self._clock.monotonic()
        if now_s - self._asked_at_s >= _ASK_AGAIN_S:
            self._asked_at_s, self._unsynchronised = now_s, self._synchronised() is False
        return self._unsynchronised

    @property
    def waiting(self) -> int:
        """How many readings wait for a clock that can be believed."""
        return len(self._undated)

    def dated(self, reading: Reading) -> list[Reading]:
        """The readings that have a time now: this one, and those that waited, each with the time it was taken.

        Empty while the clock is before any time at which this software can run.
        """
        now_s, now_ms = self._clock.monotonic(), self._clock.now_ms()
        if now_ms < EARLIEST_MS:
            self._undated.append((now_s, reading))
            return []
        waited = [
            msgspec.structs.replace(old, t=now_ms - round((now_s - taken_s) * 1000)) for taken_s, old in self._undated
        ]
        self._undated.clear()
        return [*waited, reading]
