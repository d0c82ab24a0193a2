"""What an alert's own actions changed, so that it is not cleared by its own effect.

While a lease runs, the rule measures what would be without it. What a lease changed is how far the device's power is
from what it was when the lease began, as far as the lease explains it: never beyond the power that was set, never the
other way. A car that drove off or a battery that is full therefore counts for nothing.

The alert clears when what would be without its actions is beyond the clear value: then letting go raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from energy.alerts.facts import Facts
from energy.balance import CommunityBalance, community_balance
from energy.community import Site
from energy.names import device_id
from energy.quantities import Role

__all__ = ["Held", "grid_change_w", "own_changes", "without"]

_SOURCES = frozenset({Role.PV, Role.BATTERY})  # what they deliver, the grid need not


@dataclass(frozen=True, slots=True)
class Held:
    """A device under a lease of the alert: its power when the lease began and what was set, W in the device's sign."""

    device: str
    before_w: float
    set_w: float


def own_changes(held: Iterable[Held], facts: Facts) -> Mapping[str, float] | None:
    """By device, how many W more each takes (or delivers, PV and battery) now because of its lease.

    None when one of them does not say what it does: then nobody knows what would be without it.
    """
    changes: dict[str, float] = {}
    for lease in held:
        now_w = facts.power_w(lease.device)
        if now_w is None:
            return None
        wanted = lease.set_w - lease.before_w
        changes[lease.device] = min(max(now_w - lease.before_w, min(0.0, wanted)), max(0.0, wanted))
    return changes


def grid_change_w(site: Site, own: Mapping[str, float]) -> float:
    """By how many W the alert's own actions raised what `site` takes from the grid."""
    change = 0.0
    for device in site.devices:
        own_w = own.get(device_id(site.id, device.id), 0.0)
        change += -own_w if device.role in _SOURCES else own_w
    return change


def without(own: Mapping[str, float], facts: Facts) -> CommunityBalance | None:
    """The community's balance as it would be without the alert's own actions; None: unknown."""
    whole = facts.whole()
    if whole is None or not any(own.values()):
        return whole
    sites = []
    for site in facts.community.sites:
        flows, change_w = facts.sites[site.id], grid_change_w(site, own)
        sites.append(replace(flows, grid_w=None if flows.grid_w is None else flows.grid_w - change_w))
    return community_balance(facts.community, sites, facts.now)
