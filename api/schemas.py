"""The JSON of the API as pydantic models: what requests must be, and what OpenAPI says of the answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.places import PlaceState
from energy.quantities import QUANTITIES, Kind, Quality

__all__ = [
    "ERRORS",
    "CommandList",
    "CommandRequest",
    "CommandState",
    "CommandView",
    "CommunityHistoryView",
    "CommunityList",
    "HistoryView",
    "Instant",
    "LiveView",
    "MaybeInstant",
    "ProblemView",
    "Ratio",
    "Readiness",
    "SiteEntry",
    "SiteList",
    "StatusView",
    "Value",
    "View",
]

Watts = Annotated[float | None, Field(description="W, null: unknown")]
WattHours = Annotated[float | None, Field(description="Wh, null: unknown")]
Ratio = Annotated[float | None, Field(description="0 to 1, null: unknown")]
Instant = Annotated[int, Field(description="ms UTC")]
MaybeInstant = Annotated[int | None, Field(description="ms UTC, null: never")]
CommandState = Literal["asked", "applied", "refused", "expired", "reverted", "failed"]
Value = Annotated[float, Field(strict=True)] | str


class View(BaseModel):
    """What every answer is."""

    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class ProblemView(View):
    """An error (RFC 9457). `code` is stable and safe to switch on; `hint` says what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None
    field: str | None = None


def _error(status: int, description: str, code: str) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": description,
    }
    schema = {"$ref": "#/components/schemas/ProblemView"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: _error(status, description, code)
    for status, description, code in (
        (401, "No key, or one that is not known", "unauthenticated"),
        (403, "The key's role may not do this", "forbidden"),
        (404, "There is no such thing, or it is another's", "not_found"),
        (409, "Its state does not allow this", "not_firing"),
        (422, "The request says something that cannot be", "invalid"),
        (429, "The key asks too often", "rate_limited"),
        (503, "A part of the service is away; try again", "store"),
    )
}


class StatusView(View):
    """Liveness."""

    status: Literal["ok"]


class Part(View):
    """One part of the service."""

    ok: bool


class Readiness(View):
    """Readiness of each part."""

    status: Literal["ready", "degraded"]
    parts: dict[str, Part]


class CommunityEntry(View):
    """A community of sites."""

    id: str
    name: str
    municipality: str
    sites: list[str]
    timezone: str


class CommunityList(View):
    """The communities the caller may see."""

    communities: list[CommunityEntry]


class SiteEntry(View):
    """A site. `registered` false: its devices write, but it stands in no configuration."""

    id: str
    name: str
    kind: str
    community: str
    gateway: str | None
    gateway_online: bool | None
    registered: bool
    latitude: float | None
    longitude: float | None
    state: PlaceState
    last_seen: MaybeInstant


class SiteList(View):
    """The sites the caller may see."""

    sites: list[SiteEntry]


class LiveDevice(View):
    """A device as it is now."""

    id: str
    role: str
    t: MaybeInstant
    power_w: Watts
    soc_pct: float | None
    state: str | None
    stale: bool


class SiteToday(View):
    """Energy of a site since local midnight."""

    pv_wh: WattHours
    import_wh: WattHours
    export_wh: WattHours
    charge_wh: WattHours
    discharge_wh: WattHours
    consumption_wh: WattHours
    self_sufficiency: Ratio
    quality: Quality


class RunningQuarter(View):
    """What a site's grid meters took and gave in the quarter-hour that runs from `start`, as far as `until`."""

    start: Instant
    until: Instant
    import_wh: WattHours
    export_wh: WattHours
    quality: Quality


class LiveSite(View):
    """Flows of one site now."""

    id: str
    community: str
    t: Instant
    pv_w: Watts
    grid_w: Watts
    battery_w: Watts
    consumption_w: Watts
    soc_pct: float | None
    self_sufficiency: Ratio
    self_consumption: Ratio
    quality: Quality
    stale: list[str]
    devices: list[LiveDevice]
    today: SiteToday
    quarter: Annotated[RunningQuarter | None, Field(description="null: no grid meter has told anything yet")] = None


class Known(View):
    """Sums over the sites where the quantity is known."""

    pv_w: float
    grid_w: float
    battery_w: float
    consumption_w: float
    sites: int
    of: int


class CommunityToday(View):
    """Energy of a community since local midnight."""

    pv_wh: WattHours
    import_wh: WattHours
    export_wh: WattHours
    shared_wh: WattHours
    consumption_wh: WattHours
    self_sufficiency: Ratio
    quality: Quality


class LiveCommunity(View):
    """Flows of a community now."""

    id: str
    t: Instant
    pv_w: Watts
    grid_w: Watts
    battery_w: Watts
    consumption_w: Watts
    shared_w: Watts
    surplus_w: Watts
    import_w: Watts
    self_sufficiency: Ratio
    self_consumption: Ratio
    quality: Quality
    stale: list[str]
    known: Known
    today: CommunityToday


class LiveView(View):
    """Everything now. `t`: the service's time; `age_s`: age of the newest object."""

    t: Instant
    age_s: float | None
    communities: list[LiveCommunity]
    sites: list[LiveSite]


class Line(View):
    """Points of one device; device null: of the site. A point is [ms UTC, value or null]."""

    device: str | None
    points: list[tuple[int, float | str | None]]


class HistoryView(View):
    """Series of one quantity. `from` and `to` (ms UTC) are those of whole steps."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "site": "ixl-hall",
                "quantity": "consumption_w",
                "unit": "W",
                "from": 1750000000000,
                "to": 1750000600000,
                "step": "5m",
                "series": [{"device": None, "points": [[1750000000000, 4820.0], [1750000300000, None]]}],
            }
        }
    )
    site: str
    quantity: str
    unit: str
    from_: Annotated[int, Field(alias="from")]
    to: int
    step: str
    series: list[Line]


class CommunityHistoryView(View):
    """Quarter-hours of a community: mean power, W."""

    community: str
    from_: Annotated[int, Field(alias="from")]
    to: int
    step: Literal["15m"]
    t: list[int]
    pv_w: list[float | None]
    import_w: list[float | None]
    export_w: list[float | None]
    shared_w: list[float | None]
    consumption_w: list[float | None]
    quality: list[Quality]


class CommandRequest(BaseModel):
    """A lease asked of one device."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"device": "ixl-hall/battery", "set": {"power_w": -3000}, "ttl_s": 60, "reason": "noon surplus"}
        },
    )
    device: str = Field(min_length=3, max_length=128, description="site/device")
    set: dict[str, Value] = Field(min_length=1, max_length=10, description="quantity: value")
    ttl_s: float = Field(
        strict=True, ge=1, le=300, allow_inf_nan=False, description="how long it holds without a renewal, s"
    )
    reason: str = Field(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="why, for the audit trail"
    )

    @field_validator("set", mode="after")
    @classmethod
    def _possible(cls, wanted: dict[str, Value]) -> dict[str, Value]:
        for name, value in wanted.items():
            quantity = QUANTITIES.get(name)
            if quantity is None:
                raise ValueError(f"unknown quantity {name[:50]!r}; one of {', '.join(QUANTITIES)}")
            if (quantity.kind is Kind.TEXT) is not isinstance(value, str):
                raise ValueError(f"{name} must be a {'text' if quantity.kind is Kind.TEXT else 'number'}")
            if isinstance(value, str):
                if len(value) > 200 or not value.isprintable():
                    raise ValueError(f"{name} must have at most 200 printable characters")
            elif not quantity.low <= value <= quantity.high:  # NaN fails this too
                raise ValueError(f"{name} must be between {quantity.low:g} and {quantity.high:g} {quantity.unit}")
        return wanted


class TrailEntry(View):
    """One step in the life of a command."""

    t: Instant
    state: CommandState
    reason: str


class CommandView(View):
    """A lease and what became of it."""

    id: str
    device: str
    set: dict[str, Value]
    ttl_s: float
    issued_by: str
    reason: str
    reasons: dict[str, str] = Field(
        default_factory=dict, description="by language: en, fr, nl, de; of leases in the event stream"
    )
    t: Instant
    state: CommandState
    ends_at: MaybeInstant
    trail: list[TrailEntry]
    renewals: int = Field(0, description="how often it was renewed as it stands; renewals are no commands of their own")
    renewed_at: MaybeInstant = None
    lease: str = Field("", description="the id on the wire of the newest renewal, else its own")


class CommandList(View):
    """Commands, newest first."""

    commands: list[CommandView]
