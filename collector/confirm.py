"""Tells gateways what the store has. A confirmation that is lost costs a repetition, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from collector.intake import Batch
from collector.metrics import Metrics
from messaging import topics
from messaging.codec import Ack, encode
from messaging.connection import Publisher

__all__ = ["Confirmations"]


class Confirmations:
    """Publishes stored batches on `…/ack`, one message per outbox."""

    def __init__(self, connection: Publisher, metrics: Metrics) -> None:
        self._connection = connection
        self._metrics = metrics

    def add(self, batches: Sequence[Batch]) -> None:
        """Confirms batches that are in the store."""
        due: dict[tuple[str, str, str], list[int]] = {}
        for batch in batches:
            due.setdefault((batch.community, batch.gateway, batch.epoch), []).append(batch.seq)
        self._metrics.batches.inc(len(batches))
        self._connection.post(
            (topics.ack(community, gateway), encode(Ack(epoch, seqs)))
            for (community, gateway, epoch), seqs in due.items()
        )

    async def flush(self) -> None:
        """Returns when the broker has them, or they are lost."""
        await self._connection.settled()
