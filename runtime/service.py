"""A service's life: logs, one event loop, named tasks in one group, a clean stop on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Literal

__all__ = ["configure_logs", "notify", "run_until_stopped", "wait_for_stop"]

LogFormat = Literal["text", "json"]
_NEW_OBJECTS: Final = 10_000  # that may be garbage, before anybody looks


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "t": int(record.created * 1000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logs(log_format: LogFormat = "text", *, level: int = logging.INFO) -> None:
    """Logs go to stderr, one line each, as text or JSON."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiomqtt", "alembic", "uvicorn.access", "transitions", "amqtt"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # at an error pymodbus tells the traffic of every connection; who reads a device says what went wrong with it
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


def notify(state: str) -> None:
    """Tells systemd `state` (`READY=1`, `WATCHDOG=1`, `STOPPING=1`); does nothing elsewhere (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.send(state.encode())


async def wait_for_stop() -> None:
    """Returns at the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await stop.wait()


def run_until_stopped(main: Callable[[], Awaitable[None]]) -> None:
    """Runs `main` (a service's `run`) on a fresh loop until it ends or a signal asks it to; then cancels and awaits it."""
    _use_fast_loop()
    with _collecting_seldom():
        asyncio.run(_supervise(main))


def _use_fast_loop() -> None:
    with contextlib.suppress(ImportError):  # an extra of gateway and centre; asyncio's own loop does as well, slower
        import uvloop  # noqa: PLC0415 - only where the extra is installed

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@contextlib.contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Cyclic garbage is rare here, and every search for it costs as much as reading several devices.

    What is there before the service starts stays for good and is not looked at again.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _supervise(main: Callable[[], Awaitable[None]]) -> None:
    stopper = asyncio.create_task(wait_for_stop(), name="signals")  # first: a start of many imports can be stopped, too
    service = asyncio.ensure_future(main())
    try:
        await asyncio.wait({service, stopper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopper.cancel()
        notify("STOPPING=1")
        if not service.done():
            service.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await service
