"""What is told to people about alerts and commands: one plain sentence each, with the numbers that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from collector.look import Look
from energy.alerts.rules import Action, Balance, QuantityAbove, QuantityBelow, Rule
from energy.alerts.subjects import Subject
from energy.community import Community

__all__ = [
    "amount",
    "asked",
    "cleared",
    "cleared_unknown",
    "crossed",
    "effect",
    "raised",
    "reason",
    "subject_name",
    "withheld",
]

_NOUNS: Final = {
    "device_silent": "silence",
    "gateway_offline": "time offline",
    "outbox_waiting": "age of the oldest waiting batch",
    "pv_shortfall": "shortfall of production",
    "phase_missing": "number of missing phases",
    "voltage_high": "highest ten-minute voltage",
    "voltage_low": "lowest ten-minute voltage",
    "fuse_load": "load of the main fuse",
    "connection_load": "load of the connection",
    "quarter_peak": "quarter-hour as it will end",
    "quiet_load": "consumption in quiet hours",
    "night_flow": "flow at night",
    "battery_not_following": "deviation from the power set",
    "meter_mismatch": "disagreement of the meters",
    "certificate_ending": "time left of the certificates",
    "gateway_certificate": "time left of the gateway's certificate",
    "disk_ending": "free disk space",
}


def amount(rule: Rule, value: float | None) -> str:
    """What a rule measures as people write it; `unknown` when it is."""
    if value is None:
        return "unknown"
    digits = 0 if rule.unit in {"W", "s"} else 1
    return f"{value:,.{digits}f} {rule.unit}".rstrip()


def subject_name(subject: Subject, community: Community) -> str:
    """What an alert is about, as people call it."""
    if subject.kind == "community" or subject.site is None:
        return community.name
    if subject.kind == "gateway":
        return f"gateway {subject.id}"
    if subject.device is None:
        return subject.site.name
    return f"{subject.site.name}, {subject.device.name or subject.device.id}"


def crossed(look: Look) -> str:
    """The value passed the limit."""
    went = "rose to" if look.rule.limits.rising else "fell to"
    return f"{_of(look)} {went} {amount(look.rule, look.value)}, {_beyond(look.rule)}"


def raised(look: Look) -> str:
    """It stayed there."""
    return f"{_of(look)} stayed {_beyond(look.rule)} for {look.rule.for_s:g} s: {amount(look.rule, look.value)} now"


def cleared(look: Look) -> str:
    """It came back."""
    limits = look.rule.limits
    went, side = ("fell to", "below") if limits.rising else ("rose to", "above")
    return f"{_of(look)} {went} {amount(look.rule, look.value)}, {side} {amount(look.rule, limits.clear_at)}"


def cleared_unknown(look: Look) -> str:
    """Nobody knows any more."""
    lost = f"{look.rule.unknown_clear_s / 60:g} minutes"
    return f"{_of(look)} has been unknown for {lost}; silent: {_names(look.silent)}"


def withheld(rule: Rule, silent: Sequence[str]) -> str:
    """Why a lease ends although the alert stands."""
    return f"the {_noun(rule)} is unknown, so nothing is steered by it; silent: {_names(silent)}"


def reason(look: Look) -> str:
    """Why a device is asked for something."""
    value = amount(look.rule, look.value)
    return f"rule {look.rule.id}: {_of(look)} is {value}, raised {_beyond(look.rule)}"


def asked(action: Action) -> str:
    """What a device is asked for."""
    return f"{action.device} was asked for {_settings(action.set)} for {action.ttl_s} s, renewed while the alert stands"


def effect(
    action: Action,
    look: Look,
    *,
    power_w: tuple[float | None, float | None],
    metric: tuple[float | None, float | None],
) -> str:
    """What came of it: power of the device and the metric, each before and after."""
    before_w, after_w = ("unknown" if watts is None else f"{watts:,.0f} W" for watts in power_w)
    before, after = (amount(look.rule, value) for value in metric)
    return f"{action.device} went from {before_w} to {after_w}, the {_noun(look.rule)} from {before} to {after}"


def _of(look: Look) -> str:
    return f"the {_noun(look.rule)} of {look.name}"


def _beyond(rule: Rule) -> str:
    side = "above" if rule.limits.rising else "below"
    return f"{side} {amount(rule, rule.limits.raise_at)}"


def _noun(rule: Rule) -> str:
    if isinstance(rule, Balance):
        return rule.metric.removesuffix("_w")
    if isinstance(rule, QuantityAbove | QuantityBelow):
        return rule.quantity
    return _NOUNS[rule.kind]


def _settings(values: Mapping[str, float | str]) -> str:
    return ", ".join(
        f"{name} {value:,.10g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"
