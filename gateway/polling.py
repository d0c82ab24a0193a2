"""Reads the devices of one bus, each at its own interval on the wall clock's grid; a failing one never in the way.

All devices with the same interval are read within the same instant of it, so that what a site's meters say belongs
together. Of the devices due at once the healthy are read first, so a silent one delays nobody but itself; and it is
asked less and less often, up to every 8 intervals or 60 s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from energy.errors import DeviceError
from gateway.alarm import Alarm
from gateway.device import Layout, Transport, discover, is_fixed, read_device, relearn
from gateway.metrics import Metrics
from gateway.profile import Profile
from messaging.codec import DeviceStatus, Reading
from runtime.clock import Clock

__all__ = ["PHASE_MS", "FieldDevice", "Poller", "next_on_grid"]

log = logging.getLogger(__name__)

PHASE_MS = 400
"""Readings are taken this long after the full interval: a device that refreshes on the full second has settled."""
_BACKOFF_INTERVALS = 8
_BACKOFF_MAX_MS = 60_000


@dataclass(slots=True)
class FieldDevice:
    """One device on a bus: what it is, and how it has been.

    `shared`: layouts that are the same on every device of a profile, by its name; devices with one set have them once.
    """

    device: str
    unit: int
    profile: Profile
    interval_s: float
    layout: Layout | None = None
    error: str | None = "not read yet"
    failures: int = 0
    due_ms: int = 0
    relearned: bool = False
    shared: dict[str, Layout] = field(default_factory=dict)
    interval_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.interval_ms = round(self.interval_s * 1000)

    @property
    def status(self) -> DeviceStatus:
        """As the gateway's status tells it."""
        return DeviceStatus(self.device, self.error is None, self.error)

    async def layout_on(self, transport: Transport) -> Layout:
        """Where its points are, asked of the device once per life of the connection. Raises DeviceError."""
        if self.layout is None:
            self.layout = self.shared.get(self.profile.profile)
        if self.layout is None:
            self.layout = await discover(transport, self.unit, self.profile)
            if is_fixed(self.profile):
                self.shared[self.profile.profile] = self.layout
        return self.layout

    def forget_layout(self) -> None:
        """After a failure a SunSpec device may have come back with another chain of models."""
        if self.profile.sunspec is not None:
            self.layout = None
            self.relearned = False


def next_on_grid(now_ms: int, interval_ms: int, phase_ms: int = PHASE_MS) -> int:
    """The first instant after `now_ms` of the grid k * interval + phase."""
    phase = min(phase_ms, interval_ms * 4 // 10)
    return ((now_ms - phase) // interval_ms + 1) * interval_ms + phase


class Poller:
    """The polling task of one bus."""

    def __init__(
        self,
        transport: Transport,
        devices: Sequence[FieldDevice],
        clock: Clock,
        *,
        collect: Callable[[Reading], None],
        status_changed: Callable[[], None],
        metrics: Metrics,
        rest_s: Callable[[int], float] = lambda _unit: 0.0,
        alarm: Alarm | None = None,
    ) -> None:
        """`rest_s`: for how long a unit that failed is left alone by its bus; until then nobody should wait for it.

        `alarm`: shared with the pollers of other buses.
        """
        self._transport = transport
        self._rest_s = rest_s
        self._devices = devices
        self._clock = clock
        self._phase_ms = round(PHASE_MS * clock.speed)
        self._collect = collect
        self._status_changed = status_changed
        self._metrics = metrics
        self._alarm = alarm or Alarm(clock)

    async def run(self) -> None:
        """Polls until cancelled."""
        for device in self._devices:
            device.due_ms = self._clock.now_ms()  # a first look at once, then on the grid
        while True:
            await self._sleep_until_due()
            now = self._clock.now_ms()
            due = [device for device in self._devices if device.due_ms <= now]
            if len(due) > 1:
                due.sort(key=lambda device: (device.failures > 0, device.due_ms))
            for device in due:
                await self._poll(device)

    async def _sleep_until_due(self) -> None:
        now = self._clock.now_ms()
        for device in self._devices:
            longest = device.interval_ms + (_BACKOFF_MAX_MS if device.failures else 0)
            if device.due_ms > now + longest:  # the wall clock was set back
                device.due_ms = next_on_grid(now, device.interval_ms, self._phase_ms)
        await self._alarm.wait(min(device.due_ms for device in self._devices))

    async def _poll(self, device: FieldDevice) -> None:
        self._metrics.polls += 1
        try:
            reading = await self._read(device, device.layout or await device.layout_on(self._transport))
        except DeviceError as error:
            self._failed(device, error)
        except Exception as error:  # a defect met by one device's answer must not stop the others
            if device.failures == 0:
                log.exception("%s: a defect in reading it", device.device)
            self._failed(device, DeviceError(f"cannot be read: {error!r}", kind="defect"))
        else:
            self._succeeded(device)
            self._collect(reading)

    async def _read(self, device: FieldDevice, layout: Layout) -> Reading:
        """One reading; a device that refuses a request of its profile is asked once what it does have."""
        now_ms = self._clock.now_ms()
        try:
            return await read_device(self._transport, device.unit, layout, device.device, now_ms)
        except DeviceError as error:
            if error.kind != "exception" or device.relearned:
                raise
            device.relearned = True
            device.layout = found = await relearn(self._transport, device.unit, layout)
            absent = sorted(set(found.not_implemented) - set(layout.not_implemented))
            told = f"it has no {', '.join(absent)}" if absent else "it is read without gaps from now on"
            log.warning("%s: refuses part of profile %s; %s", device.device, device.profile.profile, told)
            return await read_device(self._transport, device.unit, found, device.device, now_ms)

    def _succeeded(self, device: FieldDevice) -> None:
        device.due_ms = next_on_grid(self._clock.now_ms(), device.interval_ms, self._phase_ms)
        device.failures = 0
        if device.error is not None:
            device.error = None
            log.info("%s: answers", device.device)
            self._status_changed()

    def _failed(self, device: FieldDevice, error: DeviceError) -> None:
        self._metrics.poll_errors[error.kind] += 1
        device.forget_layout()
        backoff_ms = device.interval_ms * min(2**device.failures, _BACKOFF_INTERVALS)
        rest_ms = round(self._rest_s(device.unit) * 1000 * self._clock.speed)
        backoff_ms = max(device.interval_ms, rest_ms, min(backoff_ms, _BACKOFF_MAX_MS))
        device.failures += 1
        device.due_ms = next_on_grid(
            self._clock.now_ms() + backoff_ms - device.interval_ms, device.interval_ms, self._phase_ms
        )
        if device.error != error.message:  # say it once, not at every retry
            device.error = error.message
            log.warning("%s: %s; trying again", device.device, error.message)
            self._status_changed()
