"""What an inverter should make: as much of its nameplate power as its neighbours do, under a sun that is up."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from energy.alerts.facts import Facts
from energy.alerts.rules import PvShortfall
from energy.alerts.subjects import SOLAR_S
from energy.community import Device, Site
from energy.names import device_id
from energy.plausibility import sun_elevation_deg
from energy.quantities import Role

__all__ = ["shortfall_pct"]

_LEAST_SHARE: Final = 0.05  # under thick clouds inverters differ too much to be compared
_PERFORMANCE: Final = 0.8  # of nameplate power under 1 kW/m2, losses and heat taken off
_STANDARD_WM2: Final = 1000.0


def shortfall_pct(rule: PvShortfall, site: Site, device: Device, facts: Facts) -> float | None:
    """How much less than expected it made in the last quarter of an hour, %; None when nothing can be expected."""
    name = device_id(site.id, device.id)
    share = _share(site, device, facts)
    if share is None or name in facts.leased or not _sun_is_up(rule, site, facts):
        return None
    expected = _expected_share(rule, name, facts)
    if expected is None or expected < _LEAST_SHARE:
        return None
    return max(0.0, 100.0 * (1.0 - share / expected))


def _expected_share(rule: PvShortfall, name: str, facts: Facts) -> float | None:
    """Of the nameplate power: the neighbours' median, and not more than a measured irradiance allows."""
    shares = [
        share
        for site, device in _inverters(facts)
        if device_id(site.id, device.id) != name and device_id(site.id, device.id) not in facts.leased
        if (share := _share(site, device, facts)) is not None
    ]
    bounds = [median(shares)] if len(shares) >= rule.min_neighbours else []
    sun = [_irradiance_share(site, device, facts) for site in facts.community.sites for device in site.devices]
    known = [share for share in sun if share is not None]
    if known:
        bounds.append(median(known))
    return min(bounds, default=None)


def _inverters(facts: Facts) -> Iterator[tuple[Site, Device]]:
    for site in facts.community.sites:
        for device in site.devices:
            if device.role is Role.PV:
                yield site, device


def _share(site: Site, device: Device, facts: Facts) -> float | None:
    if device.rated_w is None or not facts.values(site, device):
        return None
    stretch = facts.stretch(device_id(site.id, device.id), "power_w", SOLAR_S, device.interval_s)
    return None if stretch is None else stretch.mean / device.rated_w


def _irradiance_share(site: Site, device: Device, facts: Facts) -> float | None:
    stretch = facts.stretch(device_id(site.id, device.id), "irradiance_wm2", SOLAR_S, device.interval_s)
    return None if stretch is None else max(0.0, stretch.mean) / _STANDARD_WM2 * _PERFORMANCE


def _sun_is_up(rule: PvShortfall, site: Site, facts: Facts) -> bool:
    """Where the place is not known, what the neighbours make has to tell."""
    if site.latitude is None or site.longitude is None:
        return True
    return sun_elevation_deg(facts.now, site.latitude, site.longitude) >= rule.min_sun_deg
