"""The gateway service: buses, pollers, outbox, uplink, commands and status, in one task group.

On cancellation (SIGTERM) the pollers stop first, devices go to their safe states, what was read is committed, last
results and the status `online: false` are published, and only then the connection closes: 10 s at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Final

from energy.errors import ConfigError, DataError, StoreError
from energy.quantities import QUANTITIES
from gateway.alarm import Alarm
from gateway.buses import make_bus
from gateway.clock_watch import ClockWatch
from gateway.commands import Commands
from gateway.config import DeviceConfig, GatewayConfig
from gateway.control import DeviceControl
from gateway.device import Layout
from gateway.disk import on_disk
from gateway.home_assistant import HomeAssistant
from gateway.journal import Journal
from gateway.leases import Permit
from gateway.local_rule import LocalRule
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.p1_reader import P1Reader
from gateway.polling import FieldDevice, Poller
from gateway.profile import Library
from gateway.uplink import Uplink
from gateway.waiting import wait_for_news
from messaging import topics
from messaging.codec import UNSYNCHRONISED, CommandResult, OutboxStatus, Reading, Status, decode_ack, encode
from messaging.connection import Connection, Message, Will
from runtime.certificates import read_certificate
from runtime.clock import Clock
from runtime.service import notify

__all__ = ["GatewayService"]

log = logging.getLogger(__name__)

_SETTLE_S: Final = 0.2  # readings of one instant come together and make one batch
_HELD_READINGS: Final = 10_000  # kept in memory while the disk takes nothing; then the oldest go
_HELD_RESULTS: Final = 10_000  # kept in memory while the disk takes nothing
_FAREWELL_S: Final = 2.0
_DISK_RETRY_S: Final = 5.0
_WATCHDOG_S: Final = 10.0


class GatewayService:
    """One rooftop gateway. `run` serves until cancelled. Raises ConfigError from the constructor."""

    def __init__(self, config: GatewayConfig, clock: Clock, *, version: str = "") -> None:
        self.config = config
        self.metrics = Metrics()
        self.ready = asyncio.Event()
        """Set when every task runs."""
        self._clock = clock
        self._version = version
        self._since_ms = clock.now_ms()
        self._names = (config.community, config.gateway)
        limit_bytes = round(config.outbox_limit_mb * 1024 * 1024)
        self.outbox = Outbox(config.data_dir / "outbox.sqlite", clock, limit_bytes=limit_bytes)
        self.connection = self._make_connection()
        self._uplink = Uplink(
            self.outbox,
            self._publish_data,
            clock,
            online=self.connection.connected,
            window=config.uplink.window,
            resend_after_s=config.uplink.resend_after_s,
            metrics=self.metrics,
        )
        self._collected: deque[Reading] = deque(maxlen=_HELD_READINGS)
        self._collected_news = asyncio.Event()
        self._disk_problem: str | None = None
        self._clock_watch = ClockWatch(clock)
        self._alarm = Alarm(clock)
        self._journal = Journal(config.data_dir / "journal.sqlite", clock)
        self._results: deque[CommandResult] = deque(maxlen=_HELD_RESULTS)
        self._results_news = asyncio.Event()
        self._results_kept = asyncio.Event()
        self._results_kept.set()  # some may be left from before
        self._status_news = asyncio.Event()
        library = Library(config.profiles_dir)
        self._buses = {bus.id: make_bus(bus, library) for bus in config.buses}
        layouts: dict[str, Layout] = {}
        self._devices = {
            bus.id: [_make_device(device, library, layouts) for device in bus.devices] for bus in config.buses
        }
        self.commands = Commands(list(self._make_controls()), clock, self._tell, self.metrics)
        self.local_rule = LocalRule(config, library, self.commands, clock)
        self._home_assistant = self._make_home_assistant(library)
        self._announce = asyncio.Event()

    async def run(self) -> None:
        """Serves until cancelled; leaves devices safe and everything read on disk."""
        try:
            async with asyncio.TaskGroup() as connection:
                link = connection.create_task(self.connection.run(), name="connection")
                try:
                    await self._work()
                finally:
                    await self._farewell()
                    link.cancel()
        finally:
            for bus in self._buses.values():
                bus.close()
            self.outbox.close()
            self._journal.close()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for bus_id, devices in self._devices.items():
                tasks.create_task(self._make_poller(bus_id, devices).run(), name=f"poll {bus_id}")
            tasks.create_task(self.commands.run(), name="commands")
            tasks.create_task(self.local_rule.run(), name="local rule")
            tasks.create_task(self._commit(), name="commit")
            tasks.create_task(self._uplink.run(), name="uplink")
            tasks.create_task(self._uplink.run_confirmations(), name="confirmations")
            tasks.create_task(self._keep_results(), name="keep results")
            tasks.create_task(self._publish_results(), name="publish results")
            tasks.create_task(self._publish_status(), name="status")
            tasks.create_task(self._serve_home_assistant(), name="home assistant")
            tasks.create_task(self._ping_watchdog(), name="watchdog")
            notify("READY=1")
            self.ready.set()

    async def _farewell(self) -> None:
        """What is still to be said and kept when everything else has stopped; a full disk silences nobody."""
        try:
            if self._collected:
                await on_disk(self.outbox.append, list(self._collected))
        except StoreError as error:
            log.error("%d readings could not be kept: %s", len(self._collected), error)  # noqa: TRY400 - a full disk
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._send_last_results()
                await self._send_status(online=False)
        except (TimeoutError, StoreError):
            log.info("stopped without a farewell; the broker tells the last will")

    async def _send_last_results(self) -> None:
        try:
            await self._write_results()
            await self._send_results()
        except StoreError:
            for result in list(self._results):  # the disk does not take them: then the centre at least hears them
                await self.connection.publish(topics.result(*self._names), encode(result))

    def _make_connection(self) -> Connection:
        gone = Status(online=False, version=self._version, since=self._since_ms)
        return Connection(
            self.config.mqtt,
            self.config.gateway,
            subscriptions=(topics.ack(*self._names), topics.command(*self._names)),
            on_message=self._receive,
            on_connect=self._connected,
            will=Will(topics.status(*self._names), encode(gone)),
        )

    def _make_home_assistant(self, library: Library) -> HomeAssistant:
        devices = {
            device.device: (library.get(device.profile), device.interval_s)
            for bus in self.config.buses
            for device in bus.devices
        }

        async def publish(topic: str, payload: bytes) -> None:
            await self.connection.publish(topic, payload, retain=True)

        file = self.config.data_dir / "home_assistant.json"
        return HomeAssistant(self.config.home_assistant, self._names, devices, file, publish, version=self._version)

    def _make_poller(self, bus_id: str, devices: list[FieldDevice]) -> Poller | P1Reader:
        bus, changed = self._buses[bus_id], self._status_news.set
        if bus.address.is_p1:
            (meter,) = devices
            return P1Reader(
                bus.address, meter, self._clock, collect=self._collect, status_changed=changed, metrics=self.metrics
            )
        return Poller(
            bus,
            devices,
            self._clock,
            collect=self._collect,
            status_changed=changed,
            metrics=self.metrics,
            rest_s=bus.rest_s,
            alarm=self._alarm,
        )

    def _make_controls(self) -> Iterable[DeviceControl]:
        for bus in self.config.buses:
            for config, device in zip(bus.devices, self._devices[bus.id], strict=True):
                if config.limits:
                    yield DeviceControl(
                        device,
                        self._buses[bus.id],
                        _permits(config),
                        self._clock,
                        self._tell,
                        safe_values=config.safe_state,
                        switch_phases=config.switch_phases,
                    )

    async def _connected(self) -> None:
        self.local_rule.connected()
        await self._uplink.connected()
        self._status_news.set()
        self._results_kept.set()
        self._announce.set()

    async def _receive(self, message: Message) -> None:
        ack, command = topics.ack(*self._names), topics.command(*self._names)
        if message.topic not in {ack, command}:
            return  # amqtt tells whoever connects what is retained for anybody's subscriptions
        if not message.retained:  # a retained message is the broker's memory, not the centre's voice
            self.local_rule.heard()
        if message.topic == command:
            self.commands.receive(message.payload, retained=message.retained)
            return
        try:
            self._uplink.acknowledge(decode_ack(message.payload))
        except DataError as error:
            self.metrics.malformed += 1
            log.warning("a confirmation could not be read: %s", error.message)

    def _collect(self, reading: Reading) -> None:
        self.local_rule.observe(reading)
        self._home_assistant.observe(reading)
        dated = self._clock_watch.dated(reading)
        if dated:
            self._collected.extend(dated)
            self._collected_news.set()
        elif self._clock_watch.waiting == 1:
            log.warning("the clock says %d ms since 1970; readings wait until it is set", reading.t)

    async def _commit(self) -> None:
        """Keeps what the pollers read, one batch per instant, at most one per commit interval."""
        settle_s = min(_SETTLE_S * self._clock.speed, self.config.commit_interval_s)
        while True:
            await self._collected_news.wait()
            await self._clock.sleep(settle_s)
            self._collected_news.clear()
            await self._commit_once()
            await self._clock.sleep(self.config.commit_interval_s - settle_s)

    async def _commit_once(self) -> None:
        readings = list(self._collected)
        try:
            seq = await on_disk(self.outbox.append, readings, unsynchronised=self._clock_watch.unsynchronised)
        except StoreError as error:
            if error.message != self._disk_problem:  # say it once, not at every retry
                log.error("readings wait in memory: %s", error)  # noqa: TRY400 - a full disk
            self._disk_problem = error.message
            self._collected_news.set()  # try again with the next
            return
        for _ in range(min(len(readings), len(self._collected))):
            self._collected.popleft()
        self._disk_problem = None
        self.metrics.batches += 1
        self._uplink.committed(seq)

    async def _publish_data(self, payload: bytes) -> None:
        await self.connection.publish(topics.data(*self._names), payload)

    def _tell(self, told: CommandResult) -> None:
        result = self.local_rule.told(told)
        if result is None:
            return
        self.metrics.commands[result.state] += 1
        self._results.append(result)
        self._results_news.set()

    async def _keep_results(self) -> None:
        while True:
            await self._results_news.wait()
            self._results_news.clear()
            try:
                await self._write_results()
            except StoreError as error:
                log.warning("results wait in memory: %s", error)
                await self._clock.sleep(_DISK_RETRY_S)
                self._results_news.set()

    async def _write_results(self) -> None:
        results = list(self._results)
        if results:
            await on_disk(self._journal.keep, results)
            for _ in range(min(len(results), len(self._results))):
                self._results.popleft()
            self._results_kept.set()

    async def _publish_results(self) -> None:
        """Only while the centre is there: the broker confirms what nobody hears, too."""
        while True:
            await self._results_kept.wait()
            await self.local_rule.centre_here.wait()
            self._results_kept.clear()
            try:
                await self._send_results()
            except StoreError as error:
                log.debug("results wait: %s", error.message)
                await self._clock.sleep(1)
                self._results_kept.set()

    async def _send_results(self) -> None:
        while waiting := await on_disk(self._journal.waiting):
            for _, payload in waiting:
                await self.connection.publish(topics.result(*self._names), payload)
            await on_disk(self._journal.told, waiting[-1][0])

    async def _publish_status(self) -> None:
        """At every change, at every connection, and every status interval."""
        while True:
            self._status_news.clear()
            try:
                await self._send_status(online=True)
            except StoreError as error:
                log.debug("the status waits: %s", error.message)
            await wait_for_news(self._status_news, self._clock, self.config.uplink.status_interval_s)

    async def _send_status(self, *, online: bool) -> None:
        depth = await on_disk(self.outbox.depth)
        status = Status(
            online=online,
            version=self._version,
            since=self._since_ms,
            outbox=OutboxStatus(depth.batches, depth.oldest_ms, self.outbox.dropped_total),
            devices=[device.status for devices in self._devices.values() for device in devices],
            clock=UNSYNCHRONISED if self._clock_watch.unsynchronised else "synchronised",
            certificate_until=await asyncio.to_thread(_certificate_until, self.config),
        )
        await self.connection.publish(topics.status(*self._names), encode(status), retain=True)

    async def _serve_home_assistant(self) -> None:
        """Says at every connection what there is, takes back what is no more, and passes newest readings on."""
        await self._announce.wait()
        while True:
            try:
                if self._announce.is_set():
                    self._announce.clear()
                    await self._home_assistant.connected()
                await self._home_assistant.send()
            except StoreError as error:
                log.debug("Home Assistant waits: %s", error.message)
                self._announce.set()
            if not self._home_assistant.enabled:
                await self._announce.wait()
            await self._clock.sleep(self.config.commit_interval_s)

    async def _ping_watchdog(self) -> None:
        while True:
            notify("WATCHDOG=1")
            await self._clock.sleep(_WATCHDOG_S * self._clock.speed)


def _make_device(config: DeviceConfig, library: Library, layouts: dict[str, Layout]) -> FieldDevice:
    return FieldDevice(config.device, config.unit, library.get(config.profile), config.interval_s, shared=layouts)


def _certificate_until(config: GatewayConfig) -> int | None:
    """When its own certificate ends, ms UTC, as the file says now: it may have been renewed."""
    file = config.mqtt.tls.cert_file if config.mqtt.tls else None
    if file is None:
        return None
    try:
        return round(read_certificate(file).not_after.timestamp() * 1000)
    except ConfigError:
        return None  # `doctor` tells why; the connection does, too


def _permits(config: DeviceConfig) -> dict[str, Permit]:
    return {
        quantity: Permit(QUANTITIES[quantity].unit, limit.low, limit.high, limit.allowed)
        for quantity, limit in config.limits.items()
    }
