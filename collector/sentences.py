"""What is told to people about alerts and commands: one plain sentence each, with the numbers that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.look import Look
from energy.alerts.evidence_texts import Said, noun
from energy.alerts.evidence_texts import amount as kept
from energy.alerts.rules import Action, Balance, QuantityAbove, QuantityBelow, Rule
from energy.alerts.subjects import Subject
from energy.community import Community
from energy.reasons import say

__all__ = [
    "amount",
    "asked",
    "cleared",
    "cleared_unknown",
    "crossed",
    "effect",
    "ended",
    "raised",
    "reason",
    "subject_name",
    "withheld",
]


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


def crossed(look: Look) -> Said:
    """The value passed the limit."""
    side = "above" if look.rule.limits.rising else "below"
    return Said(f"crossed_{side}", _about(look) | {"limit": _kept(look.rule, look.rule.limits.raise_at)})


def raised(look: Look) -> Said:
    """It stayed there."""
    side = "above" if look.rule.limits.rising else "below"
    limit = _kept(look.rule, look.rule.limits.raise_at)
    return Said(f"raised_{side}", _about(look) | {"limit": limit, "seconds": look.rule.for_s})


def cleared(look: Look) -> Said:
    """It came back."""
    side = "below" if look.rule.limits.rising else "above"
    return Said(f"cleared_{side}", _about(look) | {"limit": _kept(look.rule, look.rule.limits.clear_at)})


def cleared_unknown(look: Look) -> Said:
    """Nobody knows any more."""
    minutes = look.rule.unknown_clear_s / 60
    return Said("cleared_unknown", _about(look) | {"minutes": minutes, "silent": ", ".join(look.silent)})


def ended(device: str, look: Look) -> Said:
    """A lease was ended because the alert cleared, or because its value is unknown."""
    if look.value is not None:
        return Said("ended_cleared", {"device": device})
    silent = ", ".join(look.silent)
    return Said("ended_unknown", {"device": device, "noun": _key(look.rule), "silent": silent})


def withheld(rule: Rule, silent: Sequence[str]) -> str:
    """Why a lease ends although the alert stands."""
    return say("rule_unknown", noun=_noun(rule), silent=", ".join(silent) or "nobody")


def reason(look: Look) -> str:
    """Why a device is asked for something."""
    rule, side = look.rule, "above" if look.rule.limits.rising else "below"
    limit = amount(rule, rule.limits.raise_at)
    value = amount(rule, look.value)
    return say(f"rule_{side}", rule=rule.id, noun=_noun(rule), name=look.name, value=value, limit=limit)


def asked(action: Action) -> Said:
    """What a device is asked for."""
    return Said("asked", {"device": action.device, "settings": _settings(action.set), "seconds": action.ttl_s})


def effect(
    action: Action,
    look: Look,
    *,
    power_w: tuple[float | None, float | None],
    metric: tuple[float | None, float | None],
) -> Said:
    """What came of it: power of the device and the metric, each before and after."""
    before_w, after_w = (kept(watts, "W", 0) for watts in power_w)
    before, after = (_kept(look.rule, value) for value in metric)
    values = {"before": before_w, "after": after_w, "value_before": before, "value_after": after}
    return Said("effect", {"device": action.device, "noun": _key(look.rule), **values})


def _about(look: Look) -> dict[str, str | float | list[str | float | None]]:
    return {"noun": _key(look.rule), "name": look.name, "value": _kept(look.rule, look.value)}


def _kept(rule: Rule, value: float | None) -> list[str | float | None]:
    return kept(value, rule.unit, 0 if rule.unit in {"W", "s"} else 1)


def _noun(rule: Rule) -> str:
    return noun(_key(rule))


def _key(rule: Rule) -> str:
    """By which what it measures is called in each language; a quantity is called what it is."""
    if isinstance(rule, Balance):
        return rule.metric.removesuffix("_w")
    if isinstance(rule, QuantityAbove | QuantityBelow):
        return rule.quantity
    return rule.kind


def _settings(values: Mapping[str, float | str]) -> str:
    return ", ".join(
        f"{name} {value:,.10g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
