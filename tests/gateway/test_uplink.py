"""The outbox drained through a real broker to a centre that confirms what it stored."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from energy.errors import StoreError
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from messaging import topics
from messaging.codec import Ack, Data, Reading, decode_ack, decode_data, encode
from messaging.connection import Connection

NAMES = ("brussels", "gw-1")


class Centre:
    """Stores what comes and confirms it, unless told to forget (before the store) or to be away."""

    def __init__(self, settings):
        self.stored: list[Data] = []
        self.deaf = False
        self.forget = 0
        self.connection = Connection(
            settings, "centre", subscriptions=[topics.data(*NAMES)], on_message=self._on_message
        )
        self._pending: list[Data] = []

    async def _on_message(self, message):
        data = decode_data(message.payload)
        if self.deaf:
            return
        if self.forget:
            self.forget -= 1
            return
        self._pending.append(data)

    async def run(self):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            tasks.create_task(self._confirm())

    async def _confirm(self):
        while True:
            await asyncio.sleep(0.01)
            batch, self._pending = self._pending, []
            if batch:
                self.stored += batch
                for epoch in {data.epoch for data in batch}:
                    seqs = [data.seq for data in batch if data.epoch == epoch]
                    with contextlib.suppress(StoreError, TimeoutError):
                        async with asyncio.timeout(1):  # lost with the broker: the batch comes again
                            await self.connection.publish(topics.ack(*NAMES), encode(Ack(epoch, seqs)))

    @property
    def seqs(self):
        return [data.seq for data in self.stored]


class Edge:
    """An outbox with its uplink and connection."""

    def __init__(self, settings, path, clock, *, name="gw-1", **options):
        self._topics = (NAMES[0], name)
        self.connects = []
        self.outbox = Outbox(path, clock)
        self.metrics = Metrics()
        self.connection = Connection(
            settings,
            name,
            subscriptions=[topics.ack(*self._topics)],
            on_message=self._on_message,
            on_connect=self._on_connect,
        )
        self.uplink = Uplink(
            self.outbox, self._publish, clock, online=self.connection.connected, metrics=self.metrics, **options
        )

    async def _publish(self, payload):
        await self.connection.publish(topics.data(*self._topics), payload)

    async def _on_message(self, message):
        self.uplink.acknowledge(decode_ack(message.payload))

    async def _on_connect(self):
        self.connects.append(time.monotonic())
        await self.uplink.connected()

    def add(self, count=1):
        for i in range(count):
            seq = self.outbox.append([Reading("site/pv", 1_750_000_000_000 + i, {"power_w": float(i)})])
            self.uplink.committed(seq)
        return seq

    async def run(self):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            tasks.create_task(self.uplink.run())
            tasks.create_task(self.uplink.run_confirmations())


@contextlib.asynccontextmanager
async def running(*parts):
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in parts:
            if isinstance(part, Edge):
                part.outbox.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.sqlite"


async def test_uplink_backlog_arrives_once_in_order_marked_historical_and_is_forgotten(
    mosquitto, path, real_time, until
):
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time)
    async with running(centre):
        await until(centre.connection.connected.is_set)
        edge.add(500)
        async with running(edge):
            await until(lambda: edge.metrics.confirmed == 500, 10)
            assert edge.outbox.depth().batches == 0
            assert centre.seqs == list(range(1, 501))
            assert all(data.historical for data in centre.stored)
            live = edge.add()
            await until(lambda: live in centre.seqs)
            assert centre.stored[-1].historical is False


async def test_uplink_unconfirmed_stays_and_comes_again(mosquitto, path, real_time, until):
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time, resend_after_s=0.3)
    centre.forget = 7
    async with running(centre, edge):
        await until(lambda: centre.connection.connected.is_set() and edge.connection.connected.is_set())
        await asyncio.sleep(0.1)
        edge.add(20)
        await until(lambda: edge.outbox.depth().batches == 0, 10)
    assert set(centre.seqs) == set(range(1, 21))
    again = [data for data in centre.stored if data.seq <= 7]
    assert again
    assert all(data.historical for data in again)


async def test_uplink_centre_away_then_back_drains_at_once_on_the_next_live_batch(mosquitto, path, real_time, until):
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time, resend_after_s=0.2, window=8)
    centre.deaf = True
    edge.add(100)
    async with running(centre, edge):
        await until(lambda: edge.metrics.published >= 8)
        await asyncio.sleep(0.7)  # it paused, longer each time
        assert edge.metrics.published < 60
        assert edge.outbox.depth().batches == 100
        centre.deaf = False
        edge.add()
        await until(lambda: edge.outbox.depth().batches == 0)
    assert set(centre.seqs) == set(range(1, 102))


async def test_uplink_live_batch_passes_the_backlog(mosquitto, path, real_time, until):
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time, window=16)
    edge.add(1500)
    async with running(centre):
        await until(centre.connection.connected.is_set)
        async with running(edge):
            await until(lambda: len(centre.stored) > 50)
            live, asked = edge.add(), time.monotonic()
            await until(lambda: live in centre.seqs)
            assert time.monotonic() - asked < 1.0
            waiting = 1500 - len(centre.stored)
            assert waiting > 300, "the backlog was still on its way"
            assert next(data for data in centre.stored if data.seq == live).historical is False


async def test_uplink_broker_killed_and_wiped_in_the_middle_loses_nothing(broker, path, real_time, until):
    centre, edge = Centre(broker.settings), Edge(broker.settings, path, real_time, resend_after_s=0.5, window=16)
    edge.add(600)
    async with running(centre, edge):
        await until(lambda: len(centre.stored) > 100, 10)
        broker.kill()
        assert edge.outbox.depth().batches > 200
        edge.add(50)
        broker.start()  # knows nothing of before: no persistence
        for _ in range(10):  # the roof goes on measuring
            await asyncio.sleep(0.1)
            edge.add()
        await until(lambda: edge.outbox.depth().batches == 0, 30)
    assert set(centre.seqs) == set(range(1, 661))


async def test_uplink_batches_committed_while_others_are_sent_all_go_live(mosquitto, path, real_time, until):
    """None falls between the two streams: nothing needs a second sending."""
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time, resend_after_s=60.0)
    async with running(centre, edge):
        await until(lambda: centre.connection.connected.is_set() and edge.connection.connected.is_set())
        read = edge.outbox.pending

        def read_slowly(*range_):
            batches = read(*range_)
            time.sleep(0.005)
            return batches

        edge.outbox.pending = read_slowly
        for _ in range(100):
            edge.add()
            await asyncio.sleep(0.003)
        await until(lambda: edge.outbox.depth().batches == 0)
    assert sorted(centre.seqs) == list(range(1, 101))
    assert edge.metrics.resent == 0


async def test_uplink_ack_of_another_epoch_is_ignored(mosquitto, path, real_time, until):
    edge = Edge(mosquitto, path, real_time)
    edge.add(3)
    async with running(edge):
        await until(lambda: edge.metrics.published == 3)
        edge.uplink.acknowledge(Ack("another", [1, 2, 3]))
        edge.uplink.acknowledge(Ack(edge.outbox.epoch, [2, 99]))
        await until(lambda: edge.metrics.confirmed == 1)
        assert [batch.seq for batch in edge.outbox.pending(0, 10, 10)] == [1, 3]


async def test_uplink_drains_hundreds_of_batches_a_second(mosquitto, path, real_time, until):
    centre, edge = Centre(mosquitto), Edge(mosquitto, path, real_time)
    edge.add(1000)
    async with running(centre):
        await until(centre.connection.connected.is_set)
        began = time.monotonic()
        async with running(edge):
            await until(lambda: edge.outbox.depth().batches == 0, 20)
    rate = 1000 / (time.monotonic() - began)
    assert rate > 250
