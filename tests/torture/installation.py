"""The installation under torture: simulated roofs, gateways, broker, collector, API and store, each behind its own line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from cli.broker import mosquitto_binary
from cli.configs import load_centre
from cli.demo.files import DemoFiles, write_files
from cli.processes import Child, Ports, keep_running
from messaging.connection import MqttSettings
from runtime.clock import CLOCK_ENV, ScaledClock, SystemClock
from runtime.config import load_config
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from storage.history import History
from storage.history.open import open_history
from storage.history.settings import StoreSettings
from tests.influxdb_server import InfluxServer, influxd
from tests.torture.ledger import Ledger, listening
from tests.torture.network import Line

__all__ = ["SPEED", "Installation", "StoreKind", "broker_command", "collector_command", "installed", "missing"]

StoreKind = Literal["embedded", "influxdb"]
ROOT: Final = Path(__file__).parents[2]
SPEED: Final = 60.0
"""A quarter-hour passes in 15 s."""
INTERVAL_S: Final = 30.0
_RESEND_S: Final = 2.0
_QUARTERS_S: Final = 0.25
_PAUSE_S: Final = 0.4


def missing(store: StoreKind) -> str | None:
    """What this machine lacks for the torture."""
    if mosquitto_binary() is None:
        return "mosquitto is not installed"
    if store == "influxdb" and influxd(1) is None:
        return "influxd 1.x is not installed"
    return None


def broker_command(folder: Path, port: int) -> list[str]:
    """A mosquitto whose files stand in `folder`/broker."""
    data = folder / "broker"
    data.mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {data}/\nuser root\n"
        "max_queued_messages 0\nautosave_interval 1\n"
    )
    binary = mosquitto_binary()
    assert binary is not None
    return [binary, "-c", str(config)]


def collector_command(config: Path, frailty: Path) -> list[str]:
    """A collector that suffers what is told in `frailty`."""
    return [sys.executable, "-m", "tests.torture.frail_collector", str(config), str(frailty)]


@dataclass
class Installation:
    """What stands there. `kills`: how often a process was killed on purpose; `no_room`: how often it found a full disk."""

    folder: Path
    files: DemoFiles
    clock: ScaledClock
    store: StoreSettings
    children: dict[str, Child]
    lines: dict[str, Line]
    ledger: Ledger
    server: InfluxServer | None
    jobs: list[asyncio.Task[None]] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    no_room: Counter[str] = field(default_factory=Counter)

    @property
    def gateways(self) -> list[str]:
        """Names of the gateways."""
        return [path.stem for path in self.files.gateways]

    def works(self) -> bool:
        """True; raises the error of the roofs or of a supervisor where one has ended."""
        for job in self.jobs:
            if job.done():
                job.result()
        return True

    def frailty(self, name: str) -> Path:
        """The file that tells the process of that name what to suffer."""
        return self.folder / f"{name}.frailty"

    async def pid(self, name: str) -> int:
        """Of the running process of that name; waits while it is being started again."""
        if name == "store":
            assert self.server is not None
            assert self.server.process is not None
            return self.server.process.pid
        while (pid := self.children[name].pid) is None:
            await asyncio.sleep(0.02)
        return pid

    async def kill(self, name: str) -> None:
        """kill -9; it is started again as whoever keeps it running would."""
        self.kills[name] += 1
        if name != "store":
            os.kill(await self.pid(name), signal.SIGKILL)
            return
        assert self.server is not None
        self.server.kill()
        await asyncio.to_thread(self.server.start)

    def forget_broker(self) -> None:
        """The broker loses its files."""
        for path in (self.folder / "broker").glob("*"):
            path.unlink(missing_ok=True)

    def history(self) -> History:
        """The store, as another process reads it; past the line that faults are made on."""
        return open_history(self.store, read_only=True)


@asynccontextmanager
async def installed(folder: Path, store: StoreKind, *, sites: int) -> AsyncIterator[Installation]:
    """Runs it."""
    free_port = Ports()
    now_ms = SystemClock().now_ms()
    clock = ScaledClock(now_ms, now_ms, SPEED)
    os.environ[CLOCK_ENV] = clock.spec
    async with AsyncExitStack() as stack:
        stack.callback(os.environ.pop, CLOCK_ENV, None)
        ports = {name: free_port() for name in ("broker", "roofs", "centre", "store")}
        files = write_files(
            folder,
            sites=sites,
            mqtt=MqttSettings(port=ports["roofs"]),
            api_port=free_port(),
            interval_s=INTERVAL_S,
            history_start=now_ms,
            live_start=now_ms,
            free_port=free_port,
        )
        server = _server(folder, stack) if store == "influxdb" else None
        _retouch(files, ports, server)
        lines = {name: Line(ports[name], ports["broker"]) for name in ("roofs", "centre")}
        if server is not None:
            lines["store line"] = Line(ports["store"], server.port)
        for line in lines.values():
            await stack.enter_async_context(line)
        place = Installation(
            folder,
            files,
            clock,
            _past_the_line(load_centre(files.centre).store, server),
            _children(folder, files, ports["broker"], stack.enter_context(_said(folder / "said.log"))),
            lines,
            await stack.enter_async_context(listening(folder / "notes")),
            server,
        )
        simulator = Simulator(load_config(files.simulator, SimulatorConfig), clock)
        jobs: list[Callable[[], Any]] = [simulator.run]
        jobs += [lambda child=child: keep_running(child, longest_pause_s=_PAUSE_S) for child in place.children.values()]
        place.jobs += [asyncio.create_task(job()) for job in jobs]
        stack.push_async_callback(_ended, place.jobs)
        yield place


def _past_the_line(store: StoreSettings, server: InfluxServer | None) -> StoreSettings:
    """The collector's own settings, with the server's own address."""
    return store if server is None else store.model_copy(update={"url": server.url})


def _server(folder: Path, stack: AsyncExitStack) -> InfluxServer:
    binary = influxd(1)
    assert binary is not None
    server = InfluxServer(binary, 1, folder / "influxdb")
    stack.callback(server.kill)
    server.start()
    return server


def _retouch(files: DemoFiles, ports: dict[str, int], server: InfluxServer | None) -> None:
    """The demonstration's files, with what is confirmed missed sooner and everybody behind their own line."""
    for path in files.gateways:
        with _edited(path) as content:
            content["uplink"] = {"resend_after_s": _RESEND_S}
    with _edited(files.centre) as content:
        content["mqtt"]["port"] = ports["centre"]
        content["collector"]["quarters_interval_s"] = _QUARTERS_S
        if server is not None:
            told = server.settings.model_dump(mode="json", exclude_none=True)
            content["store"] = told | {"url": f"http://127.0.0.1:{ports['store']}", "timeout_s": 5.0}


@contextlib.contextmanager
def _edited(path: Path) -> Any:
    content = yaml.safe_load(path.read_text())
    yield content
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@contextlib.contextmanager
def _said(path: Path) -> Iterator[int]:
    """A pipe whose reader writes what comes to `path`: who finds no room on the disk can still say so."""
    reader, writer = os.pipe()

    def copy() -> None:
        with path.open("ab", buffering=0) as file:
            while data := os.read(reader, 65_536):
                file.write(data)
        os.close(reader)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        os.close(writer)
        thread.join(5)


def _children(folder: Path, files: DemoFiles, broker_port: int, output: int) -> dict[str, Child]:
    env = {"PYTHONPATH": str(ROOT)}
    commands: dict[str, Sequence[str]] = {
        "broker": broker_command(folder, broker_port),
        "collector": collector_command(files.centre, folder / "collector.frailty"),
        "api": [sys.executable, "-m", "cli.main", "api", "--config", str(files.centre)],
    }
    for path in files.gateways:
        told = [str(path), str(folder / "notes"), str(folder / f"{path.stem}.frailty")]
        commands[path.stem] = [sys.executable, "-m", "tests.torture.frail_gateway", *told]
    return {name: Child(name, command, env, output=output) for name, command in commands.items()}


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
