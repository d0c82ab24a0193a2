"""Server-sent events to many readers: numbered, resumable for a while, and bounded for those who read slowly."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from typing import Final, NamedTuple

from api.rights import Scope, place

__all__ = ["HEARTBEAT_S", "RING", "Events", "Subscriber", "frame"]

RING: Final = 4_096  # events kept for readers who come back or are slow; who owes more gets the whole state
HEARTBEAT_S: Final = 15.0  # proxies close what says nothing for 30 to 60 s; real time, whatever the service's clock
_GATHER_S: Final = 0.05  # a picture's events come together; in one write they cost a quarter


class _Event(NamedTuple):
    number: int
    community: str | None
    place: str | None
    frame: bytes


def frame(event: str, data: bytes, number: int) -> bytes:
    """One event as it goes over the wire; `data` has no line ends."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (event.encode(), number, data)


class Subscriber:
    """One reader: where in the stream of events it stands."""

    def __init__(self, events: Events, scope: Scope) -> None:
        self.scope = scope
        self.closed = False
        self._events = events
        self._seen = events.last

    async def wait(self) -> None:
        """Returns when there may be something to send, when the stream has ended, and now and then."""
        if not self.closed and self._seen == self._events.last:
            await self._events.wait()

    def take(self) -> bytes | None:
        """All events since the last call, in order; None: too many, this reader needs the whole state again."""
        seen, self._seen = self._seen, self._events.last
        return self._events.since(seen, self.scope)


class Events:
    """Numbers events, keeps the newest, and wakes all readers at once when a picture's events have come together.

    `first` lies above every number of an earlier life of the service (its clock in ms does), so that a reader who
    comes back after a restart is recognised as one who missed something.
    """

    def __init__(self, first: int) -> None:
        self.last = first
        self._readers: set[Subscriber] = set()
        self._ring: deque[_Event] = deque(maxlen=RING)
        self._before_ring = first
        self._joined: dict[tuple[int, Scope], bytes] = {}  # what readers who stand alike are sent next
        self._news = asyncio.Event()
        self._waiting = 0
        self._gathering = False
        self._pulse: asyncio.TimerHandle | None = None

    @property
    def readers(self) -> int:
        """How many there are."""
        return len(self._readers)

    def publish(self, event: str, data: bytes, community: str | None = None, site: str | None = None) -> None:
        """Sends an event about `community` (None: about the service), or about that site of it, to its readers."""
        self.last += 1
        if len(self._ring) == RING:
            self._before_ring = self._ring[0].number
        of_site = None if community is None or site is None else place(community, site)
        self._ring.append(_Event(self.last, community, of_site, frame(event, data, self.last)))
        self._joined.clear()
        if self._waiting and not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(_GATHER_S, self._wake)

    def since(self, number: int, scope: Scope) -> bytes | None:
        """What a reader who last saw `number` has missed; None when that is not known any more."""
        if not self._before_ring <= number <= self.last:
            return None
        joined = self._joined.get((number, scope))
        if joined is None:
            newer = takewhile(lambda entry: entry.number > number, reversed(self._ring))
            frames = [entry.frame for entry in newer if _visible(entry, scope)]
            joined = self._joined[number, scope] = b"".join(reversed(frames))
        return joined

    async def wait(self) -> None:
        """Returns soon after the next event, or after `HEARTBEAT_S` without one."""
        self._waiting += 1
        if self._pulse is None:
            self._pulse = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._wake)
        try:
            await self._news.wait()
        finally:
            self._waiting -= 1

    def subscribe(self, scope: Scope) -> Subscriber:
        """A new reader; `unsubscribe` it when it leaves."""
        subscriber = Subscriber(self, scope)
        self._readers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a reader."""
        self._readers.discard(subscriber)

    def close(self) -> None:
        """Ends every stream."""
        for reader in self._readers:
            reader.closed = True
        self._wake()

    def _wake(self) -> None:
        self._gathering = False
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
        self._news.set()
        self._news.clear()


def _visible(event: _Event, scope: Scope) -> bool:
    return scope is None or event.community is None or event.community in scope or event.place in scope
