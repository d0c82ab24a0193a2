"""What a community's sites share in each quarter-hour by a key: from the store's quarter-hours to the answer.

Ours is a live estimate from the sites' own meters; the grid operator's allocation is the legal one. Energies are whole
Wh whatever the key's resolution: the stored quarter-hours are floats, and each is rounded by itself, half to even, so
a sum may be off by half a Wh for each of its values. Finer parts of rounded readings would tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import msgspec
import numpy as np

from energy.community import Community
from energy.quantities import Quality
from energy.quarters import QUARTER_MS, quarter_starts
from energy.sharing.explain import explain
from energy.sharing.fairness import PointTotals, fairness, point_totals, ratio
from energy.sharing.key import SHORT_NAMES, Method, Participant, ProducerMethod, SharingKey
from energy.sharing.presets import with_preset
from energy.sharing.settlement import QUALITIES, QuarterReadings, Settlement, quarter_hour, settle_quarters
from energy.sharing.whole import Mask
from runtime.presets import shipped_presets
from storage.history import History

__all__ = ["Share", "SharedQuarter", "Sharing", "key_in_force", "quarters_of", "read_sites", "share_sites"]

_ESTIMATE_REACH_MS: Final = 7 * 86_400_000  # how far back `on_missing: estimate` looks
_NAMED: Final = 5  # sites named in a reason before the others are only counted


class Share(msgspec.Struct, frozen=True, gc=False):
    """One site in one quarter-hour, Wh; None: unknown."""

    id: str
    withdrawn_wh: int | None
    received_wh: int
    residual_wh: int | None
    given_wh: int
    surplus_wh: int | None


class SharedQuarter(msgspec.Struct, frozen=True):
    """The quarter-hour starting at `t`; one that is held has the reason and no shares."""

    t: int
    quality: Quality
    held: str | None
    shares: list[Share]
    why: str | None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Quarter-hours, sums of each site and of the community, over the quarter-hours that are not held."""

    quarters: list[SharedQuarter]
    totals: list[dict[str, Any]]
    summary: dict[str, Any]


def key_in_force(community: Community, what_if: str | None) -> SharingKey:
    """The community's key; `what_if`: with the rounds of that short name, or of that operator's preset, instead.

    A fixed round of a what-if needs weights: where the key has none, every receiver counts 1/n. Raises ValueError for a
    name that there is not, or a preset that needs what the key does not have.
    """
    key = community.sharing
    names = {site.id: site.name for site in community.sites}
    listed = key.participants or {site: _receiver(key, site) for site in names}
    participants = {site: each.model_copy(update={"name": each.name or names[site]}) for site, each in listed.items()}
    changed: dict[str, Any] = {"participants": participants, "resolution_wh": 1}
    if what_if is None or not names:
        return key.model_copy(update=changed)
    other = _rounds(key, what_if)
    fixed = any(round_["method"] == Method.FIXED for round_ in other["rounds"])
    if fixed and not any(each.weight for each in participants.values()):
        alike = {"weight": Fraction(1, len(participants))}
        changed["participants"] = {site: each.model_copy(update=alike) for site, each in participants.items()}
        stood = {**participants, **key.producers.points}  # as a producer nobody has a weight that was not given
        changed["producers"] = other.get("producers", key.producers).model_copy(update={"points": stood})
    return SharingKey.model_validate(dict(key) | other | changed)


def _rounds(key: SharingKey, what_if: str) -> dict[str, Any]:
    """What another key changes: its rounds and sides, and of a preset whose injection counts."""
    plain = {"two_sided": False, "coefficients": "constant"}
    if what_if in SHORT_NAMES:
        return plain | {"rounds": SHORT_NAMES[what_if]}
    found = with_preset({"preset": what_if}, shipped_presets().presets)
    if found["coefficients"] != "constant":
        raise ValueError(f"{what_if} has coefficients by quarter-hour: `commonwatt settle --coefficients` takes them")
    if "producers" in found:
        found["producers"] = key.producers.model_copy(update={"method": ProducerMethod(found["producers"])})
    return found


def _receiver(key: SharingKey, site: str) -> Participant:
    """Who is in no list receives as long as it is a member."""
    standing = key.producers.points.get(site) or Participant()
    return Participant(since=standing.since, until=standing.until)


def share_sites(
    sites: Sequence[str], key: SharingKey, start: int, end: int, history: History, why: str | None
) -> Sharing:
    """Shares each quarter-hour that [start, end) touches; `why`: with a sentence on that site. Raises StoreError."""
    readings, measured = read_sites(sites, key, start, end, history)
    settlement = settle_quarters(key, readings)
    early = readings.starts < quarter_starts(start, end).start
    settlement = replace(settlement, held=settlement.held | early)
    totals = point_totals(settlement)
    return Sharing(
        quarters=quarters_of(key, settlement, measured, first=int(early.sum()), why=why),
        totals=[_total(each) for each in totals],
        summary=_summary(totals) | {"held": int((settlement.held & ~early).sum())},
    )


def read_sites(
    sites: Sequence[str], key: SharingKey, start: int, end: int, history: History
) -> tuple[QuarterReadings, Mask]:
    """(readings, where they were measured) of the quarter-hours that [start, end) touches, and of the week before where
    the key estimates from it.

    A site with one direction unknown has no reading: the other alone would let it receive what it may have injected
    itself. Raises StoreError.
    """
    sites = tuple(sorted(sites))
    before = _ESTIMATE_REACH_MS if key.on_missing == "estimate" else 0
    starts = quarter_starts(start - before, end)
    column = {site: place for place, site in enumerate(sites)}
    withdrawal = np.zeros((len(starts), len(sites)), dtype=np.int64)
    injection, known = np.zeros_like(withdrawal), np.zeros(withdrawal.shape, dtype=bool)
    measured = known.copy()
    for quarter in history.site_quarters(sites, starts.start, starts.stop):
        if quarter.import_wh is None or quarter.export_wh is None:
            continue
        place = (quarter.start - starts.start) // QUARTER_MS, column[quarter.site]
        withdrawal[place], injection[place] = round(quarter.import_wh), round(quarter.export_wh)
        known[place], measured[place] = True, quarter.quality is Quality.MEASURED
    instants = np.array(starts, dtype=np.int64)
    return QuarterReadings(sites, instants, withdrawal, known, injection, known), measured


def quarters_of(
    key: SharingKey, settlement: Settlement, measured: Mask, *, first: int = 0, why: str | None = None
) -> list[SharedQuarter]:
    """The quarter-hours from row `first` on as they are told; `why`: with a sentence on that site."""
    silent: dict[int, set[str]] = {}
    for missing in settlement.held_for:
        silent.setdefault(missing.row, set()).add(settlement.readings.points[missing.column])
    starts, rows = settlement.readings.starts.tolist(), _shares(settlement)
    quality = _quality(settlement, measured)
    result = []
    for row in range(first, len(starts)):
        if row in silent:
            result.append(SharedQuarter(starts[row], Quality.MISSING, _reason(sorted(silent[row])), [], None))
        else:
            sentence = None if why is None else _sentence(key, settlement, row, why)
            result.append(SharedQuarter(starts[row], QUALITIES[quality[row]], None, rows[row], sentence))
    return result


def _reason(sites: Sequence[str]) -> str:
    more = f" and {len(sites) - _NAMED} more" if len(sites) > _NAMED else ""
    return f"import or export is not known of {', '.join(sites[:_NAMED])}{more}"


def _quality(settlement: Settlement, measured: Mask) -> list[int]:
    """Of each quarter-hour, as a place in QUALITIES: everybody's part is as good as the worst of all readings."""
    filled = settlement.quality.max(axis=1, initial=0)
    unsure = (settlement.takes_part & ~measured).any(axis=1)
    return list(np.maximum(filled, unsure * QUALITIES.index(Quality.ESTIMATED)).tolist())


def _shares(settlement: Settlement) -> list[list[Share]]:
    """Of each quarter-hour those of the sites that take part in it."""
    readings = settlement.readings
    columns = [
        values.tolist()
        for values in (
            readings.withdrawal,
            settlement.received,
            readings.withdrawal - settlement.received,
            settlement.given,
            readings.injection - settlement.given,
            readings.withdrawal_known,
            settlement.takes_part,
        )
    ]
    return [
        [
            Share(site, withdrawn if known else None, received, residual if known else None, given, surplus if known else None)
            for site, withdrawn, received, residual, given, surplus, known, member in zip(readings.points, *row, strict=True)
            if member
        ]
        for row in zip(*columns, strict=True)
    ]  # fmt: skip


def _sentence(key: SharingKey, settlement: Settlement, row: int, site: str) -> str:
    if not settlement.takes_part[row, settlement.readings.points.index(site)]:
        return f"{site} took no part in the sharing then."
    return explain(key, settlement.roster, quarter_hour(settlement.readings, row), site)


def _total(of: PointTotals) -> dict[str, Any]:
    return {
        "id": of.point,
        "withdrawn_wh": of.withdrawal_wh,
        "injected_wh": of.injection_wh,
        "received_wh": of.received_wh,
        "residual_wh": of.withdrawal_wh - of.received_wh,
        "given_wh": of.given_wh,
        "surplus_wh": of.injection_wh - of.given_wh,
        "coverage": None if of.coverage is None or not of.receives else float(of.coverage),
    }


def _summary(totals: Sequence[PointTotals]) -> dict[str, Any]:
    """As `settle` has it: withdrawal counts of those who may receive, injection of all."""
    withdrawn = sum(total.withdrawal_wh for total in totals if total.receives)
    injected = sum(total.injection_wh for total in totals)
    shared = sum(total.received_wh for total in totals)
    measures = fairness(totals)
    return {
        "withdrawn_wh": withdrawn,
        "injected_wh": injected,
        "shared_wh": shared,
        "sharing_rate": ratio(shared, injected),
        "self_sufficiency": ratio(shared, withdrawn),
        "jain_coverage": measures.jain_coverage,
        "gini_coverage": measures.gini_coverage,
        "min_coverage": measures.min_coverage,
    }
