"""The live state, followed over MQTT: newest objects, open alerts, leases, gateways; told on as events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from api.live.board import LiveBoard, LiveKey
from api.live.leases import Lease, Leases
from api.live.objects import EXPIRED_MS, AlertObject, read_alert, read_live
from api.live.stream import Events, frame
from api.rights import Scope, sees
from energy.community import Community
from energy.errors import DataError, StoreError
from messaging.codec import decode_command, decode_result, decode_status
from messaging.connection import Message, Publisher
from messaging.topics import ROOT
from runtime.clock import Clock

__all__ = ["SILENT_MS", "LiveFeed"]

log = logging.getLogger(__name__)

SILENT_MS: Final = 12_000  # the collector speaks at least every 10 s; 2 s for the way
_WATCH_S: Final = 1.0
_OPEN: Final = frozenset({"pending", "firing", "acknowledged", "muted"})


class _Named(msgspec.Struct):
    community: str


class _Because(msgspec.Struct):
    reason: str


class _Decided(_Named):
    decisions: list[_Because]
    limits: dict[str, list[str]]


class _Why(msgspec.Struct):
    why: str


class _Steps(msgspec.Struct):
    steps: list[_Why]


class _Planned(_Named):
    t: int
    missing: list[str]
    plan: _Steps


_DECIDED: Final = msgspec.json.Decoder(_Decided)
_PLANNED: Final = msgspec.json.Decoder(_Planned)


class LiveFeed:
    """Messages in, bytes out. `on_messages` is the MQTT connection's; `broker` is set by the service that runs it."""

    def __init__(self, communities: Sequence[Community], clock: Clock) -> None:
        self.broker: Publisher | None = None
        self.events = Events(first=clock.now_ms())
        self.board = LiveBoard()
        self.gateways: dict[tuple[str, str], bool] = {}  # (community, gateway): online
        self.decided: dict[str, bytes] = {}  # by community: what the balancer decided last; empty: nothing
        self.plans: dict[str, bytes] = {}  # by community: the newest plan
        self.rejected = 0
        self._clock = clock
        self._communities = frozenset(community.id for community in communities)
        self._alerts: dict[tuple[str, str], AlertObject] = {}  # (community, id): open ones
        self._leases = Leases()
        self._told_silent: frozenset[str] = frozenset()

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Topic filters of the communities served."""
        channels = ("live/#", "alerts/+", "+/status", "+/command", "+/command/result")
        return tuple(f"{ROOT}/{community}/{channel}" for community in sorted(self._communities) for channel in channels)

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Takes messages. What does not fit is counted and left out."""
        for message in messages:
            try:
                self._take(message)
            except DataError as error:
                self.rejected += 1
                log.debug("%s: %s", message.topic, error.message)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publishes through the service's connection. Raises StoreError when the broker did not take it."""
        if self.broker is None:
            raise StoreError("not connected to the broker", hint="it is retried by itself; try again")
        await self.broker.publish(topic, payload)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self.broker is not None and self.broker.connected.is_set()

    @property
    def silent(self) -> frozenset[str]:
        """Communities whose collector has said nothing for longer than it ever does."""
        since = self._clock.now_ms() - round(SILENT_MS * self._clock.speed)
        return frozenset(name for name in self._communities if self.board.newest_of.get(name, 0) < since)

    def live(self, scope: Scope) -> tuple[bytes, int | None]:
        """(GET /live's object, its age in ms or None when empty), of the communities in `scope`."""
        now = self._clock.now_ms()
        newest, tail = self.board.answer(scope, now)
        if newest is None:
            return b'{"t":%d,"age_s":null,%s' % (now, tail), None
        age = max(0, now - newest)
        return b'{"t":%d,"age_s":%.1f,%s' % (now, age / 1000, tail), age

    def snapshot(self, scope: Scope) -> bytes:
        """The first event of a stream: the live object with the open alerts and the active leases."""
        body, _ = self.live(scope)
        alerts = b",".join(
            alert.raw for (community, _), alert in sorted(self._alerts.items()) if sees(scope, community, alert.site)
        )
        leases = msgspec.json.encode(self.active_leases(scope))
        return frame("snapshot", b'%s,"alerts":[%s],"commands":%s}' % (body[:-1], alerts, leases), self.events.last)

    def active_leases(self, scope: Scope) -> list[dict[str, Any]]:
        """Leases in force as seen on the wire, newest first."""
        return self._leases.active(scope, self._clock.now_ms())

    def restore_lease(self, community: str, gateway: str | None, view: dict[str, Any]) -> None:
        """Takes over a lease that was asked for before this service started."""
        self._leases.restore(community, gateway, view)

    async def watch(self) -> None:
        """Tells the streams when a collector falls silent and when single objects expire; runs until cancelled."""
        while True:
            await self._clock.sleep(_WATCH_S * self._clock.speed)
            self.check_ages()

    def check_ages(self) -> None:
        """One look at the ages."""
        now = self._clock.now_ms()
        silent = self.silent
        for community in sorted(silent - self._told_silent):
            last = self.board.newest_of.get(community)
            told = {"community": community, "t": now, "last_live_ms": last}
            self.events.publish("stale", msgspec.json.encode(told), community)
        self._told_silent = silent
        for key, raw in self.board.newly_expired(now):
            self.events.publish(key.kind, raw, key.community, key.site)

    def close(self) -> None:
        """Ends every stream, so that the server can stop."""
        self.events.close()

    def _take(self, message: Message) -> None:
        community, _, path = message.topic.removeprefix(f"{ROOT}/").partition("/")
        level, *rest = path.split("/")
        if community not in self._communities:
            raise DataError("is of no community served here", field="topic")
        match level, rest:
            case "live", ["community"]:
                self._take_live(LiveKey(community, "community", community), message.payload)
            case "live", ["site", site]:
                self._take_live(LiveKey(community, "site", site), message.payload)
            case "live", ["collector"]:
                return  # which of several serves is theirs to know
            case "live", ["balancer"]:
                self.decided[community] = _object_of(message.payload, community, _DECIDED)
            case "live", ["plan"]:
                self.plans[community] = _object_of(message.payload, community, _PLANNED)
            case "alerts", [alert]:
                self._take_alert(community, alert, message.payload)
            case gateway, ["status"]:
                self.gateways[community, gateway] = bool(message.payload) and decode_status(message.payload).online
            case gateway, ["command", "result"]:
                self._tell(self._leases.answered(community, gateway, decode_result(message.payload)))
            case gateway, ["command"] if not message.retained:  # a retained command is an attack or an accident
                command = decode_command(message.payload)
                self._tell(self._leases.asked(community, gateway, command, self._clock.now_ms()))
            case _:
                raise DataError("is no topic of the live state", field="topic")

    def _take_live(self, key: LiveKey, payload: bytes) -> None:
        if not payload:
            self.board.remove(key)
            return
        good_for_ms = round(EXPIRED_MS * self._clock.speed)
        live = read_live(payload, key.id, key.community if key.kind == "site" else None, good_for_ms)
        self.board.put(key, live)
        self.events.publish(key.kind, live.at(self._clock.now_ms()), key.community, key.site)

    def _take_alert(self, community: str, alert: str, payload: bytes) -> None:
        if not payload:
            self._alerts.pop((community, alert), None)
            return
        taken = read_alert(payload, alert, community)
        if taken.state in _OPEN:
            self._alerts[community, alert] = taken
        else:
            self._alerts.pop((community, alert), None)
        self.events.publish("alert", taken.raw, community, taken.site)

    def _tell(self, lease: Lease | None) -> None:
        if lease is not None:
            self.events.publish("command", msgspec.json.encode(lease.view), lease.community, lease.site)


def _object_of(
    payload: bytes, community: str, decoder: msgspec.json.Decoder[_Decided] | msgspec.json.Decoder[_Planned]
) -> bytes:
    """A retained object of that community as it came; empty when it was withdrawn. Raises DataError."""
    if payload:
        try:
            named = decoder.decode(payload).community
        except msgspec.DecodeError as error:
            raise DataError(f"is no object of a community: {error}", field="payload") from error
        if named != community:
            raise DataError(f"is of {named!r}, not of {community!r}", field="community")
    return payload
