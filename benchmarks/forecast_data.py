"""Data sets for the forecast's accuracy: CityLearn's 17 homes and OpenSTEF's Dutch grid points, read where they lie."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from energy.forecast.accuracy import Floats
from energy.forecast.calendar import slots_of_week
from energy.forecast.profile import Kind
from energy.forecast.weather import Weather

__all__ = ["DataSet", "data_sets"]

_HOMES: Final = range(1, 18)
_FONTANA: Final = (34.09, -117.43)
_PACIFIC_WINTER: Final = timedelta(hours=-8)  # the file's clock knows no summer time
_SUBSTATIONS: Final = ("HFDP", "MNZL", "OWD", "WHF")
_WM2_PER_J_IN_AN_HOUR: Final = 1 / 3600


@dataclass(frozen=True, slots=True)
class DataSet:
    """`values` (steps, meters), NaN where missing; `weather` as a forecast told it; `places` one per meter, or none."""

    name: str
    kind: Kind
    first_ms: int
    steps_per_day: int
    slots: np.ndarray[tuple[int], np.dtype[np.int64]]
    values: Floats
    weather: Weather | None = None
    places: tuple[tuple[float, float], ...] = ()


def data_sets(directory: Path) -> Iterator[DataSet]:
    """Every data set whose file is in `directory`."""
    readers: dict[str, Callable[[Path], Iterator[DataSet]]] = {
        "citylearn2022_17homes_hourly.csv.gz": _homes,
        "openstef_load_pid287_15min.csv.gz": _grid_point,
        "openstef_load_pid307_15min.csv.gz": _grid_point,
        "openstef_solar_substations_15min.csv.gz": _solar,
    }
    for name, reader in readers.items():
        if (directory / name).is_file():
            yield from reader(directory / name)


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _column(rows: list[dict[str, str]], name: str) -> Floats:
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


def _homes(path: Path) -> Iterator[DataSet]:
    rows = _rows(path)
    first = datetime(2016, 7, 31, 23, tzinfo=UTC)
    local = [int((first + timedelta(hours=step)).timestamp() * 1000) for step in range(len(rows))]
    slots = slots_of_week(local, "UTC", 24, ())
    first_ms = int((first - _PACIFIC_WINTER).timestamp() * 1000)
    load = np.column_stack([_column(rows, f"load_{home}") for home in _HOMES])
    pv = np.column_stack([_column(rows, f"pv_{home}") for home in _HOMES])
    for name, kind, values in (
        ("17 homes, load of the pool", Kind.LOAD, load.sum(axis=1, keepdims=True)),
        ("17 homes, load of each", Kind.LOAD, load),
        ("17 homes, PV of the pool", Kind.PV, pv.sum(axis=1, keepdims=True)),
        ("17 homes, PV of each", Kind.PV, pv),
    ):
        places = (_FONTANA,) * values.shape[1] if kind is Kind.PV else ()
        yield DataSet(name, kind, first_ms, 24, slots, values, None, places)


def _grid_point(path: Path) -> Iterator[DataSet]:
    rows = _rows(path)
    starts = [int(datetime.fromisoformat(row["index"]).timestamp() * 1000) for row in rows]
    weather = Weather(
        np.maximum(_column(rows, "radiation"), 0)[:, None] * _WM2_PER_J_IN_AN_HOUR, _column(rows, "temp")[:, None]
    )
    load = _column(rows, "load")[:, None]
    slots = slots_of_week(starts, "Europe/Amsterdam", 96, ())
    name = f"OpenSTEF grid point {rows[0]['pid']}, net load"
    yield DataSet(name, Kind.LOAD, starts[0], 96, slots, load, weather)


def _solar(path: Path) -> Iterator[DataSet]:
    rows = _rows(path)
    each = {name: [row for row in rows if row["substation"] == name] for name in _SUBSTATIONS}
    starts = [int(datetime.fromisoformat(row["datetime"]).timestamp() * 1000) for row in each["HFDP"]]
    pv = np.column_stack([np.maximum(-_column(part, "total_solar_part"), 0) for part in each.values()])
    told = np.column_stack([np.maximum(_column(part, "radiation"), 0) for part in each.values()])
    places = tuple((float(part[0]["lat"]), float(part[0]["lon"])) for part in each.values())
    slots = slots_of_week(starts, "UTC", 96, ())
    weather = Weather(told * _WM2_PER_J_IN_AN_HOUR)
    yield DataSet("OpenSTEF, PV of 4 substations", Kind.PV, starts[0], 96, slots, pv, weather, places)
