"""Which key would have served an aim best among a community's sites: from the store's quarter-hours to the figures."""

from __future__ import annotations

from typing import Any

from api.timeline.sharing import key_in_force, read_sites
from energy.community import Community
from energy.quarters import quarter_start
from energy.sharing.advice import IN_FORCE, Aim, recommend
from energy.sharing.settlement import QuarterReadings, settle_quarters
from energy.sharing.whole import Mask
from storage.history import History

__all__ = ["recommended_keys"]


def recommended_keys(community: Community, aim: Aim, start: int, end: int, history: History) -> dict[str, Any]:
    """Keys by how well they would have served `aim` in [start, end), the best first. Raises StoreError.

    No keys where every quarter-hour is held: then there is nothing to go by.
    """
    key = key_in_force(community, None)
    readings, _ = read_sites([site.id for site in community.sites], key, start, end, history)
    settlement = settle_quarters(key, readings)
    asked = readings.starts >= quarter_start(start)
    held = int(settlement.held[asked].sum())
    settled = int(asked.sum()) - held
    # what the key estimates is filled by now, and must not be filled from another week once these stand alone
    rules = key.model_copy(update={"on_missing": "hold"}) if key.on_missing == "estimate" else key
    ranked = recommend(rules, _only(settlement.readings, asked), aim) if settled else []
    filled = {each.row for each in settlement.filled if asked[each.row]}
    return {
        "quarters": {"settled": settled, "held": held, "filled": len(filled)},
        "keys": [
            {"in_force": option.name == IN_FORCE, "shared_wh": option.figures.shared_wh} | option.facts()
            for option in ranked
        ],
    }


def _only(readings: QuarterReadings, rows: Mask) -> QuarterReadings:
    return QuarterReadings(
        readings.points,
        readings.starts[rows],
        readings.withdrawal[rows],
        readings.withdrawal_known[rows],
        readings.injection[rows],
        readings.injection_known[rows],
    )
