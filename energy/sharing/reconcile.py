"""Ours beside the grid operator's quarter-hours: how far apart, and which reading of its rule comes nearest.

What operators publish leaves open how often a round is repeated, whether weights are renormalised and what a second
round weighs by. Their own figures decide it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.sharing.key import Basis, Method, SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters
from energy.sharing.whole import IntArray, Mask

__all__ = ["Allotted", "Fit", "fits", "variants"]


@dataclass(frozen=True, slots=True)
class Allotted:
    """What the operator allotted to each point in each quarter-hour, Wh, shaped as the readings; `known`: where it says."""

    received: IntArray
    known: Mask


@dataclass(frozen=True, slots=True)
class Fit:
    """How far a key's result is from the operator's. `apart_wh`: all differences together, without their signs.

    `quarters`: in how many quarter-hours anything differs by more than 1 Wh, which rounding explains, of `compared`.
    `worst`: (quarter-hour, point) of the largest difference, as rows and columns of the readings; None: there is none.
    """

    name: str
    key: SharingKey
    apart_wh: int
    largest_wh: int
    quarters: int
    compared: int
    worst: tuple[int, int] | None


def fits(key: SharingKey, readings: QuarterReadings, allotted: Allotted) -> list[Fit]:
    """The key as it is written and its other readings, the nearest to the operator's figures first; of equals the plainest."""
    whole = key.model_copy(update={"resolution_wh": 1})
    found = [_fit(name, one, readings, allotted) for name, one in variants(whole)]
    return sorted(found, key=lambda fit: (fit.apart_wh, fit.quarters))


def _fit(name: str, key: SharingKey, readings: QuarterReadings, allotted: Allotted) -> Fit:
    settlement = settle_quarters(key, readings)
    known = allotted.known & ~settlement.held[:, None]
    apart = np.where(known, np.abs(settlement.received - allotted.received), 0)
    largest = int(apart.max(initial=0))
    worst = divmod(int(apart.argmax()), apart.shape[1]) if largest else None
    return Fit(
        name=name,
        key=key,
        apart_wh=int(apart.sum()),
        largest_wh=largest,
        quarters=int((apart > 1).any(axis=1).sum()),
        compared=int(known.any(axis=1).sum()),
        worst=worst,
    )


def variants(key: SharingKey) -> Iterator[tuple[str, SharingKey]]:
    """(name, key): as written, and with what is open read otherwise, one thing at a time; none twice."""
    seen = {key.rounds}
    yield "as written", key
    for place, round_ in enumerate(key.rounds):
        for told, changes in _readings_of(round_.method):
            rounds = tuple(
                each.model_copy(update=changes) if other == place else each for other, each in enumerate(key.rounds)
            )
            if rounds not in seen:
                seen.add(rounds)
                yield f"round {place + 1} {told}", key.model_copy(update={"rounds": rounds})


def _readings_of(method: Method) -> Iterator[tuple[str, dict[str, Any]]]:
    if method is Method.PRORATA:
        for basis in Basis:
            yield f"pro rata of {basis}", {"basis": basis}
    if method in {Method.FIXED, Method.EQUAL}:
        yield "once", {"max_rounds": 1, "renormalise": False}
        yield "until nothing moves", {"max_rounds": None, "renormalise": False}
        for times in (2, 3):
            yield f"{times} times", {"max_rounds": times, "renormalise": False}
            yield f"{times} times, renormalised", {"max_rounds": times, "renormalise": True}
