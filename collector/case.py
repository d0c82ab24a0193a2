"""An alert that stands, or stood a moment ago: what happened in its life, and the leases it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from collector.leases import Lease
from energy.alerts.effects import Held
from energy.alerts.evidence_texts import Said, told
from energy.alerts.rules import Action
from storage.register import Alert, Evidence
from storage.register.records import CommandState, EvidenceEvent

__all__ = ["Case", "Steering"]

_MOST_EVIDENCE: Final = 200
_STATES: Final[Mapping[EvidenceEvent, CommandState]] = {
    "commanded": "asked",
    "applied": "applied",
    "refused": "refused",
    "failed": "failed",
    "reverted": "reverted",
}


@dataclass(slots=True)
class Steering:
    """One action of a raised alert: its lease, and what is known of its effect.

    `before_w`: what the device did when the lease began; kept as long as the lease may have an effect.
    """

    index: int
    action: Action
    lease: Lease | None = None
    ending: frozenset[str] = frozenset()  # ids by which the gateway may tell that our lease ended as we asked
    next_s: float = 0.0  # when to ask, again or for the first time
    before_w: float | None = None
    metric_before: float | None = None
    applied_s: float | None = None
    heard_at: int | None = None
    effect_told: bool = False

    def ended(self, next_s: float) -> Lease | None:
        """The lease is over, and with it its effect; gives what it was."""
        lease, self.lease, self.before_w, self.next_s = self.lease, None, None, next_s
        return lease


@dataclass(slots=True)
class Case:
    """The alert as it is now, `changed` when register and wire have to hear of it."""

    alert: Alert
    steering: list[Steering] = field(default_factory=list)
    changed: bool = True
    told_ms: int = 0
    balanced: dict[str, str] = field(default_factory=dict)  # by device: the first command the balancer gave meanwhile

    def change(self, alert: Alert) -> None:
        """Takes the alert's new shape."""
        if alert != self.alert:
            self.alert, self.changed = alert, True

    def happened(self, t: int, event: EvidenceEvent, said: Said, **changes: Any) -> None:
        """Adds a step to the evidence; only the newest are kept."""
        evidence = (*self.alert.evidence, Evidence.of(t, event, said))[-_MOST_EVIDENCE:]
        self.change(replace(self.alert, evidence=evidence, **changes))

    def act(self, index: int, **changes: Any) -> None:
        """Notes what became of an action."""
        actions = tuple(
            replace(action, **changes) if place == index else action for place, action in enumerate(self.alert.actions)
        )
        self.change(replace(self.alert, actions=actions))

    def note(self, steering: Steering, event: EvidenceEvent, said: Said, t: int, *, expired: bool = False) -> None:
        """What became of an action: its state, and the evidence when that is news."""
        text = told(said)
        self.act(
            steering.index,
            state="expired" if expired else _STATES[event],
            reason=text,
            before_w=steering.before_w,
        )
        if not any((entry.event, entry.text) == (event, text) for entry in self.alert.evidence):
            self.happened(t, event, said)

    def held(self) -> list[Held]:
        """The powers set by leases that may have an effect now."""
        return [
            Held(steering.action.device, steering.before_w, float(power))
            for steering in self.steering
            if steering.before_w is not None and isinstance(power := steering.action.set.get("power_w"), int | float)
        ]
