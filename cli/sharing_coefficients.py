"""`commonwatt sharing coefficients`: a key as a file that a grid operator takes."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy.errors import ConfigError

if TYPE_CHECKING:
    from cli.sharing_enedis import PairParts
    from energy.sharing.key import SharingKey
    from energy.sharing.settlement import Settlement

__all__ = ["coefficients_command", "read_coefficients_command"]


def coefficients_command(
    key: Annotated[Path, typer.Option(help="YAML with the sharing key; for Spain its participants are CUPS.")],
    out: Annotated[Path, typer.Option(help="Folder for Spain's file, CSV file for the generic one.")],
    layout: Annotated[str, typer.Option("--format", help="generic, spain, or by pair: pairs or enedis.")] = "generic",
    readings: Annotated[
        Path | None, typer.Option(help="Generic: what the key gives in each quarter-hour of these, else its weights.")
    ] = None,
    cau: Annotated[str, typer.Option(help="Spain: the code of the shared installation (CAU).")] = "",
    year: Annotated[int | None, typer.Option(help="Spain: the year of the coefficients.")] = None,
    by_hour: Annotated[
        Path | None, typer.Option(help="Spain: CSV start,ean,coefficient, for a line for each hour of the year.")
    ] = None,
    points: Annotated[Path | None, typer.Option(help="Enedis: CSV prm,ean; without it files name EANs.")] = None,
) -> None:
    """Writes a key as coefficients: parts of the injection with six decimals."""
    from cli.settle.output import write_all

    if layout == "spain":
        files = {out / f"{_cau(cau)}_{_year(year)}.txt": _spain(key, by_hour, _year(year))}
    elif layout == "generic":
        files = {out: _constant(key) if readings is None else _by_quarter(key, readings)}
    elif layout in {"pairs", "enedis"}:
        files = _pair_files(layout, out, _by_pair(key, readings), points)
    else:
        raise ConfigError(f"{layout!r} is no format", field="--format", hint="generic, spain, pairs or enedis")
    write_all({path: [text.encode()] for path, text in files.items()})
    print(f"written: {', '.join(str(path) for path in files)}")


def read_coefficients_command(
    folder: Annotated[Path, typer.Argument(help="Folder with a file <PRM of the producer>.csv for each producer.")],
    out: Annotated[Path, typer.Option(help="CSV to write: start,producer,ean,coefficient for `settle`.")],
    points: Annotated[Path | None, typer.Option(help="CSV prm,ean; without it the files name EANs.")] = None,
) -> None:
    """Reads Enedis's files of coefficients by pair and writes them as commonwatt's own."""
    from cli.settle.output import write_all
    from cli.sharing_enedis import pair_lines, read_enedis, read_points

    found = read_enedis(folder, {} if points is None else read_points(points))
    write_all({out: [pair_lines(found).encode()]})
    print(f"{len(found)} pairs written to {out}; this format was never tried on a real file: compare the totals")


def _pair_files(layout: str, out: Path, parts: PairParts, points: Path | None) -> dict[Path, str]:
    from cli.sharing_enedis import enedis_files, pair_lines, read_points

    if layout == "pairs":
        return {out: pair_lines(parts)}
    prm_of = {ean: prm for prm, ean in ({} if points is None else read_points(points)).items()}
    return {out / name: text for name, text in enedis_files(parts, prm_of).items()}


def _cau(text: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{5,40}", text):
        raise ConfigError(
            f"{text!r} is no CAU", field="--cau", hint="capital letters and digits, as ES0031405123456001AB0FA000"
        )
    return text


def _year(year: int | None) -> int:
    if year is None or not 2000 <= year <= 2200:
        raise ConfigError("is needed for Spain's file", field="--year", hint="as 2027")
    return year


def _spain(path: Path, by_hour: Path | None, year: int) -> str:
    """Lines with CRLF between them and none after the last."""
    from energy.sharing.coefficients import constant_parts, spain_lines
    from energy.sharing.key import SharingKey
    from runtime.config import load_config

    rules = load_config(path, SharingKey, env={}, kind="key")
    try:
        return "\r\n".join(spain_lines(constant_parts(rules) if by_hour is None else _hours(by_hour, rules, year)))
    except ValueError as error:
        raise ConfigError(str(error), file=str(path), field="participants", hint="correct the key") from None


def _hours(path: Path, key: SharingKey, year: int) -> dict[str, list[int]]:
    """Of each participant its coefficient in each hour of the local year, which must add up to 1 in every hour."""
    import numpy as np

    from cli.settle.coefficients import read_coefficients
    from energy.quarters import local_midnight
    from energy.sharing.key import MILLIONTHS
    from energy.sharing.settlement import QuarterReadings

    points = tuple(key.participants or ())
    first, end = (local_midnight(date(each, 1, 1), "Europe/Madrid") for each in (year, year + 1))
    starts = np.arange(first, end, 3_600_000, dtype=np.int64)
    nothing, known = (
        np.zeros((starts.size, len(points)), dtype=np.int64),
        np.ones((starts.size, len(points)), dtype=bool),
    )
    grid = read_coefficients(path, key, QuarterReadings(points, starts, nothing, known, nothing, known))
    if (short := np.flatnonzero(grid.sum(axis=1) < MILLIONTHS)).size:
        raise ValueError(f"coefficients add up to less than 1 in hour {short[0] + 1:04d} of {path}")
    return {point: grid[:, column].tolist() for column, point in enumerate(points)}


def _constant(path: Path) -> str:
    from cli.settle.command import load_key
    from energy.sharing.coefficients import constant_parts

    rules = load_key(path)
    try:
        parts = constant_parts(rules)
    except ValueError as error:
        hint = "correct the key, or give --readings for a key without weights"
        raise ConfigError(str(error), file=str(path), field="participants", hint=hint) from None
    return "ean,coefficient\n" + "".join(f"{ean},{_point(part)}\n" for ean, part in parts.items())


def _settled(path: Path, readings: Path) -> Settlement:
    from cli.settle.command import load_key
    from cli.settle.readings import read_readings
    from energy.sharing.settlement import settle_quarters

    rules: SharingKey = load_key(path).model_copy(update={"resolution_wh": 1})
    return settle_quarters(rules, read_readings(readings, 1, rules.interval).readings)


def _by_pair(path: Path, readings: Path | None) -> PairParts:
    """What each received of each producer as a part of that producer's injection; 0 in a quarter-hour that is held."""
    from cli.settle.cells import utc_text
    from energy.sharing.coefficients import pair_parts

    if readings is None:
        hint = "give what it is to be made of: they differ by quarter-hour"
        raise ConfigError("is needed for coefficients by pair", field="--readings", hint=hint)
    settled = _settled(path, readings)
    points = settled.readings.points
    producers = [n for n in range(len(points)) if settled.readings.injection[:, n].any()]
    consumers = [n for n, receives in enumerate(settled.roster.receives) if receives]
    found: dict[tuple[str, str], dict[int, int]] = {
        (points[own], points[n]): {} for own in producers for n in consumers if n != own
    }
    for row, start in enumerate(settled.readings.starts.tolist()):
        received, given, injected = (
            [int(each) for each in values[row]]
            for values in (settled.received, settled.given, settled.readings.injection)
        )
        if both := [points[n] for n in producers if received[n] and given[n]]:
            told = f"{both[0]} gives and receives at {utc_text(start)}: from whom by pair, the key does not say"
            raise ConfigError(told, file=str(path), field="participants", hint="use coefficients by quarter-hour")
        for own in producers:
            parts = pair_parts([received[n] for n in consumers], given[own], injected[own], sum(received))
            for n, part in zip(consumers, parts, strict=True):
                if n != own:
                    found[points[own], points[n]][start] = part
    return found


def _by_quarter(path: Path, readings: Path) -> str:
    """What each received as a part of all injection; 0 in a quarter-hour that is held."""
    from cli.settle.cells import utc_text
    from energy.sharing.coefficients import millionths

    settled = _settled(path, readings)
    lines = ["start,ean,coefficient\n"]
    for row, start in enumerate(settled.readings.starts.tolist()):
        received = [0 if settled.held[row] else int(each) for each in settled.received[row]]
        rest = int(settled.readings.injection[row].sum()) - sum(received)
        parts = (
            millionths([Fraction(each) for each in (*received, rest)])
            if any((*received, rest))
            else [0] * len(received)
        )
        lines += [
            f"{utc_text(start)},{point},{_point(part)}\n"
            for point, part, receives in zip(settled.readings.points, parts, settled.roster.receives, strict=False)
            if receives
        ]
    return "".join(lines)


def _point(part: int) -> str:
    return f"{part // 10**6}.{part % 10**6:06d}"
