"""Whether a collector on the embedded store grows: a flood of readings, and its memory by what it has stored.

As fast as it confirms them: 500 devices' readings of the past days, ten seconds apart. Seals, merges of a day's files, the
computing of quarter-hours and days that end go on beside that, as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import pyarrow as pa
import uvloop
import yaml

from benchmarks import workload
from benchmarks.measure import Facts
from benchmarks.processes import in_background, mosquitto
from cli.main import app
from messaging import topics
from messaging.codec import Data, Reading, decode_ack, encode
from messaging.connection import Message, MqttSettings
from messaging.link import Link

__all__ = ["flood", "run_watched"]

_MIB: Final = 2**20
_STEP: Final = 500_000  # readings in a row of the table: two seals
_EVERY_S: Final = 0.1
_WINDOW: Final = 500  # messages that are not confirmed
_TEMPLATES: Final = 20  # cycles with values of their own
_SEQ, _T = 987_654_321, 1_111_111_111_111  # what is replaced in a template, neither found elsewhere in it


class _Sample(NamedTuple):
    t: float
    rss: float
    blocks: int
    arrow: int


def flood(million: float, step_s: int) -> Facts:
    """So many readings through a broker and `commonwatt collector`; those of a device are `step_s` apart."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as (port, _):
        folder = Path(name)
        config = {
            "communities": workload.communities(),
            "mqtt": {"port": port},
            "store": {"kind": "embedded", "path": str(folder / "history.db")},
            "register": {"path": str(folder / "register.db")},
        }
        (folder / "collector.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        with in_background(run_watched, folder):
            reached = uvloop.run(_Flood(port).run(round(million * 1e6 / workload.DEVICES), step_s * 1000))
        lines = (folder / "memory.jsonl").read_text(encoding="utf-8").splitlines()
    return _table(reached, [_Sample(*json.loads(line)) for line in lines[:-1]])  # the last may be cut


def run_watched(report: Callable[[], None], folder: Path) -> None:
    """`commonwatt collector` in this process, with a thread that writes down what memory it has."""
    threading.Thread(target=_watch, args=(folder / "memory.jsonl",), daemon=True).start()
    report()
    app(["collector", "--config", str(folder / "collector.yaml")])


def _watch(path: Path) -> None:
    me = psutil.Process()
    with path.open("a", encoding="utf-8") as file:
        while True:
            sample = [time.time(), me.memory_info().rss / _MIB, sys.getallocatedblocks(), pa.total_allocated_bytes()]
            file.write(json.dumps(sample) + "\n")
            file.flush()
            time.sleep(_EVERY_S)


class _Flood:
    """All gateways in one connection."""

    def __init__(self, port: int) -> None:
        self._unconfirmed: set[int] = set()
        self._some = asyncio.Event()
        self._heard = asyncio.Event()
        self._link = Link(
            MqttSettings(port=port),
            "flood",
            subscriptions=[topics.data(workload.COMMUNITY, "+").removesuffix("data") + "ack", _LIVE],
            on_messages=self._take,
        )

    async def run(self, cycles: int, step_ms: int) -> list[tuple[int, float]]:
        """(readings confirmed, when) every `_STEP`."""
        connection = asyncio.create_task(self._link.run())
        await self._heard.wait()  # the collector serves
        templates = list(_templates())
        start_ms = time.time_ns() // 1_000_000 - cycles * step_ms
        reached = [(0, time.time())]
        for cycle in range(cycles):
            self._post(templates[cycle % _TEMPLATES], cycle * workload.GATEWAYS, start_ms + cycle * step_ms)
            await self._until(_WINDOW)
            stored = (cycle + 1) * workload.DEVICES
            if stored % _STEP == 0:
                reached.append((stored, time.time()))
                print(f"{stored:,} readings", file=sys.stderr, flush=True)
        await self._until(0)
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)
        return reached

    def _post(self, cycle: Sequence[tuple[str, bytes]], seq: int, t: int) -> None:
        self._unconfirmed.update(range(seq, seq + len(cycle)))
        at = b"%d" % t
        self._link.post(
            (topic, payload.replace(b"%d" % _SEQ, b"%d" % (seq + n)).replace(b"%d" % _T, at))
            for n, (topic, payload) in enumerate(cycle)
        )

    async def _until(self, unconfirmed: int) -> None:
        while len(self._unconfirmed) > unconfirmed:
            self._some.clear()
            await self._some.wait()

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.topic == _LIVE:
                self._heard.set()
            else:
                self._unconfirmed.difference_update(decode_ack(message.payload).seqs)
        self._some.set()


_LIVE: Final = f"cw/v1/{workload.COMMUNITY}/live/community"


def _templates() -> list[list[tuple[str, bytes]]]:
    """The messages of some cycles, with a mark where their number and their time belong."""
    found = [
        (
            topics.data(workload.COMMUNITY, gateway),
            encode(Data(workload.EPOCH, _SEQ, [Reading(each.device, _T, each.v) for each in data.readings])),
        )
        for gateway, data in workload.batches(cycles=_TEMPLATES)
    ]
    return list(workload.in_batches(found, workload.GATEWAYS))


def _table(reached: Sequence[tuple[int, float]], samples: Sequence[_Sample]) -> Facts:
    rows, medians = [], []
    for (_, since), (stored, until) in pairwise(reached):
        found = [sample for sample in samples if since <= sample.t < until]
        rss = [sample.rss for sample in found]
        medians.append((stored / 1e6, statistics.median(rss)))
        rows.append(
            [
                f"{stored / 1e6:.1f}",
                f"{min(rss):,.0f}, {statistics.median(rss):,.0f}, {max(rss):,.0f}",
                f"{statistics.median(sample.blocks for sample in found):,.0f}",
                f"{statistics.median(sample.arrow for sample in found) / _MIB:,.0f}",
                f"{_STEP / (until - since):,.0f}",
            ]
        )
    columns = [
        "million readings",
        "resident MiB: least, median, most",
        "blocks of Python's, median",
        "MiB of Arrow's, median",
        "readings/s",
    ]
    return Facts(f"Memory of a collector, embedded store ({_slope(medians)})", columns, rows)


def _slope(medians: Sequence[tuple[float, float]]) -> str:
    """Of the last two thirds and of the last: the line through the medians, with the error of its slope."""
    told = []
    for name, share in (("last two thirds", 3), ("last third", 3 / 2)):
        part = medians[round(len(medians) / share) :]
        if len(part) > 2:
            x, y = zip(*part, strict=True)
            slope, base = statistics.linear_regression(x, y)
            spread = sum((each - (base + slope * at)) ** 2 for at, each in part) / (len(part) - 2)
            error = (spread / (statistics.variance(x) * (len(x) - 1))) ** 0.5
            told.append(f"{name}: {slope:+.1f} ± {error:.1f} MiB a million readings")
    return "; ".join(told)


def main() -> None:
    """One flood, printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--million", type=float, default=6.0, help="readings")
    parser.add_argument("--step", type=int, default=10, help="seconds between two readings of a device")
    wanted = parser.parse_args()
    print(flood(wanted.million, wanted.step).markdown(), flush=True)


if __name__ == "__main__":
    main()
