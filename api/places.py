"""Sites and devices as the API shows them: those of the configuration, and those that write without being in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from starlette.concurrency import run_in_threadpool

from api.problems import not_found
from api.rights import Scope, sees, touches
from energy.balance import STALE_INTERVALS
from energy.community import Community
from energy.names import device_id
from energy.quantities import Role
from runtime.clock import Clock
from storage.history import DeviceTags, History, Row

__all__ = ["PlaceState", "PlacedDevice", "PlacedSite", "Places", "Snapshot", "device_state", "site_state"]

PlaceState = Literal["ok", "stale", "unknown"]

_FRESH_S: Final = 2.0  # how long one look at the store serves every request
_DEFAULT_INTERVAL_S: Final = 10.0  # of devices that nobody has configured
_DEFAULT_TIMEZONE: Final = "Europe/Brussels"


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A device at its site. `registered` False: it writes, but stands in no configuration. `id`: `site/device`."""

    id: str
    role: Role | None
    name: str
    interval_s: float = _DEFAULT_INTERVAL_S
    rated_w: float | None = None
    capacity_wh: float | None = None
    registered: bool = False


@dataclass(frozen=True, slots=True)
class PlacedSite:
    """A site with its devices; of one that is not registered little more than its name is known."""

    id: str
    community: str
    name: str
    kind: str = "unknown"
    gateway: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    timezone: str = _DEFAULT_TIMEZONE
    registered: bool = False
    devices: tuple[PlacedDevice, ...] = ()

    def device(self, name: str) -> PlacedDevice | None:
        """The device of that id, or None."""
        return next((device for device in self.devices if device.id == name), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is and what it last said, at one look."""

    sites: Mapping[str, PlacedSite] = field(default_factory=dict)
    last: Mapping[str, Row] = field(default_factory=dict)


def device_state(device: PlacedDevice, last_t: int | None, now_ms: int) -> PlaceState:
    """stale: silent for three of its intervals; unknown: never heard of."""
    if last_t is None:
        return "unknown"
    return "stale" if now_ms - last_t > STALE_INTERVALS * device.interval_s * 1000 else "ok"


def site_state(site: PlacedSite, last: Mapping[str, Row], now_ms: int) -> PlaceState:
    """unknown: none of its devices was ever heard of; stale: at least one is silent."""
    states = {device_state(device, _t(last.get(device.id)), now_ms) for device in site.devices}
    if not states - {"unknown"}:
        return "unknown"
    return "ok" if states == {"ok"} else "stale"


class Places:
    """The register of places. A site's id is unique among all communities: device ids begin with it."""

    def __init__(self, communities: Sequence[Community], history: History, clock: Clock) -> None:
        self._communities = {community.id: community for community in communities}
        self._history = history
        self._clock = clock
        self._registered = {site.id: site for community in communities for site in _registered(community)}
        self._snapshot = Snapshot()
        self._loaded_at = float("-inf")
        self._lock = asyncio.Lock()

    def communities(self, scope: Scope) -> list[Community]:
        """The communities of which `scope` has at least a site."""
        return [community for name, community in self._communities.items() if touches(scope, name)]

    def community(self, name: str, scope: Scope = None) -> Community:
        """The community of that id, of which `scope` has at least a site. Raises Problem 404."""
        community = self._communities.get(name)
        if community is None or not touches(scope, name):
            raise not_found("community", name)
        return community

    def registered(self, site: str) -> PlacedSite | None:
        """The site as configured, without a look at the store."""
        return self._registered.get(site)

    async def look(self) -> Snapshot:
        """Everything, at most two seconds old. Raises StoreError."""
        async with self._lock:
            if self._clock.monotonic() - self._loaded_at > _FRESH_S:
                tags, last = await run_in_threadpool(lambda: (self._history.devices(), self._history.last()))
                self._snapshot = Snapshot(self._with_unregistered(tags), last)
                self._loaded_at = self._clock.monotonic()
        return self._snapshot

    async def site(self, name: str, scope: Scope) -> PlacedSite:
        """The site of that id within `scope`. Raises Problem 404."""
        site = (await self.look()).sites.get(name)
        if site is None or not sees(scope, site.community, site.id):
            raise not_found("site", name)
        return site

    def _with_unregistered(self, tags: Sequence[DeviceTags]) -> dict[str, PlacedSite]:
        sites = dict(self._registered)
        for tag in tags:
            community = self._communities.get(tag.community)
            site = sites.get(tag.site)
            if community is None or (site is not None and site.community != tag.community):
                continue  # not served here; or a name that is another community's
            site = site or PlacedSite(tag.site, tag.community, tag.site, timezone=community.timezone)
            if site.device(tag.device) is None:
                site = _joined_by(site, PlacedDevice(tag.device, tag.role, tag.device.partition("/")[2]))
            sites[tag.site] = site
        return sites


def _registered(community: Community) -> list[PlacedSite]:
    return [
        PlacedSite(
            id=site.id,
            community=community.id,
            name=site.name,
            kind=site.kind,
            gateway=site.gateway,
            latitude=site.latitude,
            longitude=site.longitude,
            timezone=community.timezone,
            registered=True,
            devices=tuple(
                PlacedDevice(
                    id=device_id(site.id, device.id),
                    role=device.role,
                    name=device.name or device.id,
                    interval_s=device.interval_s,
                    rated_w=device.rated_w,
                    capacity_wh=device.capacity_wh,
                    registered=True,
                )
                for device in site.devices
            ),
        )
        for site in community.sites
    ]


def _joined_by(site: PlacedSite, device: PlacedDevice) -> PlacedSite:
    return replace(site, devices=(*site.devices, device))


def _t(row: Row | None) -> int | None:
    return None if row is None else row.t
