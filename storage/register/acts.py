"""What an alert is after a person acknowledged, muted or unmuted it."""

from __future__ import annotations

import dataclasses
from typing import Final

from energy.alerts.evidence_texts import Said, moment
from storage.register.records import Act, ActKind, Alert, AlertState, Evidence

__all__ = ["acted", "can", "told_of"]

_FROM: Final[dict[ActKind, frozenset[AlertState]]] = {
    "acknowledge": frozenset({"firing", "muted"}),
    "mute": frozenset({"firing", "acknowledged", "muted"}),
    "unmute": frozenset({"muted"}),
}


def can(act: ActKind, alert: Alert) -> bool:
    """Whether that can be done to the alert as it stands; the same rows as in energy/alerts/states."""
    return alert.state in _FROM[act]


def acted(alert: Alert, act: Act) -> Alert:
    """The alert with what a person did; what it contains already, or comes too late, does not change its state."""
    if act.id <= alert.acts:
        return alert
    stands = can(act.act, alert)
    alert = dataclasses.replace(alert, acts=act.id)
    if not stands and (act.act, alert.state) != ("acknowledge", "cleared"):
        return alert
    evidence = tuple(sorted((*alert.evidence, told_of(act)), key=lambda entry: entry.t))
    alert = dataclasses.replace(alert, evidence=evidence)
    if act.act == "acknowledge":
        seen = dataclasses.replace(
            alert, acknowledged_at=act.t, acknowledged_by=act.by, acknowledged_until=act.until, muted_until=None
        )
        return dataclasses.replace(seen, state="acknowledged") if stands else seen
    if act.act == "mute":
        return dataclasses.replace(alert, state="muted", muted_by=act.by, muted_until=act.until)
    return dataclasses.replace(alert, state="firing", muted_until=None)


def told_of(act: Act) -> Evidence:
    """The act as a step of the alert's evidence."""
    code: str = act.act
    values: dict[str, str | list[str | float | None]] = {"by": act.by, "why": f": {act.reason}" if act.reason else ""}
    if act.until is not None:
        code, values = f"{code}_until", values | {"until": moment(act.until)}
    event = {"acknowledge": "acknowledged", "mute": "muted", "unmute": "reopened"}[act.act]
    return Evidence.of(act.t, event, Said(code, values))  # type: ignore[arg-type]
