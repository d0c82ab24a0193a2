"""A stand-in for the centre on a real broker, and a task that ends with its block."""

from __future__ import annotations

import asyncio
import contextlib

from messaging import topics
from messaging.codec import Ack, decode_data, decode_result, encode
from messaging.connection import Connection

NAMES = ("brussels", "gw-1")


class Centre:
    """Confirms every batch, commands, and keeps readings and results."""

    def __init__(self, settings):
        self.readings, self.results = [], []
        self.connection = Connection(
            settings,
            "centre",
            subscriptions=[topics.data(*NAMES), topics.result(*NAMES)],
            on_message=self._on_message,
        )

    async def _on_message(self, message):
        if message.topic == topics.result(*NAMES):
            self.results.append(decode_result(message.payload))
            return
        data = decode_data(message.payload)
        self.readings += data.readings
        await self.connection.publish(topics.ack(*NAMES), encode(Ack(data.epoch, [data.seq])))

    async def ask(self, command):
        await self.connection.publish(topics.command(*NAMES), encode(command))

    @property
    def told(self):
        return [(result.id, result.state) for result in self.results]


@contextlib.asynccontextmanager
async def task(run):
    """Runs `run` for the time of a block."""
    running = asyncio.create_task(run())
    try:
        yield running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
