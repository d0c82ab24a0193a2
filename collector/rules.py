"""The rules of one community: what each watches, its alerts with their evidence, and what they ask for. No I/O here.

`tick` measures every rule on each of its subjects, steps its watch (energy/alerts/states.py), and lets the raised ones
steer (collector/steering.py). What comes out is a list of orders to carry out and a set of alerts to save and publish.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from collector import sentences
from collector.case import Case, Steering
from collector.leases import Order
from collector.look import Look
from collector.steering import DeviceView, Helm
from energy.alerts.effects import own_changes
from energy.alerts.evidence_texts import Said
from energy.alerts.facts import Facts
from energy.alerts.measures import measure
from energy.alerts.rules import PvShortfall, Rule
from energy.alerts.states import AlertEvent, AlertState, Limits, Watch, acknowledge, mute, step, unmute
from energy.alerts.subjects import Subject, actions_of, subjects
from energy.community import Community
from energy.names import device_id
from messaging.codec import Command, CommandResult
from storage.register import Act, Alert, AlertAction, Evidence, Told
from storage.register.acts import acted

__all__ = ["RuleDesk"]

_REFRESH_MS: Final = 10_000  # a standing alert's value is told this often ...
_SLOW_REFRESH_MS: Final = 60_000  # ... and where nothing is steered by it, of which there may be thousands, this often
_LINGER_MS: Final = 60_000  # a cleared alert still hears what became of its leases


@dataclass(slots=True)
class _Watcher:
    """A rule on one subject, with its watch and, while it is raised, its alert.

    `every_s` 0: looked at in every tick; else `turn_s` after the first one, and then so often.
    """

    rule: Rule
    subject: Subject
    name: str
    limits: Limits
    every_s: float
    turn_s: float
    next_s: float | None = None
    watch: Watch = field(default_factory=Watch)
    crossed: Evidence | None = None
    case: Case | None = None


class RuleDesk:
    """Steps the rules of `community`; those that do not act are looked at every `look_s` only."""

    def __init__(
        self,
        community: Community,
        gateway_of: Callable[[str], tuple[str, str] | None],
        view: Callable[[str], DeviceView],
        *,
        new_id: Callable[[], str] | None = None,
        look_s: float = 10.0,
    ) -> None:
        self.community = community
        self.claimed: Mapping[str, str] = {}
        """Devices that raised alerts have since the last tick, and by what."""
        kept = dict.fromkeys(community.balancer.outranks, _steered(community))
        self._helm = Helm(community.rules, gateway_of, view, *([new_id] if new_id else []), outranked=kept)
        self._watchers = _watchers(community, look_s)
        self._lingering: list[Case] = []
        self._gone: list[str] = []

    def resume(self, alerts: Sequence[Alert], now_ms: int, now_s: float) -> None:
        """Takes up alerts that stood when the collector ended, and mutes that outlived theirs.

        Alerts of rules or subjects that are no more are cleared at once.
        """
        known = {(each.rule.id, each.subject.id): each for each in self._watchers}
        for alert in alerts:
            watcher = known.get((alert.rule, alert.subject or self.community.id))
            if alert.state == "cleared":
                if watcher is not None and alert.muted_until is not None and alert.muted_until > now_ms:
                    watcher.watch = Watch(until_s=_on_the_clock(alert.muted_until, now_ms, now_s))
            elif watcher is None or watcher.case is not None:
                case = Case(replace(alert, state="cleared", cleared_at=now_ms))
                case.happened(now_ms, "cleared", Said("rule_gone"))
                self._lingering.append(case)
            else:
                self._take_up(watcher, alert, now_ms, now_s)

    def tick(self, facts: Facts, now_s: float) -> None:
        """One step of every rule whose turn it is, with what is known now."""
        claimed: dict[str, str] = {}
        for watcher in self._watchers:
            if watcher.every_s:
                if watcher.next_s is None:
                    watcher.next_s = now_s + watcher.turn_s
                if now_s < watcher.next_s:
                    continue
                watcher.next_s = now_s + watcher.every_s
            self._step(watcher, facts, claimed, now_s)
        self.claimed = claimed
        self._forget(facts.now)

    def acted(self, acts: Sequence[Act], now_ms: int, now_s: float) -> None:
        """What people did to alerts at the API; the register has it already."""
        for watcher in self._watchers:
            for act in acts:
                if watcher.case is not None and watcher.case.alert.id == act.alert and act.id > watcher.case.alert.acts:
                    until_s = None if act.until is None else _on_the_clock(act.until, now_ms, now_s)
                    if act.act == "acknowledge":
                        watcher.watch, _ = acknowledge(watcher.watch, now_s, until_s=until_s)
                    elif act.act == "mute":
                        watcher.watch, _ = mute(watcher.watch, now_s, until_s=now_s if until_s is None else until_s)
                    else:
                        watcher.watch, _ = unmute(watcher.watch, now_s)
                    watcher.case.change(acted(watcher.case.alert, act))

    def told(self, alert_id: str, told: Told, text: str) -> bool:
        """A channel took a message about an alert; False when the alert is no longer here."""
        for case in self._cases():
            if case.alert.id == alert_id:
                case.happened(told.t, "notified", Said(text=text), told=(*case.alert.told, told))
                return True
        return False

    def holder(self, device: str, now_s: float) -> str | None:
        """Who else than rules and balancer has a device, in words."""
        return self._helm.holder(device, now_s)

    def command_seen(self, command: Command, now_s: float) -> bool:
        """A command on the wire; True when it is somebody else's. Such a lease takes the device from our rules."""
        return self._helm.command_seen(command, now_s)

    def result(self, result: CommandResult, now_s: float) -> None:
        """What a gateway made of a command, ours or not."""
        self._helm.result(self._cases(), result, now_s)
        if result.state == "applied":
            for case in self._cases():
                for device, command in case.balanced.items():
                    if command == result.id:
                        case.happened(result.t, "applied", _by_balancer(device, result.reason))

    def balanced(self, command: Command) -> None:
        """What the balancer asked while alerts stand is part of their evidence: the first command of each device there."""
        site = command.device.partition("/")[0]
        for watcher in self._watchers:
            case, place = watcher.case, watcher.subject.site
            if case is not None and command.device not in case.balanced and (place is None or place.id == site):
                case.balanced[command.device] = command.id
                case.happened(command.t, "commanded", _by_balancer(command.device, command.reason))

    def not_sent(self, order: Order, why: str, now_ms: int, now_s: float) -> None:
        """An order could not be recorded or published; a lease is asked for again a little later."""
        self._helm.not_sent(self._cases(), order, why, now_ms, now_s)

    def take_orders(self) -> list[Order]:
        """Commands to carry out, in this order."""
        return self._helm.take_orders()

    def take_changes(self) -> list[Alert]:
        """Alerts to save and publish."""
        changed = [case for case in self._cases() if case.changed]
        for case in changed:
            case.changed = False
        return [case.alert for case in changed]

    def take_gone(self) -> list[str]:
        """Ids of alerts whose retained message can go: cleared a while ago."""
        gone, self._gone = self._gone, []
        return gone

    def open_alerts(self) -> list[Alert]:
        """Alerts that stand now."""
        return [watcher.case.alert for watcher in self._watchers if watcher.case is not None]

    def _cases(self) -> list[Case]:
        return [*(each.case for each in self._watchers if each.case is not None), *self._lingering]

    def _step(self, watcher: _Watcher, facts: Facts, claimed: dict[str, str], now_s: float) -> None:
        rule, subject, case = watcher.rule, watcher.subject, watcher.case
        own = own_changes(case.held(), facts) if case is not None else {}
        value = measure(rule, subject, facts, own)
        watcher.watch, events = step(watcher.limits, watcher.watch, value, now_s)
        if case is None and not events:  # as nearly always
            return
        look = Look(
            rule=rule,
            subject=subject,
            name=watcher.name,
            watch=watcher.watch,
            value=value,
            measured=lambda: measure(rule, subject, facts),
            silent=facts.balance.stale,
            now_ms=facts.now,
            now_s=now_s,
        )
        for event in events:
            self._happened(watcher, event, look)
        if watcher.case is not None:
            self._helm.steer(watcher.case, look, claimed)
            self._refresh(watcher.case, look, sum(own.values()) if own else None)
            if not watcher.watch.raised:  # what became of its leases is still heard for a while
                self._lingering.append(watcher.case)
                watcher.case, watcher.crossed = None, None

    def _happened(self, watcher: _Watcher, event: AlertEvent, look: Look) -> None:
        case, now_ms = watcher.case, look.now_ms
        if event is AlertEvent.CROSSED:
            watcher.crossed = Evidence.of(now_ms, "crossed", sentences.crossed(look))
        elif event is AlertEvent.RAISED:
            watcher.case = self._raise(watcher, look)
        elif case is None:
            return
        elif event is AlertEvent.REOPENED:
            said = Said("stands_again")
            case.happened(now_ms, "reopened", said, state="firing", muted_until=None, acknowledged_until=None)
        elif event in {AlertEvent.CLEARED, AlertEvent.CLEARED_UNKNOWN}:
            known = event is AlertEvent.CLEARED
            said = sentences.cleared(look) if known else sentences.cleared_unknown(look)
            case.happened(now_ms, "cleared", said, state="cleared", value=look.value, cleared_at=now_ms)

    def _raise(self, watcher: _Watcher, look: Look) -> Case:
        rule, subject, now_ms = watcher.rule, watcher.subject, look.now_ms
        crossed = watcher.crossed or Evidence.of(now_ms, "crossed", sentences.crossed(look))
        place = "" if subject.kind == "community" else f"{subject.id.replace('/', '.')}-"
        limits = watcher.limits
        muted = watcher.watch.state is AlertState.MUTED
        left_s = (watcher.watch.until_s or look.now_s) - look.now_s
        alert = Alert(
            id=f"{self.community.id}-{rule.id}-{place}{now_ms}",
            rule=rule.id,
            kind=rule.kind,
            community=self.community.id,
            subject=subject.id,
            site=subject.site.id if subject.site is not None and subject.kind != "gateway" else None,
            severity=rule.severity,
            state="muted" if muted else "firing",
            muted_until=now_ms + round(left_s * 1000) if muted else None,
            metric=rule.metric if rule.kind == "balance" else rule.kind,
            unit=rule.unit,
            value=look.value,
            raise_above=limits.raise_at if limits.rising else None,
            clear_below=limits.clear_at if limits.rising else None,
            raise_below=None if limits.rising else limits.raise_at,
            clear_above=None if limits.rising else limits.clear_at,
            since=crossed.t,
            raised_at=now_ms,
            actions=_actions(watcher),
            evidence=(crossed, Evidence.of(now_ms, "raised", sentences.raised(look))),
        )
        return Case(alert, _steerings(watcher), told_ms=now_ms)

    def _take_up(self, watcher: _Watcher, alert: Alert, now_ms: int, now_s: float) -> None:
        states = {"acknowledged": AlertState.ACKNOWLEDGED, "muted": AlertState.MUTED}
        until = alert.muted_until if alert.state == "muted" else alert.acknowledged_until
        watcher.watch = Watch(
            states.get(alert.state, AlertState.FIRING),
            now_s,
            until_s=None if until is None or alert.state == "firing" else _on_the_clock(until, now_ms, now_s),
        )
        watcher.case = Case(replace(alert, actions=_actions(watcher)), _steerings(watcher))
        before = {action.device: action.before_w for action in alert.actions}
        for steering in watcher.case.steering:  # the lease may still be in force, and its effect with it
            steering.before_w = before.get(steering.action.device)

    def _refresh(self, case: Case, look: Look, effect_w: float | None) -> None:
        """Tells the value now and then, and at once that it is not known any more."""
        unknown = look.watch.unknown_since_s
        since = None if unknown is None else look.now_ms - round((look.now_s - unknown) * 1000)
        alert = case.alert
        news = (alert.unknown_since is None) is not (since is None)
        every_ms = _REFRESH_MS if case.steering or look.subject.kind == "community" else _SLOW_REFRESH_MS
        if news or look.now_ms - case.told_ms >= every_ms:
            kept = alert.unknown_since if since is not None and not news else since
            case.change(replace(alert, value=look.value, effect_w=effect_w, unknown_since=kept))
        if case.changed:
            case.told_ms = look.now_ms

    def _forget(self, now_ms: int) -> None:
        for case in list(self._lingering):
            if now_ms - (case.alert.cleared_at or 0) >= _LINGER_MS and not case.changed:
                self._lingering.remove(case)
                self._gone.append(case.alert.id)


def _watchers(community: Community, look_s: float) -> list[_Watcher]:
    """Those that do not act take turns over `look_s`, all rules of a subject together."""
    found: list[_Watcher] = []
    for rule in community.rules:
        acts = bool(rule.actions) or rule.subject == "community"
        for subject in subjects(rule, community):
            name = sentences.subject_name(subject, community)
            # inverters are compared with each other: all at once, or each turn would measure all of them
            key = rule.kind if isinstance(rule, PvShortfall) else subject.id
            turn_s = zlib.crc32(key.encode()) % 100 / 100 * look_s
            found.append(_Watcher(rule, subject, name, rule.limits, 0.0 if acts else look_s, turn_s))
    return found


def _steered(community: Community) -> frozenset[str]:
    """The devices that the balancer steers."""
    if not community.balancer.on:
        return frozenset()
    return frozenset(device_id(site.id, d.id) for site in community.sites for d in site.devices if d.steer is not None)


def _on_the_clock(t: int, now_ms: int, now_s: float) -> float:
    """A moment of the calendar on the monotonic clock."""
    return now_s + (t - now_ms) / 1000


def _steerings(watcher: _Watcher) -> list[Steering]:
    wanted = actions_of(watcher.rule, watcher.subject)
    return [Steering(place, action) for place, action in enumerate(wanted)]


def _actions(watcher: _Watcher) -> tuple[AlertAction, ...]:
    return tuple(AlertAction(action.device, dict(action.set)) for action in actions_of(watcher.rule, watcher.subject))


def _by_balancer(device: str, reason: str) -> Said:
    return Said("balancer", {"device": device, "reason": reason})
