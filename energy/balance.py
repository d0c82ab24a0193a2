"""The live balance of a site and of a community, as a pure step from latest readings to flows.

    consumption = grid + pv + battery          (signs: energy/quantities.py)

An unknown part makes the sum unknown (None), never 0: a silent inverter is not an inverter that makes nothing.
Within a community, what some sites inject now and others withdraw now is shared: shared = min(injected, withdrawn).
That is the live picture; the legal allocation is made per quarter-hour from validated meter data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from energy.community import Community, Device, Site
from energy.names import device_id
from energy.quantities import Quality, Role, total, worst

__all__ = [
    "STALE_INTERVALS",
    "CommunityBalance",
    "DeviceNow",
    "Known",
    "Latest",
    "SiteBalance",
    "community_balance",
    "observe",
    "self_consumption",
    "self_sufficiency",
    "site_balance",
]

STALE_INTERVALS = 3  # one late or lost reading is life; three are silence


class Latest(Protocol):
    """The newest live reading of a device: `t` ms UTC, `values` by quantity."""

    @property
    def t(self) -> int: ...

    @property
    def values(self) -> Mapping[str, float | int | str]: ...


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """A device as seen at one instant. `power_w` and `soc_pct` are None when stale or never valid."""

    id: str
    role: Role
    t: int | None
    power_w: float | None
    soc_pct: float | None
    state: str | None
    stale: bool


@dataclass(frozen=True, slots=True)
class SiteBalance:
    """Flows of one site now, W; None: unknown. `stale`: its silent devices."""

    id: str
    community: str
    t: int
    pv_w: float | None
    grid_w: float | None
    battery_w: float | None
    consumption_w: float | None
    soc_pct: float | None
    self_sufficiency: float | None
    self_consumption: float | None
    quality: Quality
    stale: tuple[str, ...]
    devices: tuple[DeviceNow, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Sums over the sites where the quantity is known: a lower bound in words, never shown as the total."""

    pv_w: float
    grid_w: float
    battery_w: float
    consumption_w: float
    sites: int
    of: int


@dataclass(frozen=True, slots=True)
class CommunityBalance:
    """Flows of a community now, W; None: unknown because a site's is. `stale`: the sites with anything unknown."""

    id: str
    t: int
    pv_w: float | None
    grid_w: float | None
    battery_w: float | None
    consumption_w: float | None
    shared_w: float | None
    surplus_w: float | None
    import_w: float | None
    self_sufficiency: float | None
    self_consumption: float | None
    quality: Quality
    stale: tuple[str, ...]
    known: Known


def observe(site: Site, latest: Mapping[str, Latest], now_ms: int) -> tuple[DeviceNow, ...]:
    """The site's devices as their latest readings show them; one silent for three intervals is stale."""
    return tuple(
        _observe_one(site.id, device, latest.get(device_id(site.id, device.id)), now_ms) for device in site.devices
    )


def _observe_one(site_id: str, device: Device, reading: Latest | None, now_ms: int) -> DeviceNow:
    name = device_id(site_id, device.id)
    if reading is None:
        return DeviceNow(name, device.role, None, None, None, None, stale=True)
    stale = now_ms - reading.t > STALE_INTERVALS * device.interval_s * 1000
    state = reading.values.get("state")
    return DeviceNow(
        id=name,
        role=device.role,
        t=reading.t,
        power_w=None if stale else _number(reading.values.get("power_w")),
        soc_pct=None if stale else _number(reading.values.get("soc_pct")),
        state=state if isinstance(state, str) and not stale else None,
        stale=stale,
    )


def site_balance(site: Site, community: str, devices: tuple[DeviceNow, ...], now_ms: int) -> SiteBalance:
    """The balance of `site` from its devices as observed at `now_ms`."""
    grid_w = _role_power(devices, Role.GRID) if any(device.role is Role.GRID for device in devices) else None
    pv_w = _role_power(devices, Role.PV)
    battery_w = _role_power(devices, Role.BATTERY)
    consumption_w = total((grid_w, pv_w, battery_w))
    return SiteBalance(
        id=site.id,
        community=community,
        t=now_ms,
        pv_w=pv_w,
        grid_w=grid_w,
        battery_w=battery_w,
        consumption_w=consumption_w,
        soc_pct=_mean_soc(site, devices),
        self_sufficiency=self_sufficiency(consumption_w, None if grid_w is None else max(0.0, grid_w)),
        self_consumption=self_consumption(pv_w, None if grid_w is None else max(0.0, -grid_w)),
        quality=Quality.MISSING if consumption_w is None else Quality.MEASURED,
        stale=tuple(device.id for device in devices if device.stale),
        devices=devices,
    )


def community_balance(community: Community, sites: Sequence[SiteBalance], now_ms: int) -> CommunityBalance:
    """The balance of `community` from the balances of its sites."""
    pv_w = total(site.pv_w for site in sites)
    consumption_w = total(site.consumption_w for site in sites)
    injected = total(_opposite_part(site.grid_w) for site in sites)
    withdrawn = total(_positive_part(site.grid_w) for site in sites)
    shared = None if injected is None or withdrawn is None else min(injected, withdrawn)
    surplus = _difference(injected, shared)
    imported = _difference(withdrawn, shared)
    return CommunityBalance(
        id=community.id,
        t=now_ms,
        pv_w=pv_w,
        grid_w=total(site.grid_w for site in sites),
        battery_w=total(site.battery_w for site in sites),
        consumption_w=consumption_w,
        shared_w=shared,
        surplus_w=surplus,
        import_w=imported,
        self_sufficiency=self_sufficiency(consumption_w, imported),
        self_consumption=self_consumption(pv_w, surplus),
        quality=worst(*(site.quality for site in sites)),
        stale=tuple(site.id for site in sites if site.stale or site.quality is Quality.MISSING),
        known=_known(sites),
    )


def self_sufficiency(consumption: float | None, imported: float | None) -> float | None:
    """(consumption - import) / consumption, in power or energy; None when unknown or nothing is consumed."""
    if consumption is None or imported is None or consumption <= 0:
        return None
    return min(1.0, max(0.0, (consumption - imported) / consumption))


def self_consumption(pv: float | None, exported: float | None) -> float | None:
    """(pv - export) / pv, in power or energy; None when unknown or nothing is produced."""
    if pv is None or exported is None or pv <= 0:
        return None
    return min(1.0, max(0.0, (pv - exported) / pv))


def _known(sites: Sequence[SiteBalance]) -> Known:
    return Known(
        pv_w=sum(site.pv_w or 0.0 for site in sites),
        grid_w=sum(site.grid_w or 0.0 for site in sites),
        battery_w=sum(site.battery_w or 0.0 for site in sites),
        consumption_w=sum(site.consumption_w or 0.0 for site in sites),
        sites=sum(site.consumption_w is not None for site in sites),
        of=len(sites),
    )


def _role_power(devices: Iterable[DeviceNow], role: Role) -> float | None:
    return total(device.power_w for device in devices if device.role is role)


def _mean_soc(site: Site, devices: Sequence[DeviceNow]) -> float | None:
    """State of charge over all batteries, weighted by capacity where it is configured."""
    capacities = {device_id(site.id, device.id): device.capacity_wh or 1.0 for device in site.devices}
    batteries = [device for device in devices if device.role is Role.BATTERY]
    if not batteries or any(battery.soc_pct is None for battery in batteries):
        return None
    weight = sum(capacities.get(battery.id, 1.0) for battery in batteries)
    return sum((battery.soc_pct or 0.0) * capacities.get(battery.id, 1.0) for battery in batteries) / weight


def _difference(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def _positive_part(value: float | None) -> float | None:
    return None if value is None else max(0.0, value)


def _opposite_part(value: float | None) -> float | None:
    return None if value is None else max(0.0, -value)


def _number(value: float | str | None) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)
