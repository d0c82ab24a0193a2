"""What rules look at: everything known about one community at one moment, live and never historical."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from energy.alerts.windows import Stretch, Windows
from energy.balance import STALE_INTERVALS, CommunityBalance, SiteBalance
from energy.community import Community, Device, Site
from energy.names import device_id

__all__ = ["Facts", "GatewayNow", "HostNow", "Seen", "Setpoint"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest reading of a device. `live`: heard since the start, not read from the store."""

    t: int
    values: Mapping[str, float | int | str]
    live: bool


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """What a gateway said last: whether it is there, since when (ms UTC), since when its oldest batch waits, and when its
    certificate ends.
    """

    online: bool
    since: int
    waiting_since: int | None = None
    certificate_until: int | None = None


@dataclass(frozen=True, slots=True)
class Setpoint:
    """The power a lease set and the gateway applied, since when (ms UTC)."""

    power_w: float
    since: int


@dataclass(frozen=True, slots=True)
class HostNow:
    """The machine of the centre; None: not known, or there is none."""

    certificate_days: float | None = None
    disk_free_pct: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """One community now. `started`: since when everything is heard without a break (ms UTC).

    `connected`: the broker is there. `reopened`: closed months that late readings contradict; None: not known. `nights`: W usually used, by site, begin and end of the night. `memo`: what was worked out for this moment once.
    """

    now: int
    started: int
    connected: bool
    community: Community
    balance: CommunityBalance
    sites: Mapping[str, SiteBalance] = field(default_factory=dict)
    devices: Mapping[str, Seen] = field(default_factory=dict)
    gateways: Mapping[str, GatewayNow] = field(default_factory=dict)
    setpoints: Mapping[str, Setpoint] = field(default_factory=dict)
    leased: frozenset[str] = frozenset()
    windows: Windows = field(default_factory=Windows)
    host: HostNow = HostNow()
    reopened: int | None = None
    nights: Mapping[tuple[str, time, time], float] = field(default_factory=dict)
    memo: dict[Hashable, Any] = field(default_factory=dict)

    def flows(self, site: Site) -> SiteBalance | None:
        """What flows at a site now; None while any of its devices was not heard since the start."""
        names = (device_id(site.id, device.id) for device in site.devices)
        historical = any((seen := self.devices.get(name)) is not None and not seen.live for name in names)
        return None if historical else self.sites.get(site.id)

    def whole(self) -> CommunityBalance | None:
        """What flows in the community now; None while any device of it was not heard since the start."""
        return None if any(self.flows(site) is None for site in self.community.sites) else self.balance

    def remember(self) -> None:
        """Keeps what each site consumes now for the rules that look back at it."""
        for site in self.community.sites:
            flows = self.flows(site)
            if flows is not None and flows.consumption_w is not None:
                self.windows.add(site.id, self.now, {"consumption_w": flows.consumption_w})

    def values(self, site: Site, device: Device) -> Mapping[str, float | int | str]:
        """What a device says now; nothing when it is silent, or what is known of it is not live."""
        seen = self.devices.get(device_id(site.id, device.id))
        if seen is None or not seen.live or self.now - seen.t > STALE_INTERVALS * device.interval_s * 1000:
            return {}
        return seen.values

    def power_w(self, name: str) -> float | None:
        """The power of the device called `site/device` now."""
        site = self.community.site(name.partition("/")[0])
        for device in site.devices if site is not None else ():
            if site is not None and device_id(site.id, device.id) == name:
                return self.number(site, device, "power_w")
        return None

    def number(self, site: Site, device: Device, quantity: str) -> float | None:
        """One quantity now."""
        value = self.values(site, device).get(quantity)
        return float(value) if isinstance(value, int | float) else None

    def stretch(self, key: str, quantity: str, span_s: float, interval_s: float) -> Stretch | None:
        """What a quantity did for `span_s`, None with any gap that is longer than three intervals."""
        asked = (key, quantity, span_s)
        if asked not in self.memo:  # several rules look at the same ten minutes
            self.memo[asked] = self.windows.last(key, quantity, span_s, self.now)
        found: Stretch | None = self.memo[asked]
        return None if found is None or found.longest_gap_s > STALE_INTERVALS * interval_s else found
