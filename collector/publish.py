"""Publishes the live picture, retained: what changed at once, the rest every ten seconds.

QoS 0: a lost object is replaced by the next one within seconds, and waiting for the broker to confirm each would make
the whole picture wait for the slowest. Retained: who subscribes later sees the present at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from collector.live import LivePicture
from collector.views import community_object, encode_object, site_object
from energy.errors import StoreError
from messaging import topics
from messaging.connection import Publisher
from runtime.clock import Clock

__all__ = ["LivePublisher"]

_REPEAT_S: Final = 10.0  # readers take a longer silence for the end of the collector


class LivePublisher:
    """Remembers what was said last on every topic."""

    def __init__(self, connection: Publisher, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._said: dict[str, tuple[bytes, float]] = {}

    def forget(self) -> None:
        """The broker may have forgotten what was retained: everything is said again."""
        self._said.clear()

    async def publish(self, picture: LivePicture) -> None:
        """Says what is new in `picture`. A broker that is away is not waited for."""
        now_s = self._clock.monotonic()
        for topic, live in _objects(picture):
            content = encode_object({**live, "t": 0})
            before, said_s = self._said.get(topic, (b"", 0.0))
            if content == before and now_s - said_s < _REPEAT_S * self._clock.speed:
                continue
            try:
                await self._connection.publish(topic, encode_object(live), qos=0, retain=True)
            except StoreError:
                return
            self._said[topic] = (content, now_s)


def _objects(picture: LivePicture) -> Iterable[tuple[str, dict[str, Any]]]:
    for site in picture.sites:
        yield topics.live_site(site.balance.community, site.balance.id), site_object(site)
    for balance, today in picture.communities:
        yield topics.live_community(balance.id), community_object(balance, today)
