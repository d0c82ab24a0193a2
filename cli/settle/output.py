"""The summary of `settle`, and how its files are written: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cli.settle.readings import ReadingsFile
from energy.errors import ConfigError
from energy.sharing.fairness import Exact, PointTotals, fairness, point_totals, ratio
from energy.sharing.key import Method, SharingKey
from energy.sharing.settlement import Missing, Settlement

__all__ = ["json_text", "summarise", "write_all"]


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
        "interval": key.interval,
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
    if file.longer is not None:
        notes.append(
            f"all readings are {_minutes(file.longer)} minutes apart and the key is for {_minutes(key.interval)}: each was shared "
            f"by itself, and what lies between is held; are they sums of {_minutes(file.longer)} minutes, write "
            f"`interval: {file.longer}` into the key"
        )
    if key.interval != "15min":
        notes.append(
            f"shared by {_minutes(key.interval)} minutes, as the readings are: what was withdrawn and injected at "
            "different times within them counts as if it were at once, so more is shared than by quarter-hours"
        )
    if settlement.held.all():
        notes.append("every quarter-hour is held back: nothing was settled")
    return notes


def _minutes(interval: str) -> str:
    return interval.removesuffix("min")


def _kwh(energy_wh: Exact) -> float:
    return float(energy_wh / 1000)


def write_all(contents: Mapping[Path, Iterable[bytes]]) -> None:
    """Writes every file beside its target and puts them in place only when all are complete.

    Raises ConfigError when a target cannot be written; then none is changed.
    """
    finished: list[tuple[Path, Path]] = []
    try:
        for path, blocks in contents.items():
            target = Path(os.path.realpath(path))  # resolve() raises on a link to itself
            if path.exists() and not path.is_file():
                raise ConfigError("is no regular file", file=str(path), hint="give the path of a file")
            draft = target.with_name(f".{target.name}.{os.getpid()}.part")
            finished.append((draft, target))
            _write(draft, blocks, path)
        for draft, target in finished:
            _put_in_place(draft, target)
    finally:
        for draft, _ in finished:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _write(draft: Path, blocks: Iterable[bytes], path: Path) -> None:
    try:
        with draft.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(path), hint=_hint(error)) from error


def _put_in_place(draft: Path, target: Path) -> None:
    try:
        draft.replace(target)
    except OSError as error:
        raise ConfigError(
            f"cannot be replaced: {error.strerror}",
            file=str(target),
            hint="check the rights of the file and its folder",
        ) from error


def json_text(summary: Mapping[str, Any]) -> str:
    """The summary as indented JSON."""
    return json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _hint(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "make room on that disk, or write to another"
    return "check that the folder exists and its rights"
