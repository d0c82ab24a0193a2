"""The leases that raised alerts hold: asked for, renewed, ended, and what gateways made of them. No I/O here.

For each action of a raised alert:

    the value is unknown, or the alert cleared   end our lease (ttl_s 0), unless somebody else has the device by now
    an earlier rule of the file wants the device leave it to that rule
    somebody else holds a lease on the device    leave it alone until that ends
    else                                         ask for a lease, and again with a new command at half its time
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from collector import sentences
from collector.case import Case, Steering
from collector.leases import BALANCER, ForeignLeases, Lease, Order
from collector.look import Look
from energy.alerts.evidence_texts import Said
from energy.alerts.rules import Action, Rule
from energy.reasons import say
from energy.renewals import renewal_of
from messaging.codec import Command, CommandResult

__all__ = ["DeviceView", "Helm", "issuer"]

_RETRY_S: Final = 5.0  # between attempts that the broker or the register did not take
_EFFECT_S: Final = 5.0  # a device needs a moment to follow


@dataclass(frozen=True, slots=True)
class DeviceView:
    """What a device said last: `t` ms UTC and `power_w`; None: never, or not told."""

    t: int | None
    power_w: float | None


def issuer(rule: Rule) -> str:
    """By what name a rule asks for a lease."""
    return f"rule:{rule.id}"


class Helm:
    """Steers the devices of one community. `gateway_of`: (community, gateway) of a device; `view`: what it said last.

    `outranked`: by rule, the devices that the balancer keeps from it.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        gateway_of: Callable[[str], tuple[str, str] | None],
        view: Callable[[str], DeviceView],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        *,
        outranked: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._gateway_of = gateway_of
        self._view = view
        self._new_id = new_id
        self._outranked = outranked or {}
        self._foreign = ForeignLeases([BALANCER, *(issuer(rule) for rule in rules)])
        self._orders: list[Order] = []

    def take_orders(self) -> list[Order]:
        """Commands to carry out, in this order."""
        orders, self._orders = self._orders, []
        return orders

    def holder(self, device: str, now_s: float) -> str | None:
        """Who else than rules and balancer has a device, in words."""
        return self._foreign.holder(device, now_s)

    def command_seen(self, command: Command, now_s: float) -> bool:
        """A command on the wire; True when it is somebody else's. Such a lease takes the device from our rules."""
        return self._foreign.seen(command, now_s)

    def result(self, cases: Iterable[Case], result: CommandResult, now_s: float) -> None:
        """What a gateway made of a command, ours or not."""
        self._foreign.told(result)
        for case in cases:
            for steering in case.steering:
                if steering.lease is not None and steering.lease.command.id == result.id:
                    self._answered(case, steering, result, now_s)
                elif result.id in steering.ending:
                    steering.ending = frozenset()
                    case.note(steering, "reverted", Said(text=f"{steering.action.device}: {result.reason}"), result.t)

    def not_sent(self, cases: Iterable[Case], order: Order, why: str, now_ms: int, now_s: float) -> None:
        """An order could not be recorded or published; a lease is asked for again a little later."""
        for case in cases:
            for steering in case.steering:
                if steering.lease is not None and steering.lease.command.id == order.command.id:
                    steering.ended(now_s + _RETRY_S)
                    said = Said("not_asked", {"device": steering.action.device, "why": why})
                    case.note(steering, "failed", said, now_ms)

    def steer(self, case: Case, look: Look, claimed: dict[str, str]) -> None:
        """One step of all actions of an alert. `claimed`: devices that earlier rules have."""
        why = None
        if not look.watch.may_act:
            why = "the alert cleared" if look.value is not None else sentences.withheld(look.rule, look.silent)
        for steering in case.steering:
            device = steering.action.device
            holder = claimed.get(device) or self._foreign.holder(device, look.now_s)
            kept = device in self._outranked.get(look.rule.id, ())
            if holder is None and kept:
                holder = "the balancer, which outranks this rule"
            if holder is not None:
                self._yield_to(case, steering, holder, look)
            elif why is not None:
                self._release(case, steering, why, look)
            elif look.now_s >= steering.next_s:
                self._ask(case, steering, look)
            if why is None and not kept:
                claimed.setdefault(device, say("lease_rule", rule=look.rule.id))
            self._measure(case, steering, look)

    def _yield_to(self, case: Case, steering: Steering, holder: str, look: Look) -> None:
        """Leaves a device that somebody else has; our lease, if there was one, was replaced at the gateway."""
        had = steering.ended(0.0) is not None
        said = Said("left_alone", {"device": steering.action.device, "holder": holder})
        if look.watch.raised or had:
            case.note(steering, "reverted" if had else "refused", said, look.now_ms)

    def _ask(self, case: Case, steering: Steering, look: Look) -> None:
        action = steering.action
        renewal = steering.lease is not None
        command_id = self._new_id() if steering.lease is None else renewal_of(steering.lease.command.id)
        command = self._order(action, look, float(action.ttl_s), sentences.reason(look), command_id)
        if command is None:
            steering.next_s = look.now_s + _RETRY_S
            case.note(steering, "failed", Said("no_gateway", {"device": action.device}), look.now_ms)
            return
        steering.lease = Lease(command, look.now_s + action.ttl_s)
        steering.next_s = look.now_s + action.ttl_s / 2
        if not renewal:
            steering.metric_before = look.measured()
            if steering.before_w is None:
                steering.before_w = self._view(action.device).power_w
            case.note(steering, "commanded", sentences.asked(action), look.now_ms)
        case.act(steering.index, command=command.id)

    def _release(self, case: Case, steering: Steering, why: str, look: Look) -> None:
        lease = steering.ended(0.0) if steering.lease is not None else None
        if lease is None or lease.ends_s <= look.now_s:
            return
        command = self._order(steering.action, look, 0.0, f"rule {look.rule.id}: {why}", self._new_id())
        if command is not None:
            steering.ending = frozenset({lease.command.id, command.id})
        case.note(steering, "reverted", sentences.ended(steering.action.device, look), look.now_ms)

    def _order(self, action: Action, look: Look, ttl_s: float, reason: str, command_id: str) -> Command | None:
        gateway = self._gateway_of(action.device)
        if gateway is None:
            return None
        command = Command(command_id, action.device, dict(action.set), ttl_s, issuer(look.rule), reason, look.now_ms)
        self._orders.append(Order(*gateway, command))
        return command

    def _answered(self, case: Case, steering: Steering, result: CommandResult, now_s: float) -> None:
        text = f"{steering.action.device}: {result.reason}" if result.reason else steering.action.device
        if result.state == "applied":
            if steering.applied_s is None:
                steering.applied_s = now_s
                steering.heard_at = self._view(steering.action.device).t
            case.note(steering, "applied", Said(text=text), result.t)
            return
        lease = steering.ended(now_s + _RETRY_S)
        if result.state in {"refused", "failed"} and lease is not None:
            steering.next_s = now_s + lease.command.ttl_s
        if result.state == "expired":
            case.note(steering, "reverted", Said("ran_out", {"text": text}), result.t, expired=True)
        else:
            case.note(steering, result.state, Said(text=text), result.t)

    def _measure(self, case: Case, steering: Steering, look: Look) -> None:
        """Tells once what the lease changed, as soon as the device has said what it does now."""
        if steering.effect_told or steering.applied_s is None or steering.lease is None:
            return
        view = self._view(steering.action.device)
        if look.now_s - steering.applied_s < _EFFECT_S or view.t is None or view.t <= (steering.heard_at or 0):
            return
        steering.effect_told = True
        said = sentences.effect(
            steering.action,
            look,
            power_w=(steering.before_w, view.power_w),
            metric=(steering.metric_before, look.measured()),
        )
        case.happened(look.now_ms, "effect", said)
