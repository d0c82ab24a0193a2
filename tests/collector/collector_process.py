"""A collector in a process of its own, to be killed: port and folder as arguments.

With a name and the settings of an InfluxDB as further arguments it stands by for others.
"""

import asyncio
import sys
from pathlib import Path

from collector.service import Collector
from collector.settings import CollectorSettings
from energy.community import Community
from messaging.connection import MqttSettings
from runtime.clock import SystemClock
from storage.dirty import DirtyQuarters
from storage.history.influxdb import InfluxHistory
from storage.history.settings import InfluxSettings
from storage.history.sqlite import SqliteHistory
from storage.register import Register


async def main(port, folder, name=None, influx=None):
    collector = Collector(
        CollectorSettings(flush_s=0.02, quarters_interval_s=0.2, stands_by=name is not None, name=name or "alone"),
        [Community(id="ixelles", name="Ixelles")],
        MqttSettings(port=port),
        InfluxHistory(InfluxSettings.model_validate_json(influx)) if influx else SqliteHistory(folder / "history.db"),
        Register(folder / "register.db"),
        DirtyQuarters(folder / f"dirty-{name}.db"),
        SystemClock(),
    )
    await collector.run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
