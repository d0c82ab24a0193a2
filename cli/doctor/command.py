"""`commonwatt doctor`: ordered checks of a machine, a gateway or a centre, each with its next step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.doctor.check import Check, Result, check_text, checks_json, summary
from cli.doctor.machine import check_clock, check_disk, check_serial_name, check_serial_port
from energy.errors import CommonwattError, ConfigError
from runtime.clock import Clock, clock_from_env

if TYPE_CHECKING:
    from cli.configs import CentreConfig
    from gateway.config import GatewayConfig
    from messaging.connection import MqttSettings

__all__ = ["doctor", "examine"]

BRUSSELS = "50.85,4.35"


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", help="A gateway's or centre's file. Without: this machine only.")
    ] = None,
    place: Annotated[str, typer.Option("--at", help="LATITUDE,LONGITUDE of the roof, for day and night.")] = BRUSSELS,
    watch: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds between two looks at the devices; 0: one look.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Finds what is wrong, in order, and says what to do next. Writes nothing, commands nothing."""
    degrees = _parse_place(place)
    checks = asyncio.run(_run(config, degrees, watch, show=not as_json))
    print(checks_json(checks) if as_json else f"\n{summary(checks)}")
    if any(check.result is Result.FAIL for check in checks):
        raise typer.Exit(1)


def _parse_place(text: str) -> tuple[float, float]:
    try:
        north, east = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--at {text!r} is no place", hint=f"write --at {BRUSSELS}") from error
    return north, east


async def _run(config: Path | None, place: tuple[float, float], watch_s: float, *, show: bool) -> list[Check]:
    checks = []
    async for check in examine(config, clock_from_env(), place=place, watch_s=watch_s):
        if show:
            print(check_text(check), flush=True)
        checks.append(check)
    return checks


async def examine(
    path: Path | None, clock: Clock, *, place: tuple[float, float] = (50.85, 4.35), watch_s: float = 5.0
) -> AsyncIterator[Check]:
    """Every check as it is done; what cannot be checked without an earlier one is left out."""
    yield await check_clock(clock)
    if path is None:
        yield check_disk(Path.cwd())
        return
    from cli.configs import read_config

    try:
        kind, config = read_config(path)
    except CommonwattError as error:
        for one in (error, *getattr(error, "others", ())):
            yield Check.fail("configuration", one.message, one.hint or "correct the file")
        return
    yield Check.ok("configuration", f"{path} is a valid {kind} configuration")
    if kind == "gateway":
        checks = _examine_gateway(path, config, clock, place, watch_s)
    elif kind == "centre":
        checks = _examine_centre(config, clock)
    else:
        yield Check.fail("configuration", f"a {kind} file has nothing to examine", "give a gateway's or centre's file")
        return
    async for check in checks:
        yield check


async def _examine_gateway(
    path: Path, config: GatewayConfig, clock: Clock, place: tuple[float, float], watch_s: float
) -> AsyncIterator[Check]:
    from cli.doctor.gateway import (
        check_devices,
        check_outbox,
        check_wiring,
        look_at_devices,
        running_gateway,
    )

    running = running_gateway(path)
    yield check_disk(config.data_dir, wanted_mb=config.outbox_limit_mb)
    yield check_outbox(config.data_dir / "outbox.sqlite", clock.now_ms())
    leave_out: list[str] = []
    for bus in config.buses:
        if (port := _serial_port(bus.url)) is None:
            continue
        check = check_serial_port(port, used_by=f"the gateway (process {running})" if running else None)
        yield check
        if check.result is not Result.OK:
            leave_out.append(bus.id)
        if (name := check_serial_name(port)) is not None:
            yield name
    first_look = asyncio.create_task(look_at_devices(config, leave_out=leave_out))
    async for check in _examine_uplink(config, clock, running):
        yield check
    first = await first_look
    for check in check_devices(first, running=running):
        yield check
    second, elapsed_s = first, None
    if watch_s and first:
        looked_s = time.monotonic()
        await asyncio.sleep(watch_s)
        second = await look_at_devices(config, leave_out=leave_out)
        elapsed_s = time.monotonic() - looked_s
    expected = [device.device for bus in config.buses for device in bus.devices]
    for check in check_wiring(
        first, second, expected=expected, now_ms=clock.now_ms(), place=place, elapsed_s=elapsed_s
    ):
        yield check


def _serial_port(url: str) -> Path | None:
    from gateway.modbus import parse_bus_url

    address = parse_bus_url(url)
    return Path(address.host) if address.host.startswith("/") else None


async def _examine_uplink(config: GatewayConfig, clock: Clock, running: int | None) -> AsyncIterator[Check]:
    from cli.doctor.broker import check_gateway_session

    open_way = True
    async for check in _examine_way(config.mqtt, clock, config.gateway):
        open_way = open_way and check.result is not Result.FAIL
        yield check
    if not open_way:
        return
    if running and config.mqtt.tls and config.mqtt.tls.cert_file:
        # brokers that take the client id from the certificate would end the running session for ours
        yield Check.ok(
            "broker login",
            f"left alone, process {running} is logged in with this certificate; stop it to test login and rights",
        )
        return
    for check in await check_gateway_session(config.mqtt, config.community, config.gateway):
        yield check


async def _examine_way(settings: MqttSettings, clock: Clock, name: str | None) -> AsyncIterator[Check]:
    from cli.doctor.tls import check_certificates, check_way

    if settings.tls is not None:
        for check in check_certificates(settings.tls, clock, name=name):
            yield check
    async for check in check_way(settings, clock):
        yield check


async def _examine_centre(config: CentreConfig, clock: Clock) -> AsyncIterator[Check]:
    from cli.doctor.broker import check_centre_session
    from cli.doctor.centre import check_keys, check_page, check_port, check_register, check_store

    yield check_disk(config.register_.path.parent)
    yield await asyncio.to_thread(check_store, config.store)
    yield check_register(config.register_)
    yield await check_port(config.api)
    yield check_page(config.api)
    yield check_keys(config.api, config.register_)
    if config.mqtt is None:
        yield Check.ok("broker", "none is configured: `commonwatt run` starts one of its own on this machine")
        return
    open_way = True
    async for check in _examine_way(config.mqtt, clock, None):
        open_way = open_way and check.result is not Result.FAIL
        yield check
    if open_way:
        for check in await check_centre_session(config.mqtt, config.communities):
            yield check
