"""A community's quarter-hours for charts: sums over its sites, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from api.timeline.steps import Grid, Step
from api.timeline.values import QUARTERS_PER_HOUR
from energy.quantities import Quality, worst
from storage.history import History, SiteQuarter

__all__ = ["CommunityHistory", "community_history"]


@dataclass(frozen=True, slots=True)
class CommunityHistory:
    """Mean power of each quarter-hour starting at `t`, W; None where one site's is unknown."""

    t: list[int] = field(default_factory=list)
    pv_w: list[float | None] = field(default_factory=list)
    import_w: list[float | None] = field(default_factory=list)
    export_w: list[float | None] = field(default_factory=list)
    shared_w: list[float | None] = field(default_factory=list)
    consumption_w: list[float | None] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)


def community_history(sites: Sequence[str], start: int, end: int, history: History) -> CommunityHistory:
    """The quarter-hours that [start, end) touches. shared = min(injected, withdrawn), each summed over the sites."""
    grid = Grid.over(start, end, Step.M15, "UTC")
    by_start: dict[int, list[SiteQuarter]] = {}
    for quarter in history.site_quarters(sites, grid.start, grid.end):
        by_start.setdefault(quarter.start, []).append(quarter)
    result = CommunityHistory()
    for t in grid.starts:
        quarters = by_start.get(t, [])
        complete = len(quarters) == len(sites) > 0
        _add(result, t, quarters if complete else None)
    return result


def _add(result: CommunityHistory, t: int, quarters: Sequence[SiteQuarter] | None) -> None:
    imported = _power(None if quarters is None else [quarter.import_wh for quarter in quarters])
    exported = _power(None if quarters is None else [quarter.export_wh for quarter in quarters])
    result.t.append(t)
    result.pv_w.append(_power(None if quarters is None else [quarter.pv_wh for quarter in quarters]))
    result.import_w.append(imported)
    result.export_w.append(exported)
    result.shared_w.append(None if imported is None or exported is None else min(imported, exported))
    result.consumption_w.append(_power(None if quarters is None else [quarter.consumption_wh for quarter in quarters]))
    result.quality.append(Quality.MISSING if quarters is None else worst(*(quarter.quality for quarter in quarters)))


def _power(parts: Sequence[float | None] | None) -> float | None:
    """Mean power of a quarter-hour in which the parts add up, W; None as soon as one is unknown."""
    if parts is None:
        return None
    known = [part for part in parts if part is not None]
    return sum(known) * QUARTERS_PER_HOUR if len(known) == len(parts) else None
