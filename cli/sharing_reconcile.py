"""`commonwatt sharing reconcile`: the grid operator's quarter-hours beside ours, and the reading of its key that fits."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energy.errors import DataError

if TYPE_CHECKING:
    from energy.sharing.reconcile import Allotted, Fit
    from energy.sharing.settlement import QuarterReadings

__all__ = ["reconcile_command"]


def reconcile_command(
    readings: Annotated[Path, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")],
    key: Annotated[Path, typer.Option(help="YAML with the sharing key as it is thought to be.")],
    allotted: Annotated[
        Path, typer.Option(help="CSV with ean,start,shared_withdrawal_kwh, as `import --shared` writes it.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Compares ours with what the grid operator allotted, by every way its key can be read."""
    from cli.settle.command import load_key
    from cli.settle.readings import read_readings
    from energy.sharing.intervals import INTERVALS_MS
    from energy.sharing.reconcile import fits

    rules = load_key(key)
    file = read_readings(readings, 1, rules.interval).readings
    found = fits(rules, file, _allotted(allotted, file, INTERVALS_MS[rules.interval]))
    if as_json:
        print(json.dumps({"fits": [_facts(fit, file) for fit in found]}))
        return
    best = found[0]
    print(f"nearest: {best.name}" + (", to the Wh" if not best.largest_wh else ""))
    for fit in found:
        print(f"  {_told(fit, file)}")


def _allotted(path: Path, readings: QuarterReadings, interval_ms: int) -> Allotted:
    import numpy as np

    from cli.imports.formats import LongFormat
    from cli.imports.quarters import read_quarters
    from energy.sharing.reconcile import Allotted

    words = {"ean": ("ean",), "start": ("start",), "withdrawal_kwh": ("shared withdrawal kwh",)}
    layout = LongFormat(name="allotted", source="ours", kind="long", columns=words)
    column_of = {point: column for column, point in enumerate(readings.points)}
    received = np.zeros(readings.withdrawal.shape, dtype=np.int64)
    known = np.zeros(received.shape, dtype=bool)
    for (start, ean), quarter in read_quarters(path, layout).of.items():
        row = (start - int(readings.starts[0])) // interval_ms
        if ean in column_of and 0 <= row < len(readings.starts) and quarter.withdrawal_kwh is not None:
            received[row, column_of[ean]] = round(quarter.withdrawal_kwh * 1000)
            known[row, column_of[ean]] = True
    if not known.any():
        raise DataError("tells of no point and quarter-hour of the readings", field=str(path), hint="check both files")
    return Allotted(received, known)


def _facts(fit: Fit, readings: QuarterReadings) -> dict[str, Any]:
    return {
        "name": fit.name,
        "rounds": fit.key.model_dump(mode="json", include={"rounds"})["rounds"],
        "apart_kwh": fit.apart_wh / 1000,
        "largest_kwh": fit.largest_wh / 1000,
        "quarters_apart": fit.quarters,
        "quarters_compared": fit.compared,
        "worst": _worst(fit, readings),
    }


def _worst(fit: Fit, readings: QuarterReadings) -> dict[str, str] | None:
    if fit.worst is None:
        return None
    row, column = fit.worst
    start = datetime.fromtimestamp(int(readings.starts[row]) / 1000, UTC)
    return {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "ean": readings.points[column]}


def _told(fit: Fit, readings: QuarterReadings) -> str:
    worst = _worst(fit, readings)
    at = f", most at {worst['start']} for {worst['ean']}" if worst else ""
    return (
        f"{fit.name}: {fit.apart_wh / 1000:,.3f} kWh apart in {fit.quarters:,} of {fit.compared:,} quarter-hours, "
        f"by at most {fit.largest_wh / 1000:.3f} kWh{at}"
    )
