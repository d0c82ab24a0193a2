"""From a question about a site to its series: what is asked is checked for sense and size before anything is read."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from api.places import PlacedDevice, PlacedSite
from api.problems import Problem
from api.timeline import values
from api.timeline.steps import Grid, Step
from api.timeline.values import SITE_ENERGIES, SITE_POWERS, Point, Value
from energy.metering import directions
from energy.quantities import QUANTITIES, Kind, Role
from energy.quarters import QUARTER_MS, quarter_start
from storage.history import DeviceQuarter, History

__all__ = ["Answer", "Limits", "Line", "Question", "answer", "check_points"]

_DECIMALS: Final = 4  # finer than any meter; hides the noise of binary fractions
_RUNNING_MS: Final = 3_600_000  # quarter-hours younger than this may not be computed yet
_SETTLED_MS: Final = 2 * QUARTER_MS  # ... and older than this they are, unless nothing came
_ROLES: Final = {"pv_w": (Role.PV,), "grid_w": (Role.GRID,), "battery_w": (Role.BATTERY,)}
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
    known = [*QUANTITIES, *SITE_POWERS, *SITE_ENERGIES]
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


def _check_scan(question: Question, devices: Sequence[PlacedDevice], limits: Limits, now_ms: int) -> None:
    span_s = max(0, min(question.end, now_ms) - question.start) / 1000
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
    if not _has_short_cut(question):
        _check_scan(question, devices, limits, now_ms)
    series = [Line(device.id, _paired(grid, _stepped(device, question, grid, history, now_ms))) for device in devices]
    return Answer(question.quantity, unit, grid.start, grid.end, series)


def _having(question: Question, history: History) -> list[PlacedDevice]:
    return [device for device in question.site.devices if question.quantity in history.quantities(device.id)]


def _has_short_cut(question: Question) -> bool:
    """Whether long steps can be had without reading every reading."""
    kind = QUANTITIES[question.quantity].kind
    return question.step in {Step.D1, Step.MONTH} and (kind is not Kind.GAUGE or question.quantity == "power_w")


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


def _stepped(device: PlacedDevice, question: Question, grid: Grid, history: History, now_ms: int) -> Sequence[Value]:
    if question.step not in {Step.D1, Step.MONTH}:
        return _held(device, question.quantity, grid, question.step, history, now_ms)
    if QUANTITIES[question.quantity].kind is not Kind.GAUGE:
        return [_last_in(device, question.quantity, start, end, history) for start, end in grid.spans()]
    if question.quantity == "power_w" and device.role is not None:
        quarters = history.device_quarters(device.id, grid.start, grid.end)
        powers = [_device_power(quarter, device.role) for quarter in quarters]
        return values.grouped_mean([quarter.start for quarter in quarters], powers, grid)
    found = history.series(device.id, question.quantity, grid.start, grid.end, QUARTER_MS)
    return values.grouped_mean(found.t, found.values, grid)


def _held(device: PlacedDevice, quantity: str, grid: Grid, step: Step, history: History, now_ms: int) -> list[Value]:
    """Values on a fixed grid, each kept until the device has been silent for three intervals."""
    ahead = values.hold_steps(device.interval_s, step.ms)
    found = history.series(device.id, quantity, grid.start - ahead * step.ms, grid.end, step.ms)
    past = grid.index(now_ms) + 1
    return values.hold(found.values, ahead, ahead + past)[ahead:]


def _last_in(device: PlacedDevice, quantity: str, start: int, end: int, history: History) -> Value:
    row = history.before(device.id, end)
    return row.values.get(quantity) if row is not None and row.t >= start else None


def _device_power(quarter: DeviceQuarter, role: Role) -> float | None:
    """Mean power of a quarter-hour by the one sign rule: each direction counts as its power's sign says."""
    total = 0.0
    for direction, energy in zip(directions(role), (quarter.import_wh, quarter.export_wh), strict=True):
        if direction is None:
            continue
        if energy is None:
            return None
        total += direction.sign * energy * values.QUARTERS_PER_HOUR
    return total


def _site_power(question: Question, grid: Grid, history: History, limits: Limits, now_ms: int) -> Sequence[Value]:
    if not question.step.quarterly:
        return _summed(question, grid, question.step, history, limits, now_ms)
    quarters = history.site_quarters([question.site.id], grid.start, grid.end)
    power: dict[int, Value] = {**values.quarter_power(quarters, question.quantity)}
    power |= _running(question, grid, power, history, limits, now_ms)
    return values.grouped_mean(list(power), list(power.values()), grid)


def _summed(question: Question, grid: Grid, step: Step, history: History, limits: Limits, now_ms: int) -> list[Value]:
    roles = _ROLES.get(question.quantity, _ROLES_OF_CONSUMPTION)
    devices = [device for device in question.site.devices if device.role in roles]
    if Role.GRID in roles and not any(device.role is Role.GRID for device in devices):
        return [None] * len(grid.starts)
    _check_scan(question, devices, limits, now_ms)
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
    quarters = history.site_quarters([question.site.id], grid.start, grid.end)
    energy = values.quarter_energy(quarters, question.quantity)
    newest = max(energy, default=0) + QUARTER_MS
    return values.total_energy(energy, grid, max(newest, quarter_start(now_ms - _SETTLED_MS)))


def _paired(grid: Grid, found: Sequence[Value]) -> list[Point]:
    rounded = (round(value, _DECIMALS) if isinstance(value, float) else value for value in found)
    return list(zip(grid.starts, rounded, strict=True))
