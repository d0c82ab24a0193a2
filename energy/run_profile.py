"""What a machine draws in one run, as people write it: `15@2000 45@150`, minutes@watts one after the other."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Parts", "duration_ms", "parts_of"]

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)@(\d+(?:\.\d+)?)")
_LONGEST_MIN: Final = 1440
_MOST_W: Final = 1e6
_MINUTE_MS: Final = 60_000

Parts = tuple[tuple[float, float], ...]
"""(minutes, W) one after the other."""


def parts_of(text: str) -> Parts:
    """Of `15@2000 45@150`, minutes@watts. Raises ValueError."""
    parts = []
    for word in text.split():
        match = _PART.fullmatch(word)
        if match is None:
            raise ValueError(f"is no profile: {word!r}")
        minutes, watts = float(match[1]), float(match[2])
        if not 0 < minutes <= _LONGEST_MIN or watts > _MOST_W:
            raise ValueError(f"{word}: up to {_LONGEST_MIN} minutes and {_MOST_W:g} W")
        parts.append((minutes, watts))
    if not parts:
        raise ValueError("is empty")
    return tuple(parts)


def duration_ms(parts: Parts) -> int:
    """How long a run takes."""
    return round(sum(minutes for minutes, _ in parts) * _MINUTE_MS)
