"""What a key costs beside the bare numpy arithmetic of the same key, on random energies and on a month with its nights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchmarks.bare_sharing import ADDED_UP, FLOORED, Energies, shared
from benchmarks.measure import Facts, Row, Run, measured
from benchmarks.processes import in_child
from energy.sharing.key import SHORT_NAMES, Roster, SharingKey
from energy.sharing.whole import share_whole

__all__ = ["random_energies", "sharing"]

_POINTS: Final = 1000
_QUARTERS: Final = 2880
_TIERS: Final = 3
_WEIGHTS: Final = 1 + np.arange(_POINTS) % 20


def sharing(runs: int) -> list[Facts]:
    """1,000 points of which every fifth injects, 2,880 quarter-hours, every key one at a time."""
    columns = ("key", "numpy, floored", "numpy, added up", "`share_whole`", "× floored", "× added up")  # noqa: RUF001
    told = f"{_POINTS:,} points, {_QUARTERS:,} quarter-hours; CPU µs for 1,000 points in a quarter-hour, median (range)"
    return [
        Facts(
            f"Sharing, {which}: {told}", columns, [_beside(name, each) for name, each in _rows(runs, energies).items()]
        )
        for which, energies in (("sun at every hour", random_energies), ("a month with its nights", _month))
    ]


def random_energies(points: int, quarters: int, seed: int = 1) -> tuple[Energies, Energies]:
    """Wh withdrawn and injected: about as much as a fifth of the points with roofs would, from none to more than is used."""
    random = np.random.default_rng(seed)
    withdrawal = random.integers(0, 3000, (quarters, points))
    roofs = np.arange(points) % 5 == 0
    sun = random.random((quarters, 1)) * 6000
    return withdrawal, np.where(roofs, random.integers(0, 3000, (quarters, points)) * sun // 1500, 0).astype(np.int64)


def _month(points: int, quarters: int) -> tuple[Energies, Energies]:
    """Wh withdrawn and injected in June: homes by day and evening, roofs of 3 to 10 kWp that first serve their own house."""
    random = np.random.default_rng(6)
    hours = np.arange(quarters)[:, None] % 96 / 4
    habit = 60 + 60 * np.exp(-(((hours - 8) / 1.5) ** 2)) + 140 * np.exp(-(((hours - 20) / 2.5) ** 2))
    used = random.gamma(1.5, habit * random.uniform(0.3, 1.2, points))
    clouds = np.repeat(random.uniform(0.2, 1, (quarters // 96 + 1, 1)), 96, axis=0)[:quarters]
    sun = np.maximum(0, np.sin((hours - 5) / 16 * np.pi)) * clouds
    roofs = np.where(np.arange(points) % 5 == 0, random.uniform(3, 10, points), 0) * 200
    net = used - roofs * sun
    return np.maximum(net, 0).astype(np.int64), np.maximum(-net, 0).astype(np.int64)


def _rows(runs: int, energies: Callable[[int, int], tuple[Energies, Energies]]) -> dict[str, tuple[Row, Row, Row]]:
    paths: dict[str, tuple[Callable[[], Run], str]] = {}
    for name in SHORT_NAMES:
        for how, work in (("floored", _floored), ("added up", _added_up), ("ours", _ours)):
            paths[f"{name}, {how}"] = (lambda work=work, name=name: in_child(_timed, work, name, energies)), ""
    rows = measured(runs, paths)
    return {name: (rows[3 * n], rows[3 * n + 1], rows[3 * n + 2]) for n, name in enumerate(SHORT_NAMES)}


def _beside(name: str, rows: tuple[Row, Row, Row]) -> tuple[str, ...]:
    floored, added_up, ours = rows
    told = [f"{row.cpu_us:.1f} ({row.range_us[0]:.1f} to {row.range_us[1]:.1f})" for row in rows]
    return (name, *told, f"{ours.cpu_us / floored.cpu_us:.1f}", f"{ours.cpu_us / added_up.cpu_us:.2f}")


def _timed(
    work: Callable[[str, Energies, Energies], Callable[[], Any]],
    name: str,
    energies: Callable[[int, int], tuple[Energies, Energies]],
) -> Run:
    ready = work(name, *energies(_POINTS, _QUARTERS))
    began, cpu = time.perf_counter(), time.process_time()
    ready()
    return Run(_POINTS * _QUARTERS / 1000, time.perf_counter() - began, time.process_time() - cpu)


def _floored(name: str, withdrawal: Energies, injection: Energies) -> Callable[[], Any]:
    return lambda: shared(FLOORED[name], withdrawal, injection, _WEIGHTS, _tiers(), add_up=False)


def _added_up(name: str, withdrawal: Energies, injection: Energies) -> Callable[[], Any]:
    return lambda: shared(ADDED_UP[name], withdrawal, injection, _WEIGHTS, _tiers(), add_up=True)


def _ours(name: str, withdrawal: Energies, injection: Energies) -> Callable[[], Any]:
    points = [f"p{n:04}" for n in range(_POINTS)]
    whole = int(_WEIGHTS.sum())
    standing = {point: {"weight": f"{_WEIGHTS[n]}/{whole}", "tier": 1 + n % _TIERS} for n, point in enumerate(points)}
    key = SharingKey.model_validate({"participants": standing, "rounds": name})
    roster, known = Roster.of(key, points, [True] * _POINTS), np.ones(withdrawal.shape, dtype=bool)
    return lambda: share_whole(key, roster, withdrawal, injection, known)


def _tiers() -> list[Energies]:
    return [np.flatnonzero(np.arange(_POINTS) % _TIERS == tier) for tier in range(_TIERS)]
