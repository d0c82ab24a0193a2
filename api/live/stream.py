"""Server-sent events to many readers: numbered, resumable for a while, and bounded for those who read slowly."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple

__all__ = ["Events", "Subscriber", "frame"]

RING: Final = 4_096  # events kept for readers who come back
BACKLOG: Final = 1_024  # events a slow reader may owe before it gets the whole state instead

Scope = frozenset[str] | None
"""The communities a reader may see; None: all."""


class _Event(NamedTuple):
    number: int
    community: str | None
    frame: bytes


def frame(event: str, data: bytes, number: int) -> bytes:
    """One event as it goes over the wire; `data` has no line ends."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (event.encode(), number, data)


class Subscriber:
    """One reader's queue. `behind` says that it overflowed: the reader needs the whole state again."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.behind = False
        self.closed = False
        self._frames: list[bytes] = []
        self._wake = asyncio.Event()

    def offer(self, event: bytes) -> None:
        """Queues an event, or notes that this reader is too slow for single events."""
        if len(self._frames) >= BACKLOG:
            self._frames.clear()
            self.behind = True
        if not self.behind:
            self._frames.append(event)
        self._wake.set()

    def close(self) -> None:
        """Ends the stream when the reader next looks."""
        self.closed = True
        self._wake.set()

    async def wait(self) -> None:
        """Returns when there is something to send or the stream has ended."""
        await self._wake.wait()

    def take(self) -> bytes:
        """All queued events, in order."""
        self._wake.clear()
        self.behind = False
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames


class Events:
    """Numbers events and hands them to every reader who may see them.

    `first` lies above every number of an earlier life of the service (its clock in ms does), so that a reader who
    comes back after a restart is recognised as one who missed something.
    """

    def __init__(self, first: int) -> None:
        self.last = first
        self._readers: dict[Scope, set[Subscriber]] = {}
        self._ring: deque[_Event] = deque(maxlen=RING)
        self._before_ring = first

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(map(len, self._readers.values()))

    def publish(self, event: str, data: bytes, community: str | None = None) -> None:
        """Sends an event about `community` (None: about the service) to its readers."""
        self.last += 1
        if len(self._ring) == RING:
            self._before_ring = self._ring[0].number
        entry = _Event(self.last, community, frame(event, data, self.last))
        self._ring.append(entry)
        for scope, readers in self._readers.items():
            if _visible(entry, scope):
                for reader in readers:
                    reader.offer(entry.frame)

    def since(self, number: int, scope: Scope) -> bytes | None:
        """What a reader who last saw `number` has missed; None when that is not known any more."""
        if not self._before_ring <= number <= self.last:
            return None
        return b"".join(entry.frame for entry in self._ring if entry.number > number and _visible(entry, scope))

    def subscribe(self, scope: Scope) -> Subscriber:
        """A new reader; `unsubscribe` it when it leaves."""
        subscriber = Subscriber(scope)
        self._readers.setdefault(scope, set()).add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a reader."""
        readers = self._readers.get(subscriber.scope, set())
        readers.discard(subscriber)
        if not readers:
            self._readers.pop(subscriber.scope, None)

    def close(self) -> None:
        """Ends every stream."""
        for readers in self._readers.values():
            for reader in readers:
                reader.close()


def _visible(event: _Event, scope: Scope) -> bool:
    return scope is None or event.community is None or event.community in scope
