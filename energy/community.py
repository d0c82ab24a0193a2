"""Communities, sites and devices as configuration models: what exists, not what is measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from energy.alerts.library import expand
from energy.alerts.rules import QuietLoad, Rule
from energy.balancing.settings import BalancerSettings, Steer
from energy.buildings.days import Carrier
from energy.buildings.index import IndexMeter
from energy.hours import OpeningHours
from energy.names import RESERVED_GATEWAYS, Slug, device_id
from energy.quantities import Role
from energy.quarters import known_timezone
from energy.sharing.key import SharingKey, unknown_points
from energy.tariff import Tariff
from energy.weather_feed import FeedSettings

__all__ = ["Community", "Device", "Site"]


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
    steer: Steer | None = Field(default=None, description="how the balancer may steer it; without: never")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steer is not None:
            self.steer.check_role(self.role, rated_w=self.rated_w, capacity_wh=self.capacity_wh)
        return self

    @property
    def wants(self) -> Literal["car", "run"] | None:
        """What a person may say that is heeded: what the car at it wants, or one run of it; None: nothing."""
        if self.steer is None:
            return None
        if self.role is Role.EV:
            return "car" if self.steer.charge in {"by_deadline", "by_price"} else None
        return "run" if self.role is Role.LOAD else None


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
    fuse_a: float | None = Field(default=None, gt=0, description="main fuse, A per phase")
    import_limit_w: float | None = Field(default=None, gt=0, description="what the connection or contract allows, W")
    export_limit_w: float | None = Field(default=None, gt=0, description="what may be injected, W")
    peak_limit_w: float | None = Field(default=None, gt=0, description="mean of a quarter-hour that is to be kept, W")
    devices: tuple[Device, ...] = ()
    supplies: tuple[Carrier, ...] | None = Field(
        default=None, description="all that the building is supplied with; without it sums over carriers stay unknown"
    )
    meters: tuple[IndexMeter, ...] = Field(default=(), description="meters that a person reads")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gateway in RESERVED_GATEWAYS:
            raise ValueError(f"no gateway may be called {self.gateway!r}: that topic level is the centre's")
        names = [device.id for device in self.devices]
        if len(names) != len(set(names)):
            raise ValueError(f"device ids must be unique within site {self.id!r}")
        meters = [meter.id for meter in self.meters]
        if len(meters) != len(set(meters)):
            raise ValueError(f"ids of meters read by hand must be unique within site {self.id!r}")
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
    timezone: Annotated[str, AfterValidator(known_timezone)] = "Europe/Brussels"
    sites: tuple[Site, ...] = ()
    rules: tuple[Rule, ...] = Field(
        default=(), description="alerts: a ready rule's name, `{use: name, ...}` to change one, or a whole rule"
    )
    balancer: BalancerSettings = BalancerSettings()
    tariff: Tariff = Field(default=Tariff(), description="what energy costs, for the planner")
    weather: FeedSettings | None = Field(
        default=None, description="a feed of radiation and temperature; none: none is asked"
    )
    sharing: SharingKey = Field(
        default_factory=lambda: SharingKey.model_validate({"rounds": "prorata"}),
        description="the key by which the sites share, its points are site ids; default: pro rata",
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _ready_rules(cls, entries: Any) -> Any:
        return [expand(entry) for entry in entries] if isinstance(entries, list | tuple) else entries

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [site.id for site in self.sites]
        self.tariff.sharing.check_type(self.grid_type)
        if self.sharing.coefficients != "constant":
            raise ValueError(
                f"sharing.coefficients: {self.sharing.coefficients} is for `commonwatt settle`, which takes their file"
            )
        if self.sharing.interval != "15min":
            raise ValueError("sharing.interval: a community's own meters are shared by the quarter-hour: leave it out")
        for field, point in unknown_points(self.sharing, names):
            raise ValueError(f"sharing.{field} names {point!r}, which is no site of community {self.id!r}")
        if len(names) != len(set(names)):
            raise ValueError(f"site ids must be unique within community {self.id!r}")
        for rule in self.rules:
            self._check_rule(rule)
        unknown = sorted(set(self.balancer.outranks) - {rule.id for rule in self.rules})
        if unknown:
            raise ValueError(f"balancer.outranks names {', '.join(unknown)}, which is no rule of community {self.id!r}")
        return self

    def _check_rule(self, rule: Rule) -> None:
        sites = {site.id for site in self.sites}
        devices = {device_id(site.id, device.id) for site in self.sites for device in site.devices}
        for field, named, known in (
            ("acts on", [action.device for action in rule.actions], devices),
            ("watches", rule.scope.devices, devices),
            ("watches", rule.scope.sites, sites),
        ):
            for name in named:
                if name not in known:
                    what = "device" if known is devices else "site"
                    raise ValueError(f"rule {rule.id!r} {field} {name!r}, which is no {what} of community {self.id!r}")
        if isinstance(rule, QuietLoad) and rule.when == "closed":
            for site in self.sites:
                if site.opening_hours:
                    OpeningHours.parse(site.opening_hours)

    @property
    def middle(self) -> tuple[float, float] | None:
        """Latitude and longitude of the middle of the sites whose place is known."""
        places = [(site.latitude, site.longitude) for site in self.sites]
        known = [(lat, lon) for lat, lon in places if lat is not None and lon is not None]
        if not known:
            return None
        return sum(lat for lat, _ in known) / len(known), sum(lon for _, lon in known) / len(known)

    def site(self, site_id: str) -> Site | None:
        """The site of that id, or None."""
        return next((site for site in self.sites if site.id == site_id), None)
