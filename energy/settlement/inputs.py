"""All that a month is settled by but its readings, as plain values: kept with the run, so that it can be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from energy.settlement.operator import OperatorTotal
from energy.settlement.statement import Member, Setting
from energy.settlement.terms import GridType, Month, Terms
from energy.settlement.volumes import Tenure
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings

__all__ = ["DatedKey", "Inputs", "KeptKey", "digest", "inputs_of"]


@dataclass(frozen=True, slots=True)
class DatedKey:
    """A sharing key by its id, in force during [since, until), ms UTC; None: open. Always in whole Wh."""

    id: str
    key: SharingKey
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A DatedKey as it is kept."""

    id: str
    key: dict[str, Any]
    since: int | None
    until: int | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """See the module. `window`: the local month as [start, end) in ms UTC."""

    community: str
    month: str
    window: tuple[int, int]
    grid_type: GridType | None
    terms: dict[str, Any]
    operator: tuple[OperatorTotal, ...] | None
    members: tuple[Member, ...]
    tenures: tuple[Tenure, ...]
    keys: tuple[KeptKey, ...]

    def setting(self) -> Setting:
        """What the month is charged by."""
        terms = Terms.model_validate(self.terms)
        return Setting(self.community, Month.parse(self.month), terms, self.grid_type, self._grid_fees())

    def _grid_fees(self) -> dict[str, Decimal] | None:
        """None where the operator tells none."""
        fees = {total.ean: total.grid_fee_eur for total in self.operator or () if total.grid_fee_eur is not None}
        return fees or None

    def dated_keys(self) -> list[DatedKey]:
        """The keys that hold in the month, by time."""
        return [
            DatedKey(each.id, SharingKey.model_validate(each.key | {"resolution_wh": 1}), each.since, each.until)
            for each in self.keys
            if (each.since or 0) < self.window[1] and (each.until is None or self.window[0] < each.until)
        ]


def inputs_of(
    setting: Setting,
    window: tuple[int, int],
    keys: Sequence[DatedKey],
    members: Sequence[Member],
    tenures: Sequence[Tenure],
    operator: Sequence[OperatorTotal] | None = None,
) -> Inputs:
    """The same whatever the order of what is given. `operator`: its volumes, by which members are charged then."""
    return Inputs(
        community=setting.community,
        month=str(setting.month),
        window=window,
        grid_type=setting.grid_type,
        terms=setting.terms.model_dump(mode="json"),
        operator=None if operator is None else tuple(sorted(operator, key=lambda total: total.ean)),
        members=tuple(sorted(members, key=lambda member: member.id)),
        tenures=tuple(sorted(tenures, key=lambda tenure: (tenure.point, tenure.since or 0, tenure.member))),
        keys=tuple(
            KeptKey(key.id, key.key.model_dump(mode="json"), key.since, key.until)
            for key in sorted(keys, key=lambda key: (key.since or 0, key.id))
        ),
    )


def digest(inputs: Inputs, readings: QuarterReadings) -> str:
    """SHA-256 of all that a run is computed from: the same gives the same run, anything else another digest."""
    sha = hashlib.sha256(msgspec.json.encode([inputs, readings.points]))
    for values in (readings.starts, readings.withdrawal, readings.injection):
        sha.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    for known in (readings.withdrawal_known, readings.injection_known):
        sha.update(np.packbits(known).tobytes())
    return sha.hexdigest()
