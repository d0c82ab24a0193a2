"""Many roofs on one broker: gateways in one process that read three devices a second and keep what is not confirmed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import uvloop

from benchmarks.measure import cpu_seconds, memory_mb
from energy.quantities import Role
from messaging import topics
from messaging.codec import Data, Reading, decode_ack, encode
from messaging.connection import Message, MqttSettings
from messaging.link import Link

__all__ = ["EPOCH", "FleetRun", "Watched", "fleet", "fleet_communities"]

EPOCH: Final = "fleet"
_ROLES: Final = (Role.GRID, Role.PV, Role.BATTERY)
_CONNECTING: Final = 50  # at the same time: a broker's backlog is short
_AGAIN_S: Final = 5.0  # then a batch is sent again
_AT_ONCE: Final = 10
_LAST_S: Final = 20.0  # for what is not confirmed yet at the end
_LOOKS: Final = 60  # at the memory
_TICK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Watched:
    """A process over the measured time: CPU in cores, resident memory in MiB at equal distances."""

    core: float
    memory_mb: Sequence[float]


@dataclass(frozen=True, slots=True)
class FleetRun:
    """`sent`: messages of the measured time; `repeated`, `lost`: of all; `late_s`: from a reading to its confirmation."""

    seconds: float
    sent: int
    repeated: int
    lost: int
    late_s: Sequence[float]
    watched: Mapping[str, Watched]


def fleet_communities(sites: int, per_community: int) -> list[dict[str, Any]]:
    """The communities as a centre's configuration has them; every site has a gateway of its own."""
    devices = [{"id": role.value, "role": role.value, "interval_s": 1.0} for role in _ROLES]
    found = []
    for first in range(0, sites, per_community):
        numbers = range(first, min(first + per_community, sites))
        name = f"community-{first // per_community}"
        of_it = [{"id": f"site-{n}", "name": f"Site {n}", "gateway": f"gw-{n}", "devices": devices} for n in numbers]
        found.append({"id": name, "name": name, "sites": of_it})
    return found


def fleet(
    port: int, sites: int, per_community: int, warm_s: float, seconds: float, pids: Mapping[str, int]
) -> FleetRun:
    """Runs `sites` gateways for `warm_s` and then, measured, for `seconds`. `pids`: whose CPU and memory is told."""
    return uvloop.run(_Fleet(port, sites, per_community).run(warm_s, seconds, pids))


@dataclass(slots=True)
class _Roof:
    number: int
    community: str
    link: Link
    seq: int = 0
    unconfirmed: dict[int, tuple[float, bytes]] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        return topics.data(self.community, f"gw-{self.number}")


class _Fleet:
    def __init__(self, port: int, sites: int, per_community: int) -> None:
        self._settings = MqttSettings(port=port)
        self._dice = random.Random(1)
        self._roofs = [self._roof(number, f"community-{number // per_community}") for number in range(sites)]
        self._late_s: list[float] = []
        self._sent = self._repeated = 0

    async def run(self, warm_s: float, seconds: float, pids: Mapping[str, int]) -> FleetRun:
        connecting = asyncio.Semaphore(_CONNECTING)
        links = [asyncio.create_task(self._connect(roof, connecting)) for roof in self._roofs]
        await asyncio.gather(*(roof.link.connected.wait() for roof in self._roofs))
        sending = asyncio.create_task(self._send())
        await asyncio.sleep(warm_s)
        self._late_s.clear()
        sent, began = self._sent, time.perf_counter()
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        memory: dict[str, list[float]] = {name: [memory_mb(pid)] for name, pid in pids.items()}
        for _ in range(_LOOKS):
            await asyncio.sleep(seconds / _LOOKS)
            for name, pid in pids.items():
                memory[name].append(memory_mb(pid))
        elapsed = time.perf_counter() - began
        watched = {
            name: Watched((cpu_seconds(pid) - before[name]) / elapsed, memory[name]) for name, pid in pids.items()
        }
        sent, late_s = self._sent - sent, list(self._late_s)
        sending.cancel()
        await self._until_confirmed()
        lost = sum(len(roof.unconfirmed) for roof in self._roofs)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        return FleetRun(elapsed, sent, self._repeated, lost, late_s, watched)

    def _roof(self, number: int, community: str) -> _Roof:
        def confirmed(messages: Sequence[Message]) -> None:
            now_s = time.monotonic()
            for message in messages:
                for seq in decode_ack(message.payload).seqs:
                    known = roof.unconfirmed.pop(seq, None)
                    if known is not None:
                        self._late_s.append(now_s - known[0])

        name = f"gw-{number}"
        link = Link(self._settings, name, subscriptions=[topics.ack(community, name)], on_messages=confirmed)
        roof = _Roof(number, community, link)
        return roof

    async def _connect(self, roof: _Roof, connecting: asyncio.Semaphore) -> None:
        async with connecting:
            running = asyncio.create_task(roof.link.run())
            await roof.link.connected.wait()
        try:
            await running
        finally:
            running.cancel()

    async def _send(self) -> None:
        """Every roof once a second, each at its own instant; what is not confirmed in time once more."""
        began = time.monotonic()
        done = 0
        while True:
            due = int((time.monotonic() - began) * len(self._roofs))
            for count in range(done, due):
                roof = self._roofs[count % len(self._roofs)]
                self._repeat(roof)
                self._read(roof)
            done = due
            await asyncio.sleep(_TICK_S)

    def _read(self, roof: _Roof) -> None:
        now_ms = time.time_ns() // 1_000_000
        readings = [Reading(f"site-{roof.number}/{role}", now_ms, self._values(role, now_ms)) for role in _ROLES]
        payload = encode(Data(EPOCH, roof.seq, readings))
        roof.unconfirmed[roof.seq] = (time.monotonic(), payload)
        roof.seq += 1
        self._sent += 1
        roof.link.post([(roof.topic, payload)])

    def _repeat(self, roof: _Roof) -> None:
        before = time.monotonic() - _AGAIN_S
        late = [payload for sent_s, payload in islice(roof.unconfirmed.values(), _AT_ONCE) if sent_s < before]
        if late and roof.seq % round(_AGAIN_S) == 0:
            self._repeated += len(late)
            roof.link.post((roof.topic, payload) for payload in late)

    async def _until_confirmed(self) -> None:
        deadline = time.monotonic() + _LAST_S
        while any(roof.unconfirmed for roof in self._roofs) and time.monotonic() < deadline:
            await asyncio.sleep(1)
            for roof in self._roofs:
                roof.link.post((roof.topic, payload) for _, payload in roof.unconfirmed.values())

    def _values(self, role: Role, now_ms: int) -> dict[str, float | int | str]:
        """Twelve values; the counters follow the clock, so that they never fall."""
        power = self._dice.randint(-4000, 4000) if role is not Role.PV else self._dice.randint(0, 9000)
        phase = power // 3
        counted = now_ms // 1000 % 10_000_000
        last: dict[str, float | int | str] = (
            {"soc_pct": 50.5} if role is Role.BATTERY else {"reactive_power_var": phase // 10}
        )
        return {
            "power_w": power,
            "power_l1_w": phase,
            "power_l2_w": phase,
            "power_l3_w": phase,
            "voltage_l1_v": 230.1,
            "voltage_l2_v": 231.2,
            "voltage_l3_v": 229.3,
            "current_l1_a": round(phase / 230, 2),
            "frequency_hz": 50.01,
            "energy_import_wh": counted,
            "energy_export_wh": counted,
            **last,
        }
