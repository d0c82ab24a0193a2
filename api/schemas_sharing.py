"""What OpenAPI says of the sharing among a community's sites: beside api/schemas.py, which is long enough."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Instant, Ratio
from energy.quantities import Quality

__all__ = ["RecommendedKeysView", "SharingView"]

Energy = Annotated[int, Field(ge=0, description="whole Wh")]
MaybeEnergy = Annotated[int | None, Field(description="whole Wh, null: unknown")]

_EXAMPLE: Final[dict[str, Any]] = {
    "community": "ixelles",
    "from": 1750000500000,
    "to": 1750001400000,
    "step": "15m",
    "key": "prorata",
    "what_if": False,
    "status": "estimate",
    "participants": [{"id": "ixl-hall", "name": "Town hall"}, {"id": "ixl-pool", "name": "Pool"}],
    "quarters": [
        {
            "t": 1750000500000,
            "quality": "measured",
            "held": None,
            "shares": [
                {"id": "ixl-hall", "withdrawn_wh": 500, "received_wh": 500, "residual_wh": 0, "given_wh": 0, "surplus_wh": 0},
                {"id": "ixl-pool", "withdrawn_wh": 0, "received_wh": 0, "residual_wh": 0, "given_wh": 500, "surplus_wh": 300},
            ],
            "why": None,
        }
    ],
    "totals": [
        {
            "id": "ixl-hall",
            "withdrawn_wh": 500,
            "injected_wh": 0,
            "received_wh": 500,
            "residual_wh": 0,
            "given_wh": 0,
            "surplus_wh": 0,
            "coverage": 1.0,
        },
        {
            "id": "ixl-pool",
            "withdrawn_wh": 0,
            "injected_wh": 800,
            "received_wh": 0,
            "residual_wh": 0,
            "given_wh": 500,
            "surplus_wh": 300,
            "coverage": None,
        },
    ],
    "summary": {
        "withdrawn_wh": 500,
        "injected_wh": 800,
        "shared_wh": 500,
        "sharing_rate": 0.625,
        "self_sufficiency": 1.0,
        "jain_coverage": 1.0,
        "gini_coverage": 0.0,
        "min_coverage": 1.0,
        "held": 0,
    },
    "running": {
        "t": 1750001400000,
        "until": 1750001570000,
        "quality": "estimated",
        "held": None,
        "shares": [
            {"id": "ixl-hall", "withdrawn_wh": 90, "received_wh": 90, "residual_wh": 0, "given_wh": 0, "surplus_wh": 0},
            {"id": "ixl-pool", "withdrawn_wh": 0, "received_wh": 0, "residual_wh": 0, "given_wh": 90, "surplus_wh": 70},
        ],
        "why": None,
        "withdrawn_wh": 90,
        "injected_wh": 160,
        "shared_wh": 90,
    },
}  # fmt: skip


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class SharingParticipant(_View):
    """A site of the community."""

    id: str
    name: str


class ShareView(_View):
    """One site in one quarter-hour. residual = withdrawn - received; surplus = injected - given."""

    id: str
    withdrawn_wh: MaybeEnergy
    received_wh: Energy
    residual_wh: MaybeEnergy
    given_wh: Energy
    surplus_wh: MaybeEnergy


class SharedQuarterView(_View):
    """A quarter-hour. One that is held has no shares: somebody's value is missing, and everybody's part depends on it."""

    t: Instant
    quality: Quality
    held: Annotated[str | None, Field(description="why it is held, null: it is not")]
    shares: list[ShareView]
    why: Annotated[str | None, Field(description="why the site asked for received what it did")]


class RunningQuarterView(SharedQuarterView):
    """The quarter-hour that runs, shared as if it ended at `until`: an estimate that changes until it is over.

    The sums are of all sites; `shares` is empty for a caller who may see no single site, and where it is held.
    """

    until: Annotated[int, Field(description="ms UTC: as far as every known site has been read")]
    withdrawn_wh: Energy
    injected_wh: Energy
    shared_wh: Energy


class SharingTotal(_View):
    """Sums of one site over the quarter-hours that are not held; coverage = received / withdrawn."""

    id: str
    withdrawn_wh: Energy
    injected_wh: Energy
    received_wh: Energy
    residual_wh: Energy
    given_wh: Energy
    surplus_wh: Energy
    coverage: Ratio


class SharingSummary(_View):
    """Sums of the community over the quarter-hours that are not held; `held`: how many are."""

    withdrawn_wh: Energy
    injected_wh: Energy
    shared_wh: Energy
    sharing_rate: Annotated[float | None, Field(description="shared / injected, null: nothing was injected")]
    self_sufficiency: Annotated[float | None, Field(description="shared / withdrawn, null: nothing was withdrawn")]
    jain_coverage: Ratio
    gini_coverage: Ratio
    min_coverage: Ratio
    held: int


class SharingView(_View):
    """Sharing by a key, as ours: an estimate, the grid operator's allocation is the legal one.

    `from` and `to` (ms UTC) are those of whole quarter-hours that are over. A caller who may see no single site gets
    `participants`, `quarters` and `totals` empty.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": _EXAMPLE})
    community: str
    from_: Annotated[int, Field(alias="from")]
    to: int
    step: Literal["15m"]
    key: Annotated[str, Field(description="`configured`, or a short name")]
    what_if: bool
    status: Literal["estimate"]
    participants: list[SharingParticipant]
    quarters: list[SharedQuarterView]
    totals: list[SharingTotal]
    summary: SharingSummary
    running: Annotated[
        RunningQuarterView | None,
        Field(description="null: the period does not reach into it. It counts for nothing in `totals` and `summary`"),
    ]


class Measure(_View):
    """Of energy received, and of coverage: received / withdrawn."""

    kwh: Ratio
    coverage: Ratio


class RankedKey(_View):
    """A key and what it would have done. `name`: a short name, or says what the key is; `weights`: of fixed rounds, exact."""

    name: str
    in_force: Annotated[bool, Field(description="whether it is the community's key as it stands")]
    rounds: Annotated[list[dict[str, Any]], Field(description="as a key file has them")]
    weights: Annotated[dict[str, str], Field(description="by site, as 0.25 or 1/3; those without one are left out")]
    shared_wh: Energy
    sharing_rate: Annotated[float | None, Field(description="shared / injected, null: nothing was injected")]
    self_sufficiency: Annotated[float | None, Field(description="shared / withdrawn, null: nothing was withdrawn")]
    jain: Annotated[Measure, Field(description="Jain's index: 1 when all are equal, 1/n when one takes all")]
    gini: Annotated[Measure, Field(description="Gini's coefficient: 0 when all are equal")]
    min_coverage: Annotated[Ratio, Field(description="of the participant that was covered least")]
    vulnerable_coverage: Annotated[Ratio, Field(description="of tier 1 together, null: there is none")]


class QuarterCounts(_View):
    """Quarter-hours the figures stand on, those that a missing value kept out, and those in which one was filled."""

    settled: int
    held: int
    filled: int


_RANKED: Final[dict[str, Any]] = {
    "community": "ixelles",
    "from": 1750000500000,
    "to": 1750001400000,
    "step": "15m",
    "aim": "most-equal",
    "status": "estimate",
    "quarters": {"settled": 1, "held": 0, "filled": 0},
    "keys": [
        {
            "name": "prorata",
            "in_force": False,
            "rounds": [{"method": "prorata", "share": "1", "max_rounds": 1, "renormalise": False, "basis": "residual"}],
            "weights": {},
            "shared_wh": 4000,
            "sharing_rate": 1.0,
            "self_sufficiency": 0.667,
            "jain": {"kwh": 0.72, "coverage": 1.0},
            "gini": {"kwh": 0.333, "coverage": 0.0},
            "min_coverage": 0.667,
            "vulnerable_coverage": None,
        }
    ],
}


class RecommendedKeysView(_View):
    """Keys for a stated aim, the best first: an estimate from the sites' own meters. The members decide, not the figures."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": _RANKED})
    community: str
    from_: Annotated[int, Field(alias="from")]
    to: int
    step: Literal["15m"]
    aim: Literal["most-shared", "most-equal", "vulnerable-first"]
    status: Literal["estimate"]
    quarters: QuarterCounts
    keys: list[RankedKey]
