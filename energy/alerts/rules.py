"""The kinds of rule that there are, as a tagged union: `kind` names one, each has its own settings beside the common ones.

pydantic checks them where they are read; inside they are frozen dataclasses.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from energy.alerts.states import Limits
from energy.hours import LocalTime
from energy.languages import Language
from energy.names import Slug
from energy.quantities import QUANTITIES, Kind

__all__ = [
    "Action",
    "Balance",
    "BatteryNotFollowing",
    "CertificateEnding",
    "ConnectionLoad",
    "DeviceSilent",
    "DiskEnding",
    "FuseLoad",
    "GatewayCertificate",
    "GatewayOffline",
    "MeterMismatch",
    "MonthReopened",
    "NightFlow",
    "OutboxWaiting",
    "PhaseMissing",
    "PvShortfall",
    "QuantityAbove",
    "QuantityBelow",
    "QuarterPeak",
    "QuietLoad",
    "Rule",
    "Scope",
    "Severity",
    "SubjectKind",
    "Texts",
    "VoltageHigh",
    "VoltageLow",
]

Severity = Literal["info", "warning", "critical"]
SubjectKind = Literal["community", "site", "device", "gateway"]
_STRICT: Final = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Action:
    """What a raised alert asks of one device, as a lease renewed while it stands."""

    device: Annotated[str, Field(description="site/device")]
    set: Annotated[dict[str, float | str], Field(min_length=1)]
    ttl_s: Annotated[int, Field(ge=1, le=300)] = 60

    def __post_init__(self) -> None:
        unknown = sorted(set(self.set) - set(QUANTITIES))
        if unknown:
            raise ValueError(f"unknown quantities {', '.join(unknown)}")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Scope:
    """What of a community a rule watches; nothing named: everything it can."""

    sites: tuple[Slug, ...] = ()
    devices: Annotated[tuple[str, ...], Field(description="site/device")] = ()


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Texts:
    """What people read in one language: what it is, what it means, what to do."""

    title: str
    means: str
    do: str


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Rule:
    subject: ClassVar[SubjectKind]
    _unit: ClassVar[str] = ""

    id: Slug
    severity: Severity = "warning"
    for_s: Annotated[float, Field(ge=0, description="how long it must hold before anybody is told")] = 60.0
    clear_for_s: Annotated[float, Field(ge=0, description="how long it must be over before it clears")] = 0.0
    unknown_clear_s: Annotated[
        float, Field(gt=0, description="a standing alert of which nothing is known any more clears after this")
    ] = 3600.0
    scope: Scope = Scope()
    notify: Annotated[tuple[Slug, ...] | None, Field(description="channels; default: all that take this severity")] = (
        None
    )
    actions: tuple[Action, ...] = ()
    texts: Annotated[dict[Language, Texts], Field(description="instead of the library's")] = Field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Of what is measured."""
        return self._unit

    @property
    def limits(self) -> Limits:
        """The two values with their direction, and the durations."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Above(_Rule):
    raise_above: float
    clear_below: float

    def __post_init__(self) -> None:
        if self.clear_below > self.raise_above:
            raise ValueError("clear_below must not exceed raise_above, or the alert would flap")

    @property
    def limits(self) -> Limits:
        return Limits(
            self.raise_above,
            self.clear_below,
            rising=True,
            for_s=self.for_s,
            clear_for_s=self.clear_for_s,
            unknown_clear_s=self.unknown_clear_s,
        )


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _Below(_Rule):
    raise_below: float
    clear_above: float

    def __post_init__(self) -> None:
        if self.clear_above < self.raise_below:
            raise ValueError("clear_above must not be less than raise_below, or the alert would flap")

    @property
    def limits(self) -> Limits:
        return Limits(
            self.raise_below,
            self.clear_above,
            rising=False,
            for_s=self.for_s,
            clear_for_s=self.clear_for_s,
            unknown_clear_s=self.unknown_clear_s,
        )


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Balance(_Above):
    """The community's live balance: what is injected and not shared now, or withdrawn from outside now."""

    subject: ClassVar[SubjectKind] = "community"
    _unit: ClassVar[str] = "W"

    kind: Literal["balance"] = "balance"
    metric: Annotated[
        Literal["surplus_w", "import_w"],
        Field(description="surplus_w: injected and not shared now; import_w: withdrawn from outside the community now"),
    ]
    severity: Severity = "info"
    unknown_clear_s: Annotated[float, Field(gt=0)] = 120.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class DeviceSilent(_Above):
    """Seconds without a live reading beyond the device's interval; not counted while its gateway is offline."""

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "s"

    kind: Literal["device_silent"] = "device_silent"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GatewayOffline(_Above):
    """Seconds since a gateway said, or its last will said for it, that it is not there."""

    subject: ClassVar[SubjectKind] = "gateway"
    _unit: ClassVar[str] = "s"

    kind: Literal["gateway_offline"] = "gateway_offline"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class OutboxWaiting(_Above):
    """Age of the oldest batch that waits at the edge, s."""

    subject: ClassVar[SubjectKind] = "gateway"
    _unit: ClassVar[str] = "s"

    kind: Literal["outbox_waiting"] = "outbox_waiting"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PvShortfall(_Above):
    """How much less than expected an inverter makes over a quarter of an hour, %.

    Expected is what the neighbours make of their nameplate power (median), and not more than a measured irradiance
    allows. Only while the sun stands high enough, and not while a lease may curtail it.
    """

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "%"

    kind: Literal["pv_shortfall"] = "pv_shortfall"
    min_neighbours: Annotated[int, Field(ge=1)] = 2
    min_sun_deg: Annotated[float, Field(ge=0, le=45)] = 10.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PhaseMissing(_Above):
    """How many phases have no voltage, or on a producing inverter no current, while the others do."""

    subject: ClassVar[SubjectKind] = "device"

    kind: Literal["phase_missing"] = "phase_missing"
    raise_above: float = 0.5
    clear_below: float = 0.5


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VoltageHigh(_Above):
    """The highest phase's rms voltage over ten minutes, V (EN 50160 averages so): grid meters and inverters."""

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "V"

    kind: Literal["voltage_high"] = "voltage_high"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VoltageLow(_Below):
    """The lowest phase's rms voltage over ten minutes, V."""

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "V"

    kind: Literal["voltage_low"] = "voltage_low"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class FuseLoad(_Above):
    """The fullest phase's current, % of the site's `fuse_a`."""

    subject: ClassVar[SubjectKind] = "site"
    _unit: ClassVar[str] = "%"

    kind: Literal["fuse_load"] = "fuse_load"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ConnectionLoad(_Above):
    """The grid connection's power, % of the site's `import_limit_w` or `export_limit_w`, whichever is nearer."""

    subject: ClassVar[SubjectKind] = "site"
    _unit: ClassVar[str] = "%"

    kind: Literal["connection_load"] = "connection_load"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class QuarterPeak(_Above):
    """What the running quarter-hour will have drawn on average if nothing changes, % of the peak to keep.

    That is the site's `peak_limit_w`; else this month's peak so far, and `floor_w` at least.
    """

    subject: ClassVar[SubjectKind] = "site"
    _unit: ClassVar[str] = "%"

    kind: Literal["quarter_peak"] = "quarter_peak"
    floor_w: Annotated[float, Field(gt=0)] = 2500.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class QuietLoad(_Above):
    """Consumption over half an hour while the building should be quiet; 0 at other times.

    `when` night: between `begin` and `end` local time; closed: outside the site's opening hours. `per` m2: W per m² of
    floor area, and sites without one are not watched; site: W; usual: % above the median of the last 14 nights.
    """

    subject: ClassVar[SubjectKind] = "site"

    kind: Literal["quiet_load"] = "quiet_load"
    when: Literal["night", "closed"]
    per: Literal["m2", "site", "usual"] = "m2"
    begin: LocalTime = dt.time(1)
    end: LocalTime = dt.time(5)
    margin_s: Annotated[float, Field(ge=0, le=14_400, description="after closing and before opening, s")] = 3600.0

    @property
    def unit(self) -> str:
        """W, W/m² or %."""
        return {"m2": "W/m²", "site": "W", "usual": "%"}[self.per]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class NightFlow(_Above):
    """Water or gas that runs for two hours of the night, litres an hour; 0 outside the night."""

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "l/h"

    kind: Literal["night_flow"] = "night_flow"
    quantity: Literal["water_m3", "gas_m3"]
    begin: LocalTime = dt.time(0)
    end: LocalTime = dt.time(5)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class BatteryNotFollowing(_Above):
    """How far a battery is from the power a lease set, % of that power; 0 without a lease."""

    subject: ClassVar[SubjectKind] = "device"
    _unit: ClassVar[str] = "%"

    kind: Literal["battery_not_following"] = "battery_not_following"
    settle_s: Annotated[float, Field(ge=0, description="time it has to follow, s")] = 30.0
    full_pct: Annotated[float, Field(ge=0, le=100, description="from here it need not charge")] = 95.0
    empty_pct: Annotated[float, Field(ge=0, le=100, description="up to here it need not discharge")] = 10.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class MeterMismatch(_Above):
    """What sub-meters measure above the site's consumption over 15 minutes, % of it; `complete`: less is a mismatch too."""

    subject: ClassVar[SubjectKind] = "site"
    _unit: ClassVar[str] = "%"

    kind: Literal["meter_mismatch"] = "meter_mismatch"
    complete: bool = False


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class CertificateEnding(_Below):
    """Days until the first of the collector's own certificates ends."""

    subject: ClassVar[SubjectKind] = "community"
    _unit: ClassVar[str] = "d"

    kind: Literal["certificate_ending"] = "certificate_ending"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GatewayCertificate(_Below):
    """Days until the certificate with which a gateway shows who it is ends."""

    subject: ClassVar[SubjectKind] = "gateway"
    _unit: ClassVar[str] = "d"

    kind: Literal["gateway_certificate"] = "gateway_certificate"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class DiskEnding(_Below):
    """What is free on the fullest disk the collector writes, %."""

    subject: ClassVar[SubjectKind] = "community"
    _unit: ClassVar[str] = "%"

    kind: Literal["disk_ending"] = "disk_ending"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class MonthReopened(_Above):
    """How many closed months of the community late readings contradict."""

    subject: ClassVar[SubjectKind] = "community"

    kind: Literal["month_reopened"] = "month_reopened"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class _OfQuantity:
    quantity: str

    def check_quantity(self) -> None:
        """Raises ValueError for what is no number."""
        known = QUANTITIES.get(self.quantity)
        if known is None or known.kind is Kind.TEXT:
            raise ValueError(f"{self.quantity!r} is no quantity that has a number")

    @property
    def unit(self) -> str:
        """That of the quantity."""
        return QUANTITIES[self.quantity].unit


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class QuantityAbove(_OfQuantity, _Above):
    """Any quantity of a device as it was last read."""

    subject: ClassVar[SubjectKind] = "device"

    kind: Literal["quantity_above"] = "quantity_above"

    def __post_init__(self) -> None:
        self.check_quantity()
        super().__post_init__()


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class QuantityBelow(_OfQuantity, _Below):
    """Any quantity of a device as it was last read, watched downwards."""

    subject: ClassVar[SubjectKind] = "device"

    kind: Literal["quantity_below"] = "quantity_below"

    def __post_init__(self) -> None:
        self.check_quantity()
        super().__post_init__()


Rule = Annotated[
    Balance
    | DeviceSilent
    | GatewayOffline
    | OutboxWaiting
    | PvShortfall
    | PhaseMissing
    | VoltageHigh
    | VoltageLow
    | FuseLoad
    | ConnectionLoad
    | QuarterPeak
    | QuietLoad
    | NightFlow
    | BatteryNotFollowing
    | MeterMismatch
    | CertificateEnding
    | GatewayCertificate
    | DiskEnding
    | MonthReopened
    | QuantityAbove
    | QuantityBelow,
    Field(discriminator="kind"),
]
"""One rule of any kind."""
