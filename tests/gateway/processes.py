"""A gateway as a process of its own, that can be killed, stopped, hung and given another environment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, json, signal, sys, time
from gateway.config import GatewayConfig
from gateway.service import GatewayService
from runtime.clock import SystemClock
from runtime.service import run_until_stopped

class Clock(SystemClock):
    async def sleep(self, seconds):
        await asyncio.sleep(seconds / float(sys.argv[2]))

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: time.sleep(600))
    await GatewayService(GatewayConfig.model_validate(json.loads(sys.argv[1])), Clock()).run()

run_until_stopped(main)
"""


@contextlib.asynccontextmanager
async def process(config, *, haste=1.0, stderr=None, **env):
    """A gateway of its own, whose sleeps are `haste` times as short; SIGUSR1 hangs it."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(config),
        str(haste),
        cwd=ROOT,
        env={**os.environ, **env},
        stderr=stderr,
    )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


class Systemd:
    """The socket that a service tells its state on (sd_notify); `told` is all of it so far."""

    def __init__(self, path):
        self.path = str(path)
        self._told = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    @property
    def told(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self._told.append(self._socket.recv(100).decode())
        return self._told
