"""The formats of imported files: which header is which column, in which row, of which sheet."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from energy.errors import ConfigError
from energy.sharing.intervals import Interval
from runtime.config import load_config

__all__ = [
    "Format",
    "LongFormat",
    "MonthlyFormat",
    "RegistersFormat",
    "SheetsFormat",
    "format_named",
    "shipped_formats",
]

Words = Annotated[tuple[str, ...], Field(min_length=1)]
Row = Annotated[int, Field(ge=1, le=1000)]


class _Format(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    source: str
    verified: bool = False


class MonthlyFormat(_Format):
    """One row, or several that are added, for each metering point's month."""

    kind: Literal["monthly"]
    columns: dict[Literal["ean", "shared_kwh", "complementary_kwh", "injection_shared_kwh", "grid_fee_eur"], Words]
    optional: tuple[str, ...] = ()


class LongFormat(_Format):
    """One row for each metering point and quarter-hour. Times without an offset are local times of `timezone`.

    `interval`: that of the file's readings; none: found out.
    """

    kind: Literal["long"]
    columns: dict[Literal["ean", "start", "withdrawal_kwh", "injection_kwh"], Words]
    optional: tuple[str, ...] = ()
    timezone: str = "Europe/Brussels"
    interval: Interval | None = None


class RegistersFormat(_Format):
    """One row for each register of a metering point and quarter-hour: day and night, withdrawal and injection."""

    kind: Literal["registers"]
    columns: dict[Literal["date", "time", "ean", "register", "volume", "unit"], Words]
    withdrawal: Words
    injection: Words
    timezone: str = "Europe/Brussels"
    interval: Interval | None = None


class SheetsFormat(_Format):
    """A workbook with a column for each metering point and direction; sheets of gross, shared and net energy."""

    kind: Literal["sheets"]
    sheets: dict[Literal["gross", "shared", "net"], str]
    withdrawal: Words
    injection: Words
    header_row: Row = 1
    ean_row: Row = 2
    first_row: Row = 5
    timezone: str = "Europe/Brussels"
    interval: Interval | None = None


Format = Annotated[MonthlyFormat | LongFormat | RegistersFormat | SheetsFormat, Field(discriminator="kind")]


class _Formats(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: tuple[Format, ...] = Field(min_length=1)


@cache
def shipped_formats() -> dict[str, Format]:
    """The formats of formats.yaml by name."""
    with as_file(files("cli.imports") / "formats.yaml") as path:
        return {each.name: each for each in load_config(path, _Formats, env={}).formats}


def format_named(name: str) -> Format:
    """A shipped format, or that of a YAML file. Raises ConfigError."""
    if name in shipped_formats():
        return shipped_formats()[name]
    if not name.endswith((".yaml", ".yml")):
        told = ", ".join(shipped_formats())
        raise ConfigError(
            f"there is no format {name!r}", field="--format", hint=f"one of {told}, or a YAML file of yours"
        )
    return load_config(Path(name), _Formats, env={}).formats[0]
