"""What the hours show: use while closed, and peaks at the same time of most days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.buildings.savings.load import Floats, Load, open_slots
from energy.buildings.savings.saving import Pattern
from energy.hours import OpeningHours

__all__ = ["LEAST_DAYS", "OutOfHours", "Peaks", "out_of_hours", "peaks"]

LEAST_DAYS: Final = 14.0
_MARGIN_S: Final = 3600.0  # cleaning and warming up before opening, the last ones after closing
_YEAR_H: Final = 8760.0
_LEFT_ON: Final = 0.25  # part of what opening adds that may still run while closed
_LEAST_SHARE: Final = 0.03  # part of all use, below which nobody need look
_HIGHER: Final = 0.3  # how far a day's peak lies above its busy hours
_AT_ONE_TIME: Final = 0.6  # of the days
_WINDOW_H: Final = 1.5
_BUSY: Final = 90  # percentile of a day's power
_LEAST_PEAK_DAYS: Final = 10
_KNOWN_DAY: Final = 0.9


@dataclass(frozen=True, slots=True)
class OutOfHours:
    """While closed `closed_w` run on average, `open_w` while open, `base_w` always; `kwh` a year above the base."""

    kwh: float
    closed_w: float
    open_w: float
    base_w: float
    share: float
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Peaks:
    """On `share` of the days the highest quarter-hour comes about `minute` of the day, at `peak_w` over busy hours of `busy_w`.

    `kwh` a year lie above the busy hours: to be spread, not saved.
    """

    kwh: float
    peak_w: float
    busy_w: float
    minute: int
    share: float
    pattern: Pattern


def out_of_hours(load: Load, hours: OpeningHours, base_w: float) -> OutOfHours | None:
    """Use while closed that is well above what always runs; None when there is none."""
    flags = open_slots(hours, load.step_s, _MARGIN_S)
    is_open = flags[load.weekday, load.slot]
    shut, working = load.known & ~is_open, load.known & is_open
    if not shut.any() or not working.any():
        return None
    closed_w, open_w = float(load.power_w[shut].mean()), float(load.power_w[working].mean())
    closed_part = float(shut.sum()) / float(load.known.sum())
    kwh = max(0.0, closed_w - base_w) * closed_part * _YEAR_H / 1000
    mean_w = float(load.power_w[load.known].mean())
    share = kwh * 1000 / _YEAR_H / mean_w if mean_w > 0 else 0.0
    if open_w <= base_w or closed_w - base_w < _LEFT_ON * (open_w - base_w) or share < _LEAST_SHARE:
        return None
    return OutOfHours(kwh, closed_w, open_w, base_w, share, _week(load, flags))


def _week(load: Load, flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Pattern:
    """The mean week by hour, closed hours marked."""
    hour = load.slot * load.step_s // 3600
    place = load.weekday * 24 + hour
    known = load.known
    sums = np.bincount(place[known], weights=load.power_w[known], minlength=168)
    counts = np.bincount(place[known], minlength=168)
    per_hour = flags.reshape(7, 24, -1).any(axis=2).reshape(-1)
    return Pattern(
        axis="week_hour",
        unit="kW",
        x=tuple(f"{each // 24} {each % 24:02}:00" for each in range(168)),
        lines={
            "measured": tuple(
                round(float(total) / int(count) / 1000, 3) if count else None
                for total, count in zip(sums, counts, strict=True)
            )
        },
        marked=tuple(not bool(each) for each in per_hour),
    )


def peaks(load: Load) -> Peaks | None:
    """Peaks that return at one time of the day and stand out of it; None when there are none."""
    _, table = load.table()
    table = table[(~np.isnan(table)).mean(axis=1) >= _KNOWN_DAY]
    if len(table) < _LEAST_PEAK_DAYS:
        return None
    filled = np.where(np.isnan(table), 0.0, table)
    busy = np.nanpercentile(table, _BUSY, axis=1)
    top, when = filled.max(axis=1), filled.argmax(axis=1)
    standing_out = (top > (1 + _HIGHER) * busy) & (busy > 0)
    if standing_out.sum() < max(_LEAST_PEAK_DAYS, _AT_ONE_TIME * len(table) / 2):
        return None
    slot, share = _common_time(when[standing_out], load)
    if share < _AT_ONE_TIME:
        return None
    of_those = filled[standing_out]
    above = np.maximum(0.0, of_those - busy[standing_out, None]).sum() * load.step_s / 3.6e6
    return Peaks(
        kwh=float(above) / len(table) * 365,
        peak_w=float(np.median(top[standing_out])),
        busy_w=float(np.median(busy[standing_out])),
        minute=slot * load.step_s // 60,
        share=float(standing_out.sum()) / len(table) * share,
        pattern=_day(of_those, float(np.median(busy[standing_out])), load),
    )


def _common_time(when: np.ndarray[tuple[int, ...], np.dtype[np.intp]], load: Load) -> tuple[int, float]:
    """The median of the slots that lie together, and which part of `when` they are."""
    half = round(_WINDOW_H * 3600 / load.step_s / 2)
    counts = np.bincount(when, minlength=load.slots)
    wrapped = np.concatenate([counts[-half:], counts, counts[:half]]) if half else counts
    near = np.convolve(wrapped, np.ones(2 * half + 1), mode="valid")
    middle = int(near.argmax())
    away = (when - middle + load.slots // 2) % load.slots - load.slots // 2
    slot = (middle + int(np.median(away[np.abs(away) <= half]))) % load.slots
    return slot, float(near[middle]) / len(when)


def _day(table: Floats, busy_w: float, load: Load) -> Pattern:
    mean = table.mean(axis=0) / 1000
    level = round(busy_w / 1000, 3)
    minutes = [slot * load.step_s // 60 for slot in range(load.slots)]
    return Pattern(
        axis="day_hour",
        unit="kW",
        x=tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in minutes),
        lines={"measured": tuple(round(float(each), 3) for each in mean), "busy": (level,) * load.slots},
        marked=tuple(bool(each > level) for each in mean),
    )
