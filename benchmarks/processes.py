"""Processes around a measurement: our services by their real command, a broker, and children that run a function."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cli.broker import mosquitto_binary

__all__ = [
    "broker_binary",
    "demo_command",
    "ended",
    "free_ports",
    "in_background",
    "in_child",
    "mosquitto",
    "service",
    "telegraf_binary",
    "until",
    "wait_for_port",
]

_Result = TypeVar("_Result")
_spawn = multiprocessing.get_context("spawn")
_CHILD_S = 600.0


@contextmanager
def service(command: str, config: dict[str, Any], folder: Path) -> Iterator[int]:
    """`commonwatt <command> --config` with that configuration, as a process; gives its pid."""
    path = folder / f"{command}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    said = folder / f"{command}.log"
    with said.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", command, "--config", str(path)], stdout=log, stderr=log
        )
        try:
            yield process.pid
        except BaseException:
            print(f"the {command} said:\n{said.read_text(encoding='utf-8')}", file=sys.stderr)
            raise
        finally:
            ended(process)


def demo_command(folder: Path, port: int, *arguments: str) -> list[str]:
    """`commonwatt demo` in that folder, its page on that port."""
    fixed = ["demo", "--no-browser", "--port", str(port), "--data", str(folder)]
    return [sys.executable, "-m", "cli.main", *fixed, *arguments]


@contextmanager
def mosquitto(folder: Path, port: int | None = None) -> Iterator[tuple[int, int]]:
    """A broker without persistence: (port, pid)."""
    port = port or free_ports(1)[0]
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_queued_messages 0\nmax_inflight_messages 500\nset_tcp_nodelay true\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [broker_binary(), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield port, process.pid
    finally:
        ended(process)


def telegraf_binary() -> str | None:
    """A Telegraf, by TELEGRAF or on PATH."""
    return os.environ.get("TELEGRAF") or shutil.which("telegraf")


def broker_binary() -> str:
    """Where mosquitto is."""
    binary = mosquitto_binary()
    if binary is None:
        sys.exit("mosquitto is not installed: apt-get install mosquitto")
    return binary


@contextmanager
def in_background(function: Callable[..., None], *arguments: Any) -> Iterator[int]:
    """Runs `function(report, *arguments)` in a process of its own until the block ends; waits for its `report()`."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_background, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(_CHILD_S):
            raise TimeoutError(f"{function.__name__} did not begin")
        ours.recv()
        assert process.pid is not None
        yield process.pid
    finally:
        process.kill()
        process.join()


def in_child(function: Callable[..., _Result], *arguments: Any, within_s: float = _CHILD_S) -> _Result:
    """What `function(*arguments)` returns, run in a process of its own: its CPU is nobody else's."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_child, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(within_s):
            raise TimeoutError(f"{_name_of(function)} did not end")
        result: _Result = ours.recv()
        return result
    except EOFError:
        raise RuntimeError(f"{_name_of(function)} failed; its error stands above") from None
    finally:
        process.kill()
        process.join()


def _background(pipe: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    function(lambda: pipe.send(None), *arguments)


def _child(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))


def ended(process: subprocess.Popen[bytes]) -> None:
    """Ends it, kindly for 15 s."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], what: str, *, timeout_s: float = 60.0) -> None:
    """Returns when `condition` holds; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(0.01)


def wait_for_port(port: int) -> None:
    """Returns when something accepts connections on 127.0.0.1:`port`."""

    def accepts() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    until(accepts, f"a listener on port {port}")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(getattr(function, "func", function), "__name__", function))
