"""The continuous balancer from reading to lease and back, over a real broker, with a gateway that answers."""

import json
import time

import pytest

from collector.leases import BALANCER
from energy.balancing.settings import BalancerSettings, Steer

from .conftest import charge_rule, eventually, make_community
from .test_control import COMMANDS, now_ms, roof_on

DECIDED = "cw/v1/ixelles/live/balancer"


def community(*, rules=(), **settings):
    """The school's battery may be steered within 5 kW."""
    return make_community(
        interval_s=0.3,
        battery={"rated_w": 5000, "steer": Steer()},
        rules=tuple(rules),
        balancer=BalancerSettings(cycle_s=1, settle_s=0.1, **settings),
    )


def asked(wire):
    return [command for command in wire.bodies(COMMANDS) if command["issued_by"] == BALANCER]


def last(wire):
    """The newest command of the balancer."""
    return next(reversed(asked(wire)), {"set": None, "ttl_s": None})


def decision(wire):
    said = wire.last(DECIDED)
    return said and next(entry for entry in said["decisions"] if entry["device"] == "ixl-school/battery")


async def test_surplus_is_stored_and_every_decision_says_why(start, register, wire):
    async with start(community()), roof_on(wire) as roof:
        command = await eventually(lambda: next((c for c in asked(wire) if c["set"]), None))
        assert command["set"] == {"power_w": -3000}
        assert command["ttl_s"] == 60
        assert command["reason"] == "Stores 3.0 kW that its own roof has left."
        assert not any(retained for topic, _, retained in wire.seen if topic == COMMANDS)
        await eventually(lambda: register.command(command["id"]).state == "applied")
        told = await eventually(lambda: (d := decision(wire)) and d["state"] == "applied" and d)
        assert told["set"] == {"power_w": -3000}
        count = len(asked(wire))
        roof.surplus_w = 3010.0  # not worth a command
        await eventually(lambda: wire.last("cw/v1/ixelles/live/site/ixl-school")["pv_w"] == 3010)
        roof.surplus_w = -2000.0
        await eventually(lambda: last(wire)["set"] == {"power_w": 2000})
        assert last(wire)["reason"] == "Gives 2.0 kW to its own building."
        assert len(asked(wire)) <= count + 2


async def test_silent_meter_lets_the_battery_go_to_its_safe_state(start, wire):
    async with start(community()), roof_on(wire) as roof:
        await eventually(lambda: roof.battery_w == -3000)
        roof.silent = True
        release = await eventually(lambda: (c := last(wire))["ttl_s"] == 0 and c["reason"] and c)
        assert release["reason"] == "Let go: the grid meter ixl-school/grid is silent."
        await eventually(lambda: roof.battery_w == 0)
        roof.silent = False
        await eventually(lambda: roof.battery_w == -3000)


async def test_alert_has_the_device_and_the_balancer_takes_it_back_afterwards(start, wire):
    rule = charge_rule(raise_above=2000, clear_below=500, clear_for_s=0)
    async with start(community(rules=[rule])), roof_on(wire) as roof:
        roof.surplus_w = 3500.0
        await eventually(lambda: any(c["issued_by"] == "rule:surplus" for c in wire.bodies(COMMANDS)))
        await eventually(lambda: (d := decision(wire)) and "under a lease of rule surplus" in d["reason"])
        before = len(asked(wire))
        await eventually(lambda: roof.battery_w == -3000)
        assert len(asked(wire)) == before
        roof.surplus_w = -20_000.0
        await eventually(lambda: last(wire)["set"] == {"power_w": 5000})


async def test_declared_order_keeps_a_rule_from_the_device(start, wire):
    rule = charge_rule(raise_above=2000, clear_below=-10_000)
    async with start(community(rules=[rule], outranks=("surplus",))), roof_on(wire) as roof:
        await eventually(lambda: roof.battery_w == -3000)
        await eventually(lambda: any("outranks" in p.decode() for t, p, _ in wire.seen if "/alerts/" in t))
        assert {c["issued_by"] for c in wire.bodies(COMMANDS)} == {BALANCER}


async def test_person_has_the_device_for_as_long_as_the_lease(start, wire):
    async with start(community()), roof_on(wire) as roof:
        await eventually(lambda: roof.battery_w == -3000)
        body = {
            "id": "by-hand", "device": "ixl-school/battery", "set": {"power_w": 1000}, "ttl_s": 60,
            "issued_by": "jan", "reason": "try", "t": now_ms(),
        }  # fmt: skip
        await wire.send(COMMANDS, body)
        await eventually(lambda: (d := decision(wire)) and d["reason"] == "Left alone: it is under a lease of jan.")
        assert roof.battery_w == 1000


async def test_refused_lease_lets_the_device_go_and_leaves_it_alone(start, wire):
    async with start(community()), roof_on(wire) as roof:

        async def refuse(command):
            roof.battery_w = 0.0
            state = "refused" if command["ttl_s"] else "applied"
            await wire.send(f"{COMMANDS}/result", {"id": command["id"], "state": state, "reason": "no", "t": now_ms()})

        roof.obey = refuse
        await eventually(lambda: (d := decision(wire)) and "its gateway refused the last lease (no)" in d["reason"])
        await eventually(lambda: any(c["ttl_s"] == 0 for c in asked(wire)))
        assert sum(bool(c["set"]) for c in asked(wire)) == 1


async def test_leases_of_a_former_life_go_on(start, register, wire):
    async with roof_on(wire) as roof:
        async with start(community()):
            first = await eventually(lambda: next((c for c in asked(wire) if c["set"]), None))
            await eventually(lambda: register.command(first["id"]).state == "applied")
        async with start(community()):
            await eventually(lambda: len(asked(wire)) >= 2)
            assert roof.battery_w == -3000
            assert all(c["set"] == {"power_w": -3000} for c in asked(wire))


async def test_renewals_are_counted_at_the_lease_over_a_restart(start, register, wire):
    async with roof_on(wire) as roof:
        async with start(community(ttl_s=10)):
            first = await eventually(lambda: next((c for c in asked(wire) if c["set"]), None))
            await eventually(lambda: register.command(first["id"]).renewals == 1)
        async with start(community(ttl_s=10)):
            whole = await eventually(lambda: (c := register.command(first["id"])) and c.renewals == 2 and c)
        assert roof.battery_w == -3000
    assert [command.id for command in register.commands()] == [first["id"]]
    assert [c["id"] for c in asked(wire)][:3] == [first["id"], f"{first['id']}~1", f"{first['id']}~2"]
    assert (whole.state, [step.state for step in whole.trail]) == ("applied", ["asked", "applied"])


@pytest.mark.parametrize("kept", [True, False])
async def test_decisions_are_retained_for_who_comes_later(start, wire, kept):
    async with start(community(on=kept)), roof_on(wire):
        if kept:
            await eventually(lambda: wire.last(DECIDED))
            (body,) = {json.loads(p)["community"] for t, p, _ in wire.seen if t == DECIDED}
            assert body == "ixelles"
        else:
            await eventually(lambda: wire.last("cw/v1/ixelles/live/site/ixl-school"))
            began = time.monotonic()
            await eventually(lambda: time.monotonic() - began > 0.3)
            assert wire.last(DECIDED) is None
            assert asked(wire) == []
