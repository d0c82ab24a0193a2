"""Takes commands off the wire, checks them, hands them to their device, and refuses the rest with a reason."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Sequence
from typing import Final

from energy.errors import DataError, RefusedError
from gateway.control import DeviceControl, Tell
from gateway.leases import SeenIds, check
from gateway.metrics import Metrics
from messaging.codec import Command, CommandResult, decode_command
from runtime.clock import Clock

__all__ = ["CYCLE_S", "Commands"]

log = logging.getLogger(__name__)

CYCLE_S: Final = 5.0
"""The control cycle, s; a loop that misses two has not watched its leases."""
_STALL_S: Final = 2 * CYCLE_S


class Commands:
    """The command channel of one gateway; `run` executes, `receive` takes a message."""

    def __init__(self, controls: Sequence[DeviceControl], clock: Clock, tell: Tell, metrics: Metrics) -> None:
        self._controls = {control.device.device: control for control in controls}
        self._permits = {name: control.permits for name, control in self._controls.items()}
        self._clock = clock
        self._tell = tell
        self._metrics = metrics
        self._seen = SeenIds()
        self._started_s = clock.monotonic()

    async def run(self) -> None:
        """One task per device until cancelled; then all of them are brought to their safe states side by side."""
        async with asyncio.TaskGroup() as tasks:
            for name, control in self._controls.items():
                tasks.create_task(control.run(), name=f"control {name}")
            tasks.create_task(self._watch_loop(), name="loop watch")

    async def _watch_loop(self) -> None:
        last = self._clock.monotonic()
        cycle_s = CYCLE_S * self._clock.speed
        while True:
            await self._clock.sleep(cycle_s)
            now = self._clock.monotonic()
            stood_still_s = now - last - cycle_s
            if stood_still_s > _STALL_S * self._clock.speed:
                log.error("the loop stood still for %.0f s; leases are ended", stood_still_s)
                for control in self._controls.values():
                    control.stalled(stood_still_s)
            last = now

    def receive(self, payload: bytes, *, retained: bool) -> None:
        """One message of the command topic, whatever it holds."""
        try:
            command = decode_command(payload)
        except DataError as error:
            self._metrics.malformed += 1
            command_id = _id_in(payload)
            if command_id is None:
                log.warning("a command could not be read: %s", error.message)
            else:
                self._refuse(command_id, error.message)
            return
        self.issue(command, retained=retained)

    def issue(self, command: Command, *, retained: bool = False) -> None:
        """One command, the centre's or this gateway's own: to its device, or refused with a reason."""
        try:
            self._check(command, retained=retained)
        except RefusedError as error:
            self._refuse(command.id, error.message)
        else:
            self._controls[command.device].submit(command)

    def lease_of(self, device: str) -> str | None:
        """The id of the lease that stands on a device, None when none does."""
        control = self._controls.get(device)
        return None if control is None or control.lease is None else control.lease.id

    def _check(self, command: Command, *, retained: bool) -> None:
        if retained:
            raise RefusedError("retained commands are never obeyed: they would act again at every reconnection")
        if not self._seen.add(command.id):
            raise RefusedError("replayed: this id came before; ask with a new one")
        now_ms = self._clock.now_ms()
        # on the wall clock as it is set now: one that ran ahead when we started must not refuse everything for hours
        started_ms = now_ms - math.ceil((self._clock.monotonic() - self._started_s) * 1000)
        check(command, self._permits, now_ms=now_ms, started_ms=started_ms)

    def _refuse(self, command_id: str, reason: str) -> None:
        log.warning("command %s refused: %s", command_id, reason)
        self._tell(CommandResult(command_id, "refused", reason, self._clock.now_ms()))


def _id_in(payload: bytes) -> str | None:
    """The id of a command that is otherwise unreadable, so that who asked is told."""
    try:
        message = json.loads(payload)  # takes NaN and Infinity, which JSON does not have
    except (ValueError, RecursionError):
        return None
    told = message.get("id") if isinstance(message, dict) else None
    return told[:64] or None if isinstance(told, str) and told.isprintable() else None
