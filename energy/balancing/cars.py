"""What the car at a charger wants: how much until when. By the configuration, or as a person said for this car."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from energy.balancing.settings import Steer

__all__ = ["CarHere", "Wish", "need_w", "wish_of"]

_HOUR_MS: Final = 3_600_000
_LEAST_LEFT_H: Final = 0.1
_IN_HAND: Final = 1.1  # a car is to be ready a little before its time


@dataclass(frozen=True, slots=True)
class Wish:
    """`energy_wh` from when the car came, until `ready_ms` (UTC)."""

    ready_ms: int
    energy_wh: float


@dataclass(frozen=True, slots=True)
class CarHere:
    """A car whose charging is planned: at which charger, since when, what it wants and what is missing of that."""

    device: str
    since_ms: int
    wish: Wish
    missing_wh: float


def wish_of(steer: Steer, now_ms: int, timezone: str, told: Wish | None = None) -> Wish | None:
    """What counts now: what was said, until its time is over; else the configuration's; None: there is none."""
    if told is not None and told.ready_ms > now_ms:
        return told
    return None if steer.ready_by is None else Wish(_next_ms(steer.ready_by, now_ms, timezone), steer.energy_wh)


def need_w(wish: Wish, delivered_wh: float, now_ms: int) -> float:
    """The mean power that gets the car ready in time."""
    left_h = (wish.ready_ms - now_ms) / _HOUR_MS
    return _IN_HAND * max(0.0, wish.energy_wh - delivered_wh) / max(_LEAST_LEFT_H, left_h)


def _next_ms(ready_by: time, now_ms: int, timezone: str) -> int:
    """When it is that local time next, today or tomorrow."""
    local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(timezone))
    then = local.replace(hour=ready_by.hour, minute=ready_by.minute, second=0, microsecond=0)
    if then <= local:
        then += timedelta(days=1)
    return round(then.astimezone(UTC).timestamp() * 1000)
