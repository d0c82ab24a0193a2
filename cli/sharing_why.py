"""`commonwatt sharing why`: one sentence on what a metering point received and gave in a quarter-hour of a file, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import JsonOption
from energy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energy.sharing.settlement import Settlement
    from energy.sharing.whole import IntArray, Pairs

__all__ = ["why_command"]


def why_command(
    readings: Annotated[Path, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")],
    key: Annotated[Path, typer.Option(help="YAML with the sharing key.")],
    ean: Annotated[str, typer.Option(help="Of the metering point.")],
    start: Annotated[str, typer.Option(help="Of the quarter-hour, as 2026-06-15T12:00:00+02:00 or Z.")],
    coefficients: Annotated[Path | None, typer.Option(help="CSV of coefficients, for a key that has them.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Says in one sentence what a metering point received and gave in a quarter-hour, and why."""
    from cli.settle.command import load_settled

    file, rules, weights, settlement = load_settled(readings, key, coefficients)
    row, place = _row(settlement, start), _place(settlement, ean)
    if settlement.held[row]:
        number = sum(each.row == row for each in settlement.held_for)
        lacking = "1 value is" if number == 1 else f"{number} values are"
        told = f"nothing was shared then: {lacking} missing, and the key says on_missing: {rules.on_missing}"
    elif not settlement.takes_part[row, place]:
        told = f"{ean} took no part in the sharing then."
    else:
        from energy.sharing.explain import explain
        from energy.sharing.settlement import quarter_hour

        quarter = quarter_hour(settlement.readings, row)
        told = explain(rules, settlement.roster, quarter, ean, _of_row(weights, row))
    print(json.dumps({"ean": ean, "start": file.starts[row], "why": told}, ensure_ascii=False) if as_json else told)


def _row(settlement: Settlement, start: str) -> int:
    from cli.settle.cells import parse_start, utc_text

    starts = settlement.readings.starts
    try:
        found = (starts == parse_start(start)).nonzero()[0]
    except ValueError as error:
        hint = "write the start of a quarter-hour with its offset, as 2026-06-15T12:00:00+02:00 or Z"
        raise ConfigError(str(error), field="--start", hint=hint) from None
    if not found.size:
        hint = f"they go from {utc_text(int(starts[0]))} to {utc_text(int(starts[-1]))}"
        raise ConfigError(f"{start} is not in the readings", field="--start", hint=hint)
    return int(found[0])


def _place(settlement: Settlement, ean: str) -> int:
    if ean not in settlement.readings.points:
        raise ConfigError(f"{ean} is not in the readings", field="--ean", hint="name one of their EANs")
    return settlement.readings.points.index(ean)


def _of_row(weights: IntArray | Pairs | None, row: int) -> Sequence[int] | Mapping[int, Sequence[int]] | None:
    if weights is None:
        return None
    if isinstance(weights, dict):
        return {own: grid[row].tolist() for own, grid in weights.items()}
    found: list[int] = weights[row].tolist()
    return found
