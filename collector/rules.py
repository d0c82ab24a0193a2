"""The rules of one community: alerts with their evidence, and the leases a raised alert holds. No I/O here.

`tick` steps every rule's watch (energy/alerts.py), and for each action of a raised one decides:

    the value is unknown, or the alert cleared   end our lease (ttl_s 0), unless somebody else has the device by now
    an earlier rule of the file wants the device leave it to that rule
    somebody else holds a lease on the device    leave it alone until that ends
    else                                         ask for a lease, and again with a new command at half its time

What comes out is a list of orders to carry out and a set of alerts to save and publish.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from collector import sentences
from collector.leases import ForeignLeases, Lease, Order
from energy.alerts import AlertEvent, AlertState, Watch, acknowledge, step
from energy.balance import CommunityBalance
from energy.community import Action, Community, Rule
from messaging.codec import Command, CommandResult
from storage.register import Alert, AlertAction, Evidence
from storage.register.records import CommandState, EvidenceEvent

__all__ = ["DeviceView", "RuleDesk"]

_RETRY_S: Final = 5.0  # between attempts that the broker or the register did not take
_EFFECT_S: Final = 5.0  # a device needs a moment to follow
_REFRESH_MS: Final = 10_000  # a standing alert's value is told this often
_LINGER_MS: Final = 60_000  # a cleared alert still hears what became of its leases
_MOST_EVIDENCE: Final = 200
_STATES: Final[Mapping[EvidenceEvent, CommandState]] = {
    "commanded": "asked",
    "applied": "applied",
    "refused": "refused",
    "failed": "failed",
    "reverted": "reverted",
}


@dataclass(frozen=True, slots=True)
class DeviceView:
    """What a device said last: `t` ms UTC and `power_w`; None: never, or not told."""

    t: int | None
    power_w: float | None


@dataclass(slots=True)
class _Steering:
    """One action of a raised alert: its lease, and what is known of its effect."""

    index: int
    action: Action
    lease: Lease | None = None
    ending: frozenset[str] = frozenset()  # ids by which the gateway may tell that our lease ended as we asked
    next_s: float = 0.0  # when to ask, again or for the first time
    before_w: float | None = None
    metric_before: float | None = None
    applied_s: float | None = None
    heard_at: int | None = None
    effect_told: bool = False


@dataclass(slots=True)
class _Standing:
    """A rule's watch, and its alert while it is raised and a little longer."""

    rule: Rule
    watch: Watch = field(default_factory=Watch)
    crossed: Evidence | None = None
    alert: Alert | None = None
    steering: list[_Steering] = field(default_factory=list)
    told_ms: int = 0


class RuleDesk:
    """Steps the rules of `community`. `gateway_of`: (community, gateway) of a device; `view`: what it said last."""

    def __init__(
        self,
        community: Community,
        gateway_of: Callable[[str], tuple[str, str] | None],
        view: Callable[[str], DeviceView],
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.community = community
        self._gateway_of = gateway_of
        self._view = view
        self._new_id = new_id
        self._standing = [_Standing(rule) for rule in community.rules]
        self._lingering: list[_Standing] = []
        self._foreign = ForeignLeases([_issuer(rule) for rule in community.rules])
        self._orders: list[Order] = []
        self._changed: dict[str, Alert] = {}
        self._gone: list[str] = []

    def resume(self, alerts: list[Alert], now_ms: int, now_s: float) -> None:
        """Takes up alerts that stood when the collector ended; those of rules that are no more are cleared at once."""
        by_rule = {standing.rule.id: standing for standing in self._standing}
        for alert in alerts:
            standing = by_rule.get(alert.rule)
            if standing is None or standing.alert is not None:
                cleared = replace(alert, state="cleared", cleared_at=now_ms)
                self._changed[alert.id] = _with(cleared, now_ms, "cleared", "the rule is no longer configured")
                continue
            state = AlertState.ACKNOWLEDGED if alert.state == "acknowledged" else AlertState.FIRING
            standing.watch = Watch(state, now_s)
            standing.alert = replace(alert, actions=_actions(standing.rule))
            standing.steering = _steerings(standing.rule)
            self._changed[alert.id] = standing.alert

    def tick(self, balance: CommunityBalance, now_ms: int, now_s: float) -> None:
        """One step of every rule with the community's balance as it is now."""
        claimed: dict[str, str] = {}
        for standing in self._standing:
            value: float | None = getattr(balance, standing.rule.metric)
            standing.watch, events = step(standing.rule, standing.watch, value, now_s)
            for event in events:
                self._happened(standing, event, value, balance, now_ms)
            if standing.alert is not None:
                self._steer_all(standing, value, balance, claimed, now_ms, now_s)
                self._refresh(standing, value, now_ms)
            if standing.alert is not None and not standing.watch.raised:
                self._retire(standing)
        self._forget(now_ms)

    def acknowledged(self, alert: Alert, now_s: float) -> None:
        """Somebody acknowledged an alert at the API; the register has it already."""
        for standing in self._standing:
            if standing.alert is not None and standing.alert.id == alert.id and standing.alert.acknowledged_at is None:
                standing.watch, _ = acknowledge(standing.watch, now_s)
                by, at = alert.acknowledged_by, alert.acknowledged_at or alert.since
                acked = replace(standing.alert, state="acknowledged", acknowledged_at=at, acknowledged_by=by)
                self._change(standing, _with(acked, at, "acknowledged", f"acknowledged by {by}"))

    def command_seen(self, command: Command, now_s: float) -> bool:
        """A command on the wire; True when it is somebody else's. Such a lease takes the device from our rules."""
        return self._foreign.seen(command, now_s)

    def result(self, result: CommandResult, now_s: float) -> None:
        """What a gateway made of a command, ours or not."""
        self._foreign.told(result)
        for standing in [*self._standing, *self._lingering]:
            for steering in standing.steering if standing.alert else ():
                if steering.lease is not None and steering.lease.command.id == result.id:
                    self._answered(standing, steering, result, now_s)
                elif result.id in steering.ending:
                    steering.ending = frozenset()
                    self._note(standing, steering, "reverted", f"{steering.action.device}: {result.reason}", result.t)

    def not_sent(self, order: Order, why: str, now_ms: int, now_s: float) -> None:
        """An order could not be recorded or published; a lease is asked for again a little later."""
        for standing in self._standing:
            for steering in standing.steering:
                if steering.lease is not None and steering.lease.command.id == order.command.id:
                    steering.lease = None
                    steering.next_s = now_s + _RETRY_S
                    self._note(
                        standing, steering, "failed", f"{steering.action.device} could not be asked: {why}", now_ms
                    )

    def take_orders(self) -> list[Order]:
        """Commands to carry out, in this order."""
        orders, self._orders = self._orders, []
        return orders

    def take_changes(self) -> list[Alert]:
        """Alerts to save and publish."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def take_gone(self) -> list[str]:
        """Ids of alerts whose retained message can go: cleared a while ago."""
        gone, self._gone = self._gone, []
        return gone

    def open_alerts(self) -> list[Alert]:
        """Alerts that stand now."""
        return [standing.alert for standing in self._standing if standing.alert is not None]

    def _happened(
        self, standing: _Standing, event: AlertEvent, value: float | None, balance: CommunityBalance, now_ms: int
    ) -> None:
        rule, community = standing.rule, self.community
        if event is AlertEvent.CROSSED:
            standing.crossed = Evidence(now_ms, "crossed", sentences.crossed(rule, community, value))
        elif event is AlertEvent.RAISED:
            self._raise(standing, value, now_ms)
        elif standing.alert is not None:
            unknown = event is AlertEvent.CLEARED_UNKNOWN
            text = (
                sentences.cleared_unknown(rule, community, balance.stale)
                if unknown
                else sentences.cleared(rule, community, value)
            )
            alert = replace(standing.alert, state="cleared", value=value, cleared_at=now_ms)
            self._change(standing, _with(alert, now_ms, "cleared", text))

    def _raise(self, standing: _Standing, value: float | None, now_ms: int) -> None:
        rule = standing.rule
        crossed = standing.crossed or Evidence(now_ms, "crossed", sentences.crossed(rule, self.community, value))
        alert = Alert(
            id=f"{self.community.id}-{rule.id}-{now_ms}",
            rule=rule.id,
            community=self.community.id,
            severity=rule.severity,
            state="firing",
            metric=rule.metric,
            value=value,
            raise_above=rule.raise_above,
            clear_below=rule.clear_below,
            since=crossed.t,
            raised_at=now_ms,
            actions=_actions(rule),
            evidence=(crossed, Evidence(now_ms, "raised", sentences.raised(rule, self.community, value))),
        )
        standing.steering = _steerings(rule)
        self._change(standing, alert)

    def _steer_all(
        self,
        standing: _Standing,
        value: float | None,
        balance: CommunityBalance,
        claimed: dict[str, str],
        now_ms: int,
        now_s: float,
    ) -> None:
        why = None
        if not standing.watch.may_act:
            why = sentences.withheld(standing.rule, balance.stale) if value is None else "the alert cleared"
        for steering in standing.steering:
            device = steering.action.device
            holder = claimed.get(device) or self._foreign.holder(device, now_s)
            if holder is not None:
                self._yield_to(standing, steering, holder, now_ms)
            elif why is not None:
                self._release(standing, steering, why, now_ms, now_s)
            elif now_s >= steering.next_s:
                self._ask(standing, steering, value, now_ms, now_s)
            if why is None:
                claimed.setdefault(device, f"a lease of rule {standing.rule.id}")
            self._measure(standing, steering, value, now_ms, now_s)

    def _yield_to(self, standing: _Standing, steering: _Steering, holder: str, now_ms: int) -> None:
        """Leaves a device that somebody else has; our lease, if there was one, was replaced at the gateway."""
        had, steering.lease, steering.next_s = steering.lease is not None, None, 0.0
        text = f"{steering.action.device} is left alone: it is under {holder}"
        if standing.watch.raised or had:
            self._note(standing, steering, "reverted" if had else "refused", text, now_ms)

    def _ask(self, standing: _Standing, steering: _Steering, value: float | None, now_ms: int, now_s: float) -> None:
        action, rule = steering.action, standing.rule
        text = sentences.reason(rule, self.community, value)
        renewal = steering.lease is not None
        command = self._order(action, rule, float(action.ttl_s), text, now_ms)
        if command is None:
            steering.next_s = now_s + _RETRY_S
            self._note(standing, steering, "failed", f"no gateway is known for {action.device}", now_ms)
            return
        steering.lease = Lease(command, now_s + action.ttl_s)
        steering.next_s = now_s + action.ttl_s / 2
        if not renewal:
            view = self._view(action.device)
            steering.before_w, steering.metric_before = view.power_w, value
            self._note(standing, steering, "commanded", sentences.asked(action), now_ms)
        if standing.alert is not None:
            self._change(standing, _with_action(standing.alert, steering.index, command=command.id))

    def _release(self, standing: _Standing, steering: _Steering, why: str, now_ms: int, now_s: float) -> None:
        lease, steering.lease, steering.next_s = steering.lease, None, 0.0
        if lease is None or lease.ends_s <= now_s:
            return
        command = self._order(steering.action, standing.rule, 0.0, f"rule {standing.rule.id}: {why}", now_ms)
        if command is not None:
            steering.ending = frozenset({lease.command.id, command.id})
        self._note(standing, steering, "reverted", f"the lease on {steering.action.device} was ended: {why}", now_ms)

    def _order(self, action: Action, rule: Rule, ttl_s: float, reason: str, now_ms: int) -> Command | None:
        gateway = self._gateway_of(action.device)
        if gateway is None:
            return None
        values = dict(action.set)
        command = Command(self._new_id(), action.device, values, ttl_s, _issuer(rule), reason, now_ms)
        self._orders.append(Order(*gateway, command))
        return command

    def _answered(self, standing: _Standing, steering: _Steering, result: CommandResult, now_s: float) -> None:
        text = f"{steering.action.device}: {result.reason}" if result.reason else steering.action.device
        if result.state == "applied":
            if steering.applied_s is None:
                steering.applied_s = now_s
                steering.heard_at = self._view(steering.action.device).t
            self._note(standing, steering, "applied", text, result.t)
            return
        lease, steering.lease = steering.lease, None
        steering.next_s = now_s + (lease.command.ttl_s if result.state in {"refused", "failed"} and lease else _RETRY_S)
        if result.state == "expired":
            self._note(standing, steering, "reverted", f"{text} (the lease ran out)", result.t, expired=True)
        else:
            self._note(standing, steering, result.state, text, result.t)

    def _measure(
        self, standing: _Standing, steering: _Steering, value: float | None, now_ms: int, now_s: float
    ) -> None:
        """Tells once what the lease changed, as soon as the device has said what it does now."""
        if steering.effect_told or steering.applied_s is None or steering.lease is None:
            return
        view = self._view(steering.action.device)
        if now_s - steering.applied_s < _EFFECT_S or view.t is None or view.t <= (steering.heard_at or 0):
            return
        steering.effect_told = True
        text = sentences.effect(
            steering.action,
            standing.rule,
            power_w=(steering.before_w, view.power_w),
            metric=(steering.metric_before, value),
        )
        if standing.alert is not None:
            self._change(standing, _with(standing.alert, now_ms, "effect", text))

    def _refresh(self, standing: _Standing, value: float | None, now_ms: int) -> None:
        alert = standing.alert
        if alert is not None and alert.value != value and now_ms - standing.told_ms >= _REFRESH_MS:
            self._change(standing, replace(alert, value=value))
        if alert is not None and alert.id in self._changed:
            standing.told_ms = now_ms

    def _retire(self, standing: _Standing) -> None:
        """Makes room for the next alert of the rule; what became of the leases is still heard for a while."""
        self._lingering.append(replace(standing, steering=standing.steering))
        standing.alert, standing.steering, standing.crossed = None, [], None

    def _forget(self, now_ms: int) -> None:
        for standing in list(self._lingering):
            if standing.alert is not None and now_ms - (standing.alert.cleared_at or 0) >= _LINGER_MS:
                self._lingering.remove(standing)
                self._gone.append(standing.alert.id)

    def _note(
        self,
        standing: _Standing,
        steering: _Steering,
        event: EvidenceEvent,
        text: str,
        t: int,
        *,
        expired: bool = False,
    ) -> None:
        """What became of an action: its state, and the evidence when that is news."""
        if standing.alert is None:
            return
        state = "expired" if expired else _STATES[event]
        alert = _with_action(standing.alert, steering.index, state=state, reason=text)
        if not any((entry.event, entry.text) == (event, text) for entry in alert.evidence):
            alert = _with(alert, t, event, text)
        self._change(standing, alert)

    def _change(self, standing: _Standing, alert: Alert) -> None:
        if alert != standing.alert:
            standing.alert = self._changed[alert.id] = alert


def _issuer(rule: Rule) -> str:
    return f"rule:{rule.id}"


def _steerings(rule: Rule) -> list[_Steering]:
    return [_Steering(index, action) for index, action in enumerate(rule.actions)]


def _actions(rule: Rule) -> tuple[AlertAction, ...]:
    return tuple(AlertAction(action.device, dict(action.set)) for action in rule.actions)


def _with(alert: Alert, t: int, event: EvidenceEvent, text: str) -> Alert:
    return replace(alert, evidence=(*alert.evidence, Evidence(t, event, text))[-_MOST_EVIDENCE:])


def _with_action(alert: Alert, index: int, **changes: Any) -> Alert:
    actions = list(alert.actions)
    actions[index] = replace(actions[index], **changes)
    return replace(alert, actions=tuple(actions))
