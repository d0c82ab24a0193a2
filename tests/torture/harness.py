"""Strikes an installation at random, lets it come to rest by itself, and judges what it has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from messaging.codec import Reading
from storage.history import DeviceQuarter, History, Row, SiteQuarter
from tests.torture.faults import Fault, faults, kills, lasting
from tests.torture.installation import Installation, StoreKind, installed
from tests.torture.ledger import Key
from tests.torture.undisturbed import delivered
from tests.torture.watching import rows, stored, until, waiting

__all__ = ["Verdict", "torture"]

_SITES: Final = 4
_QUARTER_MS: Final = 900_000
_KILLS_OF_ALL: Final = 0.6
_BETWEEN_S: Final = (0.2, 1.2)
_LONGEST_OUTAGE_S: Final = 90.0
_LONGEST_WRONG_S: Final = 180.0  # readings are late until the time of those that a wrong clock put into the future
_GRACE_MS: Final = 300_000

Quarters = dict[tuple[str, int], DeviceQuarter | SiteQuarter]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was done, and what was found: all lists, and `ended_alone`, are empty where nothing is wrong."""

    kills: int
    commits: int
    committed: int
    lost: list[tuple[str, int]]
    doubled: list[tuple[str, int]]
    invented: list[tuple[str, int]]
    altered: list[tuple[str, int]]
    quarters: int
    other_quarters: list[str]
    ended_for_room: int
    """Processes that began on a full disk: they end, and are started again until there is room."""
    ended_alone: dict[str, int]
    struck: dict[str, int] = field(default_factory=dict)
    caught_up_s: float = 0.0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any((self.lost, self.doubled, self.invented, self.altered, self.other_quarters, self.ended_alone))


async def torture(folder: Path, store: StoreKind, *, most_kills: int, seed: int) -> Verdict:
    """`most_kills` kills and as many other faults as come between them."""
    dice, began = random.Random(seed), time.monotonic()
    async with installed(folder, store, sites=_SITES) as place:
        await until(
            lambda: place.works() and len(place.ledger.kept) > 50 and len(stored(place.store)) > 20, 90, "the start"
        )
        struck = await _strike(place, dice, most_kills)
        kept = set(place.ledger.kept)
        caught_up_s = await until(lambda: kept <= stored(place.store), _LONGEST_OUTAGE_S, "what was kept")
        cut_ms = place.clock.now_ms() // _QUARTER_MS * _QUARTER_MS
        await until(lambda: place.clock.now_ms() > cut_ms + _GRACE_MS, 60, "the quarter-hour")
        await until(lambda: not waiting(folder / "dirty.db", cut_ms), _LONGEST_WRONG_S, "the quarter-hours")
        verdict = await _judged(place, kept, cut_ms)
    return replace(verdict, struck=dict(struck), caught_up_s=caught_up_s, seconds=time.monotonic() - began)


async def _judged(place: Installation, kept: set[Key], cut_ms: int) -> Verdict:
    ended = {name: child.restarts - place.kills[name] for name, child in place.children.items()}
    listed = rows(place.store)
    found = {(row.tags.device, row.t): row for row in listed}
    asked = place.ledger.asked
    once = {key for key, readings in asked.items() if len(readings) == 1}
    quarters, other_quarters = await _compared(place, found, once, cut_ms)
    times = Counter((row.tags.device, row.t) for row in listed)
    return Verdict(
        kills=place.kills.total(),
        commits=place.ledger.commits,
        committed=len(kept),
        lost=sorted(kept - found.keys()),
        doubled=sorted(key for key in times if times[key] > 1),
        invented=sorted(found.keys() - asked.keys()),
        altered=sorted(key for key in found.keys() & once if not _same(found[key], asked[key][0])),
        quarters=quarters,
        other_quarters=other_quarters,
        ended_for_room=sum(min(number, place.no_room[name]) for name, number in ended.items()),
        ended_alone={name: number for name, number in ended.items() if number > place.no_room[name]},
    )


async def _strike(place: Installation, dice: random.Random, most_kills: int) -> Counter[str]:
    struck: Counter[str] = Counter()
    busy: dict[str, asyncio.Task[None]] = {}
    killers, others = kills(place), faults(place, dice)
    while place.kills.total() < most_kills:
        await asyncio.sleep(dice.uniform(*_BETWEEN_S))
        fault = _chosen(killers if dice.random() < _KILLS_OF_ALL else others, busy, dice)
        if fault is None:
            continue
        struck[fault.name] += 1
        busy[fault.victim] = asyncio.create_task(lasting(fault, dice), name=fault.name)
        if fault.seconds == (0.0, 0.0):
            await busy[fault.victim]
    await asyncio.gather(*busy.values())
    return struck


def _chosen(among: list[Fault], busy: dict[str, asyncio.Task[None]], dice: random.Random) -> Fault | None:
    for victim in [victim for victim, task in busy.items() if task.done()]:
        busy.pop(victim).result()
    free = [fault for fault in among if fault.victim not in busy]
    return dice.choice(free) if free else None


def _same(row: Row, reading: Reading) -> bool:
    return dict(row.values) == reading.v and list(row.bad) == list(reading.bad)


async def _compared(
    place: Installation, found: dict[tuple[str, int], Row], once: set[tuple[str, int]], cut_ms: int
) -> tuple[int, list[str]]:
    """How many quarter-hours were compared with those of an undisturbed delivery, and which differ.

    Those in which an instant was measured twice, because a clock was set back, may hold either reading and are left out.
    """
    readings: dict[str, list[Reading]] = defaultdict(list)
    for device, t in sorted(found, key=lambda key: key[1]):
        readings[f"gw-{device.partition('/')[0]}"].append(place.ledger.asked[device, t][-1])
    reference = await delivered(place, readings, cut_ms)
    twice = {
        (device.partition("/")[0], t // _QUARTER_MS + by) for device, t in found.keys() - once for by in (-1, 0, 1)
    }
    with contextlib.closing(place.history()) as history, contextlib.closing(reference):
        ours, theirs = _quarters(history, found, cut_ms), _quarters(reference, found, cut_ms)
    compared = {
        key for key in ours.keys() | theirs.keys() if (key[0].partition("/")[0], key[1] // _QUARTER_MS) not in twice
    }
    differing = [
        f"{key[0]} at {key[1]}: {ours.get(key)} instead of {theirs.get(key)}"
        for key in sorted(compared)
        if ours.get(key) != theirs.get(key)
    ]
    return len(compared), differing


def _quarters(history: History, found: Iterable[tuple[str, int]], cut_ms: int) -> Quarters:
    devices = {device for device, _ in found}
    sites = sorted({device.partition("/")[0] for device in devices})
    quarters: Quarters = {
        (device, quarter.start): quarter for device in devices for quarter in history.device_quarters(device, 0, cut_ms)
    }
    quarters |= {(quarter.site, quarter.start): quarter for quarter in history.site_quarters(sites, 0, cut_ms)}
    return quarters
