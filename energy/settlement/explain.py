"""Where an amount comes from: a line of a statement back to the quarter-hours it adds up, and one of these to its key."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from energy.errors import DataError
from energy.settlement.lines import Line
from energy.settlement.month import Settled
from energy.settlement.volumes import Tenure
from energy.sharing.explain import explain as explain_quarter
from energy.sharing.settlement import Direction, Settlement, quarter_hour

__all__ = ["Step", "explain_line", "steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """A quarter-hour by its start, ms UTC, in which a point received or gave anything, Wh; with its reading.

    `filled`: in which directions the sharing key said what stands for a reading that is not there.
    """

    start: int
    received_wh: int
    given_wh: int
    withdrawal_wh: int
    injection_wh: int
    filled: frozenset[Direction] = frozenset()


def steps(settled: Settled, member: str, point: str) -> list[Step]:
    """The quarter-hours in which the member received or gave anything at that point, in order; none without readings."""
    own = [tenure for tenure in settled.inputs.tenures if (tenure.member, tenure.point) == (member, point)]
    found = []
    for settlement in settled.settlements:
        if point not in settlement.readings.points:
            continue
        column = settlement.readings.points.index(point)
        filled = {(each.row, each.direction) for each in settlement.filled if each.column == column}
        for row in (~settlement.held & (settlement.received[:, column] + settlement.given[:, column] > 0)).nonzero()[0]:
            start = int(settlement.readings.starts[row])
            if any(_holds(tenure, start) for tenure in own):
                found.append(_step(settlement, int(row), column, filled))
    return found


def _step(settlement: Settlement, row: int, column: int, filled: Collection[tuple[int, Direction]]) -> Step:
    readings = settlement.readings
    return Step(
        start=int(readings.starts[row]),
        received_wh=int(settlement.received[row, column]),
        given_wh=int(settlement.given[row, column]),
        withdrawal_wh=int(readings.withdrawal[row, column]),
        injection_wh=int(readings.injection[row, column]),
        filled=frozenset(way for way in Direction if (row, way) in filled),
    )


def _holds(tenure: Tenure, start: int) -> bool:
    return (tenure.since is None or tenure.since <= start) and (tenure.until is None or start < tenure.until)


def explain_line(settled: Settled, member: str, line: Line) -> str:
    """One line in words. Raises DataError when its energy is not the sum of these quarter-hours."""
    if line.ean is None:
        return f"{line.net} EUR: {line.name}, {line.source}."
    found = steps(settled, member, line.ean)
    given = line.kind == "remuneration"
    energies = {step.start: step.given_wh if given else step.received_wh for step in found}
    energies = {start: energy_wh for start, energy_wh in energies.items() if energy_wh}
    ours = sum(energies.values())
    if settled.inputs.operator is None and ours != line.energy_wh:
        raise DataError(
            f"has {line.energy_wh} Wh, its quarter-hours add up to {ours}",
            field=f"{line.name} of {line.ean}",
            hint="explain it with the readings that the run was made of",
        )
    if not energies:
        return f"{_amount(line)}. {_kwh(line.energy_wh or 0)} is what the grid operator told; by our own computation nothing"
    largest = max(energies, key=lambda start: energies[start])
    at = datetime.fromtimestamp(largest / 1000, UTC)
    verb = "gave" if given else "received"
    told = f"{_amount(line)}. "
    if settled.inputs.operator is not None:
        told += f"{_kwh(line.energy_wh or 0)} is what the grid operator told. By our own computation "
    return (
        f"{told}{_kwh(ours)} is what {line.ean} {verb} in {len(energies):,} quarter-hours, "
        f"the most at {at:%Y-%m-%dT%H:%M}Z: {_quarter(settled, largest, line.ean)}"
    )


def _amount(line: Line) -> str:
    if line.eur_kwh is None:
        return f"{line.net} EUR: {line.name} for {_kwh(line.energy_wh or 0)}, {line.source}"
    return (
        f"{line.net} EUR: {line.name}, {_kwh(line.energy_wh or 0)} x {line.eur_kwh.normalize():f} EUR/kWh, "
        f"half up to cents ({line.source})"
    )


def _quarter(settled: Settled, start: int, point: str) -> str:
    for key, settlement in zip(settled.keys, settled.settlements, strict=True):
        row = int((start - settlement.readings.starts[0]) // 900_000)
        if not settlement.held[row]:
            told = explain_quarter(key.key, settlement.roster, quarter_hour(settlement.readings, row), point)
            return f"{told} (key {key.id})"
    raise DataError("is held back", field=str(start))


def _kwh(energy_wh: int) -> str:
    return f"{Decimal(energy_wh).scaleb(-3):,} kWh"
