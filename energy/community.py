"""Communities, sites and devices as configuration models: what exists, not what is measured."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.names import RESERVED_GATEWAYS, Slug, device_id
from energy.quantities import QUANTITIES, Role
from energy.sharing.key import SharingKey, unknown_points

__all__ = ["Action", "Community", "Device", "Rule", "Site"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Model):
    """One meter, inverter, battery or load of a site. Limits for control are the gateway's, not the centre's."""

    id: Slug
    role: Role
    name: str = ""
    interval_s: float = Field(
        default=10.0, gt=0, le=3600, description="expected time between readings; silent for three is stale"
    )
    rated_w: float | None = Field(default=None, gt=0, description="nameplate power, W")
    capacity_wh: float | None = Field(default=None, gt=0, description="usable energy of a battery, Wh")


class Site(_Model):
    """One building or roof behind one grid connection."""

    id: Slug
    name: str
    kind: str = Field(default="building", description="town_hall, school, depot, social_housing, pool, ...")
    gateway: Slug
    address: str = ""
    municipality: str = Field(default="", description="the building's owner; default: the community's municipality")
    floor_area_m2: float | None = Field(default=None, gt=0)
    opening_hours: str = Field(default="", description="as people read them: Mo-Fr 08:00-18:00")
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    devices: tuple[Device, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gateway in RESERVED_GATEWAYS:
            raise ValueError(f"no gateway may be called {self.gateway!r}: that topic level is the centre's")
        names = [device.id for device in self.devices]
        if len(names) != len(set(names)):
            raise ValueError(f"device ids must be unique within site {self.id!r}")
        return self


class Action(_Model):
    """What a firing rule asks of one device, as a lease renewed while the rule fires."""

    device: str = Field(description="site/device")
    set: dict[str, float | str] = Field(min_length=1)
    ttl_s: int = Field(default=60, ge=1, le=300)

    @model_validator(mode="after")
    def _known_quantities(self) -> Self:
        unknown = sorted(set(self.set) - set(QUANTITIES))
        if unknown:
            raise ValueError(f"unknown quantities {', '.join(unknown)}")
        return self


class Rule(_Model):
    """A watch over a community's live balance with separate raise and clear values and a duration."""

    id: Slug
    metric: Literal["surplus_w", "import_w"] = Field(
        description="surplus_w: injected and not shared now; import_w: withdrawn from outside the community now"
    )
    raise_above: float
    clear_below: float
    for_s: float = Field(default=60.0, ge=0)
    severity: Literal["info", "warning", "critical"] = "info"
    actions: tuple[Action, ...] = ()

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.clear_below > self.raise_above:
            raise ValueError("clear_below must not exceed raise_above, or the alert would flap")
        return self


class Community(_Model):
    """Sites that share electricity; the unit of live state and of sharding."""

    id: Slug
    name: str
    municipality: str = ""
    kind: Literal["same_building", "peer_to_peer", "cec", "cer", "cel"] | None = Field(
        default=None, description="its legal form: one building, peer to peer, citizen, renewable or local community"
    )
    region: Literal["brussels", "flanders", "wallonia"] = "brussels"
    grid_type: Literal["A", "B", "C", "D"] | None = Field(
        default=None, description="grid tariff of the shared part: that of the least local participant"
    )
    timezone: str = "Europe/Brussels"
    sites: tuple[Site, ...] = ()
    rules: tuple[Rule, ...] = ()
    sharing: SharingKey = Field(
        default_factory=lambda: SharingKey.model_validate({"rounds": "prorata"}),
        description="the key by which the sites share, its points are site ids; default: pro rata",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [site.id for site in self.sites]
        for field, point in unknown_points(self.sharing, names):
            raise ValueError(f"sharing.{field} names {point!r}, which is no site of community {self.id!r}")
        if len(names) != len(set(names)):
            raise ValueError(f"site ids must be unique within community {self.id!r}")
        known = {device_id(site.id, device.id) for site in self.sites for device in site.devices}
        for rule in self.rules:
            for action in rule.actions:
                if action.device not in known:
                    raise ValueError(
                        f"rule {rule.id!r} acts on {action.device!r}, which is no device of community {self.id!r}"
                    )
        return self

    def site(self, site_id: str) -> Site | None:
        """The site of that id, or None."""
        return next((site for site in self.sites if site.id == site_id), None)
