"""Composes what runs at the edge: gateways, and the simulated devices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from cli.processes import accepts
from runtime.clock import Clock, clock_from_env
from runtime.config import load_config
from runtime.service import run_until_stopped

__all__ = ["run_gateways", "run_simulator"]


def run_gateways(paths: Sequence[Path], *, wait_for: int = 0) -> None:
    """Runs one gateway for each configuration file, all in this process, until stopped.

    `wait_for`: a local port that has to accept connections first; a demonstration's devices start with everything else.
    """
    from gateway.config import GatewayConfig
    from gateway.service import GatewayService

    configs = [load_config(path, GatewayConfig, kind="gateway") for path in paths]
    clock = clock_from_env()

    async def serve() -> None:
        if wait_for:
            await accepts(wait_for)
        async with asyncio.TaskGroup() as group:
            for config in configs:
                group.create_task(GatewayService(config, clock).run(), name=f"gateway {config.gateway}")

    run_until_stopped(serve)


def run_simulator(path: Path) -> None:
    """Runs the simulated devices of a configuration until stopped."""
    from simulator.config import SimulatorConfig
    from simulator.service import Simulator

    config = load_config(path, SimulatorConfig, kind="simulator")
    clock: Clock = clock_from_env()
    run_until_stopped(lambda: Simulator(config, clock).run())
