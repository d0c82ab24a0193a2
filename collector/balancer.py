"""Steers a community's devices all the time: looks, decides (energy/balancing), and holds the leases. No I/O here.

For each decision:

    a setpoint that is new, or due for renewal   ask for a lease with it
    the same setpoint                            nothing
    none, and we hold a lease                    end it (ttl_s 0): the device goes to its safe state
    somebody else has the device                 leave it alone; our lease, if there was one, was replaced at the gateway

A device whose gateway refused or failed a lease is let go, and left alone for the length of one.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from collector.leases import BALANCER, Lease, Order
from energy.alerts.facts import Facts
from energy.balance import STALE_INTERVALS
from energy.balancing.cars import CarHere, Wish, wish_of
from energy.balancing.cycle import decide
from energy.balancing.look import Guidance, Held, has_car, look
from energy.balancing.machines import ON, MachineWish
from energy.balancing.now import BLOCKED, Answer, Decision, Rates, Standing
from energy.community import Community, Device, Site
from energy.dispatch.request import PlanAnswer
from energy.fallback import GIVE_BACK_S, REST_PER_BLOCKED
from energy.metering import SiteEnergy
from energy.names import device_id
from energy.quantities import Role
from energy.quarters import QUARTER_MS, quarter_start
from energy.reasons import say
from energy.renewals import renewal_of
from energy.tariff import prices, shared_fees
from messaging.codec import Command, CommandResult
from storage.register import Command as StoredCommand

__all__ = ["Balancer"]

_PLAN_GOOD_MS: Final = 2 * 3_600_000
_RETRY_S: Final = 5.0  # after an order that the broker or the register did not take
_MAX_AGE_S: Final = 60.0
_FIRST_LOOK: Final = 0.25  # of a lease's life may pass unseen after a start
_SPREAD: Final = 0.1  # of a lease's life, so that not all devices are renewed at once


@dataclass(frozen=True, slots=True)
class _Steered:
    """A device that may be steered, and its place."""

    id: str
    site: Site
    device: Device

    @property
    def quantity(self) -> str:
        """What is set."""
        steer = self.device.steer
        by_state = self.device.role in {Role.HEAT_PUMP, Role.LOAD} or (steer is not None and steer.switch)
        return "state" if by_state else "power_w"


@dataclass(slots=True)
class _Hold:
    """Our lease on a device: the last command, since when (s, monotonic) its mode stands, when it is due, what became of it."""

    lease: Lease
    standing: Standing
    renew_s: float
    since_ms: int
    state: str = "asked"


@dataclass(slots=True)
class _Session:
    """A car at a charger: since when (ms UTC) it is known to be there, what the counter stood at, what it got since."""

    since_ms: int
    counter_wh: float
    delivered_wh: float = 0.0


class Balancer:
    """Steers one community. `gateway_of`: (community, gateway) of a device; `holder`: who else has one, in words."""

    def __init__(
        self,
        community: Community,
        gateway_of: Callable[[str], tuple[str, str] | None],
        holder: Callable[[str, float], str | None],
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        speed: float = 1.0,
    ) -> None:
        self.community = community
        self.plan: PlanAnswer | None = None
        """The newest plan; an old one no longer counts."""
        self.wishes: Mapping[str, Wish] = {}
        """What people said of the cars at its chargers."""
        self.runs: Mapping[str, MachineWish] = {}
        """What people want its machines to do."""
        self._began: dict[str, tuple[int, int]] = {}  # by machine: when it was wanted, and since when it runs
        self._settings = community.balancer
        self._gateway_of = gateway_of
        self._holder = holder
        self._new_id = new_id
        self._max_age_s = _MAX_AGE_S * speed
        intervals_s = [device.interval_s for site in community.sites for device in site.devices]
        longest_s = STALE_INTERVALS * max(intervals_s, default=0.0)
        self._first_look_s = min(longest_s, _FIRST_LOOK * self._settings.ttl_s)
        self._steered = {
            name: _Steered(name, site, device)
            for site in community.sites
            for device in site.devices
            if device.steer is not None and (name := device_id(site.id, device.id))
        }
        self._holds: dict[str, _Hold] = {}
        self._barred: dict[str, tuple[float, str]] = {}
        self._changed_ms: dict[str, int] = {}
        self._rest_until_s: dict[str, float] = {}
        self._sessions: dict[str, _Session] = {}
        self._answer = Answer()
        self._orders: list[Order] = []
        self._next_s = 0.0

    @property
    def active(self) -> bool:
        """Whether there is anything to steer."""
        return self._settings.on and bool(self._steered)

    def resume(self, stored: StoredCommand, now_ms: int, now_s: float) -> None:
        """Takes up a lease of a former life, so that what stands is known and goes on or is ended."""
        steered, ends = self._steered.get(stored.device), stored.ends_at
        if steered is None or ends is None or steered.quantity not in stored.set or stored.device in self._holds:
            return
        lease_id = stored.lease
        command = Command(lease_id, stored.device, stored.set, stored.ttl_s, stored.issued_by, stored.reason, stored.t)
        value = stored.set[steered.quantity]
        value = value if isinstance(value, str) else float(value)
        lease = Lease(command, now_s + (ends - now_ms) / 1000)
        since_s = now_s - (now_ms - stored.t) / 1000
        mode = value if isinstance(value, str) else ""
        self._next_s = now_s + self._first_look_s  # what stands goes on until the first readings are there
        self._holds[stored.device] = _Hold(lease, Standing(value, since_s, mode), now_s, stored.t, stored.state)

    def tick(
        self, facts: Facts, claimed: Mapping[str, str], quarter: Callable[[str], SiteEnergy | None], now_s: float
    ) -> bool:
        """One cycle, when it is due; whether it was. `claimed`: devices that raised alerts have; `quarter`: a site's energy
        in the running quarter-hour.
        """
        if not self.active or now_s < self._next_s:
            return False
        self._next_s = now_s + self._settings.cycle_s
        self._expire(now_s)
        self._watch_cars(facts)
        held = Held(
            now_s=now_s,
            standing={name: hold.standing for name, hold in self._holds.items()},
            taken=self._taken(claimed, now_s),
            changed_ms=self._changed_ms,
            rest_until_s=self._rest_until_s,
            delivered_wh=self._delivered_wh(facts),
            wishes=self.wishes,
            machines=self._machines(),
            quarters={site.id: quarter(site.id) for site in self.community.sites},
            max_age_s=self._max_age_s,
        )
        now, apart = look(facts, held, *self._guided(facts.now))
        answer = decide(now)
        self._answer = Answer((*answer.decisions, *apart), answer.limits)
        for decision in self._answer.decisions:
            self._follow(decision, held, facts.now, now_s)
        return True

    def take_orders(self) -> list[Order]:
        """Commands to carry out, in this order."""
        orders, self._orders = self._orders, []
        return orders

    def is_new(self, order: Order) -> bool:
        """Whether an order sets something else than before, and is no renewal and no end."""
        hold = self._holds.get(order.command.device)
        return hold is not None and hold.lease.command.id == order.command.id and hold.since_ms == order.command.t

    def result(self, result: CommandResult, now_s: float) -> None:
        """What a gateway made of a command, ours or not."""
        for device, hold in list(self._holds.items()):
            if hold.lease.command.id != result.id:
                continue
            hold.state = result.state
            if result.state == "applied":
                self._note_start(device, hold, result.t)
                if hold.since_ms == hold.lease.command.t:  # a new setpoint, and no renewal
                    self._change(device, result.t)
            else:
                self._let_go(device, now_s)
                if result.state in {"refused", "failed"}:
                    why = say("barred", state=result.state, why=result.reason)
                    self._barred[device] = (now_s + self._settings.ttl_s, why)
                    self._end(device, say("not_taken"), result.t)

    def not_sent(self, order: Order, _why: str, _now_ms: int, now_s: float) -> None:
        """An order could not be recorded or published; it is asked for again a little later."""
        hold = self._holds.get(order.command.device)
        if hold is not None and hold.lease.command.id == order.command.id:
            hold.renew_s = now_s + _RETRY_S
            hold.state = "failed"

    def cars(self, now_ms: int) -> tuple[CarHere, ...]:
        """The cars that are to be planned by price."""
        found = []
        for steered in self._chargers():
            session, steer = self._sessions.get(steered.id), steered.device.steer
            if session is None or steer is None or steer.charge != "by_price":
                continue
            wish = wish_of(steer, now_ms, self.community.timezone, self.wishes.get(steered.id))
            if wish is not None:
                missing_wh = max(0.0, wish.energy_wh - session.delivered_wh)
                found.append(CarHere(steered.id, session.since_ms, wish, missing_wh))
        return tuple(found)

    def machines(self) -> tuple[tuple[str, MachineWish], ...]:
        """The machines that somebody wants to run, or that run, by name."""
        return tuple(sorted(self._machines().items()))

    def take_started(self) -> list[tuple[str, int, int]]:
        """Machines that have begun and of which the register does not know: which, when it was wanted, since when it runs."""
        return [
            (device, said_ms, began_ms)
            for device, (said_ms, began_ms) in self._began.items()
            if (wish := self.runs.get(device)) is not None and wish.t == said_ms and wish.started_ms is None
        ]

    def _machines(self) -> dict[str, MachineWish]:
        """The wishes with what is known here of their beginning, which the register may not know yet."""
        found = {}
        for device, wish in self.runs.items():
            said_ms, began_ms = self._began.get(device, (0, 0))
            if device in self._steered:
                found[device] = replace(wish, started_ms=began_ms) if said_ms == wish.t else wish
        return found

    def _note_start(self, device: str, hold: _Hold, t: int) -> None:
        wish = self.runs.get(device)
        begins = self._steered[device].device.role is Role.LOAD and hold.standing.value == ON
        if begins and wish is not None and wish.started_ms is None and self._began.get(device, (0, 0))[0] != wish.t:
            self._began[device] = wish.t, t

    def view(self, now_ms: int) -> dict[str, Any]:
        """The decisions and limits as they are published and shown."""
        return {
            "community": self.community.id,
            "t": now_ms,
            "decisions": [self._shown(decision) for decision in sorted(self._answer.decisions, key=lambda d: d.device)],
            "limits": {site: list(sentences) for site, sentences in sorted(self._answer.limits.items())},
        }

    def _guided(self, now_ms: int) -> tuple[Rates, Guidance]:
        """Prices now, and what the plan says of this quarter-hour."""
        plan, tariff = self.plan, self.community.tariff
        if plan is not None and plan.t <= now_ms < plan.t + _PLAN_GOOD_MS:
            step = plan.steps[(now_ms - plan.t) // QUARTER_MS]
            buy = step.import_eur_kwh if step.counted_eur_kwh is None else step.counted_eur_kwh
            rates = Rates(buy, step.feed_in_eur_kwh, self._fee(now_ms))
            cars_w = {name: power_w[(now_ms - plan.t) // QUARTER_MS] for name, power_w in plan.cars.items()}
            return rates, Guidance(
                plan.values, max(0.0, step.grid_w), plan.peak_target_w, cars_w, self._starts_ms(plan)
            )
        (buy_now,), (sell,) = prices(tariff, [quarter_start(now_ms)], self.community.timezone, {})
        return Rates(buy_now, sell, self._fee(now_ms)), Guidance()

    def _starts_ms(self, plan: PlanAnswer) -> dict[str, int]:
        """Of the runs that are wanted now: a plan for an earlier wish says nothing."""
        found = ((name, self.runs.get(name), planned) for name, planned in plan.starts.items())
        return {name: planned.start for name, wish, planned in found if wish is not None and wish.t == planned.said}

    def _fee(self, now_ms: int) -> float:
        """Of a kWh shared now."""
        of = self.community
        return shared_fees(of.tariff, [quarter_start(now_ms)], of.timezone, of.grid_type)[0]

    def _shown(self, decision: Decision) -> dict[str, Any]:
        hold = self._holds.get(decision.device)
        return {
            "device": decision.device,
            "set": None if hold is None else dict(hold.lease.command.set),
            "state": "released" if hold is None else hold.state,
            "since": None if hold is None else hold.since_ms,
            "reason": decision.reason,
        }

    def _taken(self, claimed: Mapping[str, str], now_s: float) -> dict[str, str]:
        """Devices that are not ours now, and why."""
        self._barred = {name: bar for name, bar in self._barred.items() if bar[0] > now_s}
        taken = {name: why for name, (_, why) in self._barred.items()}
        for name in self._steered:
            holder = claimed.get(name) or self._holder(name, now_s)
            if holder is not None:
                taken[name] = say("left_alone", holder=holder)
        return taken

    def _follow(self, decision: Decision, held: Held, now_ms: int, now_s: float) -> None:
        device, hold = decision.device, self._holds.get(decision.device)
        if device in held.taken:
            self._let_go(device, now_s)
        elif decision.value is None:
            if hold is not None:
                self._let_go(device, now_s)
                self._end(device, decision.reason, now_ms)
        elif hold is None or hold.standing.value != decision.value:
            self._ask(decision, now_ms, now_s)
        elif now_s >= hold.renew_s:
            self._ask(decision, now_ms, now_s, renewed=hold)

    def _ask(self, decision: Decision, now_ms: int, now_s: float, *, renewed: _Hold | None = None) -> None:
        device, value = decision.device, decision.value
        assert value is not None
        ttl_s = float(self._settings.ttl_s)
        wanted: dict[str, float | str] = {self._steered[device].quantity: value}
        command_id = self._new_id() if renewed is None else renewal_of(renewed.lease.command.id)
        command = self._order(device, wanted, ttl_s, decision.reason, now_ms, command_id)
        if command is None:
            return
        before = self._holds.get(device)
        same_mode = before is not None and before.standing.mode == decision.mode
        since_s = before.standing.since_s if before is not None and same_mode else now_s
        self._holds[device] = _Hold(
            lease=Lease(command, now_s + ttl_s),
            standing=Standing(value, since_s, decision.mode),
            renew_s=now_s + ttl_s * (0.5 - _SPREAD * zlib.crc32(device.encode()) / 0xFFFFFFFF),
            since_ms=now_ms if renewed is None else renewed.since_ms,
            state="asked" if renewed is None else renewed.state,
        )
        if renewed is None:
            if before is not None and not same_mode:
                self._rest(device, before, now_s)
            self._change(device, now_ms)

    def _end(self, device: str, why: str, now_ms: int) -> None:
        if self._order(device, {}, 0.0, why, now_ms, self._new_id()) is not None:
            self._change(device, now_ms)

    def _order(
        self, device: str, wanted: dict[str, float | str], ttl_s: float, reason: str, now_ms: int, command_id: str
    ) -> Command | None:
        gateway = self._gateway_of(device)
        if gateway is None:
            return None
        command = Command(command_id, device, wanted, ttl_s, BALANCER, reason, now_ms)
        self._orders.append(Order(*gateway, command))
        return command

    def _let_go(self, device: str, now_s: float) -> None:
        hold = self._holds.pop(device, None)
        if hold is not None:
            self._rest(device, hold, now_s)

    def _rest(self, device: str, hold: _Hold, now_s: float) -> None:
        """A heat pump that was blocked rests from it."""
        if hold.standing.value == BLOCKED:
            blocked_s = now_s - hold.standing.since_s
            self._rest_until_s[device] = now_s + max(GIVE_BACK_S, REST_PER_BLOCKED * blocked_s)

    def _expire(self, now_s: float) -> None:
        for device, hold in list(self._holds.items()):
            if hold.lease.ends_s <= now_s:
                self._let_go(device, now_s)

    def _change(self, device: str, t: int) -> None:
        site = self._steered[device].site.id
        self._changed_ms[site] = max(t, self._changed_ms.get(site, 0))

    def _watch_cars(self, facts: Facts) -> None:
        """Since when each car is there. One that was there when we began counts from now on."""
        for steered in self._chargers():
            values = facts.values(steered.site, steered.device)
            counter, power, state = (values.get(name) for name in ("energy_import_wh", "power_w", "state"))
            if not isinstance(counter, int | float) or not isinstance(power, int | float):
                continue
            if not has_car(state if isinstance(state, str) else None, power):
                self._sessions.pop(steered.id, None)
            elif steered.id not in self._sessions:
                self._sessions[steered.id] = _Session(facts.now, float(counter))

    def _delivered_wh(self, facts: Facts) -> dict[str, float]:
        found = {}
        for steered in self._chargers():
            session = self._sessions.get(steered.id)
            counter = facts.number(steered.site, steered.device, "energy_import_wh")
            if session is not None and counter is not None:
                found[steered.id] = session.delivered_wh = max(0.0, counter - session.counter_wh)
        return found

    def _chargers(self) -> Iterable[_Steered]:
        return (each for each in self._steered.values() if each.device.role is Role.EV)
