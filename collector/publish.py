"""Publishes the live picture, retained: what changed at once, the rest every ten seconds.

QoS 0: a lost object is replaced by the next one within seconds, and waiting for the broker to confirm each would make
the whole picture wait for the slowest. Retained: who subscribes later sees the present at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from collector.live import LiveSite
from collector.today import CommunityToday
from collector.views import community_object, encode_object, site_object
from energy.balance import CommunityBalance
from energy.errors import StoreError
from messaging import topics
from messaging.connection import Publisher
from runtime.clock import Clock

__all__ = ["LivePublisher"]

_REPEAT_S: Final = 10.0  # readers take a longer silence for the end of the collector


class LivePublisher:
    """Remembers what was said last of every community."""

    def __init__(self, connection: Publisher, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._said: dict[str, tuple[bytes, float]] = {}

    def forget(self) -> None:
        """The broker may have forgotten what was retained: everything is said again."""
        self._said.clear()

    async def publish(
        self, sites: Iterable[LiveSite], communities: Iterable[tuple[CommunityBalance, CommunityToday]]
    ) -> None:
        """Says these sites, and what is new of the communities. A broker that is away is not waited for."""
        try:
            for site in sites:
                topic = topics.live_site(site.balance.community, site.balance.id)
                await self._connection.publish(topic, encode_object(site_object(site)), qos=0, retain=True)
            for balance, today in communities:
                await self._publish_community(balance, today)
        except StoreError:
            return

    async def _publish_community(self, balance: CommunityBalance, today: CommunityToday) -> None:
        now_s = self._clock.monotonic()
        live = community_object(balance, today)
        content = encode_object({**live, "t": 0})
        before, said_s = self._said.get(balance.id, (b"", 0.0))
        if content == before and now_s - said_s < _REPEAT_S * self._clock.speed:
            return
        await self._connection.publish(topics.live_community(balance.id), encode_object(live), qos=0, retain=True)
        self._said[balance.id] = (content, now_s)
