"""A community's month from readings to statements, by the keys that were in force on its days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from energy.errors import ConfigError, DataError
from energy.quarters import QUARTER_MS, local_midnight
from energy.settlement.documents import Correction, Document
from energy.settlement.gaps import MOST_GAPS, Gap, gaps
from energy.settlement.inputs import DatedKey, Inputs
from energy.settlement.lines import Statement
from energy.settlement.operator import Difference, differences, operator_volumes
from energy.settlement.statement import statements
from energy.settlement.terms import Month
from energy.settlement.volumes import Volume, volumes
from energy.sharing.settlement import QuarterReadings, Settlement, settle_quarters

__all__ = ["MonthRun", "RunStatus", "Settled", "month_window", "settle_month"]

RunStatus = Literal["preview", "final", "correction"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled month. `settlements`: one for each of `keys`, in which all else is held.

    `volumes` are ours, always. Where the operator's are known, members are charged by these, and `differences` tell where
    ours are others. `held`: quarter-hours without a result, of all `quarters`; `gaps`: for whose sake, the first ones, and
    `gaps_left` how many stretches more.
    """

    inputs: Inputs
    keys: tuple[DatedKey, ...]
    settlements: tuple[Settlement, ...]
    volumes: tuple[Volume, ...]
    statements: tuple[Statement, ...]
    differences: tuple[Difference, ...]
    quarters: int
    held: int
    gaps: tuple[Gap, ...] = ()
    gaps_left: int = 0


@dataclass(frozen=True, slots=True)
class MonthRun:
    """What is kept of a run, word for word. `digest`: of inputs and readings. `corrections`: against the last final one.

    `why`: the reason given for it, which credit notes and what takes their place say.
    """

    status: RunStatus
    digest: str
    inputs: Inputs
    quarters: int
    held: int
    volumes: tuple[Volume, ...]
    statements: tuple[Statement, ...]
    differences: tuple[Difference, ...] = ()
    corrections: tuple[Correction, ...] = ()
    documents: tuple[Document, ...] = ()
    why: str = ""
    gaps: tuple[Gap, ...] = ()
    gaps_left: int = 0


def month_window(month: Month, timezone: str) -> tuple[int, int]:
    """The local month as [start, end) in ms UTC."""
    return local_midnight(month.first, timezone), local_midnight(month.end, timezone)


def settle_month(inputs: Inputs, readings: QuarterReadings) -> Settled:
    """Shares and charges the month's quarter-hours. Raises ConfigError, DataError, RefusedError; they say of what."""
    window, keys = inputs.window, inputs.dated_keys()
    _check_days(window, keys, readings)
    settlements = tuple(_during(key, window, readings) for key in keys)
    shared = volumes(settlements, inputs.tenures)
    quarters = (window[1] - window[0]) // QUARTER_MS
    settled = sum(int((~settlement.held).sum()) for settlement in settlements)
    told = inputs.operator
    charged = shared if told is None else operator_volumes(told, inputs.tenures, window)
    apart = () if told is None else differences(shared, told, charged, quarters - settled)
    made = statements(inputs.setting(), inputs.members, charged)
    held_for = gaps([(each, *_times(key, window)) for key, each in zip(keys, settlements, strict=True)])
    return Settled(
        inputs,
        tuple(keys),
        settlements,
        shared,
        made,
        apart,
        quarters,
        quarters - settled,
        held_for[:MOST_GAPS],
        max(0, len(held_for) - MOST_GAPS),
    )


def _check_days(window: tuple[int, int], keys: Sequence[DatedKey], readings: QuarterReadings) -> None:
    first, last = int(readings.starts[0]), int(readings.starts[-1]) + QUARTER_MS
    if first > window[0] or last < window[1]:
        missing = (first - window[0] if first > window[0] else window[1] - last) // QUARTER_MS
        raise DataError(
            f"{missing} quarter-hours at the {'beginning' if first > window[0] else 'end'} of the month are not in it",
            field="readings",
            hint="give the whole local month; what a meter could not tell has an empty cell",
        )
    covered = window[0]
    for key in keys:
        if (key.since or 0) > covered:
            break
        covered = window[1] if key.until is None else key.until
    if covered < window[1]:
        raise ConfigError(
            "none is in force on all days of the month", field="sharing_keys", hint="register a key for every day"
        )


def _during(key: DatedKey, window: tuple[int, int], readings: QuarterReadings) -> Settlement:
    """Settled with the readings before it at hand, for estimates; only its own quarter-hours count."""
    settlement = settle_quarters(key.key, readings)
    start, end = _times(key, window)
    outside = (readings.starts < start) | (readings.starts >= end)
    return replace(settlement, held=settlement.held | outside)


def _times(key: DatedKey, window: tuple[int, int]) -> tuple[int, int]:
    """When the key counts in the month, as [start, end)."""
    return max(window[0], key.since or 0), min(window[1], key.until or window[1])
