"""Sizing at a community's site from its stored quarter-hours of the last year: from the store to the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from api.problems import Problem
from api.timeline.sharing import key_in_force
from energy.community import Community, Site
from energy.errors import ConfigError
from energy.quantities import Role
from energy.quarters import QUARTER_MS, quarter_start
from energy.sharing.settlement import QuarterReadings
from energy.sizing.change import Serves
from energy.sizing.facts import facts_of
from energy.sizing.grid import size_up
from energy.sizing.study import Place, Question
from energy.sizing.terms import SizingTerms
from energy.sizing.yields import Floats, clear_sky_yield, like_another, scaled_to_year
from storage.history import History

__all__ = ["Asked", "size_site"]

_YEAR: Final = 35_040


@dataclass(frozen=True, slots=True)
class Asked:
    """`profile`: the site whose PV is scaled, None: one that has some; `yield_kwh`: a year of a kWp, None: as it makes."""

    site: str
    pv_kwp: tuple[float, ...]
    battery_kwh: tuple[float, ...]
    profile: str | None
    yield_kwh: float | None
    serves: Serves


def size_site(community: Community, asked: Asked, terms: SizingTerms, history: History, now_ms: int) -> dict[str, Any]:
    """The answer. Raises Problem for what cannot be told, StoreError."""
    end = quarter_start(now_ms)
    starts = np.arange(end - _YEAR * QUARTER_MS, end, QUARTER_MS, dtype=np.int64)
    readings, made = _read(sorted(site.id for site in community.sites), starts, history)
    own = made[asked.site]
    place = Place(
        readings,
        key_in_force(community, None),
        asked.site,
        community.timezone,
        own if np.isfinite(own).any() else None,
    )
    yields, source = _yield(community, asked, starts, made)
    question = Question(asked.pv_kwp, asked.battery_kwh, yields, serves=asked.serves)
    day = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    try:
        found = facts_of(size_up(place, question, terms.on(day)))
    except ConfigError as error:
        raise Problem(
            409, "terms", f"the terms of investment do not say it: {error.message}", hint=error.hint
        ) from error
    unverified = [{"field": field, "source": told} for field, told in terms.unverified()]
    names = {site.id: site.name for site in community.sites}
    return {
        "community": community.id,
        "from": int(starts[0]),
        "to": end,
        "profile": source,
        "names": names,
        **found,
        "unverified": unverified,
    }


def _read(
    sites: Sequence[str], starts: np.ndarray[Any, np.dtype[np.int64]], history: History
) -> tuple[QuarterReadings, dict[str, Floats]]:
    """(readings of all, PV of each in Wh, NaN where unknown); a year of one site after the other, to need little memory.

    A site with one direction unknown has no reading, as in sharing.
    """
    withdrawal = np.zeros((starts.size, len(sites)), dtype=np.int64)
    injection, known = np.zeros_like(withdrawal), np.zeros(withdrawal.shape, dtype=bool)
    made = {}
    first, end = int(starts[0]), int(starts[-1]) + QUARTER_MS
    for column, site in enumerate(sites):
        pv = np.full(starts.size, math.nan)
        for quarter in history.site_quarters((site,), first, end):
            row = (quarter.start - first) // QUARTER_MS
            pv[row] = math.nan if quarter.pv_wh is None else quarter.pv_wh
            if quarter.import_wh is None or quarter.export_wh is None:
                continue
            withdrawal[row, column], injection[row, column] = round(quarter.import_wh), round(quarter.export_wh)
            known[row, column] = True
        made[site] = pv
    return QuarterReadings(tuple(sites), starts, withdrawal, known, injection, known), made


def _yield(
    community: Community, asked: Asked, starts: np.ndarray[Any, np.dtype[np.int64]], made: dict[str, Floats]
) -> tuple[Floats | None, dict[str, Any]]:
    """(Wh of a kWp, where they are from)."""
    if max(asked.pv_kwp) == 0:
        return None, {"kind": "none", "site": None}
    plants = [site for site in community.sites if asked.profile in (None, site.id)]
    plants.sort(key=lambda site: site.id != asked.site)  # one's own roof first
    for plant in plants:
        kwp = _kwp(plant)
        if kwp and np.nansum(made[plant.id]) > 0:
            told = {"kind": "pv", "site": plant.id}
            if asked.yield_kwh is None:
                return like_another(made[plant.id], kwp), told
            return scaled_to_year(made[plant.id], asked.yield_kwh), told
    site = community.site(asked.site)
    if (
        asked.profile is None
        and asked.yield_kwh is not None
        and site
        and site.latitude is not None
        and site.longitude is not None
    ):
        return clear_sky_yield(starts, site.latitude, site.longitude, asked.yield_kwh), {
            "kind": "clear_sky",
            "site": None,
        }
    raise Problem(
        422,
        "no_profile",
        f"nothing tells what PV at {asked.site} would yield",
        field="query.yield_kwh",
        hint="name a `profile` site whose PV has a rated_w and readings, or give yield_kwh at a site with coordinates",
    )


def _kwp(site: Site) -> float:
    """Of its inverters as configured."""
    return sum(device.rated_w or 0.0 for device in site.devices if device.role is Role.PV) / 1000
