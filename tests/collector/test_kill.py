"""A collector killed in the middle of a stream loses nothing it confirmed."""

import asyncio
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from energy.quarters import QUARTER_MS
from storage.history.sqlite import SqliteHistory

from .conftest import eventually, reading

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "collector_process.py"
START = (time.time_ns() // 1_000_000 - 20 * 86_400_000) // QUARTER_MS * QUARTER_MS


@contextmanager
def collector_process(port, folder):
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port), str(folder)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def stored_times(folder):
    history = SqliteHistory(folder / "history.db", read_only=True)
    try:
        return [row.t for row in history.readings("barn/grid", START, START + 30 * 86_400_000)]
    finally:
        history.close()


async def test_everything_confirmed_before_kill_9_is_stored_and_a_resend_makes_it_whole(mosquitto, wire, tmp_path):
    total = 900
    dice = random.Random(7)

    def body(seq):
        return [reading("barn/grid", START + seq * 60_000, imported=seq * 10, exported=0)]

    async def send(seqs):
        for seq in seqs:
            await wire.readings("gw-barn", seq, body(seq), historical=True)

    for _ in range(2):
        with collector_process(mosquitto.port, tmp_path) as process:
            await eventually(lambda: any("/live/" in topic for topic, _, _ in wire.seen), timeout_s=90)
            missing = [seq for seq in range(total) if seq not in wire.acked("gw-barn")]
            sending = asyncio.create_task(send(missing[:500]))
            before = len(wire.acked("gw-barn"))
            await eventually(lambda: len(wire.acked("gw-barn")) > before + dice.randint(20, 200))  # noqa: B023
            process.kill()
            process.wait()
            await sending
        wire.seen[:] = [message for message in wire.seen if "/live/" not in message[0]]
        await asyncio.sleep(0.1)
        assert {START + seq * 60_000 for seq in wire.acked("gw-barn")} <= set(stored_times(tmp_path))

    with collector_process(mosquitto.port, tmp_path):
        await eventually(lambda: any("/live/" in topic for topic, _, _ in wire.seen), timeout_s=90)
        await send(range(total))
        await eventually(lambda: wire.acked("gw-barn") == set(range(total)), timeout_s=90)
        assert stored_times(tmp_path) == [START + seq * 60_000 for seq in range(total)]
        history = SqliteHistory(tmp_path / "history.db", read_only=True)
        quarters = (total - 1) // 15

        def computed():
            found = history.site_quarters(["barn"], START, START + quarters * QUARTER_MS)
            return len(found) == quarters and {quarter.import_wh for quarter in found} == {150.0}

        await eventually(computed, timeout_s=90)
        history.close()
