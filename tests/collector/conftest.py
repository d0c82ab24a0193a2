"""A real store, a real register, and collectors that run against a real broker."""

import asyncio
import json
import math
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from collector.directory import Directory
from collector.ingest import Ingest
from collector.marks import Marker
from collector.service import Collector
from collector.settings import CollectorSettings
from energy.alerts.rules import Action, Balance
from energy.community import Community, Device, Site
from energy.quantities import Role
from runtime.clock import SystemClock
from storage.dirty import DirtyQuarters
from storage.history.sqlite import SqliteHistory
from storage.register import Register


def make_community(*, interval_s=10.0, battery=None, **settings):
    """Two sites: a town hall with PV and grid meter, a school with PV, grid meter and battery (with more facts)."""

    def device(name, role, **more):
        return Device(id=name, role=role, interval_s=interval_s, **more)

    return Community(
        id="ixelles",
        name="Ixelles",
        sites=(
            Site(
                id="ixl-hall",
                name="Town hall of Ixelles",
                gateway="gw-hall",
                devices=(device("grid", Role.GRID), device("pv", Role.PV)),
            ),
            Site(
                id="ixl-school",
                name="School",
                gateway="gw-school",
                devices=(
                    device("grid", Role.GRID),
                    device("pv", Role.PV),
                    device("battery", Role.BATTERY, capacity_wh=50_000, **(battery or {})),
                ),
            ),
        ),
        **settings,
    )


def charge_rule(**changes):
    """Charges the school's battery from a surplus."""
    settings = {
        "id": "surplus",
        "metric": "surplus_w",
        "raise_above": 2000,
        "clear_below": 500,
        "for_s": 0,
        "actions": (Action(device="ixl-school/battery", set={"power_w": -3000.0}, ttl_s=60),),
    }
    return Balance(**{**settings, **changes})


@pytest.fixture
def community():
    return make_community()


@pytest.fixture
def history(tmp_path):
    store = SqliteHistory(tmp_path / "history.db")
    yield store
    store.close()


@pytest.fixture
def register(tmp_path):
    opened = Register(tmp_path / "register.db")
    yield opened
    opened.close()


@pytest.fixture
def dirty(tmp_path):
    opened = DirtyQuarters(tmp_path / "dirty.db")
    yield opened
    opened.close()


def make_ingest(bench, store, dirty, metrics, **settings):
    """An ingest that tells `bench`: its `live`, `refused` and `confirm`, on its `clock`."""
    return Ingest(
        CollectorSettings(**settings),
        Directory([make_community()]),
        store,
        Marker(dirty, {}),
        metrics,
        bench.clock,
        on_live=bench.live.extend,
        on_late=lambda _: None,
        confirm=bench.confirm,
        set_aside=bench.refused.extend,
    )


@asynccontextmanager
async def running(collector):
    """`collector` running, then cancelled and awaited."""
    task = asyncio.create_task(collector.run())
    waiting = asyncio.create_task(collector.ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    waiting.cancel()
    try:
        if task.done():
            task.result()
        await asyncio.wait_for(collector.connection.connected.wait(), 10)
        yield collector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def start(mosquitto, history, register, dirty):
    """Gives a context manager that runs a collector of the given communities."""

    def _start(*communities, store=None, marks=None, notifications=None, **settings):
        chosen = CollectorSettings(**{"flush_s": 0.02, "live_interval_s": 0.05, "rules_interval_s": 0.05, **settings})
        return running(
            Collector(
                chosen,
                communities,
                mosquitto,
                store or history,
                register,
                marks or dirty,
                SystemClock(),
                notifications=notifications,
            )
        )

    return _start


async def eventually(condition, *, timeout_s=10.0):
    """Waits until `condition()` is truthy and gives what it gave."""
    async with asyncio.timeout(timeout_s):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


class Wire:
    """A client of the broker that remembers everything it sees."""

    def __init__(self, client):
        self.client = client
        self.seen = []

    async def listen(self):
        async for message in self.client.messages:
            self.seen.append((str(message.topic), message.payload, bool(message.retain)))

    def bodies(self, topic):
        return [json.loads(payload) for name, payload, _ in self.seen if name == topic and payload]

    def last(self, topic):
        return next(reversed(self.bodies(topic)), None)

    async def send(self, topic, body, **options):
        payload = body if isinstance(body, bytes) else json.dumps(body)
        # without a timeout of the library's: its wait_for may swallow a cancellation before Python 3.12
        await self.client.publish(topic, payload, qos=1, timeout=math.inf, **options)

    async def readings(self, gateway, seq, readings, *, epoch="e1", historical=False, community="ixelles"):
        body = {"epoch": epoch, "seq": seq, "historical": historical, "readings": readings}
        await self.send(f"cw/v1/{community}/{gateway}/data", body)

    def acked(self, gateway, epoch="e1", community="ixelles"):
        acks = self.bodies(f"cw/v1/{community}/{gateway}/ack")
        return {seq for ack in acks if ack["epoch"] == epoch for seq in ack["seqs"]}


@asynccontextmanager
async def wire_to(settings):
    """A `Wire` that hears everything."""
    async with aiomqtt.Client(settings.host, settings.port) as client:
        await client.subscribe("#", qos=1)
        wire = Wire(client)
        task = asyncio.create_task(wire.listen())
        try:
            yield wire
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def wire(mosquitto):
    async with wire_to(mosquitto) as opened:
        yield opened


def reading(device, t, *, power_w=None, imported=None, exported=None, **values):
    """A reading as it stands on the wire."""
    named = {"power_w": power_w, "energy_import_wh": imported, "energy_export_wh": exported, **values}
    return {"device": device, "t": t, "v": {name: value for name, value in named.items() if value is not None}}
