"""Ingest into a real InfluxDB behind a proxy that injects faults: nothing is lost, confirmed early or tried for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from collector.metrics import Metrics
from messaging.codec import encode
from messaging.connection import Message
from runtime.clock import ManualClock
from storage.history.influx_setup import Shelf
from storage.history.influxdb import InfluxHistory
from tests.fault_proxy import Answer, Cut, CutAfter, fault_proxy
from tests.influxdb_server import InfluxServer, influxd

from .conftest import eventually, make_ingest, reading

NOW = 1_750_000_000_000
EACH = 10  # readings of a batch
DEVICE = "ixl-hall/pv"


@pytest.fixture(scope="module", params=[pytest.param(1, id="influxdb1"), pytest.param(2, id="influxdb2")])
def server(request, tmp_path_factory):
    binary = influxd(request.param)
    if binary is None:
        pytest.skip(f"no InfluxDB {request.param}.x server on PATH")
    running = InfluxServer(binary, request.param, tmp_path_factory.mktemp("influxdb"))
    running.start()
    yield running
    running.kill()


class Bench:
    """Ingest on a clock set by hand; `direct` looks at the server past the proxy."""

    def __init__(self, proxy, settings, dirty, **changes):
        self.clock = ManualClock(NOW)
        self.proxy = proxy
        self.direct = InfluxHistory(settings)
        through = settings.model_copy(update={"url": proxy.url, "timeout_s": 0.3})
        self.history = InfluxHistory(through, monotonic=self.clock.monotonic)
        self.metrics = Metrics()
        self.confirmed, self.early, self.refused, self.live = [], [], [], []
        self.ingest = make_ingest(self, self.history, dirty, self.metrics, **{"flush_s": 0.2, **changes})

    def confirm(self, batches):
        stored = {row.t for row in self.stored()} | {NOW + 13}
        self.early += [b.seq for b in batches if not {row.t for row in b.rows} <= stored]
        self.confirmed += [batch.seq for batch in batches]

    def send(self, *seqs):
        for seq in seqs:
            readings = [reading(DEVICE, NOW + seq * EACH + n, power_w=float(n)) for n in range(EACH)]
            body = {"epoch": "e", "seq": seq, "historical": False, "readings": readings}
            self.ingest.accept([Message("cw/v1/ixelles/gw-hall/data", encode(body), retained=False)])

    def stored(self):
        return self.direct.readings(DEVICE, NOW, NOW + 10_000)

    async def until(self, condition):
        async def pass_time():
            while True:
                await self.clock.advance(0.5)
                await asyncio.sleep(0.005)

        passing = asyncio.create_task(pass_time())
        try:
            await eventually(condition, timeout_s=30)
        finally:
            passing.cancel()


@pytest.fixture
async def bench(server, dirty):
    @asynccontextmanager
    async def opened(**changes):
        with fault_proxy(server.port) as proxy:
            made = Bench(proxy, server.fresh(), dirty, **changes)
            task = asyncio.create_task(made.ingest.run())
            try:
                yield made
            finally:
                proxy.release()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await made.ingest.finish()
                made.history.close()
                made.direct.close()

    return opened


@pytest.mark.influxdb
@pytest.mark.parametrize(
    "fault",
    [
        Answer(503, {"Retry-After": "17"}),
        Answer(429, {"Retry-After": "Fri, 27 Nov 2026 12:00:17 GMT", "Date": "Fri, 27 Nov 2026 12:00:00 GMT"}),
        Answer(500),
        Answer(401),
        Answer(404),
        Cut(),
        CutAfter(),
    ],
    ids=lambda fault: f"{type(fault).__name__}{getattr(fault, 'status', '')}",
)
async def test_faults_delay_and_lose_nothing(bench, fault):
    async with bench() as made:
        made.proxy.faults.extend([fault] * 3)
        made.send(0, 1, 2)
        await made.until(lambda: made.confirmed)
        made.send(3)
        await made.until(lambda: len(made.confirmed) == 4)
        assert made.confirmed == [0, 1, 2, 3]
        assert made.early == []
        assert [row.t - NOW for row in made.stored()] == list(range(4 * EACH))
        assert made.refused == []


@pytest.mark.influxdb
@pytest.mark.parametrize("asked", [{"Retry-After": "17"}, {"Retry-After": "Fri, 27 Nov 2026 12:00:17 GMT"}])
async def test_a_server_that_asks_to_wait_gets_no_write_before(bench, asked):
    async with bench() as made:
        made.proxy.faults.append(Answer(503, {**asked, "Date": "Fri, 27 Nov 2026 12:00:00 GMT"}))
        made.send(0)
        await made.clock.advance(0.3)
        await eventually(lambda: made.metrics.store_errors._value.get() == 1)
        for _ in range(16):
            await made.clock.advance(1)
            await asyncio.sleep(0.01)
        assert made.proxy.writes == 1
        await made.until(lambda: made.confirmed == [0])
        assert made.proxy.writes == 2


@pytest.mark.influxdb
async def test_a_bad_point_goes_to_the_quarantine_with_the_servers_reason_and_the_rest_is_confirmed(bench):
    async with bench() as made:
        made.send(0)
        await made.until(lambda: made.confirmed == [0])
        tags = next(iter(made.direct.devices()))
        # another program gives a field the wrong type before the first number comes
        made.direct._client.write(
            Shelf.RAW, f'reading,community=ixelles,device={tags.device},site=x voltage_l1_v="text" {NOW}'.encode()
        )
        readings = [reading(DEVICE, NOW + EACH + n, power_w=1.0) for n in range(EACH)]
        readings[3]["v"]["voltage_l1_v"] = 230.0
        body = {"epoch": "e", "seq": 1, "historical": False, "readings": readings}
        made.ingest.accept([Message("cw/v1/ixelles/gw-hall/data", encode(body), retained=False)])
        made.send(2)
        await made.until(lambda: len(made.confirmed) == 3)
        assert made.confirmed == [0, 1, 2]
        assert made.early == []
        [refused] = made.refused
        assert refused.gateway == "gw-hall"
        assert str(NOW + EACH + 3).encode() in refused.payload
        assert "type" in refused.reason
        missing = Counter(range(3 * EACH)) - Counter(row.t - NOW for row in made.stored())
        assert missing in (Counter(), Counter([EACH + 3]))  # a server may keep the good fields of the point
        assert made.metrics.quarantined._value.get() == 1


@pytest.mark.influxdb
async def test_a_server_that_swallows_everything_is_waited_for_with_bounded_memory_and_live_goes_on(bench):
    async with bench(max_buffered_readings=55) as made:
        made.proxy.silent = True
        made.send(*range(20))
        await made.until(lambda: made.metrics.store_errors._value.get() >= 2)
        assert made.confirmed == []
        assert made.ingest._size <= 55
        assert len(made.live) == 20 * EACH
        made.proxy.release()
        await made.until(lambda: made.confirmed)
        for seq in range(20):  # what is not confirmed, gateways send again
            if seq not in made.confirmed:
                made.send(seq)
                await made.until(lambda seq=seq: seq in made.confirmed)
        assert made.early == []
        assert sorted(set(made.confirmed)) == list(range(20))
        assert [row.t - NOW for row in made.stored()] == list(range(20 * EACH))
