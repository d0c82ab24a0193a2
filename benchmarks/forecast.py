"""`python -m benchmarks.forecast DIR`: how far forecasts are off beside yesterday's value, on data sets in DIR."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.forecast_data import DataSet, data_sets
from energy.forecast.accuracy import ErrorLog, Floats, mean_absolute_error
from energy.forecast.profile import ProfileForecaster
from energy.forecast.scenarios import ErrorScenarios, bands
from energy.forecast.season import Season
from energy.forecast.weather import Weather

__all__ = ["Score", "main", "scores"]

_BAND_DAYS: Final = 30
_HEAD: Final = (
    "| data | weather | scored on | 1 h / yesterday | 24 h / yesterday | 1 h of peak | 1 h of peak, by day | in P10 to P90, 1 h | 24 h | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Score:
    """Errors over yesterday's value's, summed over the meters; errors in parts of the peak; part inside the bands."""

    hour_ahead: float
    day_ahead: float
    hour_of_peak: float
    hour_of_peak_by_day: float
    inside: tuple[float, float]


def main() -> None:
    """Prints a table: the first two thirds, on which forecasters are chosen, and the last, on which they are scored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the data files lie")
    parser.add_argument("--only", default="", help="data sets whose name contains this")
    wanted = parser.parse_args()
    print(_HEAD)
    for data in data_sets(wanted.directory):
        if wanted.only not in data.name:
            continue
        for weather, placed in _variants(data):
            began = time.perf_counter()
            found = scores(data, weather, placed=placed)
            seconds = time.perf_counter() - began
            how = ("feed" if weather else "none") + ("" if placed or not data.places else ", place unknown")
            for part, score in zip(("first two thirds", "last third"), found, strict=True):
                print(_row(data, how, part, score, seconds), flush=True)


def _variants(data: DataSet) -> Iterator[tuple[Weather | None, bool]]:
    if data.places:
        yield None, False
    yield None, True
    if data.weather is not None:
        yield data.weather, True


def _row(data: DataSet, how: str, part: str, score: Score, seconds: float) -> str:
    inside = " | ".join(f"{part:.0%}" for part in score.inside)
    return (
        f"| {data.name} | {how} | {part} | {score.hour_ahead:.3f} | {score.day_ahead:.3f} | {score.hour_of_peak:.4f} "
        f"| {score.hour_of_peak_by_day:.4f} | {inside} | {seconds:.0f} |"
    )


def scores(data: DataSet, weather: Weather | None, *, placed: bool) -> tuple[Score, Score]:
    """Forecasts at every step from what was known before it; scores of the first two thirds and of the last."""
    steps, meters = data.values.shape
    day = data.steps_per_day
    leads = {"hour": day // 24, "day": day}
    season = Season(data.first_ms, day, data.places) if data.places and placed else None
    forecaster = ProfileForecaster(meters, day, day, data.kind, season, weather=weather is not None)
    futures = ErrorScenarios(meters, day, day, _BAND_DAYS)
    log = ErrorLog(steps, meters, leads)
    low, high = ErrorLog(steps, meters, leads), ErrorLog(steps, meters, leads)
    for step in range(steps):
        told = weather.next(step, day) if weather else None
        forecast = forecaster.forecast(_slots(data, step), told)
        value = data.values[step]
        log.keep(step, forecast)
        p10, _, p90 = bands(futures.scenarios(forecast), lowest=0.0 if np.nanmin(data.values) >= 0 else None)
        low.keep(step, p10)
        high.keep(step, p90)
        futures.update(forecast, np.where(np.isnan(value), forecast[:, 0], value))
        forecaster.update(value, int(data.slots[step]), told)
    cut = 2 * steps // 3
    parts = (slice(day * 14, cut), slice(cut, steps))
    return _score(data, log, (low, high), leads, parts[0]), _score(data, log, (low, high), leads, parts[1])


def _slots(data: DataSet, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Of the next day; the last days' ends are never scored, their slots only have to be some."""
    slots = data.slots[step : step + data.steps_per_day]
    return np.asarray(np.pad(slots, (0, data.steps_per_day - len(slots)), mode="edge"))


def _score(data: DataSet, log: ErrorLog, band: tuple[ErrorLog, ErrorLog], leads: dict[str, int], part: slice) -> Score:
    values, day = data.values, data.steps_per_day
    yesterday = np.vstack([np.full((day, values.shape[1]), np.nan), values[:-day]])
    both = np.isfinite(yesterday) & np.isfinite(values)
    actual = np.where(both, values, np.nan)[part]
    naive = mean_absolute_error(yesterday[part], actual)
    hour, ahead = (mean_absolute_error(log.told(lead)[part], actual) for lead in leads)
    peak = np.nanmax(values, axis=0)
    bright = np.nanmean(np.abs(actual) > 0.01 * peak, axis=0)
    return Score(
        float(hour.sum() / naive.sum()),
        float(ahead.sum() / naive.sum()),
        float((hour / peak).mean()),
        float((hour / peak / bright).mean()),
        (_inside(actual, band, "hour", part), _inside(actual, band, "day", part)),
    )


def _inside(actual: Floats, band: tuple[ErrorLog, ErrorLog], lead: str, part: slice) -> float:
    """Of the steps in which there was anything to be wrong about."""
    low, high = (log.told(lead)[part] for log in band)
    telling = np.isfinite(actual) & np.isfinite(low) & ((actual != 0) | (high > 0))
    return float(np.mean((actual >= low - 1e-9)[telling] & (actual <= high + 1e-9)[telling]))


if __name__ == "__main__":
    main()
