"""From messages to confirmed rows: buffer, mark, store, confirm; never in another order.

    arrived -> buffered -> marked dirty -> stored -> marked again -> confirmed

While the store is away the buffer keeps what it has and is tried again; when it is full, messages are left alone: they
are not confirmed, so their gateway keeps them and sends them again. The same batch twice is stored once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from collector.directory import Directory
from collector.intake import Batch, Refused, take_in
from collector.marks import Marker, Plan
from collector.metrics import Metrics
from collector.settings import CollectorSettings
from energy.errors import DataError, StoreError
from messaging.connection import Message
from runtime.clock import Clock
from storage.history import History, Row, Unstorable, UnstorableError

__all__ = ["Ingest", "first_of"]

log = logging.getLogger(__name__)

_LARGEST_WRITE: Final = 5_000  # rows in one transaction; larger ones gain nothing and hold readers up
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_DATA_SHAPED: Final = (DataError, ValueError, TypeError, OverflowError)
_Name = tuple[str, str, int, int]


class Ingest:
    """Takes messages in, stores their rows and hands batches to `confirm`; what is wrong goes to `set_aside`."""

    def __init__(
        self,
        settings: CollectorSettings,
        directory: Directory,
        history: History,
        marker: Marker,
        metrics: Metrics,
        clock: Clock,
        *,
        on_live: Callable[[Sequence[Row]], None],
        on_late: Callable[[Sequence[Row]], None],
        confirm: Callable[[Sequence[Batch]], None],
        set_aside: Callable[[Sequence[Refused]], None],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._history = history
        self._marker = marker
        self._metrics = metrics
        self._clock = clock
        self._on_live = on_live
        self._on_late = on_late
        self._confirm = confirm
        self._set_aside = set_aside
        self._held: dict[_Name, Batch] = {}
        self._size = 0
        self._oldest_s = 0.0  # when the oldest held arrived, or earlier
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")  # one write at a time, in order
        self._writing: asyncio.Future[list[Refused]] | None = None
        self._failing: str | None = None

    def accept(self, messages: Iterable[Message]) -> None:
        """Takes messages of `data` topics in, or leaves them to be sent again when there is no room."""
        now_ms = self._clock.now_ms()
        if not self._held:
            self._oldest_s = self._clock.monotonic()
        live: list[Row] = []
        late: list[Row] = []
        for message in messages:
            batch, refused = take_in(message.topic, message.payload, self._directory, now_ms)
            if refused:
                self._note_refused(refused)
            if batch is None:
                continue
            if batch.unsynchronised:
                self._metrics.unsynchronised.inc(len(batch.rows))
            (late if batch.historical else live).extend(batch.rows)
            self._hold(batch)
        if live:
            self._on_live(live)
        if late:
            self._on_late(late)
        self._tell_size()

    async def run(self) -> None:
        """Stores what is held by size or age, until cancelled."""
        failures = 0
        while True:
            await self._arrived.wait()
            await first_of(self._enough.wait(), self._clock.sleep(self._settings.flush_s * self._clock.speed))
            if await self._flush():
                failures = 0
                continue
            pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            await self._clock.sleep(pause_s * self._clock.speed)
            failures += 1

    async def finish(self) -> None:
        """Stores what is still held, once; what the store does not take now, the gateways send again."""
        while self._held and await self._flush():
            pass
        self._thread.shutdown(wait=True)

    def _hold(self, batch: Batch) -> None:
        copy = 0
        while (known := self._held.get(name := (batch.topic, batch.epoch, batch.seq, copy))) is not None:
            if known.payload == batch.payload:
                return
            copy += 1  # a batch of the same name that says something else
        size = self._size + batch.size
        if size > self._settings.max_buffered_readings and self._held:
            self._metrics.dropped.inc()
            return
        self._held[name] = batch
        self._size = size

    def _tell_size(self) -> None:
        self._metrics.buffered.set(self._size)
        for event, due in ((self._arrived, bool(self._held)), (self._enough, self._size >= self._settings.flush_rows)):
            if due:
                event.set()
            else:
                event.clear()

    def _note_refused(self, refused: Sequence[Refused]) -> None:
        self._metrics.quarantined.inc(len(refused))
        self._set_aside(refused)

    async def _flush(self) -> bool:
        """Stores and confirms the oldest batches held; False when the store did not take them."""
        if self._writing is not None:  # a flush that was cancelled while its thread went on
            await asyncio.wait([self._writing])
        chosen, began_s = self._oldest(), self._clock.monotonic()
        batches, all_of_them = list(chosen.values()), len(chosen) == len(self._held)
        try:
            refused = await self._in_thread(batches)
        except StoreError as error:
            self._note_failure(error)
            return False
        self._note_success()
        if refused:
            self._note_refused(refused)
        self._metrics.confirm_lag.observe(self._clock.monotonic() - self._oldest_s)
        for name in chosen:
            del self._held[name]
        readings = sum(len(batch.rows) for batch in batches)
        self._size -= readings + len(batches)
        if all_of_them:
            self._oldest_s = began_s
        self._tell_size()
        self._metrics.readings.inc(readings)
        self._confirm(batches)
        return True

    def _oldest(self) -> dict[_Name, Batch]:
        if self._size <= _LARGEST_WRITE:
            return dict(self._held)
        chosen: dict[_Name, Batch] = {}
        size = 0
        for name, batch in self._held.items():
            if chosen and size + batch.size > _LARGEST_WRITE:
                break
            chosen[name] = batch
            size += batch.size
        return chosen

    async def _in_thread(self, chosen: list[Batch]) -> list[Refused]:
        loop = asyncio.get_running_loop()
        rows = self._ready(chosen)
        self._writing = loop.run_in_executor(self._thread, self._store, chosen, rows, self._marker.plan(rows))
        refused = await asyncio.shield(self._writing)
        self._writing = None
        return refused

    def _ready(self, chosen: list[Batch]) -> Sequence[Row]:
        """Their rows as the store takes them soonest, or as they are: then `write` says what is wrong."""
        rows = [row for batch in chosen for row in batch.rows]
        try:
            return self._history.prepare(rows)
        except _DATA_SHAPED:
            return rows

    def _store(self, chosen: list[Batch], rows: Sequence[Row], plan: Plan) -> list[Refused]:
        """Stores these batches. One that the store chokes on is given up, so that it does not hold the others up."""
        try:
            return _refused(chosen, self._store_rows(rows, plan))
        except _DATA_SHAPED as error:
            if len(chosen) > 1:
                return [refused for batch in chosen for refused in self._store_one(batch)]
            return [_given_up(chosen[0], error)]

    def _store_one(self, batch: Batch) -> list[Refused]:
        return self._store([batch], batch.rows, self._marker.plan(batch.rows))

    def _store_rows(self, rows: Sequence[Row], plan: Plan) -> Sequence[Unstorable]:
        """Stores what can be; gives what never will be."""
        self._marker.mark(plan)
        refused: Sequence[Unstorable] = ()
        try:
            self._history.write(rows)
        except UnstorableError as error:
            refused = error.refused
        self._marker.mark(plan)
        never = {id(item.row) for item in refused}
        self._marker.stored(self._marker.plan(row for row in rows if id(row) not in never) if never else plan)
        return refused

    def _note_failure(self, error: StoreError) -> None:
        self._writing = None
        self._metrics.store_errors.inc()
        if error.message != self._failing:  # say it once, not at every attempt
            log.error("the store does not take readings: %s; %d are kept and tried again", error, self._size)
        self._failing = error.message

    def _note_success(self) -> None:
        if self._failing is not None:
            log.info("the store takes readings again")
        self._failing = None


def _refused(chosen: Sequence[Batch], unstorable: Sequence[Unstorable]) -> list[Refused]:
    """Each reading the store will never take, with the message it came in."""
    if not unstorable:
        return []
    origin = {id(row): batch for batch in chosen for row in batch.rows}
    found = []
    for row, reason in ((item.row, item.reason) for item in unstorable):
        batch = origin[id(row)]
        payload = msgspec.json.encode({"device": row.tags.device, "t": row.t, "v": row.values, "bad": row.bad})
        found.append(Refused(batch.topic, batch.gateway, payload, f"cannot be stored: {reason}"))
    return found


def _given_up(batch: Batch, error: Exception) -> Refused:
    log.error("batch %s/%d of %s cannot be stored: %s", batch.epoch, batch.seq, batch.gateway, error)
    return Refused(batch.topic, batch.gateway, batch.payload, f"cannot be stored: {error}")


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Returns as soon as one of `waits` is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
