"""The files of `sizing` as what is studied: readings of metering points, or loads and PV of sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey, unknown_points
from energy.sharing.settlement import QuarterReadings
from energy.sizing.grid import last_year
from energy.sizing.study import Place
from energy.sizing.yields import Floats, clear_sky_yield, like_another, scaled_to_year

__all__ = ["ProfileOptions", "place_of", "sizes", "yield_of"]

_HOUR: Final = 4
_LARGEST: Final = 1e6


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """Where the yield of a kWp comes from; what is None was not given."""

    profile: Path | None
    profile_kwp: float | None
    yield_kwh: float | None
    place: str | None


def place_of(readings: Path | None, data: Path | None, key: Path | None, at: str, produced: Path | None) -> Place:
    """What the files tell of the last year. Raises ConfigError or DataError."""
    from cli.settle.command import load_key

    if (readings is None) == (data is None):
        raise ConfigError("one of the two is needed", field="--readings or --data", hint="give one file")
    rules = None if key is None else load_key(key)
    if data is not None:
        found, made, zone = *_site_data(data), "Europe/Brussels"
        own = made.get(at)
    else:
        found, own, zone = _metered(readings), None, "Europe/Brussels"
    found = last_year(found)
    if rules is not None:
        _check_points(rules, found.points, key)
    if produced is not None:
        from cli.sizing.profile import read_profile

        own = read_profile(produced, found.starts)
    own = None if own is None else own[-found.starts.size :]
    return Place(found, rules, at, zone, own)


def _metered(path: Path | None) -> QuarterReadings:
    from cli.settle.readings import read_readings

    return read_readings(path or Path(), 1).readings


def _check_points(key: SharingKey, points: tuple[str, ...], path: Path | None) -> None:
    for field, point in unknown_points(key, points):
        raise ConfigError(
            "is not in the readings", file=str(path), field=f"{field}.{point}", hint="add its readings, or remove it"
        )


def _site_data(path: Path) -> tuple[QuarterReadings, dict[str, Floats]]:
    """(what the grid meters would have counted, Wh of PV by site); hours are divided evenly over their quarters."""
    from cli.backtest.data import read_data

    data = read_data(path)
    if data.step_ms not in {QUARTER_MS, _HOUR * QUARTER_MS}:
        raise ConfigError(f"steps are {data.step_ms // 60_000} minutes", file=str(path), hint="use 15 or 60 minutes")
    parts = data.step_ms // QUARTER_MS
    load, made = (
        np.repeat(np.rint(data.columns[name] * 250), parts, axis=0).astype(np.int64) for name in ("load_kw", "pv_kw")
    )
    starts = data.starts_ms[0] + np.arange(len(load), dtype=np.int64) * QUARTER_MS
    known = np.ones(load.shape, dtype=bool)
    withdrawal, injection = np.maximum(load - made, 0), np.maximum(made - load, 0)
    readings = QuarterReadings(data.sites, starts, withdrawal, known, injection, known & (made.sum(axis=0) > 0))
    return readings, {site: made[:, place].astype(np.float64) for place, site in enumerate(data.sites)}


def yield_of(place: Place, options: ProfileOptions) -> Floats | None:
    """Wh of a kWp in each quarter-hour; None where nothing was given. Raises ConfigError for options that do not fit."""
    from cli.sizing.profile import read_profile

    starts, year_kwh = place.readings.starts, options.yield_kwh
    if options.place is not None:
        if options.profile is not None or year_kwh is None or options.profile_kwp is not None:
            raise ConfigError(
                "goes with --yield alone", field="--place", hint="give latitude,longitude and kWh per kWp"
            )
        return clear_sky_yield(starts, *_coordinates(options.place), _within("--yield", year_kwh))
    made = place.produced_wh if options.profile is None else read_profile(options.profile, starts)
    if options.profile_kwp is None and year_kwh is None:
        if options.profile is not None:
            raise ConfigError("needs its scale", field="--profile", hint="add --profile-kwp of that plant, or --yield")
        return None
    if made is None:
        hint = "name a --profile, the --produced of PV that is there, or a --place"
        raise ConfigError("there is no production to scale", field="--profile-kwp or --yield", hint=hint)
    if options.profile_kwp is not None and year_kwh is not None:
        raise ConfigError("one of the two is enough", field="--profile-kwp and --yield", hint="leave one out")
    if year_kwh is not None:
        return scaled_to_year(made, _within("--yield", year_kwh))
    return like_another(made, _within("--profile-kwp", options.profile_kwp or 0.0))


def _within(option: str, value: float) -> float:
    if not 0 < value <= _LARGEST:
        raise ConfigError(f"{value:g} is not possible", field=option, hint="give a number above 0")
    return value


def _coordinates(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        latitude = longitude = float("nan")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ConfigError(f"{text!r} is no place", field="--place", hint="write 50.85,4.35: degrees north, east")
    return latitude, longitude


def sizes(option: str, text: str) -> tuple[float, ...]:
    """Of `0,50,100`. Raises ConfigError."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{text!r} are no sizes", field=option, hint="write 0,50,100") from None
