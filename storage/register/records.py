"""What the register holds, as values whose field names are those of the API: `msgspec.to_builtins` gives its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from energy.alerts.evidence_texts import Said, Values, told

__all__ = [
    "Act",
    "ActKind",
    "Alert",
    "AlertAction",
    "AlertState",
    "Command",
    "CommandState",
    "Evidence",
    "EvidenceEvent",
    "QuarantineEntry",
    "Told",
    "TrailEntry",
    "Value",
]

Value = float | int | str
AlertState = Literal["pending", "firing", "acknowledged", "muted", "cleared"]
ActKind = Literal["acknowledge", "mute", "unmute"]
CommandState = Literal["asked", "applied", "refused", "expired", "reverted", "failed"]
EvidenceEvent = Literal[
    "crossed",
    "raised",
    "commanded",
    "applied",
    "refused",
    "failed",
    "effect",
    "cleared",
    "reverted",
    "acknowledged",
    "muted",
    "reopened",
    "notified",
]


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One step in the life of a command, at `t` (ms UTC)."""

    t: int
    state: CommandState
    reason: str


@dataclass(frozen=True, slots=True)
class Command:
    """A lease asked of one device. `ends_at`: when it will end or ended (ms UTC), None when not known.

    `device` is empty when only results of it came, never the command itself. Renewals are no commands of their own:
    `renewals` is the number of the last one confirmed, at `renewed_at` (ms UTC); `lease` the id under which it was asked last.
    """

    id: str
    device: str
    set: dict[str, Value]
    ttl_s: float
    issued_by: str
    reason: str
    t: int
    state: CommandState
    ends_at: int | None
    trail: tuple[TrailEntry, ...] = ()
    renewals: int = 0
    renewed_at: int | None = None
    lease: str = ""


@dataclass(frozen=True, slots=True)
class AlertAction:
    """What an alert asked of a device, and what became of it. `command`: id of the command, None before there is one."""

    device: str
    set: dict[str, Value]
    command: str | None = None
    state: CommandState | None = None
    reason: str = ""
    before_w: float | None = None
    """What the device did when the lease began, W; None: there is none, or it was not known."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that happened in the life of an alert, as a sentence with numbers: in English, and by `code` and `values` in every language.

    Without a code it is a sentence of somebody else, or of before codes were kept.
    """

    t: int
    event: EvidenceEvent
    text: str
    code: str = ""
    values: Values = field(default_factory=dict)

    @classmethod
    def of(cls, t: int, event: EvidenceEvent, said: Said) -> Evidence:
        """That which is said."""
        return cls(t, event, told(said), said.code, said.values)

    def told(self, language: str) -> str:
        """The sentence in a language, as far as it is known in it."""
        return told(Said(self.code, self.values, self.text), language)


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did to an alert. `id`: later acts have larger ones; `until`: its end, None: none (ms UTC)."""

    id: int
    alert: str
    act: ActKind
    t: int
    by: str
    until: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A message about an alert that a channel took. `what` was said of it."""

    channel: str
    what: Literal["raised", "reopened", "escalated", "cleared"]
    t: int


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that watched something cross its limit. `value` is what was last seen; instants are ms UTC.

    `subject`: the community, site, gateway or site/device it is about. Limits: `raise_above` and `clear_below`, or
    `raise_below` and `clear_above`. `effect_w`: what its own actions change now, W, which is taken
    out of `value`. `unknown_since`: since when the value is not known. `acts`: id of the last act of a person it contains.
    """

    id: str
    rule: str
    community: str
    severity: Literal["info", "warning", "critical"]
    state: AlertState
    metric: str
    value: float | None
    raise_above: float | None
    clear_below: float | None
    since: int
    raised_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    cleared_at: int | None = None
    actions: tuple[AlertAction, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    kind: str = "balance"
    subject: str = ""
    site: str | None = None
    unit: str = "W"
    raise_below: float | None = None
    clear_above: float | None = None
    effect_w: float | None = None
    unknown_since: int | None = None
    acknowledged_until: int | None = None
    muted_by: str | None = None
    muted_until: int | None = None
    acts: int = 0
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A message that was not taken. `count`: how often the very same came, first at `first_t`, last at `t` (ms UTC).

    `payload` is cut at 4,096 bytes; `size` is what it had.
    """

    topic: str
    gateway: str | None
    reason: str
    payload: bytes
    size: int
    first_t: int
    t: int
    count: int
