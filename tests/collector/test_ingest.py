"""Buffer, mark, store, confirm; and the ways that can go wrong."""

import asyncio
import json
import threading

import pytest

from collector.metrics import Metrics
from energy.errors import DataError, StoreError
from messaging.connection import Message
from runtime.clock import ManualClock, SystemClock

from .conftest import eventually, make_ingest, reading

NOW = 1_750_000_000_000


class Store:
    """Remembers the order of what is asked of it; can be blocked, broken or picky."""

    def __init__(self):
        self.rows = []
        self.log = []
        self.open = threading.Event()
        self.open.set()
        self.error = None
        self.picky = None

    def prepare(self, rows):
        return rows

    def write(self, rows):
        self.open.wait(5)
        if self.error is not None:
            raise self.error
        if any(row.values.get("power_w") == self.picky for row in rows):
            raise DataError("the store chokes on it")
        self.rows.extend(rows)
        self.log.append("write")


class Bench:
    def __init__(self, dirty, *, clock=None, **settings):
        self.store = Store()
        self.confirmed = []
        self.refused = []
        self.live = []
        self.clock = clock or SystemClock()
        mark, log = dirty.mark, self.store.log
        dirty.mark = lambda quarters, **more: (log.append("mark"), mark(quarters, **more))
        self.ingest = make_ingest(self, self.store, dirty, Metrics(), **{"flush_s": 0.01, **settings})

    def confirm(self, batches):
        self.store.log.append("confirm")
        self.confirmed.extend(batch.seq for batch in batches)

    def accept(self, seq, *readings, historical=False):
        body = {"epoch": "e", "seq": seq, "historical": historical, "readings": readings}
        self.ingest.accept([Message("cw/v1/ixelles/gw-hall/data", json.dumps(body).encode(), retained=False)])


@pytest.fixture
async def run():
    tasks = []

    def _run(bench):
        tasks.append(asyncio.create_task(bench.ingest.run()))
        return tasks[-1]

    yield _run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def pv(n, power_w=1.0):
    return reading("ixl-hall/pv", NOW + n, power_w=power_w)


async def test_confirms_only_after_marking_and_storing(dirty, run):
    bench = Bench(dirty)
    run(bench)
    bench.accept(1, pv(0))
    await eventually(lambda: bench.confirmed)
    assert bench.store.log == ["mark", "mark", "write", "mark", "mark", "confirm"]


async def test_waits_for_enough_rows_or_for_the_oldest_to_be_old_enough(dirty, run):
    clock = ManualClock(NOW)
    bench = Bench(dirty, clock=clock, flush_rows=5, flush_s=0.2)
    run(bench)
    bench.accept(1, pv(0))
    await clock.advance(0.19)
    assert not bench.store.rows
    await clock.advance(0.02)
    await eventually(lambda: bench.confirmed == [1])
    bench.accept(2, *(pv(n) for n in range(1, 6)))
    await eventually(lambda: bench.confirmed == [1, 2])


async def test_a_batch_sent_again_while_it_waits_is_held_once(dirty, run):
    bench = Bench(dirty)
    bench.store.open.clear()
    run(bench)
    for _ in range(5):
        bench.accept(1, pv(0))
    bench.accept(1, pv(1))  # the same name with other readings is another batch
    bench.store.open.set()
    await eventually(lambda: len(bench.confirmed) == 2)
    assert [row.t for row in bench.store.rows] == [NOW, NOW + 1]


async def test_a_batch_the_store_chokes_on_is_set_aside_and_the_others_stored(dirty, run):
    bench = Bench(dirty, flush_s=0.05)
    bench.store.picky = 13.0
    run(bench)
    for seq in range(5):
        bench.accept(seq, pv(seq, power_w=13.0 if seq == 2 else 1.0))
    await eventually(lambda: bench.confirmed == [0, 1, 2, 3, 4])
    assert len(bench.store.rows) == 4
    assert "chokes" in bench.refused[0].reason


async def test_a_store_that_comes_back_gets_everything(dirty, run, caplog):
    clock = ManualClock(NOW)
    bench = Bench(dirty, clock=clock)
    bench.store.error = StoreError("away")
    run(bench)
    for seq in range(10):
        bench.accept(seq, pv(seq))
    for _ in range(5):
        await clock.advance(1)
        await asyncio.sleep(0.02)
    assert bench.confirmed == []
    assert len([record for record in caplog.records if "does not take" in record.message]) == 1
    bench.store.error = None

    async def pass_time():
        while True:
            await clock.advance(1)
            await asyncio.sleep(0.01)

    passing = asyncio.create_task(pass_time())
    await eventually(lambda: bench.confirmed == list(range(10)))
    passing.cancel()


async def test_cancelled_while_a_write_is_under_way_finishes_it_and_what_came_since(dirty):
    bench = Bench(dirty)
    bench.store.open.clear()
    task = asyncio.create_task(bench.ingest.run())
    bench.accept(1, pv(0))
    await asyncio.sleep(0.05)
    bench.accept(2, pv(1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.store.open.set()
    await bench.ingest.finish()
    assert bench.confirmed == [1, 2]
    assert {row.t for row in bench.store.rows} == {NOW, NOW + 1}


async def test_historical_readings_are_not_live(dirty):
    bench = Bench(dirty)
    bench.accept(1, pv(0), historical=True)
    assert bench.live == []
    bench.accept(2, pv(1))
    assert [row.t for row in bench.live] == [NOW + 1]
    await bench.ingest.finish()


async def test_an_empty_batch_is_confirmed(dirty, run):
    bench = Bench(dirty)
    run(bench)
    bench.accept(1)
    await eventually(lambda: bench.confirmed == [1])
