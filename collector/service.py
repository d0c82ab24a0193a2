"""The collector as a service: one connection, one group of named tasks, a clean end."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.confirm import Confirmations
from collector.control import Control
from collector.directory import Directory
from collector.duty import Duty
from collector.ingest import Ingest
from collector.intake import Refused
from collector.late import LateJob
from collector.live import LivePicture, LiveState
from collector.marks import Marker
from collector.metrics import Metrics
from collector.nights import NightJob
from collector.notifier import Notifier
from collector.planning import PlanJob
from collector.publish import LivePublisher
from collector.quarantine import Quarantine
from collector.quarters import QuarterJob
from collector.senses import Senses, look_at_host
from collector.settings import CollectorSettings
from collector.today import LONGEST_DAY_MS, CommunityToday
from collector.totals import TotalsJob
from energy.balance import CommunityBalance
from energy.community import Community
from energy.errors import DataError
from messaging import topics
from messaging.codec import Status, decode_command, decode_result, decode_status
from messaging.connection import Message, MqttSettings
from messaging.link import open_client
from messaging.notices import NotificationSettings, open_mailboxes
from runtime.clock import Clock
from runtime.outage import Outage
from runtime.service import notify
from runtime.worker import Worker
from storage.dirty import DirtyQuarters
from storage.history import History, Row
from storage.register import Register

__all__ = ["Collector"]

log = logging.getLogger(__name__)

_FINISH_S: Final = 8.0  # to store and confirm what is held when asked to end
_STORE_RETRY_S: Final = 2.0
_UPKEEP_S: Final = 10.0
_HOST_S: Final = 60.0
_CHANNELS: Final = ("data", "status", "command", "command/result")
_DATA: Final = "/data"
_GATHER_S: Final = 0.03  # sites heard of within this time are said together


class Collector:
    """Serves `communities`; several collectors run side by side for others, or stand by for each other.

    `history`, `register` and `dirty` are the caller's to close. `disks`: paths whose room is watched. `ready` is set
    while it serves. Raises ConfigError when the communities contradict each other.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        communities: Sequence[Community],
        mqtt: MqttSettings,
        history: History,
        register: Register,
        dirty: DirtyQuarters,
        clock: Clock,
        *,
        notifications: NotificationSettings | None = None,
        disks: Sequence[Path] = (),
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.ready = asyncio.Event()
        self._duty = Duty(min(c.id for c in communities), settings.name, clock) if settings.stands_by else None
        self.connection = open_client(
            mqtt,
            _client_id(communities, settings.name if settings.stands_by else ""),
            subscriptions=[
                *(topics.data(c.id, "+").removesuffix("data") + channel for c in communities for channel in _CHANNELS),
                *([self._duty.topic] if self._duty else []),
            ],
            on_messages=self._on_messages,
            on_connect=self._on_connect,
            will=self._duty.will if self._duty else None,
        )
        self._communities = tuple(communities)
        self._history = history
        self._register = register
        self._dirty = dirty
        self._clock = clock
        self._housekeeper = Worker("upkeep")
        self._publisher = LivePublisher(self.connection, clock)
        self._quarantine = Quarantine(register, clock)
        self._confirmations = Confirmations(self.connection, self.metrics)
        self._notifications = notifications or NotificationSettings()
        self._certificates = [file for file in (mqtt.tls.ca_file, mqtt.tls.cert_file) if file] if mqtt.tls else []
        self._disks = disks
        self._online: set[tuple[str, str]] = set()
        self._edge_dropped: dict[tuple[str, str], int] = {}
        self._to_publish = asyncio.Event()
        self._to_control = asyncio.Event()
        self._know_nothing()

    def _know_nothing(self) -> None:
        """As before the store was read."""
        self._directory = Directory(self._communities, max_unregistered=self.settings.max_unregistered_devices)
        self._live = LiveState(self._directory, self._clock, interval_s=self.settings.live_interval_s)
        self._senses = Senses(self._communities, self._live, self._clock.now_ms())
        self._control = Control(
            self._directory,
            self._live,
            self._senses,
            self._register,
            self.connection,
            self.metrics,
            self._clock,
            look_s=self.settings.rules_interval_s,
        )
        self._notifier = Notifier(
            self._notifications,
            open_mailboxes(self._notifications),
            self._directory.communities,
            self._control,
            self.metrics,
            self._clock,
        )
        self._ingest: Ingest | None = None
        self._picture = LivePicture([], [])
        self._unsaid: list[tuple[CommunityBalance, CommunityToday]] = []

    async def run(self) -> None:
        """Serves until cancelled, while it is this collector's duty; then stores and confirms what it still holds."""
        with self.metrics.served(self.settings.metrics_host, self.settings.metrics_port):
            marker = None if self._duty else await self._begin()
            async with asyncio.TaskGroup() as outer:
                link = outer.create_task(self.connection.run(), name="collector.connection")
                try:
                    if marker is not None:
                        await self._serve(marker)
                    elif self._duty is not None:
                        await self._take_turns(self._duty)
                finally:  # the connection outlives the other tasks: what they still store is confirmed
                    link.cancel()

    async def _take_turns(self, duty: Duty) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(duty.run(self.connection), name="collector.duty")
            while True:
                await duty.mine.wait()
                async with asyncio.TaskGroup() as term:
                    serving = term.create_task(self._begin_and_serve(), name="collector.term")
                    await duty.lost.wait()
                    serving.cancel()
                self.ready.clear()
                self._know_nothing()

    async def _begin_and_serve(self) -> None:
        await self._serve(await self._begin())

    async def _serve(self, marker: Marker) -> None:
        self._ingest = ingest = self._make_ingest(marker)
        self._control.republish()
        quarters = self._make_quarters(marker)
        jobs = {
            "ingest": ingest.run,
            "quarantine": self._quarantine.run,
            "live": self._run_live,
            "publish": self._run_publish,
            "control": self._run_control,
            "notices": self._notifier.run,
            "host": self._run_host,
            "quarters": quarters.run,
            "plans": PlanJob(
                self._communities,
                self._history,
                self._live,
                self._clock,
                self._control.planned,
                self._control.cars,
                self._register,
                self._control.machines,
            ).run,
            "nights": NightJob(self._communities, self._history, self._clock, self._senses.told_nights).run,
            "late": LateJob(
                self._communities, self._history, self._register, self._clock, self._senses.told_reopened
            ).run,
            "totals": TotalsJob(self._history, self._dirty, self._directory, self._clock).run,
            "upkeep": self._run_upkeep,
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, job in jobs.items():
                    group.create_task(job(), name=f"collector.{name}")
                self.ready.set()
        finally:
            await self._finish(ingest)

    async def _begin(self) -> Marker:
        """Reads where the store stands; waits for a store that is not there yet."""
        outage = Outage(log, "waiting for the store: %s")
        while True:
            with outage:
                return await asyncio.to_thread(self._load)
            await self._clock.sleep(_STORE_RETRY_S * self._clock.speed)

    def _load(self) -> Marker:
        marker = Marker(self._dirty, self._history.last())
        self._directory.remember(self._history.devices())
        self._live.load(self._history)
        self._control.load()
        if self._duty is not None:
            sites = {*self._directory.places, *self._directory.unregistered}
            now_ms = self._clock.now_ms()
            marker.take_over(sites, self._history.site_quarters(list(sites), now_ms - LONGEST_DAY_MS, now_ms))
        return marker

    def _make_ingest(self, marker: Marker) -> Ingest:
        return Ingest(
            self.settings,
            self._directory,
            self._history,
            marker,
            self.metrics,
            self._clock,
            on_live=self._hear,
            on_late=self._live.recall,
            confirm=self._confirmations.add,
            set_aside=self._quarantine.add,
        )

    def _make_quarters(self, marker: Marker) -> QuarterJob:
        return QuarterJob(
            self._history,
            self._dirty,
            self._directory,
            marker,
            self.metrics,
            self._clock,
            interval_s=self.settings.quarters_interval_s,
            on_written=self._live.today.written,
        )

    async def _finish(self, ingest: Ingest) -> None:
        try:
            async with asyncio.timeout(_FINISH_S):
                await ingest.finish()
                await self._confirmations.flush()
                await self._quarantine.flush()
                await self._control.finish()
        except TimeoutError:
            log.warning("not everything could be stored in time; what is not confirmed the gateways send again")

    async def _run_live(self) -> None:
        while True:
            with self.metrics.live.time():
                self._picture = self._live.picture()
            self._unsaid = self._picture.communities
            self._to_publish.set()
            self._to_control.set()
            notify("WATCHDOG=1")
            await self._clock.sleep(self.settings.live_interval_s)

    async def _run_publish(self) -> None:
        """Says what was heard as soon as it is, what comes together in one go; the communities once a picture."""
        while True:
            await self._to_publish.wait()
            await asyncio.sleep(_GATHER_S)
            self._to_publish.clear()
            communities, self._unsaid = self._unsaid, []
            await self._publisher.publish(self._live.take_news(), communities)
            if self._live.waiting:
                self._to_publish.set()

    async def _run_control(self) -> None:
        while True:
            await self._to_control.wait()
            self._to_control.clear()
            await self._control.step(self._picture)

    async def _run_host(self) -> None:
        """How long the certificates last and how full the disks are, for the rules about them."""
        while True:
            now_ms = self._clock.now_ms()
            self._senses.host = await asyncio.to_thread(look_at_host, self._certificates, self._disks, now_ms)
            await self._clock.sleep(_HOST_S * self._clock.speed)

    async def _run_upkeep(self) -> None:
        """The store's housekeeping, in a thread of its own: whoever stores or reads never waits for it."""
        outage = Outage(log, "the store's housekeeping waits: %s")
        while True:
            with outage:
                while await self._housekeeper.run(self._history.maintain, self._clock.now_ms()):
                    pass
            await self._clock.sleep(_UPKEEP_S * self._clock.speed)

    def _hear(self, rows: Sequence[Row]) -> None:
        self._live.hear(rows)
        self._to_publish.set()
        self._senses.hear(rows)

    async def _on_connect(self) -> None:
        self._publisher.forget()
        self._live.repeat_all()
        self._control.republish()

    def _on_messages(self, messages: Sequence[Message]) -> None:
        """Takes what came in one go. Readings before the store was seen are left to their gateways."""
        others = [message for message in messages if not message.topic.endswith(_DATA)]
        if self._ingest is not None:
            self._ingest.accept([m for m in messages if m.topic.endswith(_DATA)] if others else messages)
        for message in others:
            self._take_other(message)

    def _take_other(self, message: Message) -> None:
        if self._duty is not None and message.topic == self._duty.topic:
            self._duty.hear(message)
            return
        try:
            self._read_other(message)
        except DataError as error:
            gateway = message.topic.split("/")[3]
            self.metrics.quarantined.inc()
            self._quarantine.add([Refused(message.topic, gateway, message.payload, error.message)])

    def _read_other(self, message: Message) -> None:
        """Status, commands and results. Raises DataError."""
        community, gateway, channel = topics.parse_gateway_topic(message.topic)
        if channel == "status":
            self._hear_status((community, gateway), message.payload)
        elif self._ingest is None:
            return  # commands are the business of who serves; the register tells of them when that is us
        elif channel == "command" and not message.retained:  # a command is never retained; gateways refuse such a one
            self._control.command_seen(community, gateway, decode_command(message.payload))
        elif channel == "command/result":
            self._control.result(community, gateway, decode_result(message.payload))

    def _hear_status(self, gateway: tuple[str, str], payload: bytes) -> None:
        """Raises DataError."""
        status = decode_status(payload) if payload else Status(online=False)
        self._senses.status(*gateway, status, self._clock.now_ms())
        if not status.online:
            self._online.discard(gateway)
        else:
            self._online.add(gateway)
            lost = status.outbox.dropped - self._edge_dropped.get(gateway, 0)
            if lost > 0:
                self.metrics.edge_dropped.inc(lost)
                log.error("%s/%s dropped %d batches for ever: its outbox was full", *gateway, lost)
            self._edge_dropped[gateway] = status.outbox.dropped
        self.metrics.gateways.set(len(self._online))


def _client_id(communities: Sequence[Community], name: str) -> str:
    """The same after a restart, so that the broker drops a dead predecessor; others have another one."""
    names = ",".join([*sorted(community.id for community in communities), *([name] if name else [])])
    return f"collector-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
