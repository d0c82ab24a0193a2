"""Steers a gateway's sites by their own meters while the centre is silent, and lets go the moment it speaks.

The rule itself is energy/fallback.py. Here it gets the readings and the time, and what it wants becomes leases on the
same way as the centre's commands: checked against the same limits, short, renewed while they hold, told afterwards.
A lease of the centre's that still stands is left to run out, except where a fuse or the import limit is exceeded.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass
from typing import Final

from energy import fallback
from energy.quantities import Role
from gateway.commands import Commands
from gateway.config import DeviceConfig, GatewayConfig, device_role
from gateway.profile import Library, Profile
from messaging.codec import Command, CommandResult, Reading, Value
from runtime.clock import Clock

__all__ = ["ISSUER", "LocalRule"]

log = logging.getLogger(__name__)

ISSUER: Final = "local:fallback"
TTL_S: Final = 60.0
_RENEW_S: Final = TTL_S / 2
_CYCLE_S: Final = 1.0
_BARRED_S: Final = 30.0  # a device that did not take a setpoint is left alone for so long
_STALE_INTERVALS: Final = 3
_PHASES: Final = (1, 2, 3)


@dataclass(slots=True)
class _Device:
    """A device of a site: what it is, its last reading, the phases it ever told, and until when it is not asked again."""

    id: str
    role: Role
    quantity: str
    control: fallback.Control | None
    stale_after_s: float
    phases: tuple[int, ...] = ()
    reading: Reading | None = None
    read_at_s: float | None = None
    barred_until_s: float = 0.0


@dataclass(slots=True)
class _Site:
    devices: list[_Device]
    state: fallback.State


@dataclass(slots=True)
class _Lease:
    """A lease of ours. `told_as`: the id of the first with this setpoint, by which its renewals are told."""

    device: _Device
    told_as: str
    reason: str
    sent_at_s: float
    renewed: bool = False


class LocalRule:
    """`run` is a task of the service; `observe`, `heard` and `told` are what the service tells it."""

    def __init__(self, config: GatewayConfig, library: Library, commands: Commands, clock: Clock) -> None:
        self.centre_here = asyncio.Event()
        """Set while the centre was heard within `after_s` and since the connection was made."""
        self.active = False
        """Whether the centre is silent and the rule steers."""
        self._after_s = config.fallback.after_s
        self._limits = config.fallback.limits
        self._commands = commands
        self._clock = clock
        self._heard_at_s = clock.monotonic()
        self._sites = [] if config.fallback.rule == "none" else _sites(config, library)
        self._devices = {device.id: device for site in self._sites for device in site.devices}
        self._leases: dict[str, _Lease] = {}  # by command id, until its end is told
        self._standing: dict[str, str] = {}  # device -> id of the lease we last asked for
        self._releases: set[str] = set()

    def observe(self, reading: Reading) -> None:
        """A reading just made."""
        device = self._devices.get(reading.device)
        if device is not None:
            device.reading, device.read_at_s = reading, self._clock.monotonic()
            device.phases = tuple(phase for phase in _PHASES if phase in device.phases or _has_phase(reading, phase))

    def heard(self) -> None:
        """The centre spoke: what is ours ends before anything it asks begins."""
        now_s = self._clock.monotonic()
        self._heard_at_s = now_s
        self.centre_here.set()
        if not self.active:
            return
        self.active = False
        log.info("the centre is back: the local rule ends")
        for site in self._sites:
            self._follow(site, site.state.released(now_s), "the centre is back")

    def connected(self) -> None:
        """A connection was made, to a broker behind which the centre may not be yet."""
        self.centre_here.clear()

    def told(self, result: CommandResult) -> CommandResult | None:
        """A result as it goes to the centre: ours with device and reason; None for what says nothing new."""
        if result.id in self._releases:
            self._releases.discard(result.id)
            return None  # the lease it ended tells
        lease = self._leases.get(result.id)
        if lease is None:
            return result
        if result.state != "applied":
            del self._leases[result.id]
            if self._standing.get(lease.device.id) == result.id:
                del self._standing[lease.device.id]
                if result.state in {"refused", "failed"}:
                    self._bar(lease.device)
        if (lease.renewed and result.state == "reverted") or (result.state == "applied" and result.id != lease.told_as):
            return None
        return CommandResult(
            lease.told_as, result.state, f"{lease.device.id}: {result.reason} ({ISSUER}: {lease.reason})", result.t
        )

    async def run(self) -> None:
        """Looks every second until cancelled."""
        while True:
            await self._clock.sleep(_CYCLE_S)
            now_s = self._clock.monotonic()
            if now_s - self._heard_at_s < self._after_s:
                continue
            self.centre_here.clear()
            if self._sites and not self.active:
                self.active = True
                log.warning("the centre has been silent for %.0f s: the local rule begins", now_s - self._heard_at_s)
            for site in self._sites:
                devices = [self._seen(device, now_s) for device in site.devices]
                following = fallback.step(devices, self._limits, site.state, now_s)
                self._follow(site, following, "its meters give no basis for it any more")

    def _seen(self, device: _Device, now_s: float) -> fallback.LocalDevice:
        free = now_s >= device.barred_until_s and (device.role is not Role.BATTERY or not self._held_by_centre(device))
        return fallback.LocalDevice(
            id=device.id,
            role=device.role,
            values={} if device.reading is None else device.reading.v,
            read_at_s=device.read_at_s,
            stale_after_s=device.stale_after_s,
            control=device.control if free else None,
            phases=device.phases,
        )

    def _held_by_centre(self, device: _Device) -> bool:
        lease_id = self._commands.lease_of(device.id)
        return lease_id is not None and lease_id not in self._leases

    def _follow(self, site: _Site, following: fallback.State, release_reason: str) -> None:
        """Asks for what is new, renews what goes on, releases what is no longer wanted."""
        before, site.state = site.state.setpoints, following
        for name in before.keys() - following.setpoints.keys():
            self._release(name, release_reason)
        for name, setpoint in following.setpoints.items():
            standing = self._leases.get(self._standing.get(name, ""))
            if before.get(name) != setpoint or standing is None:
                self._ask(name, setpoint, None)
            elif self._clock.monotonic() - standing.sent_at_s >= _RENEW_S:
                standing.renewed = True
                self._ask(name, setpoint, standing.told_as)

    def _ask(self, name: str, setpoint: fallback.Setpoint, told_as: str | None) -> None:
        device = self._devices[name]
        command_id = f"local-{uuid.uuid4().hex}"
        lease = _Lease(device, told_as or command_id, setpoint.reason, self._clock.monotonic())
        self._leases[command_id] = lease
        self._standing[name] = command_id
        self._issue(command_id, name, {device.quantity: setpoint.value}, TTL_S, setpoint.reason)

    def _release(self, name: str, reason: str) -> None:
        if self._standing.pop(name, None) is not None:
            command_id = f"local-{uuid.uuid4().hex}"
            self._releases.add(command_id)
            self._issue(command_id, name, {}, 0.0, reason)

    def _issue(self, command_id: str, name: str, wanted: dict[str, Value], ttl_s: float, reason: str) -> None:
        self._commands.issue(Command(command_id, name, wanted, ttl_s, ISSUER, reason, self._clock.now_ms()))

    def _bar(self, device: _Device) -> None:
        device.barred_until_s = self._clock.monotonic() + _BARRED_S
        for site in self._sites:
            if device in site.devices:
                site.state = site.state.without(device.id)


def _sites(config: GatewayConfig, library: Library) -> list[_Site]:
    sites: dict[str, list[_Device]] = {}
    for bus in config.buses:
        for device in bus.devices:
            sites.setdefault(device.site, []).append(_device(device, library.get(device.profile)))
    return [_Site(members, fallback.State()) for members in sites.values()]


def _device(config: DeviceConfig, profile: Profile) -> _Device:
    quantity, control = _control(config)
    return _Device(
        id=config.device,
        role=device_role(config.device, profile),
        quantity=quantity,
        control=control,
        stale_after_s=_STALE_INTERVALS * config.interval_s,
    )


def _has_phase(reading: Reading, phase: int) -> bool:
    """Also one that gave no value: it is there, and then its fuse's load is unknown."""
    return f"current_l{phase}_a" in reading.v or f"current_l{phase}_a" in reading.bad


def _control(config: DeviceConfig) -> tuple[str, fallback.Control | None]:
    power, state = config.limits.get("power_w"), config.limits.get("state")
    if power is not None and power.low is not None and power.high is not None:
        return "power_w", fallback.Control(power.low, power.high)
    if state is not None and fallback.BLOCKED in state.allowed:
        return "state", fallback.Control(blocks=True)
    return "", None
