"""A broker for when none is configured: mosquitto where it is on PATH, else amqtt in a process of its own.

Neither is trusted with data (docs/decisions/001-end-to-end-confirmation.md), so both run without persistence.
"""

from __future__ import annotations

import asyncio
import getpass
import shutil
import sys
from pathlib import Path
from typing import Any

from messaging.connection import MqttSettings
from runtime.service import run_until_stopped

__all__ = ["broker_command", "mosquitto_binary", "run_embedded_broker"]


def mosquitto_binary() -> str | None:
    """Where mosquitto is, on PATH or where Debian puts it."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def broker_command(port: int, directory: Path, *, embedded: bool = False) -> tuple[list[str], MqttSettings]:
    """The command that runs a broker on 127.0.0.1:`port`, and how to reach it; `embedded`: never mosquitto."""
    binary = mosquitto_binary()
    if binary is None or embedded:
        command = [sys.executable, "-m", "cli.main", "broker", "--port", str(port)]
        return command, MqttSettings(port=port, protocol="3.1.1")
    config = directory / "mosquitto.conf"
    config.write_text(
        # user: a root-started mosquitto would change user, and Linux then forgets that it must die with its parent
        f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\n"
        "persistence false\nmax_queued_messages 0\nset_tcp_nodelay true\n"
        "max_inflight_messages 500\nmax_packet_size 1048576\nlog_dest stderr\nlog_type error\n",
        encoding="utf-8",
    )
    return [binary, "-c", str(config)], MqttSettings(port=port)


def run_embedded_broker(port: int) -> None:
    """Runs amqtt until stopped."""
    run_until_stopped(lambda: _serve(port))


async def _serve(port: int) -> None:
    from amqtt.broker import Broker

    config: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    try:
        await asyncio.Event().wait()
    finally:
        await broker.shutdown()
