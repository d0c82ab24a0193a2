"""No state, however unlikely, makes the step violate a limit. A seeded walk; COMMONWATT_STEPS sets its length."""

import os
import random

from energy.balancing.cycle import decide
from energy.balancing.heat_pumps import may_be_blocked
from energy.balancing.limits import able_to_give_w, bounds_of, may_take_w
from energy.balancing.now import (
    BLOCKED,
    BOOST,
    PHASES,
    Battery,
    Charger,
    CommunityNow,
    HeatPump,
    Inverter,
    Lamps,
    Limits,
    Rates,
    SiteNow,
    Standing,
)
from energy.balancing.settings import PHASE_V, USES

# COMMONWATT_STEPS=1000000 is the long form
STEPS = int(os.environ.get("COMMONWATT_STEPS", "100000"))
TOLERANCE_W = 5.0  # whole watts, and the last bits of sums


class Chance:
    """Random states of a community, from the ordinary to the absurd."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now_s = 1e6

    def power(self, most):
        return round(self.random.uniform(-most, most) * self.random.choice((0.0, 0.1, 1.0, 1.0)), 1)

    def maybe(self, value, share=0.5):
        return value if self.random.random() < share else None

    def standing(self, *values):
        if self.random.random() < 0.4:
            return None
        value, mode = self.random.choice(values)
        return Standing(value, self.now_s - self.random.choice((1.0, 100.0, 400.0, 1000.0, 8000.0)), mode)

    def community(self):
        names = [f"s{number}" for number in range(self.random.choice((1, 1, 2, 3)))]
        order = list(USES)
        self.random.shuffle(order)
        buy = self.random.uniform(-0.2, 0.6)
        return CommunityNow(
            now_s=self.now_s,
            left_s=self.random.uniform(0.0, 900.0),
            sites=tuple(self.site(name) for name in names),
            rates=Rates(buy, self.random.uniform(-0.2, 0.3), self.random.choice((0.0, 0.1))),
            unshared_wh=self.maybe(self.power(5000)),
            grid_target_w=self.maybe(abs(self.power(50_000))),
            priority=tuple(order),
            margin=self.random.choice((0.0, 0.1)),
        )

    def site(self, name):
        limits = Limits(
            fuse_a=self.maybe(self.random.choice((16.0, 40.0, 160.0))),
            import_w=self.maybe(self.random.choice((5e3, 2e4, 9e4))),
            export_w=self.maybe(self.random.choice((0.0, 5e3, 5e4))),
            peak_w=self.maybe(self.random.choice((2.5e3, 1e4, 6e4))),
        )
        return SiteNow(
            id=name,
            grid_w=self.power(60_000),
            amps=tuple(self.power(120) for _ in PHASES),
            quarter_w=self.maybe(abs(self.power(40_000))),
            limits=limits,
            batteries=tuple(
                self.battery(f"{name}/battery-{number}") for number in range(self.random.choice((0, 1, 1, 2)))
            ),
            chargers=tuple(self.charger(f"{name}/ev-{number}") for number in range(self.random.choice((0, 1, 3)))),
            heat_pumps=tuple(self.pump(f"{name}/heat_pump-{number}") for number in range(self.random.choice((0, 1)))),
            inverters=tuple(self.inverter(f"{name}/pv-{number}") for number in range(self.random.choice((0, 1, 2)))),
            lamps=(Lamps(f"{name}/lighting", 5000, self.random.random(), "Night."),),
            unknown=self.maybe("The grid meter is silent.", 0.1),
            settled=self.random.random() < 0.9,
        )

    def battery(self, name):
        most = self.random.choice((0.0, 3e3, 3e4))
        told = float(int(self.random.uniform(-most, most)))
        return Battery(
            name,
            power_w=self.power(most),
            soc_pct=self.random.choice((0.0, 10.0, 11.0, 50.0, 94.0, 95.0, 100.0)),
            low_w=-most,
            high_w=most,
            efficiency=0.95,
            wear=self.random.choice((0.0, 0.05)),
            value=self.maybe(self.random.uniform(-0.3, 0.8)),
            standing=self.standing((told, "")),
        )

    def charger(self, name):
        wired = self.random.choice(((0, 1, 2), (0, 1, 2), (1,), (2, 0, 1)))
        high = self.random.choice((22_080.0, 11_040.0)) if len(wired) == 3 else 7_360.0
        drawn = max(0.0, self.power(high))
        return Charger(
            name,
            power_w=drawn,
            amps=tuple(drawn / len(wired) / PHASE_V if phase in wired else 0.0 for phase in PHASES),
            high_w=high,
            wired=wired,
            one_phase=self.random.random() < 0.4,
            surplus_only=self.random.random() < 0.4,
            need_w=self.maybe(self.random.uniform(0, high)),
            car=self.random.random() < 0.8,
            standing=self.standing((0.0, "off"), (high / 2, "all phases"), (1500.0, "one phase")),
        )

    def pump(self, name):
        return HeatPump(
            name,
            power_w=self.random.choice((0.0, 50.0, 4000.0)),
            rated_w=6000.0,
            rest_until_s=self.now_s + self.random.choice((-10.0, 1000.0)),
            standing=self.standing((BLOCKED, BLOCKED), (BOOST, BOOST)),
        )

    def inverter(self, name):
        high = self.random.choice((5e3, 6e4))
        return Inverter(name, self.random.uniform(0, high), high, standing=self.standing((high / 3, "")))


def check(now, answer):
    said = {decision.device: decision for decision in answer.decisions}
    every = [device for site in now.sites for kind in _kinds(site) for device in kind]
    assert len(said) == len(answer.decisions) == len(every)
    for decision in answer.decisions:
        assert decision.reason.endswith(".")
        assert "inf" not in decision.reason
        assert "nan" not in decision.reason
    for site in now.sites:
        if site.unknown is not None:
            assert all(said[device.id].value is None for kind in _kinds(site)[:-1] for device in kind)
        elif site.settled:
            check_ranges(site, said)
            check_import(site, said, now)
            check_export(site, said)


def _kinds(site):
    return site.batteries, site.chargers, site.heat_pumps, site.inverters, site.lamps


def check_ranges(site, said):
    for battery in site.batteries:
        low, high = bounds_of(battery)
        assert low <= said[battery.id].value <= high
    for charger in site.chargers:
        value = said[charger.id].value
        least = charger.least_a * PHASE_V * (1 if said[charger.id].mode == "one phase" else len(charger.wired))
        assert value == 0 or least <= value <= charger.high_w
        if said[charger.id].mode == "one phase":
            assert charger.one_phase
            assert value < charger.least_a * PHASE_V * len(charger.wired)
    for pump in site.heat_pumps:
        assert said[pump.id].value in {None, BLOCKED, BOOST}
    for inverter in site.inverters:
        value = said[inverter.id].value
        assert value is None or 0 <= value <= inverter.high_w


def check_import(site, said, now):
    """The worst case, everything drawing what it may, is within the limits, or nothing is left to cut."""
    draws, amps = site.grid_w, list(site.amps)
    uncut, rest = [], True
    for battery in site.batteries:
        value = said[battery.id].value
        believed = min(value, able_to_give_w(battery)) if value > 0 else value
        draws += battery.power_w - believed
        amps = [amp + (battery.power_w - believed) / 3 / PHASE_V for amp in amps]
        rest = rest and value >= 0
    for charger in site.chargers:
        value = said[charger.id].value
        draws += value - charger.power_w
        wired = charger.wired[:1] if said[charger.id].mode == "one phase" else charger.wired
        amps = [
            amp - charger.amps[phase] + (value / len(wired) / PHASE_V if phase in wired else 0.0)
            for phase, amp in enumerate(amps)
        ]
        if value > 0:
            uncut.append(wired)
    for pump in site.heat_pumps:
        change = 0.0
        if may_be_blocked(pump, now.now_s):
            if said[pump.id].value == BLOCKED:
                change = -pump.power_w
            else:
                was_blocked = pump.standing is not None and pump.standing.value == BLOCKED
                change = pump.rated_w - pump.power_w if was_blocked else 0.0
                uncut.append(PHASES)
        elif said[pump.id].value == BOOST and not (pump.standing and pump.standing.value == BOOST):
            uncut.append(PHASES)
            change = pump.rated_w - pump.power_w
        draws += change
        amps = [amp + change / 3 / PHASE_V for amp in amps]
    most_w = min(site.limits.import_w or 1e12, 1e12)
    if site.limits.peak_w is not None:
        most_w = min(most_w, may_take_w(site.limits.peak_w, site.quarter_w, now.left_s))
    fuse_a = site.limits.fuse_a or 1e12
    over = [phase for phase in PHASES if amps[phase] > fuse_a + TOLERANCE_W / PHASE_V]
    if draws > most_w + TOLERANCE_W:
        over = list(PHASES)
    if over:
        assert not any(set(over) & set(wired) for wired in uncut), f"something is left to cut on {over}"
        assert rest, "a battery charges although too much is taken"
        gives = sum(said[battery.id].value for battery in site.batteries)
        able = sum(bounds_of(battery)[1] for battery in site.batteries)
        export_w, out_a = site.limits.export_w, site.limits.fuse_a
        if export_w is None and out_a is None:
            assert gives >= sum(able_to_give_w(b) for b in site.batteries) - TOLERANCE_W or gives >= able - TOLERANCE_W


def check_export(site, said):
    """With what is drawn now, feed-in is within its limit, or batteries and inverters can do no more."""
    if site.limits.export_w is None:
        return
    batteries = sum(said[battery.id].value - battery.power_w for battery in site.batteries)
    made = sum(
        inverter.power_w - (inverter.power_w if (v := said[inverter.id].value) is None else min(v, inverter.power_w))
        for inverter in site.inverters
    )
    flow = site.grid_w - batteries + made + sum(_less(charger, said[charger.id].value) for charger in site.chargers)
    if flow >= -site.limits.export_w - TOLERANCE_W:
        return
    assert all(said[battery.id].value <= 0 for battery in site.batteries), "a battery feeds in above the limit"
    assert sum(said[i.id].value or 0 for i in site.inverters) <= TOLERANCE_W, "an inverter makes what cannot be fed in"


def _less(charger, value):
    return min(value, charger.power_w) - charger.power_w


def test_step_violates_no_limit_in_any_of_very_many_random_states():
    chance = Chance(20261128)
    for number in range(STEPS):
        now = chance.community()
        try:
            check(now, decide(now))
        except AssertionError as error:
            raise AssertionError(f"state {number}: {error}\n{now}") from error


def test_step_is_a_function_of_what_it_sees():
    chance = Chance(7)
    for _ in range(500):
        now = chance.community()
        assert decide(now) == decide(now)
