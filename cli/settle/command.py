"""`commonwatt settle`: shares the quarter-hours of a readings file by a key and writes who received what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energy.errors import ConfigError

if TYPE_CHECKING:
    from cli.settle.readings import ReadingsFile
    from energy.sharing.key import SharingKey
    from energy.sharing.settlement import Settlement
    from energy.sharing.whole import IntArray, Pairs

__all__ = ["SettleReport", "load_key", "load_settled", "settle", "settle_command"]


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What a run settled: `summary` is the content of the summary file (docs/sharing.md)."""

    out: Path
    summary_file: Path | None
    summary: dict[str, Any]

    def text(self) -> str:
        """The report in a few lines for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        quarters, totals = self.summary["quarter_hours"], self.summary["totals"]
        yield (
            f"settled {quarters['settled']:,} quarter-hours of {len(self.summary['points'])} metering points, "
            f"held {quarters['held']:,}"
        )
        yield (
            f"shared {totals['received_kwh']:,.3f} kWh of {totals['injection_kwh']:,.3f} kWh injected: "
            f"sharing rate {_percent(self.summary['sharing_rate'])}, "
            f"self-sufficiency {_percent(self.summary['self_sufficiency'])}"
        )
        for held in self.summary["held"][:3]:
            yield f"held {held['start']}: {held['reasons'][0]}{_more(len(held['reasons']) - 1)}"
        if quarters["held"] > 3:
            yield f"and {quarters['held'] - 3:,} more quarter-hours held; --summary lists them all"
        yield from (f"note: {note}" for note in self.summary["notes"])
        yield f"written: {', '.join(str(path) for path in (self.out, self.summary_file) if path)}"


def settle(
    readings: Path, key: Path, out: Path, summary: Path | None = None, coefficients: Path | None = None
) -> SettleReport:
    """Settles `readings` by `key`, and `coefficients` where it has them by quarter-hour, into `out` and `summary`.

    Raises ConfigError or DataError, which name file, line and field; then neither file is changed.
    """
    # Here and not above: the command line also serves gateways, which have no numpy.
    from cli.settle.csv_out import settled_blocks
    from cli.settle.output import json_text, summarise, write_all

    _refuse_overwriting([path for path in (readings, key, coefficients) if path], out, summary)
    file, rules, _, settlement = load_settled(readings, key, coefficients)
    facts = summarise(rules, file, settlement)
    contents: dict[Path, Iterable[bytes]] = {out: settled_blocks(file, settlement)}
    if summary is not None:
        contents[summary] = [json_text(facts).encode()]
    write_all(contents)
    return SettleReport(out, summary, facts)


def load_settled(
    readings: Path, key: Path, coefficients: Path | None
) -> tuple[ReadingsFile, SharingKey, IntArray | Pairs | None, Settlement]:
    """Files as they are read, and settled. Raises ConfigError or DataError, which name file, line and field."""
    from cli.settle.coefficients import read_coefficients, read_pairs
    from cli.settle.readings import read_readings
    from energy.sharing.settlement import settle_quarters

    rules = load_key(key)
    file = read_readings(readings, rules.resolution_wh, rules.interval)
    _check_points(rules, file.readings.points, key)
    read = read_pairs if rules.coefficients == "by_pair" else read_coefficients
    weights = None if coefficients is None else read(coefficients, rules, file.readings)
    return file, rules, weights, settle_quarters(rules, file.readings, weights)


def load_key(path: Path) -> SharingKey:
    """A key file as the key it is. Raises ConfigError naming file, line and field."""
    from cli.settle.key import KeyFile
    from runtime.config import load_config

    return load_config(path, KeyFile, env={}, kind="key")


def _check_points(key: SharingKey, points: tuple[str, ...], path: Path) -> None:
    from energy.sharing.key import unknown_points

    for field, point in unknown_points(key, points):
        lines = path.read_text(encoding="utf-8").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if point in text), None)
        raise ConfigError(
            "is not in the readings",
            file=str(path),
            line=line,
            field=f"{field}.{point}",
            hint="add its readings, or remove it from the key",
        )


def _refuse_overwriting(read: Sequence[Path], out: Path, summary: Path | None) -> None:
    sources = {realpath(path) for path in read}
    for option, path in (("--out", out), ("--summary", summary)):
        if path is not None and realpath(path) in sources:
            raise ConfigError(f"{path} is one of the files read", field=option, hint="write to another file")
    if summary is not None and realpath(summary) == realpath(out):
        raise ConfigError(f"{summary} is also --out", field="--summary", hint="write to another file")


def settle_command(
    readings: Annotated[Path, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")],
    key: Annotated[Path, typer.Option(help="YAML with the sharing key.")],
    out: Annotated[Path, typer.Option(help="CSV to write: who received and gave what in each quarter-hour.")],
    summary: Annotated[Path | None, typer.Option(help="JSON to write: totals, rates, fairness, what is held.")] = None,
    coefficients: Annotated[
        Path | None, typer.Option(help="CSV start,ean,coefficient, for a key with coefficients by quarter-hour.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Shares quarter-hours among participants by a key."""
    report = settle(readings, key, out, summary, coefficients)
    if as_json:
        from cli.settle.output import json_text

        print(json_text(report.summary), end="")
    else:
        print(report.text())


def _percent(part: float | None) -> str:
    return "not defined" if part is None else f"{part:.1%}"


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""
