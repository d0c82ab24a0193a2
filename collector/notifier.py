"""Sends what is due to the channels, tries again what was not taken, and notes in the alerts what was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from collector.control import Control
from collector.metrics import Metrics
from collector.notices import Parcel, due
from energy.community import Community
from messaging.notices import Mailbox, NotificationSettings, Sent
from runtime.clock import Clock
from storage.register import Told

__all__ = ["Notifier"]

log = logging.getLogger(__name__)

_LOOK_S: Final = 2.0
_RETRY_S: Final = 30.0
_LONGEST_RETRY_S: Final = 900.0


class Notifier:
    """A task beside the rules: a slow mail server delays no command."""

    def __init__(
        self,
        settings: NotificationSettings,
        mailboxes: Mapping[str, Mailbox],
        communities: Mapping[str, Community],
        control: Control,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._mailboxes = mailboxes
        self._communities = communities
        self._control = control
        self._metrics = metrics
        self._clock = clock
        self._retries: dict[str, tuple[float, float]] = {}  # by channel: not before (monotonic), and the wait after

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S * self._clock.speed)
            await self.step()

    async def step(self) -> None:
        """Sends what is due now; channels do not wait for each other."""
        parcels = due(self._control.alerts(), self._communities, self._settings, self._clock.now_ms())
        now_s = self._clock.monotonic()
        ready = [parcel for parcel in parcels if self._retries.get(parcel.channel, (0.0, 0.0))[0] <= now_s]
        await asyncio.gather(*(self._send(parcel) for parcel in ready))

    async def _send(self, parcel: Parcel) -> None:
        mailbox = self._mailboxes[parcel.channel]
        sent = await _aside(lambda: mailbox.send(parcel.title, parcel.body, parcel.severity))
        now_ms = self._clock.now_ms()
        if sent.problem:
            _, wait_s = self._retries.get(parcel.channel, (0.0, _RETRY_S))
            self._retries[parcel.channel] = (
                self._clock.monotonic() + wait_s,
                min(_LONGEST_RETRY_S, 2 * wait_s),
            )
            self._metrics.notices_failed.inc()
            log.warning("channel %s was not told: %s; tried again in %.0f s", parcel.channel, sent.problem, wait_s)
            return
        self._retries.pop(parcel.channel, None)
        self._metrics.notices.inc()
        for item in parcel.items:
            told = Told(parcel.channel, item.what, now_ms)
            self._control.told(item.alert.id, told, f"{parcel.channel} was told that it is {item.what}")


async def _aside(send: Callable[[], Sent]) -> Sent:
    """Runs `send` in a thread that nobody waits for at the end: a mail server that hangs delays no stop."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Sent] = loop.create_future()

    def settle(sent: Sent) -> None:
        if not done.done():
            done.set_result(sent)

    def run() -> None:
        try:
            sent = send()
        except Exception as error:
            sent = Sent("", type(error).__name__)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, sent)

    threading.Thread(target=run, name="notice", daemon=True).start()
    return await done
