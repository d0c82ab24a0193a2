"""Executes leases on devices: write, read back, renew, and back to the safe state when the lease is over.

One task per device that may be commanded, so that a silent device delays only its own leases. A device counts as
unsafe from the moment before something is written until its lease stands or its safe state is read back; an unsafe
device is brought to its safe state again and again. That is also how each begins: leases from before a restart are
never continued.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from energy.errors import DeviceError, RefusedError
from energy.renewals import replaced_by
from gateway.actuator import Actuator
from gateway.device import Transport
from gateway.leases import RESULTS, Event, Lease, Permit, State, step
from gateway.phases import Phases
from gateway.polling import FieldDevice
from gateway.profile import Control
from gateway.waiting import wait_for_news
from messaging.codec import Command, CommandResult, Value
from runtime.clock import Clock

__all__ = ["DeviceControl", "Tell"]

log = logging.getLogger(__name__)

_RENEW_WITHOUT_WATCHDOG_S: Final = 30.0
_RENEW_RETRY_S: Final = 2.0
_SAFE_RETRY_S: Final = 1.0
_SAFE_RETRY_MAX_S: Final = 30.0
_STOP_WITHIN_S: Final = 6.0
_DAY_S: Final = 86_400.0
_FLASH_WRITES_A_DAY: Final = 20  # flash bears some 100,000: more than ten years

Tell = Callable[[CommandResult], None]


@dataclass(frozen=True, slots=True)
class _Change:
    """The last time a quantity was switched: to what, when (s monotonic), and whether a command did it."""

    value: Value | None
    at: float
    commanded: bool


class DeviceControl:
    """The leases of one device; `run` is its task."""

    def __init__(
        self,
        device: FieldDevice,
        transport: Transport,
        permits: Mapping[str, Permit],
        clock: Clock,
        tell: Tell,
        *,
        safe_values: Mapping[str, Value] | None = None,
        switch_phases: bool = False,
    ) -> None:
        self.device = device
        self.permits = dict(permits)
        self.lease: Lease | None = None
        self._transport = transport
        self._clock = clock
        self._tell = tell
        self._safe_values = dict(safe_values or {})
        self._controls = {quantity: self._control(quantity) for quantity in self.permits}
        self._inbox: deque[tuple[Command, float]] = deque()
        self._news = asyncio.Event()
        self._stall: str | None = None
        self._changes: dict[str, _Change] = {}
        self._renewed_at = 0.0
        self._watchdog_s = math.inf
        self._unsafe = True
        self._safe_failures = 0
        self._safe_retry_at = 0.0
        self._worn: deque[float] = deque()
        self._phases = Phases(clock, self.permits["power_w"].high) if switch_phases else None

    def submit(self, command: Command) -> None:
        """Queues a command that passed its checks."""
        self._inbox.append((command, self._clock.monotonic()))
        self._news.set()

    def stalled(self, seconds: float) -> None:
        """The service's loop stood still for `seconds`: what was meant to watch the lease did not."""
        if self.lease is not None:
            self._stall = f"the gateway's loop stood still for {seconds:.0f} s"
            self._news.set()

    @property
    def safe(self) -> bool:
        """Whether the device is known to be in its safe state."""
        return self.lease is None and not self._unsafe

    async def run(self) -> None:
        """Executes until cancelled, then leaves the device in its safe state."""
        try:
            while True:
                self._news.clear()
                await self._keep()
                while self._inbox:
                    command, received_at = self._inbox.popleft()
                    await self._execute(command, received_at)
                if not self._news.is_set():
                    await wait_for_news(self._news, self._clock, self._next_deadline())
        finally:
            await self._leave()

    def _control(self, quantity: str) -> Control:
        control = self.device.profile.control(quantity)
        if control is None:
            raise ValueError(f"{self.device.profile.profile} has no control for {quantity}")
        return control

    def _next_deadline(self) -> float | None:
        now = self._clock.monotonic()
        deadlines = [self._safe_retry_at] if self._unsafe else []
        if self.lease is not None:
            deadlines += [self.lease.ends_at, self.lease.renew_at]
        return min(deadlines) - now if deadlines else None

    async def _keep(self) -> None:
        """What time brings: the end of the lease, its renewal, another try for the safe state."""
        now = self._clock.monotonic()
        stall, self._stall = self._stall, None
        if self.lease is not None and now >= self.lease.ends_at:
            await self._end(Event.LAPSE, f"its {self.lease.ttl_s:g} s are over")
        elif self.lease is not None and stall is not None:
            await self._end(Event.END, stall)
        elif self.lease is not None and now >= self.lease.renew_at:
            await self._renew(self.lease, now)
        if self._unsafe and self.lease is None and self._clock.monotonic() >= self._safe_retry_at:
            await self._try_safe()

    async def _execute(self, command: Command, received_at: float) -> None:
        if command.ttl_s == 0:
            await self._release(command)
            return
        lease = Lease(command.id, command.device, command.set, command.ttl_s, received_at + command.ttl_s)
        try:
            self._check_hold(lease)
        except RefusedError as error:
            self._report(step(lease, Event.REFUSE), error.message)
            return
        previous, self.lease = self.lease, None
        self._unsafe = True
        try:
            await self._write(lease)
        except DeviceError as error:
            self._device_failed(error)
            self._supersede(previous, f"{replaced_by(lease.id)}, which failed")
            self._report(step(lease, Event.WRITE_FAILED), error.message)
            await self._try_safe()
        except asyncio.CancelledError:
            self._supersede(previous, "the gateway stops")
            self._report(step(lease, Event.WRITE_FAILED), "the gateway stops")
            raise
        else:
            self._supersede(previous, replaced_by(lease.id))
            self._confirm(step(lease, Event.CONFIRM))
            await self._drop_others(previous, lease)

    def _confirm(self, lease: Lease) -> None:
        now = self._clock.monotonic()
        self._unsafe = False
        for quantity, value in lease.set.items():
            if self._changes.get(quantity, _Change(None, 0, commanded=False)).value != value:
                self._changes[quantity] = _Change(value, now, commanded=True)
        self.lease = replace(lease, renew_at=self._renewal_after(now))
        asked = ", ".join(f"{quantity} = {value}" for quantity, value in lease.set.items())
        phases = f"; {self._phases.said}" if self._phases is not None and self._phases.said else ""
        self._report(lease, f"{asked} for {lease.ttl_s:g} s, read back{phases}")

    async def _drop_others(self, previous: Lease | None, lease: Lease) -> None:
        """Quantities the earlier lease held and the newer does not go back to their safe state."""
        left = [quantity for quantity in (previous.set if previous else {}) if quantity not in lease.set]
        try:
            await self._make_safe(left)
        except DeviceError as error:
            await self._end(Event.WRITE_FAILED, f"what the lease before had set could not be undone: {error.message}")

    def _supersede(self, previous: Lease | None, reason: str) -> None:
        if previous is not None:
            self._report(step(previous, Event.END), reason)

    async def _release(self, command: Command) -> None:
        if self.lease is not None:
            await self._end(Event.END, f"released by {command.issued_by}: {command.reason}")
        elif self._unsafe:
            await self._try_safe()
        self._tell(
            CommandResult(
                command.id,
                "failed" if self._unsafe else "applied",
                "the safe state could not be confirmed yet; it is tried again" if self._unsafe else "released",
                self._clock.now_ms(),
            )
        )

    def _check_hold(self, lease: Lease) -> None:
        now = self._clock.monotonic()
        for quantity, value in lease.set.items():
            control, change = self._controls[quantity], self._changes.get(quantity)
            if change is None or change.value == value:
                continue
            hold_s = control.min_hold_s if change.commanded else control.min_switch_s
            wait_s = change.at + hold_s - now
            if wait_s > 0:
                raise RefusedError(f"{quantity} changed {now - change.at:.0f} s ago; again possible in {wait_s:.0f} s")

    async def _write(self, lease: Lease) -> None:
        actuator = await self._actuator()
        remaining_s = lease.remaining_s(self._clock.monotonic())
        self._watchdog_s = math.inf
        for quantity, value in lease.set.items():
            dropped_after_s = await actuator.apply(self._controls[quantity], value, remaining_s)
            self._watchdog_s = min(self._watchdog_s, dropped_after_s)
        self._renewed_at = self._clock.monotonic()

    async def _renew(self, lease: Lease, now: float) -> None:
        try:
            if (math.isinf(self._watchdog_s) or self._outlives(lease, now)) and await self._stands(lease):
                self._renewed_at = now
            else:
                await self._write(lease)
        except DeviceError as error:
            self._device_failed(error)
            if now - self._renewed_at >= min(self._watchdog_s, 2 * _RENEW_WITHOUT_WATCHDOG_S):
                await self._end(Event.WRITE_FAILED, f"it could not be renewed: {error.message}")
            else:
                self.lease = replace(lease, renew_at=now + _RENEW_RETRY_S)
        else:
            self.lease = replace(lease, renew_at=self._renewal_after(self._clock.monotonic()))

    def _outlives(self, lease: Lease, now: float) -> bool:
        """Whether the device's timer, in its steps, could not be renewed without going beyond the lease."""
        watchdogs = [self._controls[quantity].watchdog for quantity in lease.set]
        return any(watchdog is not None and lease.remaining_s(now) < watchdog.step_s > 1 for watchdog in watchdogs)

    async def _stands(self, lease: Lease) -> bool:
        actuator = await self._actuator()
        return all([await actuator.stands(self._controls[quantity], value) for quantity, value in lease.set.items()])

    def _renewal_after(self, now: float) -> float:
        """Within half the device's watchdog, but in a short one's last seconds not without pause."""
        if math.isinf(self._watchdog_s):
            return now + _RENEW_WITHOUT_WATCHDOG_S
        return now + max(self._watchdog_s / 3, min(5.0, self._watchdog_s / 2))

    async def _end(self, event: Event, reason: str) -> None:
        assert self.lease is not None
        lease, self.lease = self.lease, None
        self._unsafe = True
        self._safe_failures = 0
        try:
            await self._try_safe()
        except asyncio.CancelledError:
            self._report(step(lease, event), f"{reason}; the gateway stops")
            raise
        standing = "safe state tried again until the device confirms it" if self._unsafe else "safe state confirmed"
        self._report(step(lease, event), f"{reason}; {standing}")

    async def _try_safe(self) -> None:
        try:
            await self._make_safe(self._controls)
        except DeviceError as error:
            self._device_failed(error)
            if self._safe_failures == 0:  # say it once, not at every retry
                log.warning("%s: safe state not confirmed: %s; trying again", self.device.device, error.message)
            pause = min(_SAFE_RETRY_MAX_S, _SAFE_RETRY_S * 2 ** min(self._safe_failures, 8))
            self._safe_failures += 1
            self._safe_retry_at = self._clock.monotonic() + pause
        else:
            self._unsafe = False
            self._safe_failures = 0

    async def _make_safe(self, quantities: Mapping[str, Control] | list[str]) -> None:
        for quantity in quantities:
            control, override = self._controls[quantity], self._safe_values.get(quantity)
            actuator = await self._actuator()
            if control.min_switch_s and await actuator.stands(control, override):
                continue  # nothing switches, so no pause begins
            if override is None:
                await actuator.make_safe(control)
            else:
                await actuator.apply(control, override, math.inf)
            self._changes[quantity] = _Change(None, self._clock.monotonic(), commanded=False)

    async def _leave(self) -> None:
        """The last act: safe state, within a bounded time."""
        if self.safe:
            return
        lease, self.lease = self.lease, None
        reason = "the gateway stops; "
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._make_safe(self._controls)
            reason += "safe state confirmed"
        except (TimeoutError, DeviceError) as error:
            reason += f"safe state not confirmed: {error}"
            log.error("%s: %s", self.device.device, reason)  # noqa: TRY400 - the device's fault, no traceback
        if lease is not None:
            self._report(step(lease, Event.END), reason)

    async def _actuator(self) -> Actuator:
        layout = await self.device.layout_on(self._transport)
        return Actuator(self._transport, self.device.unit, layout, may_wear=self._may_wear, phases=self._phases)

    def _may_wear(self) -> bool:
        """Whether the device's flash may be written once more within a day; notes it if so."""
        now = self._clock.monotonic()
        while self._worn and self._worn[0] <= now - _DAY_S:
            self._worn.popleft()
        if len(self._worn) >= _FLASH_WRITES_A_DAY:
            return False
        self._worn.append(now)
        return True

    def _device_failed(self, error: DeviceError) -> None:
        if error.kind != "readback":
            self.device.forget_layout()

    def _report(self, lease: Lease, reason: str) -> None:
        if lease.state in {State.FAILED, State.REFUSED}:
            log.warning("lease %s on %s %s: %s", lease.id, lease.device, lease.state, reason)
        else:
            log.info("lease %s on %s %s: %s", lease.id, lease.device, lease.state, reason)
        self._tell(CommandResult(lease.id, RESULTS[lease.state], reason, self._clock.now_ms()))
