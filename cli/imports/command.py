"""`commonwatt import`: a grid operator's or meter company's file as a readings file, or as monthly volumes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import JsonOption
from energy.errors import ConfigError

if TYPE_CHECKING:
    from cli.imports.quarters import Quarters
    from energy.settlement.operator import OperatorTotal

__all__ = ["import_command"]

_READINGS = ("ean", "start", "withdrawal_kwh", "injection_kwh")
_SHARED = ("ean", "start", "shared_withdrawal_kwh", "shared_injection_kwh")
_MONTHLY = ("ean", "shared_kwh", "complementary_kwh", "injection_shared_kwh", "grid_fee_eur")


def import_command(
    file: Annotated[Path, typer.Argument(help="CSV, xlsx, xls or ods.")],
    layout: Annotated[str, typer.Option("--format", help="A shipped format's name, or a YAML file with one of yours.")],
    out: Annotated[Path, typer.Option(help="CSV to write: readings for `settle`, or monthly volumes.")],
    shared: Annotated[
        Path | None, typer.Option(help="CSV to write: what the operator allotted, where it says.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Reads a grid operator's file and writes it as commonwatt's own."""
    from cli.imports.formats import MonthlyFormat, format_named
    from cli.imports.monthly import read_monthly
    from cli.imports.quarters import read_quarters
    from cli.settle.output import write_all

    if realpath(file) in {realpath(path) for path in (out, shared) if path is not None}:
        raise ConfigError("would be written over", field=str(file), hint="write to another file")
    chosen = format_named(layout)
    if isinstance(chosen, MonthlyFormat):
        totals = read_monthly(file, chosen)
        write_all({out: [_csv(_MONTHLY, _monthly(totals))]})
        facts = {"file": str(out), "points": len(totals), "verified": chosen.verified}
        print(
            json.dumps(facts) if as_json else f"{len(totals)} metering points written to {out}{_doubt(chosen.verified)}"
        )
        return
    quarters = read_quarters(file, chosen)
    contents = {out: [_csv(_READINGS, _rows(quarters, _READINGS[2:]))]}
    if shared is not None:
        contents[shared] = [_csv(_SHARED, _rows(quarters, _SHARED[2:]))]
    write_all(contents)
    if as_json:
        facts = {"file": str(out), "readings": len(quarters.of), "interval": quarters.interval}
        print(json.dumps({**facts, "verified": chosen.verified}))
        return
    print(f"{len(quarters.of):,} {_called(quarters.interval)} written to {out}{_doubt(chosen.verified)}")


def _called(interval: str) -> str:
    if interval == "15min":
        return "quarter-hours"
    return f"readings of {interval.removesuffix('min')} minutes (`interval: {interval}` in the key)"


def _doubt(verified: bool) -> str:
    return "" if verified else "; this format was never tried on a real file: compare the totals"


def _csv(header: tuple[str, ...], rows: Iterator[list[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _rows(quarters: Quarters, fields: tuple[str, ...]) -> Iterator[list[str]]:
    for (start, ean), quarter in sorted(quarters.of.items()):
        values = [getattr(quarter, field) for field in fields]
        moment = datetime.fromtimestamp(start / 1000, UTC)
        yield [ean, f"{moment:%Y-%m-%dT%H:%M:%SZ}", *(_text(value) for value in values)]


def _monthly(totals: tuple[OperatorTotal, ...]) -> Iterator[list[str]]:
    for total in totals:
        energies = (total.shared_wh, total.complementary_wh, total.injection_shared_wh)
        kwh = [None if energy is None else Decimal(energy).scaleb(-3) for energy in energies]
        yield [total.ean, *(_text(value) for value in (*kwh, total.grid_fee_eur))]


def _text(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"
