"""Carries out what rules and balancer decide: records commands, publishes them, keeps alerts, hears results.

A command is recorded before it is published; one that cannot be recorded is not published.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from collector.balancer import Balancer
from collector.directory import Directory
from collector.leases import BALANCER, Order
from collector.live import LivePicture, LiveState
from collector.metrics import Metrics
from collector.planning import NewPlan
from collector.rules import RuleDesk
from collector.senses import Senses
from collector.steering import DeviceView
from energy.alerts.facts import Facts
from energy.balancing.cars import CarHere, Wish
from energy.balancing.machines import MachineWish
from energy.community import Community
from energy.errors import DataError, StoreError
from messaging import topics
from messaging.codec import Command, CommandResult, encode
from messaging.connection import Publisher
from runtime.clock import Clock
from runtime.outage import Outage
from storage.register import Alert, Evidence, Register, Told
from storage.register import Command as StoredCommand
from storage.register.machines import mark_started, runs
from storage.register.wishes import wishes

__all__ = ["Control"]

log = logging.getLogger(__name__)

_PAST_ALERTS: Final = 200  # cleared ones whose retained messages are taken away at the start
_ALL: Final = 1_000_000
_PAST_MS: Final = 86_400_000
_TELL_MS: Final = 10_000  # what the balancer decided is said again this often, changed or not
_WISHES_S: Final = 5.0
_WAITING: Final = 10_000  # results and commands of others that wait for the register
_REMEMBERED: Final = 10_000  # commands of which it is known whom they were asked of


class Control:
    """The rule desks of all communities, and their dealings with register and wire."""

    def __init__(
        self,
        directory: Directory,
        live: LiveState,
        senses: Senses,
        register: Register,
        connection: Publisher,
        metrics: Metrics,
        clock: Clock,
        *,
        look_s: float = 10.0,
    ) -> None:
        self._directory = directory
        self._register = register
        self._connection = connection
        self._metrics = metrics
        self._clock = clock
        self._live = live
        self._senses = senses
        self._desks = {
            community.id: RuleDesk(community, directory.gateway, self._view, look_s=look_s)
            for community in directory.communities.values()
        }
        self._balancers = {
            name: Balancer(desk.community, directory.gateway, desk.holder, speed=clock.speed)
            for name, desk in self._desks.items()
        }
        self._next_wishes_s = 0.0
        self._decided: dict[str, tuple[int, dict[str, Any]]] = {}
        self._plans: dict[str, bytes] = {}
        self._past: dict[str, Alert] = {}  # cleared not long ago: somebody may still have to be told
        self._asked_of: dict[str, tuple[str, str]] = {}  # by command, the newest last: its community and gateway
        self._heard: list[Command | CommandResult] = []
        self._unsaved: dict[str, Alert] = {}
        self._unpublished: dict[str, tuple[str, bytes]] = {}
        self._saving: asyncio.Task[None] | None = None
        self._outage = Outage(log, "the register does not take alerts and results: %s; they are tried again")

    def load(self) -> None:
        """Takes up the alerts and the leases of others that stood when we ended. Blocks. Raises StoreError."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
        standing = self._register.alerts(open_only=True, limit=_ALL)
        alerts = self._register.alerts(limit=len(standing) + _PAST_ALERTS)
        for community, desk in self._desks.items():
            own = [alert for alert in alerts if alert.community == community]
            desk.resume(own, now_ms, now_s)
            for alert in own:
                if alert.state == "cleared":
                    self._unpublished[topics.alert(community, alert.id)] = (community, b"")
                    self._past[alert.id] = alert
        for stored in self._register.commands(limit=_WAITING, active_only=True, now_ms=now_ms):
            owner = self._directory.gateway(stored.device)
            if owner is None or owner[0] not in self._desks or stored.ends_at is None:
                continue
            self._asked_of[stored.lease] = owner
            if stored.issued_by == BALANCER:
                self._balancers[owner[0]].resume(stored, now_ms, now_s)
            else:
                self._desks[owner[0]].command_seen(_remaining(stored, now_ms), now_s)

    def command_seen(self, community: str, gateway: str, command: Command) -> None:
        """A command on the wire, ours or somebody else's."""
        desk = self._desks.get(community)
        if desk is not None:
            self._asked_of[command.id] = community, gateway
            if len(self._asked_of) > _REMEMBERED:
                del self._asked_of[next(iter(self._asked_of))]
            self._senses.command_seen(command, self._clock.now_ms())
            if desk.command_seen(command, self._clock.monotonic()):
                self._hear(command)

    def result(self, community: str, gateway: str, result: CommandResult) -> None:
        """What a gateway made of a command. Raises DataError for one that was asked of another gateway."""
        if self._asked_of.get(result.id, (community, gateway)) != (community, gateway):
            raise DataError(
                f"{result.id[:64]!r} was asked of another gateway than {community}/{gateway}",
                field="id",
                hint="a gateway tells results of its own commands only",
            )
        desk = self._desks.get(community)
        if desk is not None:
            self._senses.result(result, self._clock.now_ms())
            desk.result(result, self._clock.monotonic())
            self._balancers[community].result(result, self._clock.monotonic())
            self._hear(result)

    def republish(self) -> None:
        """The broker may have forgotten what was retained: says all open alerts again."""
        for desk in self._desks.values():
            self._prepare(desk.open_alerts())
        self._decided.clear()
        for community, plan in self._plans.items():
            self._unpublished[topics.live_plan(community)] = (community, plan)

    def planned(self, plan: NewPlan) -> None:
        """A new plan: the balancer follows it, and everybody may see it."""
        self._balancers[plan.community].plan = plan.plan
        self._plans[plan.community] = msgspec.json.encode(plan)
        self._unpublished[topics.live_plan(plan.community)] = (plan.community, self._plans[plan.community])

    def cars(self, community: str) -> tuple[CarHere, ...]:
        """The community's cars that are to be planned by price."""
        return self._balancers[community].cars(self._clock.now_ms())

    def machines(self, community: str) -> tuple[tuple[str, MachineWish], ...]:
        """The community's machines that somebody wants to run, or that run."""
        return self._balancers[community].machines()

    def alerts(self) -> list[Alert]:
        """Alerts that stand, and those that cleared within a day."""
        standing = [alert for desk in self._desks.values() for alert in desk.open_alerts()]
        return [*standing, *self._past.values()]

    def told(self, alert_id: str, told: Told, text: str) -> None:
        """A channel took a message about an alert."""
        if any(desk.told(alert_id, told, text) for desk in self._desks.values()):
            return
        past = self._past.get(alert_id)
        if past is not None:
            evidence = (*past.evidence, Evidence(told.t, "notified", text))
            past = dataclasses.replace(past, told=(*past.told, told), evidence=evidence)
            self._past[alert_id] = self._unsaved[alert_id] = past

    async def step(self, picture: LivePicture) -> None:
        """One step of all rules with the live picture, and everything that follows from it."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic()
        self._senses.connection(connected=self._connection.connected.is_set(), now_ms=now_ms)
        await self._pick_up_acts(now_ms, now_s)
        await self._pick_up_wishes(now_ms, now_s)
        for community in self._directory.communities.values():
            desk = self._desks[community.id]
            facts = self._senses.facts(community, picture, now_ms)
            desk.tick(facts, now_s)
            for order in desk.take_orders():
                await self._carry_out(order, desk.not_sent)
            await self._balance(community, facts)
            changed = desk.take_changes()
            self._unsaved.update((alert.id, alert) for alert in changed)
            self._past.update((alert.id, alert) for alert in changed if alert.state == "cleared")
            self._prepare(changed)
            for alert_id in desk.take_gone():
                self._unpublished[topics.alert(community.id, alert_id)] = (community.id, b"")
        self._forget_past(now_ms)
        self._metrics.alerts.set(sum(len(desk.open_alerts()) for desk in self._desks.values()))
        await self._save()
        await self._publish()

    async def finish(self) -> None:
        """Writes what the register does not have yet."""
        for desk in self._desks.values():
            self._unsaved.update((alert.id, alert) for alert in desk.take_changes())
        await self._save()

    def _view(self, device: str) -> DeviceView:
        return DeviceView(self._live.heard_at(device), self._live.power_w(device))

    def _hear(self, heard: Command | CommandResult) -> None:
        if len(self._heard) < _WAITING:
            self._heard.append(heard)

    def _prepare(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            topic = topics.alert(alert.community, alert.id)
            self._unpublished[topic] = (alert.community, msgspec.json.encode(alert))

    async def _pick_up_acts(self, now_ms: int, now_s: float) -> None:
        """What people did to standing alerts at the API."""
        standing = [alert.id for desk in self._desks.values() for alert in desk.open_alerts()]
        if not standing:
            return
        try:
            acts = await asyncio.to_thread(self._register.acts, standing)
        except StoreError:
            return  # told by _save, and asked again at the next step
        for desk in self._desks.values():
            desk.acted(acts, now_ms, now_s)

    async def _pick_up_wishes(self, now_ms: int, now_s: float) -> None:
        """What people said at the API of cars and machines; and the register learns which machines have begun."""
        if now_s < self._next_wishes_s:
            return
        self._next_wishes_s = now_s + _WISHES_S * self._clock.speed
        begun = [start for balancer in self._balancers.values() for start in balancer.take_started()]
        try:
            told, wanted = await asyncio.to_thread(self._wishes, now_ms, begun)
        except StoreError:
            return  # what was said before goes on to count, and it is asked again
        for balancer in self._balancers.values():
            balancer.wishes, balancer.runs = told, wanted

    def _wishes(
        self, now_ms: int, begun: Sequence[tuple[str, int, int]]
    ) -> tuple[dict[str, Wish], dict[str, MachineWish]]:
        if begun:
            with self._register.database.write() as connection:
                for device, said_ms, began_ms in begun:
                    mark_started(connection, device, said_ms, began_ms)
        with self._register.database.read() as connection:
            cars = {wish.device: Wish(wish.ready_at, wish.energy_wh) for wish in wishes(connection, now_ms)}
            wanted = runs(connection, now_ms)
        return cars, {run.device: MachineWish(run.earliest, run.finish_by, run.t, run.started_at) for run in wanted}

    def _forget_past(self, now_ms: int) -> None:
        self._past = {
            alert.id: alert for alert in self._past.values() if now_ms - (alert.cleared_at or now_ms) < _PAST_MS
        }

    async def _balance(self, community: Community, facts: Facts) -> None:
        """A cycle of the balancer, when it is due: after the rules, whose leases it leaves alone."""
        balancer = self._balancers[community.id]
        claimed = self._desks[community.id].claimed
        if not balancer.tick(facts, claimed, self._live.quarter, self._clock.monotonic()):
            return
        for order in balancer.take_orders():
            if balancer.is_new(order):
                self._desks[community.id].balanced(order.command)
            await self._carry_out(order, balancer.not_sent)
        view = balancer.view(facts.now)
        told_ms, before = self._decided.get(community.id, (0, {}))
        if {**view, "t": 0} != {**before, "t": 0} or facts.now - told_ms >= _TELL_MS * self._clock.speed:
            self._decided[community.id] = facts.now, view
            self._unpublished[topics.live_balancer(community.id)] = (community.id, msgspec.json.encode(view))

    async def _carry_out(self, order: Order, not_sent: Callable[[Order, str, int, float], None]) -> None:
        command = order.command
        try:
            await asyncio.to_thread(self._record, command)
            await self._connection.publish(topics.command(order.community, order.gateway), encode(command))
            self._metrics.commands.inc()
        except StoreError as error:
            now_ms = self._clock.now_ms()
            not_sent(order, error.message, now_ms, self._clock.monotonic())
            self._hear(CommandResult(command.id, "failed", error.message, now_ms))

    def _record(self, command: Command) -> None:
        self._register.record_command(
            command.id,
            command.device,
            command.set,
            command.ttl_s,
            issued_by=command.issued_by,
            reason=command.reason,
            t=command.t,
            ends_at=command.t + int(command.ttl_s * 1000),
        )

    async def _save(self) -> None:
        """Writes what the register does not have yet; what it does not take now is tried at the next step."""
        if self._saving is not None:
            await asyncio.shield(
                self._saving
            )  # of a step that was cancelled: an older state never overtakes a newer one
        self._saving = asyncio.create_task(self._write_out())
        await asyncio.shield(self._saving)
        self._saving = None

    async def _write_out(self) -> None:
        heard, self._heard = self._heard, []
        unsaved, self._unsaved = self._unsaved, {}
        if not heard and not unsaved:
            return
        with self._outage:
            try:
                await asyncio.to_thread(self._write, heard, list(unsaved.values()))
            except StoreError:
                self._heard = [*heard, *self._heard][:_WAITING]
                self._unsaved = {**unsaved, **self._unsaved}
                raise

    def _write(self, heard: Sequence[Command | CommandResult], alerts: Sequence[Alert]) -> None:
        for item in heard:
            if isinstance(item, CommandResult):
                self._register.record_result(item.id, item.state, item.reason, item.t)
            elif self._register.command(item.id) is None:  # given on the wire by a program of their own
                self._record(item)
        self._register.save_alerts(alerts)

    async def _publish(self) -> None:
        for topic, (community, payload) in list(self._unpublished.items()):
            try:
                await self._connection.publish(topic, payload, retain=True)
            except StoreError:
                return  # the broker is away: everything is said when it is back
            if self._unpublished.get(topic) == (community, payload):
                del self._unpublished[topic]


def _remaining(stored: StoredCommand, now_ms: int) -> Command:
    """A lease of the register as if it were asked for now, with the time it has left."""
    left_s = ((stored.ends_at or now_ms) - now_ms) / 1000
    return Command(stored.lease, stored.device, stored.set, left_s, stored.issued_by, stored.reason, stored.t)
