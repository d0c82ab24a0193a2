"""Communities, sites and devices as the register keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy.orm import Mapped

from energy.names import Slug
from storage.register.facts import Fact, FactRow, Facts

__all__ = ["COMMUNITIES", "DEVICES", "SITES", "CommunityFact", "DeviceFact", "SiteFact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityFact(Fact):
    """A group that shares electricity. `grid_type`: the least local of its participants (BRUGEL decision 210)."""

    name: str
    kind: Literal["same_building", "peer_to_peer", "cec", "cer", "cel"] | None = None
    region: Literal["brussels", "flanders", "wallonia"] = "brussels"
    grid_type: Literal["A", "B", "C", "D"] | None = None
    municipality: str = ""
    timezone: str = "Europe/Brussels"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFact(Fact):
    """A building or roof. `municipality`: its owner."""

    community: Slug
    name: str
    kind: str = "building"
    gateway: Slug | None = None
    address: str = ""
    municipality: str = ""
    floor_area_m2: float | None = None
    opening_hours: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact(Fact):
    """A meter, inverter, battery or load. `id` is `site/device`, as on the wire."""

    id: str
    site: Slug
    role: str
    name: str = ""
    interval_s: float = 10.0
    rated_w: float | None = None
    capacity_wh: float | None = None


class CommunityRow(FactRow):
    """See CommunityFact."""

    __tablename__ = "community"

    name: Mapped[str]
    kind: Mapped[str | None]
    region: Mapped[str]
    grid_type: Mapped[str | None]
    municipality: Mapped[str]
    timezone: Mapped[str]


class SiteRow(FactRow):
    """See SiteFact."""

    __tablename__ = "site"

    community: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    gateway: Mapped[str | None]
    address: Mapped[str]
    municipality: Mapped[str]
    floor_area_m2: Mapped[float | None]
    opening_hours: Mapped[str]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]


class DeviceRow(FactRow):
    """See DeviceFact."""

    __tablename__ = "device"

    site: Mapped[str]
    role: Mapped[str]
    name: Mapped[str]
    interval_s: Mapped[float]
    rated_w: Mapped[float | None]
    capacity_wh: Mapped[float | None]


COMMUNITIES: Final = Facts("community", CommunityFact, CommunityRow)
SITES: Final = Facts("site", SiteFact, SiteRow)
DEVICES: Final = Facts("device", DeviceFact, DeviceRow)
