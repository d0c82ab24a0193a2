"""What the processes under torture have in common: they suffer what a file tells them, and note what they commit."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from messaging.codec import Reading
from runtime.clock import Clock

__all__ = ["Frailty", "Notes", "SteppedClock", "suffer"]

_LOOK_S: Final = 0.05


class Frailty:
    """`slow_disk_s`: what each commit takes longer; `clock_step_s`: how wrong the wall clock is.

    Read from the file again and again, by a thread that dies with the process.
    """

    def __init__(self, path: Path) -> None:
        self.slow_disk_s = 0.0
        self.clock_step_s = 0.0
        self._path = path
        self._look()
        threading.Thread(target=self._watch, daemon=True).start()

    def slowed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, on a disk as slow as it is now."""

        def slow(*arguments: Any, **named: Any) -> Any:
            if self.slow_disk_s:
                time.sleep(self.slow_disk_s)
            return call(*arguments, **named)

        return slow

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # not there, or half written
            told = json.loads(self._path.read_text())
            self.slow_disk_s, self.clock_step_s = told.get("slow_disk_s", 0.0), told.get("clock_step_s", 0.0)


def suffer(path: Path, **what: float) -> None:
    """Tells the process that looks at `path` what to suffer from now on; nothing ends it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(what))
    fresh.rename(path)


class SteppedClock:
    """Another clock whose wall time somebody sets wrong and right again."""

    def __init__(self, clock: Clock, frailty: Frailty) -> None:
        self.speed = clock.speed
        self.monotonic = clock.monotonic
        self.sleep = clock.sleep
        self._clock = clock
        self._frailty = frailty

    def now_ms(self) -> int:
        return self._clock.now_ms() + round(self._frailty.clock_step_s * 1000)


class Notes:
    """Tells whoever listens on a datagram socket what goes to a commit and what was committed: a kill takes neither."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(path)
        self._count = 0

    def asked(self, readings: Sequence[Reading]) -> str:
        """Before the commit; gives its name."""
        self._count += 1
        name = f"{os.getpid()}-{self._count}"
        told = [(reading.device, reading.t, reading.v, reading.bad) for reading in readings]
        self._socket.send(json.dumps({"name": name, "readings": told}).encode())
        return name

    def kept(self, name: str) -> None:
        """When it is on disk."""
        self._socket.send(json.dumps({"name": name}).encode())
