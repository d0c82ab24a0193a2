"""Device profiles: what a model's registers mean, as data. One YAML file per model in gateway/profiles, no code.

A point is one value of the device under its vendor's name; those with a `name` feed that quantity of the contract,
already in its unit and sign. Points that feed the same quantity add up (charge and discharge in two registers). A
SunSpec profile may also have points at fixed addresses: what the vendor put beside the standard's models.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from energy.errors import ConfigError, DataError
from energy.quantities import QUANTITIES, Kind, Role
from gateway.registers import Function, RegisterType, WordOrder, parse_type
from runtime.config import load_config

__all__ = [
    "BUILT_IN",
    "Control",
    "Direction",
    "Identity",
    "Library",
    "Pacing",
    "PhaseSwitch",
    "Point",
    "Profile",
    "SunSpec",
    "Transform",
    "Watchdog",
    "Write",
]

BUILT_IN: Final = Path(__file__).parent / "profiles"
_COMPUTED: Final = frozenset({"setpoint", "magnitude", "watchdog_s"})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Model):
    """One value of the device. Physical value = raw * sign * scale * 10^scale_factor."""

    point: str = Field(min_length=1, description="the vendor's name of it")
    name: str | None = Field(default=None, description="the quantity it feeds; none: only for probe and control")
    unit: str = ""
    address: int | None = Field(default=None, ge=0, le=65535, description="0-based address on the wire")
    models: tuple[int, ...] = Field(default=(), description="SunSpec models that hold it, the first found counts")
    offset: int | None = Field(default=None, ge=2, description="SunSpec: registers from the model's ID register")
    function: Function = "holding"
    type: str
    word_order: WordOrder | None = Field(default=None, description="where it differs from the profile's")
    scale: float = 1.0
    sign: Literal[1, -1] = 1
    scale_factor: int | None = Field(default=None, description="address (SunSpec: offset) of the s16 power of ten")
    invalid: tuple[int, ...] = Field(default=(), description="raw values that mean: no value")
    range: tuple[float, float] | None = Field(default=None, description="physical values outside are no values")
    states: dict[int, str] = Field(default_factory=dict, description="texts of raw values")
    single: bool = Field(default=False, description="the device takes it by function code 6 only")
    one_source: bool = Field(default=False, description="one source only tells it, in a profile of two")
    wears: bool = Field(default=False, description="kept in flash: written only when it reads differently, and counted")

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        try:
            parse_type(value)
        except DataError as error:
            raise ValueError(f"{error.message}; {error.hint}") from error
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name is not None and self.name not in QUANTITIES:
            raise ValueError(f"{self.point}: {self.name!r} is no quantity of the contract")
        if (self.address is None) == (self.offset is None) or bool(self.models) != (self.offset is not None):
            raise ValueError(f"{self.point}: give either `address`, or `models` and `offset`")
        if (self.function in {"coil", "discrete"}) != self.type.startswith("bits"):
            raise ValueError(f"{self.point}: coils and discrete inputs take bitsN, registers every other type")
        if self.scale == 0:
            raise ValueError(f"{self.point}: scale must not be 0")
        return self

    @property
    def register_type(self) -> RegisterType:
        """The parsed `type`."""
        return parse_type(self.type)

    @property
    def extent(self) -> int:
        """Registers from the first to the last of the value and its scale factor."""
        start = self.address if self.offset is None else self.offset
        assert start is not None
        factor = start if self.scale_factor is None else self.scale_factor
        return max(start + self.register_type.words, factor + 1) - min(start, factor)


class SunSpec(_Model):
    """Where the chain of models may begin and which models the device must have: one of each group."""

    base: tuple[int, ...] = (40000, 0, 50000)
    needs: tuple[tuple[int, ...], ...]
    occurrence: int = Field(default=1, ge=1, le=9, description="which of several devices on one map: their n-th model")


Direction = Literal["negative", "zero", "positive"]


class Write(_Model):
    """One step of a control: `value` is a number, `setpoint`, `magnitude` (the setpoint without its sign),
    `watchdog_s` or the name of a point to copy.
    """

    point: str
    value: float | str
    when: tuple[Direction, ...] = Field(default=(), description="only for setpoints of this sign; none: for all")
    verify: bool = Field(default=False, description="read it back; the control is done only when it holds")
    tolerance: float = Field(default=0.0, ge=0, description="of the read-back, in the point's unit")


class PhaseSwitch(_Model):
    """How a charger is switched between one phase and three: its point of phases takes 1 and 3, and 0 A is set first."""

    pause_s: float = Field(ge=0, le=3600, description="between two switchings, and after the gateway's start")
    least_a: float = Field(default=6.0, ge=6, le=32, description="below this on three phases it is switched to one")
    idle: str = Field(description="point of its power, W: it is switched when this shows that nothing flows any more")
    idle_below_w: float = Field(default=100.0, ge=0)
    idle_within_s: float = Field(default=10.0, gt=0, le=30)


class Transform(_Model):
    """How a setpoint in the quantity's unit becomes the register's value."""

    percent_of: tuple[str, ...] = Field(default=(), description="points of the nameplate, the first found counts")
    amperes_at_v: float | None = Field(default=None, gt=0, description="W to A per phase at this voltage")
    phases: int | str = Field(default=3, description="number of phases, or the point that tells it")
    least_a: float = Field(default=0.0, ge=0, description="a lower current is written as 0, which pauses")
    step_a: float = Field(default=0.0, ge=0, description="currents are rounded down to a multiple of it")
    switch: PhaseSwitch | None = Field(
        default=None, description="where it can be switched to one phase; `phases` is a point"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.switch is not None and (self.amperes_at_v is None or not isinstance(self.phases, str)):
            raise ValueError("switch goes with amperes_at_v, and phases must be the point that is switched")
        return self


class Watchdog(_Model):
    """The device's own timer that ends a setpoint nobody renews."""

    seconds: int = Field(gt=0, le=300)
    step_s: int = Field(default=1, ge=1, le=60, description="the timer counts in steps of this")
    remaining: str | None = Field(default=None, description="point that tells the seconds left")


class Control(_Model):
    """How one quantity is commanded, checked and made safe."""

    quantity: str
    description: str = ""
    low: float | None = None
    high: float | None = None
    transform: Transform | None = None
    apply: tuple[Write, ...] = Field(min_length=1)
    safe: tuple[Write, ...] = Field(min_length=1)
    safe_state: str = Field(description="the safe state in plain words")
    watchdog: Watchdog | None = None
    unattended: str = Field(
        default="",
        description="what stands when the gateway loses power; a configuration must accept it (`accept_no_watchdog`)",
    )
    confirm: dict[str, float] = Field(
        default_factory=dict, description="points that must read so while the setpoint counts"
    )
    readback_within_s: float = Field(default=2.0, gt=0, le=30)
    min_hold_s: float = Field(default=0.0, ge=0, description="a commanded value stands this long before another")
    min_switch_s: float = Field(default=0.0, ge=0, description="pause between leaving a value and the next command")


class Pacing(_Model):
    """The time a device needs from its bus; none: what the bus has anyway."""

    connect_delay_s: float = Field(default=0.0, ge=0, le=30, description="between connecting and the first request")
    request_gap_s: float = Field(default=0.0, ge=0, le=5, description="between its last answer and the next request")
    timeout_s: float = Field(default=0.0, ge=0, le=30, description="its slowest answer")


class Identity(_Model):
    """The points that tell which device it is."""

    model: str | None = None
    serial: str | None = None
    version: str | None = None


class Profile(_Model):
    """One model of device. `p1` meters send telegrams with their own names for everything: such a profile has no points."""

    profile: str
    manufacturer: str
    model: str
    role: Role
    description: str = ""
    source: tuple[str, ...] = Field(min_length=1)
    verified: Literal["two-sources", "one-source", "simulated"]
    protocol: Literal["modbus", "p1"] = "modbus"
    word_order: WordOrder = "big"
    word_order_from: str | None = Field(default=None, description="point whose states, little and big, tell the order")
    max_read: int = Field(default=125, ge=1, le=125)
    max_gap: int = Field(default=0, ge=0, le=124)
    pacing: Pacing = Pacing()
    sunspec: SunSpec | None = None
    identity: Identity = Identity()
    identified_by: dict[str, tuple[int | str, ...]] = Field(
        default_factory=dict,
        description="points that tell the model, with what they read: numbers, beginnings of texts",
    )
    points: tuple[Point, ...] = ()
    controls: tuple[Control, ...] = ()
    traps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.points) != (self.protocol == "modbus"):
            raise ValueError("a modbus profile has points, a p1 profile has none")
        names = [point.point for point in self.points]
        if len(names) != len(set(names)):
            raise ValueError("the points' own names must be unique")
        for point in self.points:
            if point.offset is not None and self.sunspec is None:
                raise ValueError(f"{point.point}: offsets are for SunSpec profiles, addresses for the others")
            if point.extent > self.max_read:
                raise ValueError(f"{point.point}: with its scale factor it exceeds max_read {self.max_read}")
        unknown = {*self.identified_by, *self.identity.model_dump(exclude_none=True).values()} - set(names)
        if unknown:
            raise ValueError(f"identity: unknown points {', '.join(sorted(unknown))}")
        if self.word_order_from is not None:
            self._check_word_order(self.word_order_from, names)
        quantities = [control.quantity for control in self.controls]
        if len(quantities) != len(set(quantities)):
            raise ValueError("one control per quantity")
        for control in self.controls:
            self._check_control(control, set(names))
        return self

    def _check_word_order(self, name: str, known: list[str]) -> None:
        point = self.point(name) if name in known else None
        if point is None or point.extent > 1 or set(point.states.values()) != {"little", "big"}:
            raise ValueError(f"word_order_from: {name} must be a point of one register with the states little and big")

    def _check_control(self, control: Control, known: set[str]) -> None:
        if control.quantity not in QUANTITIES:
            raise ValueError(f"control {control.quantity!r} is no quantity of the contract")
        used = {write.point for write in (*control.apply, *control.safe)}
        used |= {str(write.value) for write in (*control.apply, *control.safe) if isinstance(write.value, str)}
        used -= _COMPUTED
        if control.transform:
            used |= set(control.transform.percent_of)
            used |= {control.transform.phases} if isinstance(control.transform.phases, str) else set()
            used |= {control.transform.switch.idle} if control.transform.switch else set()
        used |= set(control.confirm)
        if control.watchdog and control.watchdog.remaining:
            used.add(control.watchdog.remaining)
        if used - known:
            raise ValueError(f"control {control.quantity}: unknown points {', '.join(sorted(used - known))}")
        if any(write.value in _COMPUTED or write.when for write in control.safe):
            raise ValueError(f"control {control.quantity}: a safe state has no setpoint and no watchdog")
        worn = [write.point for write in control.apply if write.value in _COMPUTED and self.point(write.point).wears]
        if worn:
            raise ValueError(f"control {control.quantity}: {worn[0]} wears flash and would be written at every change")

    def point(self, name: str) -> Point:
        """The point of that vendor's name."""
        return next(point for point in self.points if point.point == name)

    def control(self, quantity: str) -> Control | None:
        """The control of that quantity, or None."""
        return next((control for control in self.controls if control.quantity == quantity), None)

    def setpoint_texts(self, control: Control) -> dict[str, int]:
        """The texts a control of a text quantity takes, with their raw values; empty for numbers."""
        if QUANTITIES[control.quantity].kind is not Kind.TEXT:
            return {}
        commanded = next(write.point for write in control.apply if write.value == "setpoint")
        return {text: raw for raw, text in self.point(commanded).states.items()}


class Library:
    """Profiles by name, read when first asked for: those that come with the gateway, and a folder of one's own."""

    def __init__(self, extra: Path | None = None, *, built_in: Path = BUILT_IN) -> None:
        folders: Sequence[Path] = (built_in, extra) if extra else (built_in,)
        self._files = {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
        self._loaded: dict[str, Profile] = {}

    def names(self) -> list[str]:
        """Every profile's name, sorted."""
        return sorted(self._files)

    def get(self, name: str) -> Profile:
        """The profile of that name. Raises ConfigError when there is none or its file is wrong."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Profile:
        path = self._files.get(name)
        if path is None:
            close = difflib.get_close_matches(name, self._files, n=1)
            guess = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(self.names())}"
            raise ConfigError(f"unknown profile {name!r}", hint=guess)
        profile = load_config(path, Profile, env={})
        if profile.profile != name:
            raise ConfigError(
                f"is {profile.profile!r}, the file's name says {name!r}", file=str(path), line=1, field="profile"
            )
        return profile
