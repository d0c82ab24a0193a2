"""The gateway's configuration: who it is, its buses, its devices and the hard limits of what may be commanded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)

from energy.errors import ConfigError
from energy.fallback import BLOCKED, Limits
from energy.names import RESERVED_GATEWAYS, Slug
from energy.quantities import QUANTITIES, Kind, Role
from gateway.home_assistant import HomeAssistantConfig
from gateway.modbus import parse_bus_url
from gateway.profile import Control, Library, Profile
from messaging.connection import MqttSettings
from runtime.config import several, with_also

__all__ = ["BusConfig", "DeviceConfig", "FallbackConfig", "GatewayConfig", "Limit", "UplinkConfig", "device_role"]

DeviceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}/[a-z0-9][a-z0-9_-]{0,62}$")]


_SOC_SPAN_PCT: Final = 10.0  # less leaves a battery nothing to do between its bounds
_INTERVAL_MAX_S: Final = 20.0  # three missed readings are as old as energy.fallback still acts upon


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_url(url: str) -> str:
    try:
        parse_bus_url(url)
    except ConfigError as error:
        raise ValueError(f"{error.message}; {error.hint}") from error
    return url


class Limit(_Model):
    """What may be commanded of one quantity: a range for numbers, a list for states."""

    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        numeric = self.low is not None and self.high is not None
        if numeric == bool(self.allowed):
            raise ValueError("give either low and high, or allowed states")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low must not exceed high")
        return self


class DeviceConfig(_Model):
    """One device on a bus. Only what has limits can be commanded."""

    device: DeviceName = Field(description="site/device")
    profile: str
    unit: int = Field(default=1, ge=0, le=255)
    interval_s: float = Field(default=10.0, ge=0.1, le=3600)
    request_gap_s: float | None = Field(
        default=None, ge=0, le=5, description="silence before it is asked again; else what its profile needs"
    )
    limits: dict[str, Limit] = Field(default_factory=dict, description="by quantity; none: the device is only read")
    accept_no_watchdog: bool = Field(
        default=False,
        description="command it although the device has no timer: without power here, the last setpoint stands",
    )
    safe_state: dict[str, float | str] = Field(
        default_factory=dict, description="instead of the profile's safe state, a value held without a lease"
    )
    switch_phases: bool = Field(
        default=False, description="a charger on three phases: too little for them is drawn from one instead"
    )

    @property
    def site(self) -> str:
        """The site it stands at."""
        return self.device.partition("/")[0]


class BusConfig(_Model):
    """One connection with the devices behind it."""

    id: Slug
    url: Annotated[str, AfterValidator(_check_url)]
    timeout_s: float | None = Field(
        default=None, gt=0, le=30, description="else 1 s, or what the devices' profiles need"
    )
    connect_delay_s: float | None = Field(
        default=None, ge=0, le=30, description="between connecting and the first request; else what the profiles need"
    )
    request_gap_s: float = Field(default=0.0, ge=0, le=5, description="silence between any two requests")
    devices: tuple[DeviceConfig, ...] = Field(min_length=1)


class UplinkConfig(_Model):
    """How the outbox is drained."""

    window: int = Field(default=256, ge=1, le=1000, description="batches of the backlog on their way, unconfirmed")
    resend_after_s: float = Field(default=10.0, gt=0, le=300)
    status_interval_s: float = Field(default=30.0, gt=0, le=600)


class FallbackConfig(_Model):
    """What every site of this gateway does while the centre is silent (docs/edge.md)."""

    rule: Literal["none", "self_consumption"] = "none"
    after_s: float = Field(default=60.0, ge=1, le=3600, description="without any message from the centre")
    fuse_a: float | None = Field(default=None, gt=0, le=10_000, description="per phase of the grid connection")
    import_limit_w: float | None = Field(default=None, ge=0)
    soc_min_pct: float = Field(default=10.0, ge=0, le=100)
    soc_max_pct: float = Field(default=95.0, ge=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.soc_max_pct - self.soc_min_pct < _SOC_SPAN_PCT:
            raise ValueError(f"soc_max_pct must be at least {_SOC_SPAN_PCT:g} above soc_min_pct")
        return self

    @property
    def limits(self) -> Limits:
        """As the rule takes them."""
        return Limits(self.fuse_a, self.import_limit_w, self.soc_min_pct, self.soc_max_pct)


class GatewayConfig(_Model):
    """Everything a gateway needs."""

    gateway: Slug
    community: Slug
    data_dir: Path
    mqtt: MqttSettings = MqttSettings()
    commit_interval_s: float = Field(default=1.0, gt=0, le=60)
    outbox_limit_mb: float = Field(
        default=256.0, ge=1, description="the oldest batches are dropped beyond, and counted"
    )
    uplink: UplinkConfig = UplinkConfig()
    fallback: FallbackConfig = FallbackConfig()
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()
    profiles_dir: Path | None = Field(default=None, description="folder of additional device profiles")
    buses: tuple[BusConfig, ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all(cls, content: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """What `_check` would find is not looked for while a field is wrong; profiles that do not exist are told anyway."""
        try:
            return handler(content)
        except ValidationError as error:
            if not any(problem["loc"] for problem in error.errors(include_url=False)):
                raise  # `_check` has looked at everything
            raise with_also(error, _unknown_profiles(content)) from error

    @model_validator(mode="after")
    def _check(self) -> Self:
        library = Library(self.profiles_dir)
        problems = [*_problems(self, library)]
        if self.fallback.rule != "none" and not problems:
            try:
                _check_fallback(self, library)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise several(problems)
        return self


def _unknown_profiles(content: Any) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """The devices of an unchecked configuration whose profile there is not; nothing where it has another shape."""
    if not isinstance(content, dict) or not isinstance(content.get("buses"), list):
        return
    folder = content.get("profiles_dir")
    library = Library(Path(folder) if isinstance(folder, str) else None)
    for at, bus in enumerate(content["buses"]):
        devices = bus.get("devices") if isinstance(bus, dict) else None
        for number, device in enumerate(devices if isinstance(devices, list) else ()):
            name = device.get("profile") if isinstance(device, dict) else None
            if not isinstance(name, str):
                continue
            try:
                library.get(name)
            except ConfigError as error:
                yield ("buses", at, "devices", number, "profile"), f"{error.message}; {error.hint}", name


def _problems(config: GatewayConfig, library: Library) -> Iterator[str]:
    """What is wrong with the whole, each beginning with what it is about."""
    if config.gateway in RESERVED_GATEWAYS:
        yield f"{config.gateway}: no gateway may be called so: that topic level is the centre's"
    devices = [device for bus in config.buses for device in bus.devices]
    yield from _repeats("bus", [bus.id for bus in config.buses])
    yield from _repeats("bus url", [bus.url for bus in config.buses])
    yield from _repeats("device", [device.device for device in devices])
    for bus in config.buses:
        try:
            _check_protocol(bus, library)
        except (ValueError, ConfigError) as error:
            yield f"{bus.url}: {getattr(error, 'message', error)}"
        yield from _twins(bus)
    for device in devices:
        try:
            _check_limits(device, library.get(device.profile))
        except ConfigError as error:
            yield f"{device.device}: {error.message}" + (f"; {error.hint}" if error.hint else "")


def _repeats(what: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: this {what} stands more than once; one connection carries all its devices"


def _twins(bus: BusConfig) -> Iterator[str]:
    """Two devices may share a unit (an inverter and its battery), but not unit and profile."""
    seen: dict[tuple[int, str], str] = {}
    for device in bus.devices:
        first = seen.setdefault((device.unit, device.profile), device.device)
        if first != device.device:
            yield f"{device.device}: unit {device.unit} with profile {device.profile} is {first} already"


def _check_protocol(bus: BusConfig, library: Library) -> None:
    """Raises ValueError when a P1 meter is on a Modbus bus, or the other way round."""
    p1 = parse_bus_url(bus.url).is_p1
    if p1 and len(bus.devices) > 1:
        raise ValueError(f"bus {bus.id}: a P1 port has one device, its meter")
    for device in bus.devices:
        if device.profile in library.names() and (library.get(device.profile).protocol == "p1") != p1:
            raise ValueError(
                f"{device.device}: profile {device.profile} does not speak what {bus.url} does; "
                "p1-emucs goes with p1tcp://host:port or p1:///dev/ttyUSB0, every other profile with Modbus"
            )


def device_role(device: str, profile: Profile) -> Role:
    """What a device is to its site: by its name, else by its profile; a meter is the grid's only when so named."""
    named = Role.from_device_name(device.partition("/")[2])
    return named or (Role.LOAD if profile.role is Role.GRID else profile.role)


def _check_fallback(config: GatewayConfig, library: Library) -> None:
    """Raises ValueError when the rule could never steer, or would begin while the centre is there."""
    devices = [device for bus in config.buses for device in bus.devices]
    roles = {device.device: device_role(device.device, library.get(device.profile)) for device in devices}
    meters = [device for device in devices if roles[device.device] is Role.GRID]
    for twice in _repeats("site with a fallback rule and its grid meter", [meter.site for meter in meters]):
        raise ValueError(twice)
    sites = {meter.site for meter in meters}
    steered = [device for device in devices if device.site in sites and _steerable(device, roles[device.device])]
    if not steered:
        raise ValueError(
            "fallback: no site has both a grid meter (named site/grid) and a battery, charger or heat pump with limits"
        )
    for meter in meters:
        points = library.get(meter.profile).points
        if config.fallback.fuse_a and points and not any(str(point.name).startswith("current_l") for point in points):
            raise ValueError(f"fallback.fuse_a: {meter.device} measures no phase currents")
    for device in (*meters, *steered):
        if device.interval_s > _INTERVAL_MAX_S:
            raise ValueError(f"fallback: {device.device} must be read every {_INTERVAL_MAX_S:g} s or more often")
    silence_s = 2 * max(config.commit_interval_s, *(device.interval_s for device in meters))
    if config.fallback.after_s < silence_s:
        raise ValueError(f"fallback.after_s: must be at least {silence_s:g}, the centre confirms no more often")


def _steerable(device: DeviceConfig, role: Role) -> bool:
    if role is Role.HEAT_PUMP and "state" in device.limits:
        return BLOCKED in device.limits["state"].allowed
    return role in {Role.BATTERY, Role.EV, Role.HEAT_PUMP} and "power_w" in device.limits


def _check_limits(device: DeviceConfig, profile: Profile) -> None:
    for quantity, limit in device.limits.items():
        control = profile.control(quantity)
        if control is None:
            known = ", ".join(control.quantity for control in profile.controls) or "nothing"
            raise ConfigError(
                f"limits.{quantity}: profile {profile.profile} cannot command it", hint=f"it commands {known}"
            )
        _check_limit(quantity, limit, control, profile)
        if control.unattended and not device.accept_no_watchdog:
            raise ConfigError(
                f"limits.{quantity}: {control.unattended}",
                hint="where that is acceptable, say `accept_no_watchdog: true` at the device; else take its limits out",
            )
    for quantity, value in device.safe_state.items():
        _check_safe_state(quantity, value, device, profile)
    control = profile.control("power_w")
    switch = control is not None and control.transform is not None and control.transform.switch is not None
    if device.switch_phases and not (switch and "power_w" in device.limits):
        raise ConfigError(
            f"switch_phases: {'needs limits for power_w' if switch else f'profile {profile.profile} cannot switch them'}",
            hint="leave it out; below 6 A on three phases the charger then pauses",
        )


def _check_limit(quantity: str, limit: Limit, control: Control, profile: Profile) -> None:
    if QUANTITIES[quantity].kind is Kind.TEXT:
        texts = profile.setpoint_texts(control)
        unknown = sorted(set(limit.allowed) - set(texts))
        if unknown or not limit.allowed:
            raise ConfigError(f"limits.{quantity}: must list allowed states", hint=f"known: {', '.join(texts)}")
        return
    if limit.low is None or limit.high is None:
        raise ConfigError(f"limits.{quantity}: needs low and high")
    low, high = control.low, control.high
    if (low is not None and limit.low < low) or (high is not None and limit.high > high):
        raise ConfigError(f"limits.{quantity}: the profile takes {low} to {high} only")


def _check_safe_state(quantity: str, value: float | str, device: DeviceConfig, profile: Profile) -> None:
    limit = device.limits.get(quantity)
    control = profile.control(quantity)
    if limit is None or control is None:
        raise ConfigError(f"safe_state.{quantity}: needs limits for {quantity}")
    inside = (
        value in limit.allowed
        if isinstance(value, str)
        else limit.low is not None and limit.high is not None and limit.low <= value <= limit.high
    )
    if not inside:
        raise ConfigError(f"safe_state.{quantity}: {value!r} is outside the limits")
    if control.watchdog and not any(write.value == "watchdog_s" for write in control.apply):
        raise ConfigError(
            f"safe_state.{quantity}: the device drops every setpoint after {control.watchdog.seconds} s",
            hint="set its own fallback value on the device instead",
        )
