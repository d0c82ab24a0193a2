"""Composes the centre from its configuration: broker, collector, API, alone or together in one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cli.broker import broker_command
from cli.configs import CentreConfig, load_centre
from cli.processes import Child, Ports, is_free, keep_running
from energy.errors import ConfigError
from messaging.connection import MqttSettings
from runtime.clock import Clock, clock_from_env
from runtime.service import notify, run_until_stopped

if TYPE_CHECKING:
    from api.service import ApiService
    from collector.service import Collector

__all__ = ["run_centre"]

log = logging.getLogger(__name__)


def run_centre(path: Path, *, parts: Collection[str]) -> None:
    """Runs the named parts of {broker, collector, api} until stopped."""
    config = load_centre(path)
    if config.mqtt is None and "broker" not in parts:
        raise ConfigError(
            "no broker is configured",
            file=str(path),
            field="mqtt",
            hint="add `mqtt: {host: ...}`, or use `commonwatt run`",
        )
    clock = clock_from_env()
    run_until_stopped(lambda: _run(config, clock, parts))


async def _run(config: CentreConfig, clock: Clock, parts: Collection[str]) -> None:
    with contextlib.ExitStack() as stores:  # outside the group: services flush into the stores while they stop
        async with asyncio.TaskGroup() as group:
            mqtt = config.mqtt
            if mqtt is None:
                broker, mqtt = _own_broker(config.register_.path.parent)
                group.create_task(keep_running(broker), name="broker")
            if "collector" in parts:
                group.create_task(_collector(config, mqtt, clock, stores).run(), name="collector")
            if "api" in parts:
                group.create_task(_api(config, mqtt, clock, stores).run(), name="api")
            notify("READY=1")


def _own_broker(directory: Path) -> tuple[Child, MqttSettings]:
    """Where a gateway of this machine looks first. Its file is kept with the data: the configuration's folder may not be ours."""
    directory.mkdir(parents=True, exist_ok=True)
    usual = MqttSettings().port
    port = usual if is_free(usual) else Ports()()
    command, settings = broker_command(port, directory)
    log.info("no broker is configured: running one of our own on 127.0.0.1:%d, reachable from this machine only", port)
    return Child("broker", command), settings


def _collector(config: CentreConfig, mqtt: MqttSettings, clock: Clock, stores: contextlib.ExitStack) -> Collector:
    from collector.service import Collector
    from storage.dirty import DirtyQuarters
    from storage.history.open import open_history
    from storage.history.settings import EmbeddedSettings
    from storage.register import Register

    return Collector(
        config.collector,
        config.collected,
        mqtt,
        history=stores.enter_context(contextlib.closing(open_history(config.store))),
        register=stores.enter_context(contextlib.closing(Register(config.register_))),
        dirty=stores.enter_context(contextlib.closing(DirtyQuarters(config.register_.dirty_path))),
        clock=clock,
        notifications=config.notifications,
        disks=[config.register_.path, *([config.store.path] if isinstance(config.store, EmbeddedSettings) else [])],
    )


def _api(config: CentreConfig, mqtt: MqttSettings, clock: Clock, stores: contextlib.ExitStack) -> ApiService:
    from api.service import ApiService
    from storage.history.open import open_history
    from storage.register import Register

    return ApiService(
        config.api,
        config.communities,
        mqtt,
        history=stores.enter_context(contextlib.closing(open_history(config.store, read_only=True))),
        register=stores.enter_context(contextlib.closing(Register(config.register_))),
        clock=clock,
        notifications=config.notifications,
        buildings=config.buildings,
    )
