"""Alerts in the OpenAPI document: what is asked and answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import CommandState, CommandView, Instant, MaybeInstant, Value, View

__all__ = [
    "AcknowledgeRequest",
    "AlertList",
    "AlertView",
    "ChannelList",
    "ChannelTestView",
    "EvidenceView",
    "MuteRequest",
    "RuleList",
]

Severity = Literal["info", "warning", "critical"]
Reason = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="why, for the evidence")]
Limit = Annotated[float | None, Field(description="in `unit`; null: the rule watches the other direction")]


class AlertAction(View):
    """What an alert asked of a device."""

    device: str
    set: dict[str, Value]
    command: str | None
    state: CommandState | None
    reason: str
    before_w: float | None


class Evidence(View):
    """One thing that happened in the life of an alert."""

    t: Instant
    event: str
    text: str
    code: str = Field(default="", description="of the sentence; empty: somebody else's, as it was written")
    values: dict[str, Any] = Field(default_factory=dict, description="what stands in the sentence")


class Told(View):
    """A message about the alert that a channel took."""

    channel: str
    what: Literal["raised", "reopened", "escalated", "cleared"]
    t: Instant


class AlertView(View):
    """An alert with its evidence."""

    id: str
    rule: str
    kind: str
    community: str
    subject: str = Field(description="the community, site, gateway or site/device it is about")
    site: str | None
    severity: Severity
    state: Literal["pending", "firing", "acknowledged", "muted", "cleared"]
    metric: str
    unit: str
    value: float | None = Field(description="without the effect of its own actions; null: unknown")
    effect_w: float | None = Field(description="what its own actions change now, W")
    raise_above: Limit
    clear_below: Limit
    raise_below: Limit
    clear_above: Limit
    since: Instant
    raised_at: MaybeInstant
    unknown_since: MaybeInstant
    acknowledged_at: MaybeInstant
    acknowledged_by: str | None
    acknowledged_until: MaybeInstant
    muted_by: str | None
    muted_until: MaybeInstant
    cleared_at: MaybeInstant
    actions: list[AlertAction]
    evidence: list[Evidence]
    told: list[Told]


class AlertList(View):
    """Alerts, open ones first, worst first."""

    alerts: list[AlertView]


class Texts(View):
    """What people read."""

    title: str
    means: str
    do: str


class RuleView(View):
    """A rule with its values and texts. `watches`: how many subjects; `open`: how many alerts of it stand."""

    id: str
    community: str
    kind: str
    subject: Literal["community", "site", "device", "gateway"]
    severity: Severity
    unit: str
    raise_above: Limit
    clear_below: Limit
    raise_below: Limit
    clear_above: Limit
    for_s: float
    clear_for_s: float
    watches: int
    acts_on: list[str]
    notify: list[str] = Field(description="channels that are told")
    texts: dict[str, Texts] = Field(description="by language: en, fr, nl, de")


class RuleList(View):
    """The rules of the communities the caller sees."""

    rules: list[RuleView]


class EvidenceView(View):
    """The whole chain of an alert: crossing, action, command with its trail, result, effect, cleared."""

    alert: AlertView
    texts: dict[str, Texts]
    commands: list[CommandView]


class ChannelView(View):
    """Where messages go; never its addresses."""

    id: str
    language: str
    min_severity: Severity
    quiet: str | None = Field(description="hours in which only what is bad enough is told")


class ChannelList(View):
    """The channels the caller may test."""

    channels: list[ChannelView]


class ChannelTestView(View):
    """How the test message went; `problem` empty: every address took it."""

    channel: str
    problem: str


class AcknowledgeRequest(BaseModel):
    """Until when the alert is quiet if it still stands then, and why; both may be left out."""

    model_config = ConfigDict(extra="forbid")

    for_s: float | None = Field(
        strict=True, default=None, gt=0, le=2_592_000, allow_inf_nan=False, description="30 days at most"
    )
    reason: Reason = ""


class MuteRequest(BaseModel):
    """For how long nobody is told, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"for_s": 14_400, "reason": "roof works until the afternoon"}}
    )

    for_s: float = Field(
        strict=True, gt=0, le=2_592_000, allow_inf_nan=False, description="a mute always ends; 30 days at most"
    )
    reason: Reason = ""
