"""Which of several collectors of the same communities serves: one says so again and again, the others wait for silence.

The claim is a retained message of the one who serves, and its last will takes it away. So the others know at once when
it ends or is killed, and by its silence when it froze or the broker forgot. Two that claim in the same instant both hear
the broker's order, and the later claim counts. Should two serve for a moment all the same, nothing breaks: storing twice
changes nothing, and a command is a lease.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from collector.ingest import first_of
from energy.errors import StoreError
from messaging import topics
from messaging.connection import Message, Publisher, Will
from runtime.clock import Clock
from runtime.service import notify

__all__ = ["Duty"]

log = logging.getLogger(__name__)

_BEAT_S: Final = 2.0
_SETTLE_S: Final = 1.0  # for the claims of others to arrive
_SILENT_S: Final = 10.0


class _Claim(msgspec.Struct, frozen=True):
    collector: str
    t: int


class Duty:
    """`mine` is set while this collector is to serve, `lost` when it no longer is. `name`: different in each."""

    def __init__(self, community: str, name: str, clock: Clock) -> None:
        self.mine = asyncio.Event()
        self.lost = asyncio.Event()
        self.topic = topics.live_collector(community)
        self.will = Will(self.topic, b"")
        self._name = name
        self._clock = clock
        self._holder: str | None = None
        self._heard_s = 0.0
        self._news = asyncio.Event()

    def hear(self, message: Message) -> None:
        """Takes a claim, or the end of one."""
        try:
            self._holder = msgspec.json.decode(message.payload, type=_Claim).collector if message.payload else None
        except msgspec.DecodeError:
            return  # no claim: nobody is made to serve or to stop by it
        self._heard_s = self._clock.monotonic()
        if self._holder != self._name:
            self._news.set()

    async def run(self, connection: Publisher) -> None:
        """Claims, repeats the claim and gives way, until cancelled; then the claim is withdrawn."""
        try:
            while True:
                if not connection.connected.is_set():
                    await connection.connected.wait()
                    self._heard_s = self._clock.monotonic()
                    await self._pause(_SETTLE_S)
                self._news.clear()
                await self._step(connection)
                notify("WATCHDOG=1")
                await first_of(self._news.wait(), self._pause(_BEAT_S))
        finally:
            if self.mine.is_set():
                await self._say(connection, b"")

    async def _step(self, connection: Publisher) -> None:
        if self.mine.is_set():
            if self._holder in {self._name, None}:
                await self._say(connection, self._claim())
            else:
                log.warning("%s serves now: standing by", self._holder)
                self.mine.clear()
                self.lost.set()
        elif self._holder in {self._name, None} or self._silent():
            await self._say(connection, self._claim())
            await self._pause(_SETTLE_S)
            if self._holder == self._name:
                log.info("serving from now on")
                self.lost.clear()
                self.mine.set()

    def _silent(self) -> bool:
        return self._clock.monotonic() - self._heard_s > _SILENT_S * self._clock.speed

    def _claim(self) -> bytes:
        return msgspec.json.encode(_Claim(self._name, self._clock.now_ms()))

    async def _say(self, connection: Publisher, payload: bytes) -> None:
        try:
            await connection.publish(self.topic, payload, retain=True)
        except StoreError:
            return  # the broker is away: who claims is told when it is back

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep(seconds * self._clock.speed)
