"""A collector in a process of its own, to be killed: port and folder as arguments."""

import asyncio
import sys
from pathlib import Path

from collector.service import Collector
from collector.settings import CollectorSettings
from energy.community import Community
from messaging.connection import MqttSettings
from runtime.clock import SystemClock
from storage.dirty import DirtyQuarters
from storage.history.sqlite import SqliteHistory
from storage.register import Register


async def main(port, folder):
    collector = Collector(
        CollectorSettings(flush_s=0.02, quarters_interval_s=0.2),
        [Community(id="ixelles", name="Ixelles")],
        MqttSettings(port=port),
        SqliteHistory(folder / "history.db"),
        Register(folder / "register.db"),
        DirtyQuarters(folder / "dirty.db"),
        SystemClock(),
    )
    await collector.run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
