"""Child processes that are started again when they die and that never outlive their parent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Child", "Ports", "accepts", "is_free", "keep_running", "stop"]

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)
_STOP_S = 10.0


@dataclass(slots=True)
class Child:
    """One process to keep running. `once`: a job that may end, not a service. `output`: file descriptor of what it says."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    output: int | None = None
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None


async def keep_running(
    child: Child, *, on_change: Callable[[], None] = lambda: None, longest_pause_s: float = 10.0
) -> None:
    """Starts `child`, and again with a growing pause whenever it ends; cancel to stop it."""
    pause = 0.2
    loop = asyncio.get_running_loop()
    try:
        while True:
            started = loop.time()
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env={**os.environ, **child.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=child.output,
                stderr=child.output,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
            on_change()
            code = await child.process.wait()
            if child.once and code == 0:
                return
            pause = 0.2 if loop.time() - started > 30 else min(pause * 2, longest_pause_s)
            child.restarts += 1
            log.warning("%s ended with code %s; started again in %.1f s", child.name, code, pause)
            await asyncio.sleep(pause)
    finally:
        await stop(child)


class Ports:
    """Gives ports nobody listens on, none twice, below the range from which Linux takes those of outgoing connections."""

    def __init__(self) -> None:
        self._next = random.randrange(20_000, 30_000)  # noqa: S311 - two demonstrations at once should not collide

    def __call__(self) -> int:
        """The next free one."""
        while True:
            self._next = 20_000 if self._next >= 32_000 else self._next + 1
            if is_free(self._next):
                return self._next


def is_free(port: int) -> bool:
    """Whether nobody listens on 127.0.0.1:`port`."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was closed a moment ago is free
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def accepts(port: int) -> None:
    """Returns when something accepts connections on 127.0.0.1:`port`."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def stop(child: Child) -> None:
    """SIGTERM, and SIGKILL when it does not end within 10 s."""
    process = child.process
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        log.warning("%s did not stop within %.0f s and was killed", child.name, _STOP_S)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _die_with_parent() -> None:
    """In the child: have the kernel send SIGTERM when the parent is gone, even by kill -9 (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
