"""Tells gateways what the store has. A confirmation that is lost costs a repetition, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from collector.intake import Batch
from collector.metrics import Metrics
from energy.errors import StoreError
from messaging import topics
from messaging.codec import Ack, encode
from messaging.connection import Connection

__all__ = ["Confirmations"]

_Outbox = tuple[str, str, str]


class Confirmations:
    """Gathers stored batches per outbox and publishes them on `…/ack`."""

    def __init__(self, connection: Connection, metrics: Metrics) -> None:
        self._connection = connection
        self._metrics = metrics
        self._due: dict[_Outbox, list[int]] = {}
        self._some = asyncio.Event()

    def add(self, batches: Sequence[Batch]) -> None:
        """Batches that are in the store."""
        for batch in batches:
            self._due.setdefault((batch.community, batch.gateway, batch.epoch), []).append(batch.seq)
        self._metrics.batches.inc(len(batches))
        self._some.set()

    async def run(self) -> None:
        """Publishes what is due, until cancelled."""
        while True:
            await self._some.wait()
            await self.flush()

    async def flush(self) -> None:
        """Publishes what is due now, all gateways side by side."""
        due, self._due = self._due, {}
        self._some.clear()
        await asyncio.gather(*(self._publish(outbox, seqs) for outbox, seqs in due.items()))

    async def _publish(self, outbox: _Outbox, seqs: list[int]) -> None:
        community, gateway, epoch = outbox
        try:
            await self._connection.publish(topics.ack(community, gateway), encode(Ack(epoch, seqs)))
        except StoreError:
            return  # the gateway sends again, the store has it already, and it is confirmed then
