"""What the register holds, as values whose field names are those of the API: `msgspec.to_builtins` gives its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Alert",
    "AlertAction",
    "AlertState",
    "Command",
    "CommandState",
    "Evidence",
    "QuarantineEntry",
    "TrailEntry",
    "Value",
]

Value = float | int | str
AlertState = Literal["pending", "firing", "acknowledged", "cleared"]
CommandState = Literal["asked", "applied", "refused", "expired", "reverted", "failed"]
EvidenceEvent = Literal[
    "crossed", "raised", "commanded", "applied", "refused", "failed", "effect", "cleared", "reverted", "acknowledged"
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

    `device` is empty when only results of it came, never the command itself.
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


@dataclass(frozen=True, slots=True)
class AlertAction:
    """What an alert asked of a device, and what became of it. `command`: id of the command, None before there is one."""

    device: str
    set: dict[str, Value]
    command: str | None = None
    state: CommandState | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that happened in the life of an alert, as a sentence with numbers."""

    t: int
    event: EvidenceEvent
    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that watched something cross its limit. `value` is what was last seen; instants are ms UTC."""

    id: str
    rule: str
    community: str
    severity: Literal["info", "warning", "critical"]
    state: AlertState
    metric: str
    value: float | None
    raise_above: float
    clear_below: float
    since: int
    raised_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    cleared_at: int | None = None
    actions: tuple[AlertAction, ...] = ()
    evidence: tuple[Evidence, ...] = ()


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
