"""Who is there and who is not: silent devices, gateways offline, readings that wait at the edge."""

from __future__ import annotations

from typing import Final

from energy.alerts.facts import Facts
from energy.alerts.rules import DeviceSilent, GatewayOffline
from energy.alerts.subjects import Subject
from energy.community import Device, Site
from energy.names import device_id

__all__ = ["certificate_days", "offline_s", "silent_s", "waiting_s"]

_DAY_MS: Final = 86_400_000


def silent_s(rule: DeviceSilent, site: Site, device: Device, facts: Facts) -> float | None:
    """Seconds without a live reading beyond the device's interval.

    Unknown while the gateway is offline, which is another alert, and after a start or a lost connection until the rule's time has passed.
    """
    gateway = facts.gateways.get(site.gateway)
    if gateway is not None and not gateway.online:
        return None
    seen = facts.devices.get(device_id(site.id, device.id))
    if seen is not None and seen.live and seen.t >= facts.started:
        return max(0.0, (facts.now - seen.t) / 1000 - device.interval_s)
    silent = (facts.now - facts.started) / 1000 - device.interval_s
    return silent if silent > rule.raise_above else None


def offline_s(rule: GatewayOffline, subject: Subject, facts: Facts) -> float | None:
    """Seconds since the gateway said that it goes, or its last will did. One that never says how it is counts as
    there while its devices are heard.
    """
    gateway = facts.gateways.get(subject.id)
    if gateway is not None:
        if gateway.online:
            return 0.0
        return max(rule.clear_below, (facts.now - gateway.since) / 1000)  # offline is never calm, however short
    heard = [
        seen.t
        for site in facts.community.sites
        if site.gateway == subject.id
        for device in site.devices
        if (seen := facts.devices.get(device_id(site.id, device.id))) is not None and seen.t >= facts.started
    ]
    if heard:
        return max(0.0, (facts.now - max(heard)) / 1000 - _longest_interval_s(subject, facts))
    silent = (facts.now - facts.started) / 1000
    return silent if silent > rule.raise_above else None


def waiting_s(subject: Subject, facts: Facts) -> float | None:
    """Age of the oldest batch at the gateway; unknown while it is offline."""
    gateway = facts.gateways.get(subject.id)
    if gateway is None or not gateway.online:
        return None
    return 0.0 if gateway.waiting_since is None else max(0.0, (facts.now - gateway.waiting_since) / 1000)


def certificate_days(subject: Subject, facts: Facts) -> float | None:
    """Days until its certificate ends, as it said when it was last there; unknown of one that has none or does not tell."""
    gateway = facts.gateways.get(subject.id)
    if gateway is None or gateway.certificate_until is None:
        return None
    return (gateway.certificate_until - facts.now) / _DAY_MS


def _longest_interval_s(subject: Subject, facts: Facts) -> float:
    sites = [site for site in facts.community.sites if site.gateway == subject.id]
    return max((device.interval_s for site in sites for device in site.devices), default=0.0)
