"""Which device belongs to which community, site, gateway and role; and what to do with devices nobody registered.

A registered site's devices are taken from that site's gateway only. A site in no configuration is taken from the
first gateway that writes it, under the community of its topic: it is stored and shown, and never part of a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from energy.alerts.rules import Rule
from energy.community import Community, Device, Site
from energy.errors import ConfigError, DataError
from energy.names import device_id
from energy.quantities import Role
from storage.history import DeviceTags

__all__ = ["Directory", "Place"]

_NONE: Final[Mapping[str, DeviceTags]] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """A site and the community it is in."""

    community: Community
    site: Site


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose a site is: its community and gateway; `gateway` None until the first one writes it."""

    community: str
    gateway: str | None


class Directory:
    """Places devices. Raises ConfigError where two communities have the same site, or one two rules of a name."""

    def __init__(self, communities: Sequence[Community], *, max_unregistered: int = 1000) -> None:
        self.communities = {community.id: community for community in communities}
        self.places: dict[str, Place] = {}
        self.configured: dict[str, Device] = {}
        self.unregistered: dict[str, dict[str, DeviceTags]] = {}
        self._owners: dict[str, _Owner] = {}
        self._tags: dict[str, DeviceTags] = {}
        self._placed: dict[tuple[str, str], dict[str, DeviceTags]] = {}
        self._max_unregistered = max_unregistered
        self._unregistered_count = 0
        for community in communities:
            _refuse_duplicate_rules(community.rules, community.id)
            for site in community.sites:
                self._register(community, site)

    def remember(self, known: Iterable[DeviceTags]) -> None:
        """Takes up what the store has seen before."""
        for tags in known:
            owner = self._owners.setdefault(tags.site, _Owner(tags.community, None))
            ours = owner.community == tags.community and tags.community in self.communities
            if ours and tags.device not in self._tags:
                self._keep(tags)

    def place(self, community: str, gateway: str, device: str) -> DeviceTags:
        """Where `device`, sent by `gateway` in `community`, belongs. Raises DataError when it may not send it."""
        site = device.partition("/")[0]
        owner = self._owners.get(site) or _Owner(community, None)
        if owner.community != community or owner.gateway not in {None, gateway}:
            raise DataError(
                f"site {site!r} belongs to another gateway than {community}/{gateway}",
                field="device",
                hint="correct `gateway` of the site in the configuration, or the device names at the gateway",
            )
        tags = self._tags.get(device) or self._add(community, site, device)
        if owner.gateway is None:
            self._owners[site] = _Owner(community, gateway)
        self._placed.setdefault((community, gateway), {})[device] = tags
        return tags

    def placed(self, community: str, gateway: str) -> Mapping[str, DeviceTags]:
        """Devices that `place` has given to this gateway: what is placed once stays so."""
        return self._placed.get((community, gateway), _NONE)

    def knows(self, device: str) -> bool:
        """Whether `device` is one of ours, registered or not."""
        return device in self._tags

    def gateway(self, device: str) -> tuple[str, str] | None:
        """(community, gateway) that reaches `device`, None when nobody is known to."""
        owner = self._owners.get(device.partition("/")[0])
        return (owner.community, owner.gateway) if owner and owner.gateway else None

    def devices_of(self, site: str) -> list[DeviceTags]:
        """The devices whose energy counts for `site`: the configured ones, or all that wrote where none are."""
        place = self.places.get(site)
        if place is not None:
            return [self._tags[device_id(site, device.id)] for device in place.site.devices]
        return list(self.unregistered.get(site, {}).values())

    def extras_of(self, site: str) -> list[DeviceTags]:
        """Devices that wrote for a registered site and stand in no configuration."""
        return list(self.unregistered.get(site, {}).values()) if site in self.places else []

    def community_of(self, site: str) -> str | None:
        """The community a site is in."""
        owner = self._owners.get(site)
        return owner.community if owner else None

    def sites(self) -> list[str]:
        """Every site of a community of ours that is configured or has written."""
        return sorted({*self.places, *self.unregistered})

    def timezone_of(self, site: str) -> str | None:
        """The time zone of a site's days; None when it is in no community of ours."""
        community = self.communities.get(self.community_of(site) or "")
        return community.timezone if community else None

    def _register(self, community: Community, site: Site) -> None:
        if site.id in self.places:
            raise ConfigError(
                f"site {site.id!r} is in {self.places[site.id].community.id!r} and in {community.id!r}",
                field="communities",
                hint="a site is in one community and its id is unique: rename one",
            )
        self.places[site.id] = Place(community, site)
        self._owners[site.id] = _Owner(community.id, site.gateway)
        for device in site.devices:
            name = device_id(site.id, device.id)
            self.configured[name] = device
            self._tags[name] = DeviceTags(community.id, site.id, name, device.role)

    def _add(self, community: str, site: str, device: str) -> DeviceTags:
        if self._unregistered_count >= self._max_unregistered:
            raise DataError(
                f"{device!r} is in no configuration, and {self._max_unregistered} such devices are known already",
                field="device",
                hint="register the site, or raise `max_unregistered_devices`",
            )
        tags = DeviceTags(community, site, device, Role.from_device_name(device.partition("/")[2]))
        self._keep(tags)
        return tags

    def _keep(self, tags: DeviceTags) -> None:
        self._tags[tags.device] = tags
        self.unregistered.setdefault(tags.site, {})[tags.device] = tags
        self._unregistered_count += 1


def _refuse_duplicate_rules(rules: Sequence[Rule], community: str) -> None:
    names = [rule.id for rule in rules]
    if len(names) != len(set(names)):
        raise ConfigError(
            f"two rules of community {community!r} have the same id", field="rules", hint="rename one of them"
        )
