"""What is told to people about alerts and commands: one plain sentence each, with the numbers that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from energy.community import Action, Community, Rule

__all__ = ["asked", "cleared", "cleared_unknown", "crossed", "effect", "raised", "reason", "watts", "withheld"]

_METRICS: Final = {"surplus_w": "surplus", "import_w": "import"}


def watts(value: float | None) -> str:
    """A power as people write it; `unknown` when it is."""
    return "unknown" if value is None else f"{value:,.0f} W"


def crossed(rule: Rule, community: Community, value: float | None) -> str:
    """The value passed the limit."""
    return f"the {_metric(rule)} of {community.name} rose to {watts(value)}, above {watts(rule.raise_above)}"


def raised(rule: Rule, community: Community, value: float | None) -> str:
    """It stayed there."""
    return f"the {_metric(rule)} of {community.name} stayed above {watts(rule.raise_above)} for {rule.for_s:g} s: {watts(value)} now"


def cleared(rule: Rule, community: Community, value: float | None) -> str:
    """It came back."""
    return f"the {_metric(rule)} of {community.name} fell to {watts(value)}, below {watts(rule.clear_below)}"


def cleared_unknown(rule: Rule, community: Community, silent: Sequence[str]) -> str:
    """Nobody knows any more."""
    return f"the {_metric(rule)} of {community.name} has been unknown for two minutes; silent: {_names(silent)}"


def withheld(rule: Rule, silent: Sequence[str]) -> str:
    """Why a lease ends although the alert stands."""
    return f"the {_metric(rule)} is unknown, so nothing is steered by it; silent: {_names(silent)}"


def reason(rule: Rule, community: Community, value: float | None) -> str:
    """Why a device is asked for something."""
    return f"rule {rule.id}: the {_metric(rule)} of {community.name} is {watts(value)}, raised above {watts(rule.raise_above)}"


def asked(action: Action) -> str:
    """What a device is asked for."""
    return f"{action.device} was asked for {_settings(action.set)} for {action.ttl_s} s, renewed while the alert stands"


def effect(
    action: Action, rule: Rule, *, power_w: tuple[float | None, float | None], metric: tuple[float | None, float | None]
) -> str:
    """What came of it: power of the device and the metric, each before and after."""
    return (
        f"{action.device} went from {watts(power_w[0])} to {watts(power_w[1])}, "
        f"the {_metric(rule)} from {watts(metric[0])} to {watts(metric[1])}"
    )


def _metric(rule: Rule) -> str:
    return _METRICS[rule.metric]


def _settings(values: Mapping[str, float | str]) -> str:
    return ", ".join(
        f"{name} {value:,.10g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"
