"""What each kind of rule measures: one number from the facts, None when it is unknown.

`own`: what the alert's own actions change, by device, which is taken out (energy/alerts/effects.py); None: unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from energy.alerts import presence, quiet, solar, supply
from energy.alerts.effects import without
from energy.alerts.facts import Facts
from energy.alerts.rules import (
    Balance,
    BatteryNotFollowing,
    CertificateEnding,
    ConnectionLoad,
    DeviceSilent,
    DiskEnding,
    FuseLoad,
    GatewayCertificate,
    GatewayOffline,
    MeterMismatch,
    MonthReopened,
    NightFlow,
    OutboxWaiting,
    PhaseMissing,
    PvShortfall,
    QuantityAbove,
    QuantityBelow,
    QuarterPeak,
    QuietLoad,
    Rule,
    VoltageHigh,
    VoltageLow,
)
from energy.alerts.subjects import Subject
from energy.balance import CommunityBalance
from energy.community import Device, Site

__all__ = ["measure"]

_NOTHING: Final[Mapping[str, float]] = {}
_ACTED_ON: Final = (Balance, FuseLoad, ConnectionLoad, QuarterPeak)  # what a device's power moves


def measure(rule: Rule, subject: Subject, facts: Facts, own: Mapping[str, float] | None = _NOTHING) -> float | None:
    """The number that `rule` watches on `subject`. Without the broker nothing is known, but what this machine and the register know."""
    if isinstance(rule, CertificateEnding | DiskEnding | MonthReopened):
        return _of_centre(rule, facts)
    if not facts.connected or (own is None and isinstance(rule, _ACTED_ON)):
        return None
    own = own or _NOTHING
    if subject.site is None:
        return _balance_w(rule, without(own, facts)) if isinstance(rule, Balance) else None
    if subject.device is None:
        return _of_place(rule, subject, subject.site, facts, own)
    return _of_device(rule, subject.site, subject.device, facts)


def _of_centre(rule: CertificateEnding | DiskEnding | MonthReopened, facts: Facts) -> float | None:
    match rule:
        case CertificateEnding():
            return facts.host.certificate_days
        case DiskEnding():
            return facts.host.disk_free_pct
        case MonthReopened():
            return facts.reopened


def _balance_w(rule: Balance, balance: CommunityBalance | None) -> float | None:
    if balance is None:
        return None
    return balance.surplus_w if rule.metric == "surplus_w" else balance.import_w


def _of_place(rule: Rule, subject: Subject, site: Site, facts: Facts, own: Mapping[str, float]) -> float | None:
    value = None
    match rule:
        case GatewayOffline():
            value = presence.offline_s(rule, subject, facts)
        case GatewayCertificate():
            value = presence.certificate_days(subject, facts)
        case OutboxWaiting():
            value = presence.waiting_s(subject, facts)
        case FuseLoad():
            value = supply.fuse_pct(site, facts, own)
        case ConnectionLoad():
            value = supply.connection_pct(site, facts, own)
        case QuarterPeak():
            value = supply.quarter_peak_pct(rule, site, facts, own)
        case QuietLoad():
            value = quiet.quiet_load(rule, site, facts)
        case MeterMismatch():
            value = quiet.mismatch_pct(rule, site, facts)
    return value


def _of_device(rule: Rule, site: Site, device: Device, facts: Facts) -> float | None:
    value = None
    match rule:
        case DeviceSilent():
            value = presence.silent_s(rule, site, device, facts)
        case PvShortfall():
            value = solar.shortfall_pct(rule, site, device, facts)
        case PhaseMissing():
            value = supply.phases_missing(site, device, facts)
        case VoltageHigh():
            value = supply.voltage_rms(site, device, facts, max)
        case VoltageLow():
            value = supply.voltage_rms(site, device, facts, min)
        case NightFlow():
            value = quiet.night_flow(rule, site, device, facts)
        case BatteryNotFollowing():
            value = supply.astray_pct(rule, site, device, facts)
        case QuantityAbove() | QuantityBelow():
            value = facts.number(site, device, rule.quantity)
    return value
