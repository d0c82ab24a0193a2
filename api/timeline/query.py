"""From a question about a site to its series: what is asked is checked for sense and size before anything is read."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from api.places import PlacedDevice, PlacedSite
from api.problems import Problem
from api.timeline import values
from api.timeline.long import from_totals, mean_power, whole_energy
from api.timeline.steps import Grid, Step
from api.timeline.values import SIGNED_ENERGIES, Point, Value
from energy.metering import directions
from energy.quantities import QUANTITIES, Kind, Role
from energy.quarters import QUARTER_MS, quarter_start
from storage.history import DEVICE_ENERGIES, SITE_ENERGIES, History, Period, Total

__all__ = ["Answer", "Limits", "Line", "Question", "answer", "check_points"]

_DECIMALS: Final = 4  # finer than any meter; hides the noise of binary fractions
_RUNNING_MS: Final = 3_600_000  # quarter-hours younger than this may not be computed yet
_SETTLED_MS: Final = 2 * QUARTER_MS  # ... and older than this they are, unless nothing came
_ROLES: Final = {"pv_w": (Role.PV,), "grid_w": (Role.GRID,), "battery_w": (Role.BATTERY,)}
_LONG: Final = frozenset({Step.D1, Step.MONTH})
_ROLES_OF_CONSUMPTION: Final = (Role.GRID, Role.PV, Role.BATTERY)  # consumption = grid + pv + battery


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an answer may be, and from how many readings it may be computed."""

    max_points: int
    max_scanned: int


@dataclass(frozen=True, slots=True)
class Question:
    """One quantity of a site in [start, end), ms UTC; `device` None: of all that have it, or of the site itself."""

    site: PlacedSite
    quantity: str
    device: PlacedDevice | None
    step: Step
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """The points of one device; `device` None: of the site."""

    device: str | None
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Answer:
    """Series and the period they cover: whole steps, so it may begin before and end after what was asked."""

    quantity: str
    unit: str
    start: int
    end: int
    series: list[Line]


def answer(question: Question, history: History, limits: Limits, now_ms: int) -> Answer:
    """Reads the series. Raises Problem 422 when the question has no answer or too large a one; StoreError."""
    _check_sense(question)
    if question.quantity in QUANTITIES:
        return _of_devices(question, history, limits, now_ms)
    check_points(question.start, question.end, question.step, 1, limits.max_points)
    grid = Grid.over(question.start, question.end, question.step, question.site.timezone)
    if question.quantity in SITE_ENERGIES:
        points, unit = _site_energy(question, grid, history, now_ms), "Wh"
    else:
        points, unit = _site_power(question, grid, history, limits, now_ms), "W"
    return Answer(question.quantity, unit, grid.start, grid.end, [Line(None, _paired(grid, points))])


def check_points(start: int, end: int, step: Step, lines: int, limit: int, *, interval_ms: float = 10_000) -> None:
    """Raises Problem 422 naming the step that would fit when [start, end) has more points than `limit`."""
    count = int((end - start) / (step.ms or interval_ms) + 1) * lines
    if count <= limit:
        return
    coarser = [other for other in Step if other.ms > step.ms and int((end - start) / other.ms + 1) * lines <= limit]
    fits = f"step={coarser[0]}" if coarser else "a shorter period"
    raise Problem(
        422,
        "too_many_points",
        f"this would be about {count:,} points, at most {limit:,} are given",
        field="query.step",
        hint=f"ask with {fits}",
        extra={"points": count, "max_points": limit, "step": str(coarser[0]) if coarser else None},
    )


def _check_sense(question: Question) -> None:
    name, step = question.quantity, question.step
    if name in QUANTITIES:
        return
    known = [*QUANTITIES, *SIGNED_ENERGIES, *SITE_ENERGIES]
    if name not in known:
        close = difflib.get_close_matches(name[:50], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"
        raise Problem(422, "unknown_quantity", f"unknown quantity {name[:50]!r}", field="query.quantity", hint=hint)
    if question.device is not None:
        hint = "leave `device` out, or ask for power_w"
        raise Problem(422, "invalid", f"{name} is a site's, not a device's", field="query.device", hint=hint)
    if name in SITE_ENERGIES and not step.quarterly:
        hint = "ask with step=15m or longer"
        raise Problem(422, "step_too_short", f"{name} is known per quarter-hour", field="query.step", hint=hint)
    if step is Step.RAW:
        hint = "ask with step=10s or longer, or for a device's power_w"
        raise Problem(422, "step_too_short", f"{name} is computed, not read", field="query.step", hint=hint)


def _check_scan(start: int, end: int, devices: Sequence[PlacedDevice], limits: Limits, now_ms: int) -> None:
    span_s = max(0, min(end, now_ms) - start) / 1000
    per_s = sum(1 / device.interval_s for device in devices)
    if span_s * per_s <= limits.max_scanned:
        return
    days = limits.max_scanned / per_s / 86_400
    raise Problem(
        422,
        "too_long",
        f"this would be computed from about {span_s * per_s:,.0f} readings, at most {limits.max_scanned:,} are read",
        field="query.from",
        hint=f"ask for at most {days:.3g} days, or for pv_w, grid_w, battery_w, consumption_w or power_w with step=1d",
    )


def _of_devices(question: Question, history: History, limits: Limits, now_ms: int) -> Answer:
    devices = [question.device] if question.device else _having(question, history)
    unit = QUANTITIES[question.quantity].unit
    interval_ms = min((device.interval_s for device in devices), default=10.0) * 1000
    lines = max(1, len(devices))
    check_points(question.start, question.end, question.step, lines, limits.max_points, interval_ms=interval_ms)
    if question.step is Step.RAW:
        series = [Line(device.id, _raw(device, question, history)) for device in devices]
        _check_count(series, question, limits)
        return Answer(question.quantity, unit, question.start, question.end, series)
    grid = Grid.over(question.start, question.end, question.step, question.site.timezone)
    if question.step in _LONG:
        found = [_long(device, question, grid, history, limits, now_ms) for device in devices]
    else:
        kept = history.kept_since(now_ms) if question.step.quarterly else 0
        _check_scan(max(question.start, kept), question.end, devices, limits, now_ms)
        found = [_held(device, question.quantity, grid, question.step, history, now_ms) for device in devices]
    series = [Line(device.id, _paired(grid, points)) for device, points in zip(devices, found, strict=True)]
    return Answer(question.quantity, unit, grid.start, grid.end, series)


def _having(question: Question, history: History) -> list[PlacedDevice]:
    return [device for device in question.site.devices if question.quantity in history.quantities(device.id)]


def _raw(device: PlacedDevice, question: Question, history: History) -> list[Point]:
    found = history.series(device.id, question.quantity, question.start, question.end, None)
    return values.with_gaps(zip(found.t, found.values, strict=True), device.interval_s)


def _check_count(series: Sequence[Line], question: Question, limits: Limits) -> None:
    """A device that speaks more often than configured is noticed only here."""
    count = sum(len(line.points) for line in series)
    if count > limits.max_points:
        check_points(
            question.start,
            question.end,
            question.step,
            1,
            limits.max_points,
            interval_ms=(question.end - question.start) / count,
        )


def _long(
    device: PlacedDevice, question: Question, grid: Grid, history: History, limits: Limits, now_ms: int
) -> list[Value]:
    """Days or months of a device."""
    totals = history.device_totals(Period(question.step), device.id, grid.start, grid.end)
    quantity = question.quantity

    def powers(run: Grid) -> Sequence[Value]:
        quarters = history.device_quarters(device.id, run.start, run.end)
        return values.grouped_mean([q.start for q in quarters], [values.power_of(q, signs) for q in quarters], run)

    def means(run: Grid) -> Sequence[Value]:
        _check_scan(max(run.start, history.kept_since(now_ms)), run.end, [device], limits, now_ms)
        found = _quarter_values(device, quantity, run.start, run.end, history, now_ms)
        return values.grouped_mean(list(found), list(found.values()), run)

    def last(run: Grid) -> Sequence[Value]:
        return [_last_in(device, quantity, start, end, history, now_ms) for start, end in run.spans()]

    if QUANTITIES[quantity].kind is not Kind.GAUGE:
        return from_totals(totals, grid, now_ms, value=lambda total: total.last.get(quantity), rest=last)
    if quantity == "power_w" and device.role is not None:
        signs = _signs(device.role)
        return from_totals(totals, grid, now_ms, value=lambda total: mean_power(total, signs), names=signs, rest=powers)
    return from_totals(totals, grid, now_ms, value=lambda total: _mean(total, quantity), rest=means)


def _mean(total: Total, quantity: str) -> float | None:
    known = total.known.get(quantity)
    return known.value if known else None


def _held(device: PlacedDevice, quantity: str, grid: Grid, step: Step, history: History, now_ms: int) -> list[Value]:
    """Values on a fixed grid, each kept until the device has been silent for three intervals."""
    ahead = values.hold_steps(device.interval_s, step.ms)
    start = grid.start - ahead * step.ms
    kept = min(_kept_since(history, now_ms, step), grid.end) if step.quarterly else start
    found: list[Value] = []
    if start < kept:
        older = Grid(tuple(range(start, kept, step.ms)), kept)
        quarters = _quarter_values(device, quantity, start, kept, history, now_ms)
        group = values.grouped_mean if QUANTITIES[quantity].kind is Kind.GAUGE else values.grouped_last
        found += group(list(quarters), list(quarters.values()), older)
    found += history.series(device.id, quantity, max(start, kept), grid.end, step.ms).values
    past = grid.index(now_ms) + 1
    return values.hold(found, ahead, ahead + past)[ahead:]


def _quarter_values(
    device: PlacedDevice, quantity: str, start: int, end: int, history: History, now_ms: int
) -> dict[int, Value]:
    """Means or last values of quarter-hours: of the readings, or what was kept of them where they may be gone."""
    kept = min(max(start, _kept_since(history, now_ms, Step.M15)), end)
    found: dict[int, Value] = {}
    if start < kept:
        found = {q.start: q.values.get(quantity) for q in history.device_quarters(device.id, start, kept)}
    if kept < end:
        read = history.series(device.id, quantity, kept, end, QUARTER_MS)
        found |= zip(read.t, read.values, strict=True)
    return found


def _kept_since(history: History, now_ms: int, step: Step) -> int:
    """Start of the first step of which all readings are there."""
    return -(-history.kept_since(now_ms) // step.ms) * step.ms


def _last_in(device: PlacedDevice, quantity: str, start: int, end: int, history: History, now_ms: int) -> Value:
    row = history.before(device.id, end)
    if row is not None and row.t >= start:
        return row.values.get(quantity)
    if start >= history.kept_since(now_ms):
        return None
    quarters = history.device_quarters(device.id, start, end)
    return next((q.values[quantity] for q in reversed(quarters) if quantity in q.values), None)


def _signs(role: Role) -> dict[str, float]:
    """The energies that make up the power of a role, each with the sign it counts with."""
    names = zip(DEVICE_ENERGIES, directions(role), strict=True)
    return {name: direction.sign for name, direction in names if direction is not None}


def _site_power(question: Question, grid: Grid, history: History, limits: Limits, now_ms: int) -> Sequence[Value]:
    if not question.step.quarterly:
        return _summed(question, grid, question.step, history, limits, now_ms)
    if question.step in _LONG:
        totals = history.site_totals(Period(question.step), [question.site.id], grid.start, grid.end)
        signs = SIGNED_ENERGIES[question.quantity]
        return from_totals(
            totals,
            grid,
            now_ms,
            value=lambda total: mean_power(total, signs),
            names=signs,
            rest=lambda run: _power_of_quarters(question, run, history, limits, now_ms),
        )
    return _power_of_quarters(question, grid, history, limits, now_ms)


def _power_of_quarters(
    question: Question, grid: Grid, history: History, limits: Limits, now_ms: int
) -> Sequence[Value]:
    quarters = history.site_quarters([question.site.id], grid.start, grid.end)
    power: dict[int, Value] = {**values.quarter_power(quarters, question.quantity)}
    power |= _running(question, grid, power, history, limits, now_ms)
    return values.grouped_mean(list(power), list(power.values()), grid)


def _summed(question: Question, grid: Grid, step: Step, history: History, limits: Limits, now_ms: int) -> list[Value]:
    roles = _ROLES.get(question.quantity, _ROLES_OF_CONSUMPTION)
    devices = [device for device in question.site.devices if device.role in roles]
    if Role.GRID in roles and not any(device.role is Role.GRID for device in devices):
        return [None] * len(grid.starts)
    _check_scan(grid.start, grid.end, devices, limits, now_ms)
    rows = [_held(device, "power_w", grid, step, history, now_ms) for device in devices]
    return values.sum_known(rows, len(grid.starts), until=grid.index(now_ms) + 1)


def _running(
    question: Question, grid: Grid, known: Collection[int], history: History, limits: Limits, now_ms: int
) -> dict[int, Value]:
    """The quarter-hours of the last hour that are not computed yet, from the devices' means."""
    start, end = max(grid.start, quarter_start(now_ms - _RUNNING_MS)), min(grid.end, now_ms)
    if start >= end:
        return {}
    quarters = Grid.over(start, end, Step.M15, question.site.timezone)
    if all(t in known for t in quarters.starts):
        return {}
    means = _summed(question, quarters, Step.M15, history, limits, now_ms)
    return {t: mean for t, mean in zip(quarters.starts, means, strict=True) if t not in known}


def _site_energy(question: Question, grid: Grid, history: History, now_ms: int) -> Sequence[Value]:
    name = question.quantity
    if question.step in _LONG:
        totals = history.site_totals(Period(question.step), [question.site.id], grid.start, grid.end)
        return from_totals(
            totals,
            grid,
            now_ms,
            value=lambda total: whole_energy(total, name),
            rest=lambda run: _energy_of_quarters(question, run, history, now_ms),
        )
    return _energy_of_quarters(question, grid, history, now_ms)


def _energy_of_quarters(question: Question, grid: Grid, history: History, now_ms: int) -> Sequence[Value]:
    quarters = history.site_quarters([question.site.id], grid.start, grid.end)
    energy = values.quarter_energy(quarters, question.quantity)
    newest = max(energy, default=0) + QUARTER_MS
    return values.total_energy(energy, grid, max(newest, quarter_start(now_ms - _SETTLED_MS)))


def _paired(grid: Grid, found: Sequence[Value]) -> list[Point]:
    rounded = (round(value, _DECIMALS) if isinstance(value, float) else value for value in found)
    return list(zip(grid.starts, rounded, strict=True))
