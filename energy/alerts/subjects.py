"""What each rule watches: its subjects in a community, and the past it needs of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from energy.alerts.rules import (
    Action,
    BatteryNotFollowing,
    ConnectionLoad,
    FuseLoad,
    MeterMismatch,
    NightFlow,
    PvShortfall,
    QuarterPeak,
    QuietLoad,
    Rule,
    SubjectKind,
    VoltageHigh,
    VoltageLow,
)
from energy.alerts.windows import Windows
from energy.community import Community, Device, Site
from energy.names import device_id
from energy.quantities import Role

__all__ = [
    "NIGHT_FLOW_S",
    "QUIET_S",
    "SOLAR_S",
    "VOLTAGE_S",
    "Subject",
    "actions_of",
    "sub_meters",
    "subjects",
    "want_windows",
]

VOLTAGE_S: Final = 600.0  # EN 50160: ten-minute mean rms values
SOLAR_S: Final = 900.0  # clouds pass
QUIET_S: Final = 1800.0
NIGHT_FLOW_S: Final = 7200.0
_AT_THE_GRID: Final = frozenset({Role.GRID, Role.PV})
_SUB_METERS: Final = frozenset({Role.EV, Role.HEAT_PUMP, Role.LIGHTING, Role.LOAD})


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing a rule watches. `id`: the community's, site's or gateway's, or site/device."""

    kind: SubjectKind
    id: str
    site: Site | None = None
    device: Device | None = None


def subjects(rule: Rule, community: Community) -> list[Subject]:
    """Everything `rule` watches: what its scope names and what has the facts it needs."""
    match rule.subject:
        case "community":
            return [Subject("community", community.id)]
        case "gateway":
            wanted = {site.gateway: site for site in reversed(_sites(rule, community))}
            return [Subject("gateway", gateway, site) for gateway, site in sorted(wanted.items())]
        case "site":
            return [Subject("site", site.id, site) for site in _sites(rule, community) if _fits_site(rule, site)]
        case _:
            return [
                Subject("device", device_id(site.id, device.id), site, device)
                for site, device in _devices(rule, community)
                if _fits_device(rule, device)
            ]


def actions_of(rule: Rule, subject: Subject) -> tuple[Action, ...]:
    """The actions an alert on `subject` asks for: those at its own site."""
    return tuple(
        action for action in rule.actions if subject.site is None or action.device.partition("/")[0] == subject.site.id
    )


def want_windows(rule: Rule, community: Community, windows: Windows) -> None:
    """Tells `windows` what of the past the rule needs."""
    for key, quantity, span_s in _wanted(rule, community):
        windows.want(key, quantity, span_s)


def sub_meters(site: Site) -> list[Device]:
    """The devices of a site that measure a part of its consumption."""
    return [device for device in site.devices if device.role in _SUB_METERS]


def _wanted(rule: Rule, community: Community) -> Iterator[tuple[str, str, float]]:
    if isinstance(rule, PvShortfall):
        for site in community.sites:
            for device in site.devices:
                if device.role is Role.PV:
                    yield device_id(site.id, device.id), "power_w", SOLAR_S
                yield device_id(site.id, device.id), "irradiance_wm2", SOLAR_S
    for subject in subjects(rule, community):
        match rule:
            case VoltageHigh() | VoltageLow():
                for phase in (1, 2, 3):
                    yield subject.id, f"voltage_l{phase}_v", VOLTAGE_S
            case QuietLoad():
                yield subject.id, "consumption_w", QUIET_S
            case NightFlow():
                yield subject.id, rule.quantity, NIGHT_FLOW_S
            case MeterMismatch():
                yield subject.id, "consumption_w", SOLAR_S
                for device in sub_meters(subject.site) if subject.site else ():
                    yield device_id(subject.id, device.id), "power_w", SOLAR_S
            case _:
                pass


def _sites(rule: Rule, community: Community) -> list[Site]:
    named = set(rule.scope.sites)
    whole = not named and not rule.scope.devices
    of_devices = {name.partition("/")[0] for name in rule.scope.devices}
    return [site for site in community.sites if whole or site.id in named or site.id in of_devices]


def _devices(rule: Rule, community: Community) -> Iterator[tuple[Site, Device]]:
    for site in _sites(rule, community):
        for device in site.devices:
            if (
                site.id in rule.scope.sites
                or not rule.scope.devices
                or (device_id(site.id, device.id) in rule.scope.devices)
            ):
                yield site, device


def _fits_site(rule: Rule, site: Site) -> bool:
    match rule:
        case FuseLoad():
            return site.fuse_a is not None
        case ConnectionLoad():
            return site.import_limit_w is not None or site.export_limit_w is not None
        case QuietLoad():
            hours = rule.when == "night" or bool(site.opening_hours)
            return hours and (rule.per != "m2" or site.floor_area_m2 is not None)
        case QuarterPeak():
            return any(device.role is Role.GRID for device in site.devices)
        case _:
            return True


def _fits_device(rule: Rule, device: Device) -> bool:
    match rule:
        case PvShortfall():
            return device.role is Role.PV and device.rated_w is not None
        case VoltageHigh() | VoltageLow():  # the same network reaches the others; named ones are watched all the same
            return device.role in _AT_THE_GRID or bool(rule.scope.devices)
        case BatteryNotFollowing():
            return device.role is Role.BATTERY
        case _:
            return True
