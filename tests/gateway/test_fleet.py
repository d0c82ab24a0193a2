"""Two hundred gateways and a broker that restarts: all back within a minute, spread out, and nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psutil

from messaging import topics
from messaging.codec import Ack, decode_data, encode
from messaging.connection import Connection
from tests.gateway.test_uplink import NAMES, Edge

GATEWAYS = 200
DOWN_S = 6.0
BACK_WITHIN_S = 60.0


class Centre:
    """Confirms every batch of every gateway and keeps what it has heard."""

    def __init__(self, settings):
        self.stored = set()
        self.connection = Connection(
            settings, "centre", subscriptions=[topics.data(NAMES[0], "+")], on_message=self._on_message
        )

    async def _on_message(self, message):
        gateway, data = message.topic.split("/")[3], decode_data(message.payload)
        self.stored.add((gateway, data.seq))
        await self.connection.publish(topics.ack(NAMES[0], gateway), encode(Ack(data.epoch, [data.seq])), qos=0)


def most_in_a_second(instants):
    """The most of sorted `instants` within any one second."""
    return max(sum(1 for other in instants[index:] if other < start + 1) for index, start in enumerate(instants))


async def test_two_hundred_gateways_come_back_within_a_minute_without_a_stampede(broker, tmp_path, real_time, until):
    edges = [
        Edge(broker.settings, tmp_path / f"{n}.sqlite", real_time, name=f"gw-{n}", resend_after_s=10)
        for n in range(GATEWAYS)
    ]
    centre = Centre(broker.settings)
    async with contextlib.AsyncExitStack() as stack:
        tasks = [asyncio.create_task(part.run()) for part in (centre.connection, *edges)]
        stack.push_async_callback(end, tasks, edges)
        await until(lambda: all(edge.connection.connected.is_set() for edge in edges), BACK_WITHIN_S)
        await add_to_all(edges)
        await until(lambda: len(centre.stored) == GATEWAYS, 30)
        broker.kill()
        await asyncio.sleep(DOWN_S)
        await add_to_all(edges)  # read while nobody listens
        await add_to_all(edges)
        broker.start()
        began, usage = time.monotonic(), []
        watching = asyncio.create_task(watch_cpu(broker.process.pid, usage))
        await until(lambda: len(centre.stored) == 3 * GATEWAYS, BACK_WITHIN_S)
        back_s = time.monotonic() - began
        watching.cancel()
    reconnects = sorted(edge.connects[1] for edge in edges)
    assert all(len(edge.connects) == 2 for edge in edges)  # nobody is thrown out again
    print(  # noqa: T201 - figures to tell
        f"{GATEWAYS} gateways back in {reconnects[-1] - began:.1f} s, backlog stored in {back_s:.1f} s, at most "
        f"{most_in_a_second(reconnects)} connections a second, broker at most {max(usage):.2f} of a core"
    )
    assert reconnects[-1] - began < BACK_WITHIN_S
    assert most_in_a_second(reconnects) <= GATEWAYS // 2
    assert sorted(usage)[int(len(usage) * 0.95)] < 1.0


async def add_to_all(edges):
    for edge in edges:
        edge.uplink.committed(await asyncio.to_thread(edge.add))


async def watch_cpu(pid, usage):
    process = psutil.Process(pid)
    process.cpu_percent()
    while True:
        await asyncio.sleep(0.5)
        usage.append(process.cpu_percent() / 100)


async def end(tasks, edges):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for edge in edges:
        edge.outbox.close()
