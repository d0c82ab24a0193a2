"""What a configuration says about steering: which devices, within what, for what, and who comes first."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from energy.hours import LocalTime
from energy.names import Slug
from energy.quantities import Role
from energy.run_profile import Parts, parts_of

__all__ = ["PHASE_V", "USES", "BalancerSettings", "Steer", "Use"]

Use = Literal["heat_pump", "ev", "battery"]
USES: Final[tuple[Use, ...]] = ("heat_pump", "ev", "battery")
PHASE_V: Final = 230.0
_ONLY_FOR: Final[dict[str, frozenset[Role]]] = {
    "soc_min_pct": frozenset({Role.BATTERY}),
    "soc_max_pct": frozenset({Role.BATTERY}),
    "round_trip_efficiency": frozenset({Role.BATTERY}),
    "wear_eur_kwh": frozenset({Role.BATTERY}),
    "charge": frozenset({Role.EV}),
    "ready_by": frozenset({Role.EV}),
    "energy_wh": frozenset({Role.EV}),
    "least_a": frozenset({Role.EV}),
    "one_phase": frozenset({Role.EV}),
    "dim_from": frozenset({Role.LIGHTING}),
    "dim_until": frozenset({Role.LIGHTING}),
    "dim_pct": frozenset({Role.LIGHTING}),
    "on_below_deg": frozenset({Role.LIGHTING}),
    "switch": frozenset({Role.LIGHTING}),
    "dim_contact": frozenset({Role.LIGHTING}),
    "run": frozenset({Role.LOAD}),
    "wired": frozenset({Role.EV, Role.BATTERY, Role.HEAT_PUMP, Role.LOAD, Role.PV}),
}
_STEERED: Final = frozenset({Role.BATTERY, Role.EV, Role.HEAT_PUMP, Role.LIGHTING, Role.LOAD, Role.PV})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Steer(_Model):
    """How one device may be steered. Its gateway checks every command against limits of its own as well."""

    low_w: float | None = Field(default=None, description="lowest setpoint; default: a battery's -rated_w, else 0")
    high_w: float | None = Field(default=None, ge=0, description="highest setpoint; default: rated_w")
    wired: tuple[Annotated[int, Field(ge=1, le=3)], ...] = Field(
        default=(1, 2, 3), min_length=1, max_length=3, description="the grid phases it stands on, its own L1 first"
    )
    soc_min_pct: float = Field(default=10.0, ge=0, le=100, description="not discharged below")
    soc_max_pct: float = Field(default=95.0, ge=0, le=100, description="not charged above")
    round_trip_efficiency: float = Field(default=0.9, gt=0, le=1)
    wear_eur_kwh: float = Field(default=0.0, ge=0, le=10, description="what a kWh taken out of the cells wears off")
    charge: Literal["at_once", "surplus", "by_deadline", "by_price"] = Field(
        default="at_once",
        description="at_once: all that is left; surplus: solar surplus only; by_deadline: surplus, and what `ready_by` needs; "
        "by_price: surplus, and what `ready_by` needs in the hours that the plan finds cheapest",
    )
    ready_by: LocalTime | None = Field(default=None, description="local time at which cars are to be ready")
    energy_wh: float = Field(default=20_000, gt=0, le=500_000, description="what a car is taken to want, Wh")
    least_a: float = Field(default=6.0, ge=6, le=32, description="below this a car does not charge (IEC 61851)")
    one_phase: bool = Field(
        default=False, description="its gateway switches it to one phase when less than three can use is left"
    )
    dim_from: LocalTime = Field(default=time(22), description="local time from which lamps are dimmed")
    dim_until: LocalTime = Field(default=time(6), description="until then")
    dim_pct: float = Field(default=100.0, gt=0, le=100, description="how bright dimmed lamps are, % of full light")
    on_below_deg: float = Field(default=-3.0, ge=-18, le=5, description="lamps are on while the sun is lower than this")
    switch: bool = Field(default=False, description="lamps on a contact: on or off")
    dim_contact: bool = Field(default=False, description="a second contact dims lamps that a first one switches")
    run: str | None = Field(
        default=None,
        description="what a machine draws in one run: minutes@watts, one after the other, as 15@2000 45@150",
    )

    @field_validator("run")
    @classmethod
    def _profile(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                parts_of(text)
            except ValueError as error:
                raise ValueError(f"{error}; write minutes@watts, one after the other: 15@2000 45@150") from None
        return text

    @property
    def parts(self) -> Parts:
        """What a machine draws in one run."""
        return parts_of(self.run or "")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.soc_min_pct >= self.soc_max_pct:
            raise ValueError("soc_min_pct must be below soc_max_pct")
        if len(set(self.wired)) != len(self.wired):
            raise ValueError("wired names a phase twice")
        if self.charge in {"by_deadline", "by_price"} and self.ready_by is None:
            raise ValueError(f"charge: {self.charge} needs ready_by, a local time")
        if self.dim_contact and not self.switch:
            raise ValueError("dim_contact goes with switch")
        if self.switch and self.dim_pct < 100 and not self.dim_contact:
            raise ValueError("lamps on one contact cannot be dimmed: leave out dim_pct, or switch, or say dim_contact")
        return self

    def check_role(self, role: Role, *, rated_w: float | None, capacity_wh: float | None) -> None:
        """Raises ValueError when a device of that role cannot be steered so."""
        if role not in _STEERED:
            raise ValueError(f"a {role} cannot be steered; {', '.join(sorted(_STEERED))} can")
        for field in self.model_fields_set:
            if role not in _ONLY_FOR.get(field, _STEERED):
                raise ValueError(f"steer.{field} is for {', '.join(sorted(_ONLY_FOR[field]))}, not for a {role}")
        if role is Role.LOAD and self.run is None:
            raise ValueError("a steered load is a machine that runs once when somebody wants it: give steer.run")
        if role is Role.LOAD:
            return
        if rated_w is None and (self.high_w is None or role is Role.HEAT_PUMP):
            raise ValueError("a steered device needs rated_w")
        if role is Role.BATTERY and capacity_wh is None:
            raise ValueError("a steered battery needs capacity_wh")
        low, high = self.bounds(role, rated_w)
        if low > 0 or (role is not Role.BATTERY and low < 0):
            raise ValueError("steer.low_w is at most 0 for a battery and 0 for everything else")
        if high <= 0 and role is not Role.BATTERY:
            raise ValueError("steer.high_w must be above 0")

    def bounds(self, role: Role, rated_w: float | None) -> tuple[float, float]:
        """Lowest and highest setpoint, W in the device's own sign."""
        rated = rated_w or 0.0
        low = (-rated if role is Role.BATTERY else 0.0) if self.low_w is None else self.low_w
        return low, rated if self.high_w is None else self.high_w


class BalancerSettings(_Model):
    """How a community is steered. Devices without `steer` are never commanded, with or without this."""

    on: bool = Field(default=True, description="off: nothing is steered continuously; rules still act")
    cycle_s: float = Field(default=2.0, ge=1, le=60, description="time between two looks")
    ttl_s: int = Field(default=60, ge=10, le=300, description="life of a lease; it is renewed at half of it")
    settle_s: float = Field(
        default=3.0, ge=0, le=60, description="readings from before the last change and this after are not judged"
    )
    margin_pct: float = Field(
        default=10.0, ge=0, le=50, description="of fuse and connection that stays free for what nobody steers"
    )
    priority: tuple[Use, ...] = Field(
        default=USES, description="who gets first what is left and is cut last; each of heat_pump, ev, battery once"
    )
    outranks: tuple[Slug, ...] = Field(
        default=(), description="rules whose leases give way to the balancer; those of all others take its devices"
    )

    @field_validator("priority")
    @classmethod
    def _each_once(cls, order: tuple[Any, ...]) -> tuple[Any, ...]:
        if sorted(order) != sorted(USES):
            raise ValueError(f"priority names each of {', '.join(USES)} once")
        return order
