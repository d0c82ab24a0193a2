"""The quarter-hour that runs, shared as far as it has come: who would receive what if it ended now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from api.live.objects import GridQuarter
from api.timeline.sharing import quarters_of
from energy.quantities import Quality
from energy.quarters import quarter_start
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters

__all__ = ["own_share", "share_running"]

_BEHIND_MS: Final = 120_000  # as far apart as two samples may lie that measure one instant (energy/metering.py)


def share_running(
    sites: Sequence[str],
    key: SharingKey,
    told: Mapping[str, GridQuarter],
    now_ms: int,
    *,
    speed: float = 1.0,
    why: str | None = None,
) -> dict[str, Any]:
    """Shares what the sites took and gave since the quarter-hour began; always an estimate.

    A site that was not read for two minutes is unknown. What an unknown one took so far is not to be had from another
    day, so a key that estimates holds instead.
    """
    start = quarter_start(now_ms)
    sites = tuple(sorted(sites))
    oldest = now_ms - round(_BEHIND_MS * speed)
    values = np.zeros((2, 1, len(sites)), dtype=np.int64)
    known = np.zeros((1, len(sites)), dtype=bool)
    until = []
    for place, site in enumerate(sites):
        quarter = told.get(site)
        if quarter is None or quarter.start != start or quarter.until < oldest:
            continue
        if quarter.import_wh is None or quarter.export_wh is None:
            continue
        values[:, 0, place] = round(quarter.import_wh), round(quarter.export_wh)
        known[0, place] = True
        until.append(max(start, quarter.until))
    rules = key.model_copy(update={"on_missing": "hold"}) if key.on_missing == "estimate" else key
    readings = QuarterReadings(sites, np.array([start], dtype=np.int64), values[0], known, values[1], known)
    settlement = settle_quarters(rules, readings)
    (shared,) = quarters_of(rules, settlement, np.zeros_like(known), why=why)
    if shared.held is None:
        shared = msgspec.structs.replace(shared, quality=Quality.ESTIMATED)
    counted = ~settlement.held
    receives = np.array(settlement.roster.receives, dtype=bool)
    sums = {
        "withdrawn_wh": int(settlement.readings.withdrawal[counted][:, receives].sum()),
        "injected_wh": int(settlement.readings.injection[counted].sum()),
        "shared_wh": int(settlement.received[counted].sum()),
    }
    told_now: dict[str, Any] = msgspec.to_builtins(shared)
    return told_now | {"until": min(until, default=start)} | sums


def own_share(shared: Mapping[str, Any], site: str) -> dict[str, Any]:
    """One site's part of a shared running quarter-hour; None where it is held, of which the reason tells of others."""
    own = next((share for share in shared["shares"] if share["id"] == site), None) or {}
    surplus, given = own.get("surplus_wh"), own.get("given_wh")
    return {
        "t": shared["t"],
        "until": shared["until"],
        "quality": shared["quality"] if own else Quality.MISSING,
        "withdrawn_wh": own.get("withdrawn_wh"),
        "received_wh": own.get("received_wh"),
        "residual_wh": own.get("residual_wh"),
        "injected_wh": None if surplus is None or given is None else surplus + given,
        "given_wh": given,
        "surplus_wh": surplus,
    }
