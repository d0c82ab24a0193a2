"""The demonstration: simulated rooftops, gateways, broker, collector and API as processes of one command.

Every part runs as it would in a city: readings go through Modbus sockets, MQTT and the store, and each process may be
killed on its own; it is started again. The data directory holds everything that survives.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.broker import broker_command
from cli.demo.files import DemoFiles, write_files
from cli.demo.tour import tour
from cli.processes import Child, Ports, accepts, is_free, keep_running
from energy.errors import ConfigError
from runtime.clock import CLOCK_ENV, Clock, ScaledClock, SystemClock

__all__ = ["DemoOptions", "run_demo"]

_HISTORY_MS = 7 * 86_400_000
_PREDECESSOR_S = 15.0
_SHORTEST_REAL_S = 1.0  # a fast clock still polls and computes at most once a second of real time


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asked for. `start`: ISO 8601, for a fresh folder; None: now."""

    port: int
    data: Path
    sites: int
    speed: float
    start: str | None
    open_browser: bool
    embedded_broker: bool = False
    tour: bool = False


def run_demo(options: DemoOptions) -> None:
    """Runs until Ctrl-C. Raises ConfigError when the port is taken or another demonstration uses the folder."""
    for package in ("fastapi", "pvlib", "pymodbus"):  # one word now instead of each child's at every start
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    options.data.mkdir(parents=True, exist_ok=True)
    _await_predecessor(options.data)
    _refuse_taken_port(options.port)
    with _only_one(options.data), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options))


async def _run(options: DemoOptions) -> None:
    clock, memory = _clock(options)
    ports = Ports()
    command, mqtt = broker_command(ports(), options.data, embedded=options.embedded_broker)
    files = write_files(
        options.data,
        sites=options.sites,
        mqtt=mqtt,
        api_port=options.port,
        interval_s=max(2.0, _SHORTEST_REAL_S * options.speed),
        history_start=memory["history_start"],
        live_start=memory["live_start"],
        free_port=ports,
        speed=options.speed,
    )
    env = {CLOCK_ENV: clock.spec} if isinstance(clock, ScaledClock) else {}
    _welcome(options, files)
    await _serve(_children(files, command, env, options.data), files, clock, memory, options)


async def _serve(
    children: list[Child], files: DemoFiles, clock: Clock, memory: dict[str, int], options: DemoOptions
) -> None:
    """Runs the children until a signal; then stops them from the top down, so that each can say its last word."""
    async with asyncio.TaskGroup() as group:
        helpers = [group.create_task(_remember(clock, options.data, memory), name="clock keeper")]
        if options.tour:
            helpers.append(group.create_task(tour(files.control_port, clock), name="tour"))
        if options.open_browser and sys.stdout.isatty():
            helpers.append(group.create_task(_open_page(options.port), name="browser"))
        running = [
            asyncio.create_task(keep_running(child, on_change=lambda: _write_pids(files, children)), name=child.name)
            for child in children
        ]
        await _wait_for_signal()
        for task in helpers:
            task.cancel()
        for task in reversed(running):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _children(files: DemoFiles, broker: list[str], env: dict[str, str], data: Path) -> list[Child]:
    command = [sys.executable, "-m", "cli.main"]
    gateways = [argument for path in files.gateways for argument in ("--config", str(path))]
    children = [
        Child("broker", broker),
        Child("simulator", [*command, "simulate", "--config", str(files.simulator)], env),
        Child("collector", [*command, "collector", "--config", str(files.centre)], env),
        Child("api", [*command, "api", "--config", str(files.centre)], env),
        Child("gateways", [*command, "gateway", *gateways, "--wait-for", str(files.control_port)], env),
    ]
    if not (data / "backfilled").exists():
        children.append(Child("backfill", ["nice", *command, "backfill", str(data)], env, once=True))
    return children


def _welcome(options: DemoOptions, files: DemoFiles) -> None:
    print(f"commonwatt demo: http://127.0.0.1:{options.port}   (Ctrl-C stops it)")
    print(f"  data: {options.data}   sites: {options.sites}   speed: {options.speed:g}")
    print("  reading needs no key on this machine; commanding does:")
    print(f"  operator key: {files.operator_key}", flush=True)


async def _open_page(port: int) -> None:
    await accepts(port)
    await asyncio.to_thread(webbrowser.open, f"http://127.0.0.1:{port}")


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    for number in (signal.SIGINT, signal.SIGTERM):  # a second one does not wait for a clean stop
        loop.add_signal_handler(number, os._exit, 130)


def _write_pids(files: DemoFiles, children: list[Child]) -> None:
    pids = {child.name: child.pid for child in children}
    _write_json(files.processes, {**pids, "demo": os.getpid()})


def _clock(options: DemoOptions) -> tuple[Clock, dict[str, int]]:
    """The demonstration's clock and what is remembered of it: it never runs behind what the data have seen."""
    wall = SystemClock().now_ms()
    memory = _recall(options.data)
    last = memory.get("now", 0)
    start = max(last, _instant(options.start) if options.start else wall)
    memory.setdefault("live_start", start)
    memory.setdefault("history_start", start - _HISTORY_MS)
    if options.speed == 1 and abs(start - wall) < 1000:
        return SystemClock(), memory
    return ScaledClock(wall, start, options.speed), memory


def _instant(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no instant", field="--start", hint="write 2026-06-21T10:00:00Z") from error
    if instant.tzinfo is None:
        raise ConfigError(f"{text!r} has no offset", field="--start", hint="write 2026-06-21T10:00:00Z")
    return int(instant.timestamp() * 1000)


async def _remember(clock: Clock, data: Path, memory: dict[str, int]) -> None:
    while True:
        _write_json(data / "clock.json", {**memory, "now": clock.now_ms()})
        await asyncio.sleep(1)


def _recall(data: Path) -> dict[str, int]:
    try:
        content = json.loads((data / "clock.json").read_text(encoding="utf-8"))
        return {key: int(content[key]) for key in ("history_start", "live_start", "now")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"is damaged: {error}", file=str(data / "clock.json"), hint="remove the folder to begin afresh"
        ) from error


def _write_json(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def _await_predecessor(data: Path) -> None:
    """A demonstration that was killed leaves children that still say their last word; they get the time they need."""
    try:
        pids = json.loads((data / "processes.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    pids.pop("demo", None)  # were it alive, it would hold the lock
    deadline = time.monotonic() + _PREDECESSOR_S
    while time.monotonic() < deadline and any(_is_ours(pid) for pid in pids.values()):
        time.sleep(0.1)


def _is_ours(pid: int | None) -> bool:
    """Whether that process is one of a demonstration's: the number alone may have been given to another since."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"cli.main" in command or b"mosquitto" in command


def _refuse_taken_port(port: int) -> None:
    if not is_free(port):
        raise ConfigError(f"port {port} is taken", field="--port", hint=f"try --port {port + 1}")


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Two demonstrations in one folder would fight over its files."""
    import fcntl

    with (data / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"a demonstration runs already in {data}", field="--data", hint="stop it, or take another folder"
            ) from error
        yield
