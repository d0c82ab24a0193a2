"""Sends the outbox: fresh batches at once, the backlog behind them, nothing forgotten before the centre confirms it.

Two streams share the connection. *Live* are batches made while connected: each is sent the moment it is committed.
*Backlog* is all that is older: it is read from the outbox in order, marked historical, with a bounded number on the way.
A live batch that is not confirmed in time joins the backlog. When backlog batches are not confirmed in time the
stream goes back to the oldest of them and pauses, longer each time; the first confirmation of anything, which the
next live batch brings as soon as the centre is back, ends the pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from energy.errors import StoreError
from gateway.disk import on_disk
from gateway.metrics import Metrics
from gateway.outbox import Batch, Outbox
from gateway.waiting import wait_for_news
from messaging.codec import UNSYNCHRONISED, Ack
from runtime.clock import Clock

__all__ = ["Uplink"]

log = logging.getLogger(__name__)

_LIVE_AT_ONCE: Final = 16
_PAUSE_MAX_S: Final = 60.0
_IDLE_S: Final = 1.0  # how often confirmations that do not come are looked for

Publish = Callable[[bytes], Awaitable[None]]


class _Envelope(msgspec.Struct, frozen=True):
    """messaging.codec.Data with the readings already encoded."""

    epoch: str
    seq: int
    historical: bool
    readings: msgspec.Raw
    clock: str | msgspec.UnsetType = msgspec.UNSET


class Uplink:
    """Two tasks of the service: `run` sends, `run_confirmations` forgets what `confirmed` was told."""

    def __init__(
        self,
        outbox: Outbox,
        publish: Publish,
        clock: Clock,
        *,
        online: asyncio.Event,
        window: int = 256,
        resend_after_s: float = 10.0,
        metrics: Metrics,
    ) -> None:
        self._outbox = outbox
        self._publish = publish
        self._clock = clock
        self._window = window
        self._resend_after_s = resend_after_s * clock.speed
        self._metrics = metrics
        self._online = online
        self._problem: str | None = None
        self._session: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._live: dict[int, float] = {}  # seq -> when sent, s monotonic; ascending in both
        self._backlog: dict[int, float] = {}
        self._live_cursor = 0
        self._backlog_cursor = 0
        self._backlog_end = 0
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._to_confirm: set[int] = set()
        self._confirm_wake = asyncio.Event()
        self._last_seq = 0

    async def connected(self) -> None:
        """To be awaited after each (re)connection: what was on its way is unknown and goes again."""
        if self._session is not None:
            self._session.cancel()  # it may wait for acknowledgements that the old connection took with it

    def committed(self, seq: int) -> None:
        """A new batch is in the outbox."""
        self._last_seq = seq
        self._wake.set()

    def acknowledge(self, ack: Ack) -> None:
        """The centre's store has these batches."""
        if ack.epoch != self._outbox.epoch:
            return  # of an outbox before this one
        self._to_confirm.update(ack.seqs)
        self._confirm_wake.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self._online.wait()
            self._session = asyncio.create_task(self._serve(), name="uplink session")
            try:
                await asyncio.wait({self._session})
            finally:
                self._session.cancel()
            if not self._session.cancelled() and (error := self._session.exception()) is not None:
                if not isinstance(error, StoreError):
                    raise error
                if error.message != self._problem:  # say it once, not at every retry
                    log.warning("sending pauses: %s", error.message)
                self._problem = error.message
                await self._clock.sleep(_IDLE_S * self._clock.speed)

    async def _serve(self) -> None:
        """One connection's worth of sending. Raises StoreError when it fails."""
        await self._restart()
        while True:
            self._wake.clear()
            self._expire(self._clock.monotonic())
            if not await self._send_live() + await self._send_backlog():
                await wait_for_news(self._wake, self._clock, _IDLE_S * self._clock.speed)

    async def _restart(self) -> None:
        last_seq = await on_disk(self._outbox.last_seq)
        self._last_seq = max(self._last_seq, last_seq)  # more may have been committed meanwhile
        self._live.clear()
        self._backlog.clear()
        self._backlog_cursor = 0
        self._live_cursor = self._backlog_end = self._last_seq
        self._pause_s = self._paused_until = 0.0

    async def run_confirmations(self) -> None:
        """Deletes confirmed batches until cancelled; those that arrive together go in one commit."""
        while True:
            await self._confirm_wake.wait()
            self._confirm_wake.clear()
            seqs, self._to_confirm = sorted(self._to_confirm), set()
            try:
                self._metrics.confirmed += await on_disk(self._outbox.confirm, self._outbox.epoch, seqs)
            except StoreError as error:
                log.warning("%s", error)  # they are sent and confirmed again
                continue
            for seq in seqs:
                self._live.pop(seq, None)
                self._backlog.pop(seq, None)
            self._pause_s = self._paused_until = 0.0
            self._problem = None
            self._wake.set()

    def _expire(self, now: float) -> None:
        overdue = now - self._resend_after_s
        late = [seq for seq, sent_at in self._live.items() if sent_at <= overdue]
        self._metrics.resent += len(late)
        for seq in late:
            del self._live[seq]
            self._backlog_end = max(self._backlog_end, seq)
            self._backlog_cursor = min(self._backlog_cursor, seq - 1)
        if any(sent_at <= overdue for sent_at in self._backlog.values()):
            self._backlog_cursor = min(self._backlog_cursor, min(self._backlog) - 1)
            self._metrics.resent += len(self._backlog)
            self._backlog.clear()
            self._pause_s = min(_PAUSE_MAX_S * self._clock.speed, max(self._resend_after_s, self._pause_s * 2))
            self._paused_until = now + self._pause_s

    async def _send_live(self) -> int:
        up_to = self._last_seq  # it may rise while the outbox is read
        if up_to <= self._live_cursor:
            return 0
        batches = await on_disk(self._outbox.pending, self._live_cursor, up_to, _LIVE_AT_ONCE)
        self._live_cursor = batches[-1].seq if len(batches) == _LIVE_AT_ONCE else up_to
        now = self._clock.monotonic()
        self._live.update((batch.seq, now) for batch in batches)
        await self._send(batches, historical=False)
        return len(batches)

    async def _send_backlog(self) -> int:
        now = self._clock.monotonic()
        room = self._window - len(self._backlog)
        if self._backlog_cursor >= self._backlog_end or room <= 0 or now < self._paused_until:
            return 0
        batches = await on_disk(self._outbox.pending, self._backlog_cursor, self._backlog_end, room)
        if not batches:
            self._backlog_cursor = self._backlog_end
            return 0
        self._backlog_cursor = batches[-1].seq
        fresh = [batch for batch in batches if batch.seq not in self._live and batch.seq not in self._backlog]
        self._backlog.update((batch.seq, now) for batch in fresh)
        await self._send(fresh, historical=True)
        return len(batches)

    async def _send(self, batches: Sequence[Batch], *, historical: bool) -> None:
        """Publishes them together; the broker's own acknowledgement only says that the connection stands."""
        results = await asyncio.gather(
            *(self._publish(self._encode(batch, historical=historical)) for batch in batches), return_exceptions=True
        )
        self._metrics.published += sum(1 for result in results if result is None)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _encode(self, batch: Batch, *, historical: bool) -> bytes:
        clock = UNSYNCHRONISED if batch.unsynchronised else msgspec.UNSET
        envelope = _Envelope(self._outbox.epoch, batch.seq, historical, msgspec.Raw(batch.readings), clock)
        return msgspec.json.encode(envelope)
