"""What `settle` writes: the settled quarter-hours as CSV and their summary as JSON, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cli.settle.readings import ReadingsFile
from energy.errors import ConfigError
from energy.sharing.fairness import Exact, PointTotals, fairness, point_totals, ratio
from energy.sharing.key import Method, SharingKey
from energy.sharing.settlement import QUALITIES, Direction, Missing, Settlement
from energy.sharing.whole import IntArray, Mask

__all__ = ["OUT_COLUMNS", "json_lines", "settled_lines", "summarise", "write_all"]

OUT_COLUMNS: Final = (
    "ean",
    "start",
    "withdrawal_kwh",
    "injection_kwh",
    "received_kwh",
    "residual_kwh",
    "given_kwh",
    "surplus_kwh",
    "quality",
)
_BLOCK_CELLS: Final = 1 << 18  # rows written at a time: bounds the memory, however long the file
_FINE: Final = 10**9  # parts of a Wh that are printed at resolution 0: 12 decimals of a kWh


def settled_lines(file: ReadingsFile, settlement: Settlement) -> Iterator[str]:
    """The lines of the out CSV, by start and EAN, without the quarter-hours that are held back."""
    told = tuple(_told(settlement, direction) for direction in Direction)
    concerned = np.array(settlement.roster.receives) | told[1].any(axis=0)
    tellable = tuple(known | ~known.any(axis=0) for known in told)
    quarters, points = settlement.held.size, len(settlement.readings.points)
    yield ",".join(OUT_COLUMNS) + "\n"
    step = max(1, _BLOCK_CELLS // max(1, points))
    for first in range(0, quarters, step):
        block = slice(first, first + step)
        present = concerned | (file.lines[block] > 0)
        shown = settlement.takes_part[block] & ~settlement.held[block, None] & present
        told_block = _Told(*(known[block][shown] for known in (*told, *tellable)))
        yield from _block_lines(file, settlement, block, shown, told_block)


@dataclass(frozen=True, slots=True)
class _Told:
    """Which cells of the shown rows can be told; residual and surplus also where the point never has that direction."""

    withdrawal: Mask
    injection: Mask
    residual: Mask
    surplus: Mask


def _block_lines(file: ReadingsFile, settlement: Settlement, block: slice, shown: Mask, told: _Told) -> Iterator[str]:
    readings = settlement.readings
    rows, columns = (places.tolist() for places in shown.nonzero())
    exact = readings.withdrawal.dtype == object
    withdrawal, injection, received, given = (
        _printed(values[block][shown], exact)
        for values in (readings.withdrawal, readings.injection, settlement.received, settlement.given)
    )
    decimals = 12 if exact else 3
    qualities = [quality.value for quality in QUALITIES]
    cells = (
        [readings.points[column] for column in columns],
        [file.starts[block.start + row] for row in rows],
        _texts(withdrawal, decimals, told.withdrawal),
        _texts(injection, decimals, told.injection),
        _texts(received, decimals),
        _texts(withdrawal - received, decimals, told.residual),
        _texts(given, decimals),
        _texts(injection - given, decimals, told.surplus),
        [qualities[code] for code in settlement.quality[block][shown].tolist()],
    )
    for line in zip(*cells, strict=True):
        yield ",".join(line) + "\n"


def _told(settlement: Settlement, direction: Direction) -> Mask:
    """Where the direction was read or filled by the key."""
    readings = settlement.readings
    told: Mask = (readings.withdrawal_known if direction is Direction.WITHDRAWAL else readings.injection_known).copy()
    for missing in settlement.filled:
        if missing.direction is direction:
            told[missing.row, missing.column] = True
    return told


def _printed(values: IntArray, exact: bool) -> IntArray:
    """The values as integers of the last printed decimal, so that differences of printed numbers stay exact."""
    return np.array([round(value * _FINE) for value in values.tolist()], dtype=object) if exact else values


def _texts(values: IntArray, decimals: int, told: Mask | None = None) -> list[str]:
    """Decimal kWh of integers of the last decimal; empty where not told."""
    if not values.size:
        return []
    distinct, places = np.unique(values, return_inverse=True)
    unit = 10**decimals
    texts = np.array([f"{value // unit}.{value % unit:0{decimals}d}" for value in distinct.tolist()], dtype=object)
    cells = texts[places]
    if told is not None:
        cells[~told] = ""
    return list(cells)


def summarise(key: SharingKey, file: ReadingsFile, settlement: Settlement) -> dict[str, Any]:
    """The summary: totals, rates, fairness, per point, what is held and why."""
    points = point_totals(settlement)
    receivers = [point for point in points if point.receives]
    withdrawn = sum(point.withdrawal_wh for point in receivers)
    injected = sum(point.injection_wh for point in points)
    received = sum(point.received_wh for point in receivers)
    measures = fairness(points)
    held = _held(file, settlement)
    return {
        "resolution_wh": key.resolution_wh,
        "quarter_hours": {"settled": int((~settlement.held).sum()), "held": len(held)},
        "totals": {
            "withdrawal_kwh": _kwh(withdrawn),
            "injection_kwh": _kwh(injected),
            "received_kwh": _kwh(received),
            "residual_kwh": _kwh(withdrawn - received),
            "given_kwh": _kwh(received),
            "surplus_kwh": _kwh(injected - received),
        },
        "sharing_rate": ratio(received, injected),
        "self_sufficiency": ratio(received, withdrawn),
        "jain": {"kwh": measures.jain_kwh, "coverage": measures.jain_coverage},
        "gini": {"kwh": measures.gini_kwh, "coverage": measures.gini_coverage},
        "min_coverage": measures.min_coverage,
        "points": [_point(key, point) for point in points],
        "held": held,
        "filled": _filled(settlement),
        "notes": _notes(key, file, settlement),
    }


def _point(key: SharingKey, point: PointTotals) -> dict[str, Any]:
    participant = (key.participants or {}).get(point.point)
    return {
        "ean": point.point,
        "name": participant.name if participant else "",
        "receives": point.receives,
        "withdrawal_kwh": _kwh(point.withdrawal_wh),
        "injection_kwh": _kwh(point.injection_wh),
        "received_kwh": _kwh(point.received_wh),
        "residual_kwh": _kwh(point.withdrawal_wh - point.received_wh),
        "given_kwh": _kwh(point.given_wh),
        "surplus_kwh": _kwh(point.injection_wh - point.given_wh),
        "coverage": None if point.coverage is None else float(point.coverage),
    }


def _held(file: ReadingsFile, settlement: Settlement) -> list[dict[str, Any]]:
    reasons: dict[int, list[str]] = {}
    for missing in settlement.held_for:
        reasons.setdefault(missing.row, []).append(_reason(file, settlement, missing))
    return [{"start": file.starts[row], "reasons": texts} for row, texts in sorted(reasons.items())]


def _reason(file: ReadingsFile, settlement: Settlement, missing: Missing) -> str:
    ean = settlement.readings.points[missing.column]
    line = int(file.lines[missing.row, missing.column])
    if line:
        return f"{file.path}:{line} {missing.direction}_kwh: empty for EAN {ean}"
    lines = file.lines[:, missing.column]
    before, after = lines[: missing.row], lines[missing.row :]
    near, where = (before[before > 0][-1], "after") if before.any() else (after[after > 0][0], "before")
    return f"{file.path}:{near} the row of EAN {ean} for {file.starts[missing.row]} is missing {where} this one"


def _filled(settlement: Settlement) -> list[dict[str, Any]]:
    counts = Counter(settlement.readings.points[missing.column] for missing in settlement.filled)
    return [{"ean": ean, "values": count} for ean, count in sorted(counts.items())]


def _notes(key: SharingKey, file: ReadingsFile, settlement: Settlement) -> list[str]:
    notes = []
    if file.cut:
        notes.append(
            f"{file.cut} readings finer than 1 Wh were cut to whole Wh, {float(file.cut_wh / 1000):.6f} kWh in all; "
            "resolution_wh: 0 settles them exactly"
        )
    without = sum(not each.weight for each in (key.participants or {}).values())
    if without and any(round_.method is Method.FIXED for round_ in key.rounds):
        notes.append(f"{without} participants have no weight: fixed rounds give them nothing")
    if settlement.held.all():
        notes.append("every quarter-hour is held back: nothing was settled")
    return notes


def _kwh(energy_wh: Exact) -> float:
    return float(energy_wh / 1000)


def write_all(contents: Mapping[Path, Iterator[str]]) -> None:
    """Writes every file beside its target and puts them in place only when all are complete.

    Raises ConfigError when a target cannot be written; then none is changed.
    """
    finished: list[tuple[Path, Path]] = []
    try:
        for path, lines in contents.items():
            target = path.resolve()
            if path.exists() and not path.is_file():
                raise ConfigError("is no regular file", file=str(path), hint="give the path of a file")
            draft = target.with_name(f".{target.name}.{os.getpid()}.part")
            finished.append((draft, target))
            _write(draft, lines, path)
        for draft, target in finished:
            _put_in_place(draft, target)
    finally:
        for draft, _ in finished:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _write(draft: Path, lines: Iterator[str], path: Path) -> None:
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", file=str(path), hint="check that the folder exists and its rights"
        ) from error


def _put_in_place(draft: Path, target: Path) -> None:
    try:
        draft.replace(target)
    except OSError as error:
        raise ConfigError(
            f"cannot be replaced: {error.strerror}",
            file=str(target),
            hint="check the rights of the file and its folder",
        ) from error


def json_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary as indented JSON."""
    yield json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
