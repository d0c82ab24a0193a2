"""Advice for citizens, in lights: is it good to use electricity in this quarter-hour? A rule on the forecast, no more.

    green    the community's own sun is expected to cover all it uses
    amber    a good part of it, or energy is clearly cheaper than in most of the time ahead
    red      little of it: better wait, if it can wait
    unknown  not enough is known; never shown as green

Nothing flaps: shares are means over an hour, a light is entered at a higher share than it is left at, and it stays for an
hour at least. Where an hour is shared by two lights, the more careful one has it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from energy.quarters import QUARTER_MS

__all__ = ["Advice", "Light", "Reason", "advise"]

_ENTER: Final = (0.45, 1.05)  # share of consumption that the sun covers: amber, green from here ...
_LEAVE: Final = (0.35, 0.95)  # ... and until below here
_SHORTEST: Final = 4  # quarter-hours
_AROUND: Final = 2  # quarter-hours on either side that count to the mean
_CHEAP: Final = 0.85  # of the mean price ahead
_NO_SUN: Final = 0.02


class Light(StrEnum):
    """In order of caution, after unknown."""

    UNKNOWN = "unknown"
    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Reason(StrEnum):
    """Why a light is shown; sentences are in advice_texts.py."""

    UNKNOWN = "unknown"
    NIGHT = "night"
    LITTLE_SUN = "little_sun"
    CHEAP = "cheap"
    SOME_SUN = "some_sun"
    LIKELY = "likely"
    SURE = "sure"


@dataclass(frozen=True, slots=True)
class Advice:
    """One light over [start, end), ms UTC; `share` of the consumption that the sun covers, None: unknown."""

    start: int
    end: int
    light: Light
    reason: Reason
    share: float | None


_CAUTION: Final = (Light.UNKNOWN, Light.RED, Light.AMBER, Light.GREEN)


def advise(
    start: int,
    pv: Sequence[float | None],
    consumption: Sequence[float | None],
    surplus_low: Sequence[float | None],
    price: Sequence[float | None],
) -> list[Advice]:
    """Periods of one light each, from `start` on without gaps; one value per quarter-hour, powers in one unit."""
    share = _share(pv, consumption)
    cheap = _cheap(price, len(share))
    lights = _steady(_lights(share, cheap))
    periods = []
    first = 0
    for light, run in itertools.groupby(lights):
        count = len(list(run))
        part = slice(first, first + count)
        reason, mean = _why(light, share[part], cheap[part], surplus_low[part])
        periods.append(Advice(start + first * QUARTER_MS, start + (first + count) * QUARTER_MS, light, reason, mean))
        first += count
    return periods


def _share(pv: Sequence[float | None], consumption: Sequence[float | None]) -> list[float | None]:
    """PV over consumption, each summed over the hour around; None where the quarter-hour itself is unknown."""
    pairs = list(zip(pv, consumption, strict=True))
    shares: list[float | None] = []
    for step, (own_pv, own_use) in enumerate(pairs):
        if own_pv is None or own_use is None:
            shares.append(None)
            continue
        around = [
            (sun, use)
            for sun, use in pairs[max(0, step - _AROUND) : step + _AROUND + 1]
            if sun is not None and use is not None
        ]
        use_sum = sum(use for _, use in around)
        sun_sum = sum(sun for sun, _ in around)
        shares.append(sun_sum / use_sum if use_sum > 0 else (math.inf if sun_sum > 0 else 0.0))
    return shares


def _cheap(price: Sequence[float | None], steps: int) -> list[bool]:
    """Clearly below the mean of all that is known; nothing is cheap where prices are not known or all alike."""
    known = [each for each in price if each is not None]
    if len(known) < steps:
        return [False] * steps
    mean = sum(known) / len(known)
    return [each is not None and each < mean - (1 - _CHEAP) * abs(mean) for each in price]


def _lights(share: Sequence[float | None], cheap: Sequence[bool]) -> list[Light]:
    lights: list[Light] = []
    before = Light.UNKNOWN
    for part, is_cheap in zip(share, cheap, strict=True):
        if part is None:
            before = Light.UNKNOWN
            lights.append(before)
            continue
        amber, green = (
            leave if _CAUTION.index(before) >= place else enter
            for place, enter, leave in zip((2, 3), _ENTER, _LEAVE, strict=True)
        )
        before = Light.GREEN if part >= green else Light.AMBER if part >= amber else Light.RED
        lights.append(Light.AMBER if before is Light.RED and is_cheap else before)
    return lights


def _steady(lights: Sequence[Light]) -> list[Light]:
    """Runs shorter than an hour take the more careful neighbour's light, the shortest first; unknown stays unknown."""
    runs = [(light, len(list(run))) for light, run in itertools.groupby(lights)]
    while True:
        short = [
            place
            for place, (light, count) in enumerate(runs)
            if light is not Light.UNKNOWN and count < _SHORTEST and _neighbours(runs, place)
        ]
        if not short:
            return [light for light, count in runs for _ in range(count)]
        place = min(short, key=lambda each: runs[each][1])
        runs[place] = (min(_neighbours(runs, place), key=_CAUTION.index), runs[place][1])
        joined = itertools.groupby(runs, key=lambda run: run[0])
        runs = [(light, sum(count for _, count in group)) for light, group in joined]


def _neighbours(runs: Sequence[tuple[Light, int]], place: int) -> list[Light]:
    beside = [runs[each][0] for each in (place - 1, place + 1) if 0 <= each < len(runs)]
    return [light for light in beside if light is not Light.UNKNOWN]


def _why(
    light: Light, share: Sequence[float | None], cheap: Sequence[bool], surplus_low: Sequence[float | None]
) -> tuple[Reason, float | None]:
    known = [part for part in share if part is not None]
    if light is Light.UNKNOWN or not known:
        return Reason.UNKNOWN, None
    mean = sum(min(part, 1.0) for part in known) / len(known)
    if light is Light.GREEN:
        sure = all(low is not None and low > 0 for low in surplus_low)
        return (Reason.SURE if sure else Reason.LIKELY), mean
    if light is Light.AMBER:
        return (Reason.CHEAP if mean < _LEAVE[0] and any(cheap) else Reason.SOME_SUN), mean
    return (Reason.NIGHT if mean < _NO_SUN else Reason.LITTLE_SUN), mean
