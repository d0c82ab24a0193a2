"""Rules from reading to relay and back: over a real broker, with a gateway that answers."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

from energy.alerts.rules import DeviceSilent, GatewayOffline, QuantityAbove
from storage.register import Alert, Told

from .conftest import charge_rule, eventually, make_community, reading

COMMANDS = "cw/v1/ixelles/gw-school/command"


def now_ms():
    return time.time_ns() // 1_000_000


class Roof:
    """A gateway and its devices: publishes readings in a loop, obeys leases, tells results."""

    def __init__(self, wire):
        self.wire = wire
        self.surplus_w = 3000.0
        self.battery_w = 0.0
        self.silent = False
        self.lease = None
        self.seq = 0

    async def run(self):
        answered = set()
        while True:
            for command in self.wire.bodies(COMMANDS):
                if command["id"] not in answered:
                    answered.add(command["id"])
                    await self.obey(command)
            await self.say()
            await asyncio.sleep(0.05)

    async def obey(self, command):
        result = {"id": command["id"], "state": "applied", "reason": "read back", "t": now_ms()}
        if command["ttl_s"] == 0:
            self.battery_w = 0.0
            old, self.lease = self.lease, None
            if old:
                await self.wire.send(
                    f"{COMMANDS}/result", {**result, "id": old, "state": "reverted", "reason": "released"}
                )
        else:
            self.battery_w, self.lease = command["set"]["power_w"], command["id"]
        await self.wire.send(f"{COMMANDS}/result", result)

    async def say(self):
        t, self.seq = now_ms(), self.seq + 1
        grid = -self.surplus_w - self.battery_w
        await self.wire.readings(
            "gw-hall", self.seq, [reading(f"ixl-hall/{name}", t, power_w=0) for name in ("grid", "pv")]
        )
        school = [
            reading("ixl-school/pv", t, power_w=self.surplus_w),
            reading("ixl-school/battery", t, power_w=self.battery_w, soc_pct=50),
        ]
        if not self.silent:
            school.append(reading("ixl-school/grid", t, power_w=grid))
        await self.wire.readings("gw-school", self.seq, school)


@asynccontextmanager
async def roof_on(wire):
    roof = Roof(wire)
    task = asyncio.create_task(roof.run())
    try:
        yield roof
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alerts(wire):
    """The newest of each alert as published, by id; an emptied topic is gone."""
    found = {}
    for topic, payload, _ in wire.seen:
        if topic.startswith("cw/v1/ixelles/alerts/"):
            found[topic] = wire.last(topic) if payload else None
    return list(found.values())


def community():
    # The surplus does not fall when the battery charges: the roof is told what it has left.
    return make_community(rules=[charge_rule(raise_above=2000, clear_below=-10_000)], interval_s=0.3)


async def test_a_surplus_charges_the_battery_and_an_alert_tells_how(start, register, wire):
    async with start(community()), roof_on(wire) as roof:
        alert = await eventually(
            lambda: next((a for a in alerts(wire) if a and a["actions"][0]["state"] == "applied"), None)
        )
        command = wire.bodies(COMMANDS)[0]
        assert command["set"] == {"power_w": -3000}
        assert command["issued_by"] == "rule:surplus"
        assert not any(retained for topic, _, retained in wire.seen if topic == COMMANDS)
        kept = register.command(command["id"])
        assert kept.trail[0].state == "asked"
        await eventually(lambda: register.command(command["id"]).state == "applied")
        await eventually(lambda: wire.last("cw/v1/ixelles/live/site/ixl-school")["battery_w"] == -3000)
        assert register.acknowledge(alert["id"], "jan", now_ms())
        acked = await eventually(lambda: next((a for a in alerts(wire) if a and a["state"] == "acknowledged"), None))
        assert acked["acknowledged_by"] == "jan"
        assert roof.lease is not None


async def test_result_told_by_another_gateway_is_set_aside(start, register, wire):
    asked = {"id": "c1", "device": "ixl-school/battery", "set": {"power_w": -1000}, "ttl_s": 60, "t": now_ms()}
    result = {"id": "c1", "state": "applied", "reason": "told by a stranger", "t": now_ms()}
    async with start(make_community()):
        await wire.send(COMMANDS, {**asked, "issued_by": "jan", "reason": "a try"})
        await eventually(lambda: register.command("c1"))
        await wire.send("cw/v1/ixelles/gw-hall/command/result", result)
        refused = await eventually(lambda: register.quarantined(limit=10))
        assert "asked of another gateway" in refused[0].reason
        await wire.send(f"{COMMANDS}/result", {**result, "reason": "read back"})
        await eventually(lambda: register.command("c1").state == "applied")
    assert [entry.reason for entry in register.command("c1").trail] == ["a try", "read back"]


async def test_result_of_a_command_from_before_a_restart_is_still_its_gateways_to_tell(start, register, wire):
    asked = {"id": "c1", "device": "ixl-school/battery", "set": {"power_w": -1000}, "ttl_s": 60, "t": now_ms()}
    result = {"id": "c1", "state": "applied", "reason": "told by a stranger", "t": now_ms()}
    async with start(make_community()):
        await wire.send(COMMANDS, {**asked, "issued_by": "jan", "reason": "a try"})
        await eventually(lambda: register.command("c1"))
    async with start(make_community()):
        await wire.send("cw/v1/ixelles/gw-hall/command/result", result)
        await eventually(lambda: register.quarantined(limit=10))
    assert [entry.reason for entry in register.command("c1").trail] == ["a try"]


async def test_unknown_data_releases_the_device(start, register, wire):
    async with start(community()), roof_on(wire) as roof:
        await eventually(lambda: roof.lease)
        roof.silent = True
        await eventually(lambda: roof.lease is None)
        released = wire.bodies(COMMANDS)[-1]
        assert released["ttl_s"] == 0
        assert "unknown" in released["reason"]
        (alert,) = alerts(wire)
        assert alert["state"] == "firing"
        roof.silent = False
        await eventually(lambda: roof.lease)


async def test_when_the_surplus_is_gone_the_alert_clears_and_the_device_is_released(start, register, wire):
    rule = charge_rule(raise_above=2000, clear_below=500)
    async with start(make_community(rules=[rule], interval_s=0.3)), roof_on(wire) as roof:
        # Charging 3 kW takes the whole surplus of 3 kW, and the alert stands all the same.
        await eventually(lambda: (wire.last("cw/v1/ixelles/live/community") or {}).get("surplus_w") == 0)
        seen = len(wire.seen)
        await eventually(lambda: len(wire.seen) > seen + 100)
        assert [alert["state"] for alert in alerts(wire)] == ["firing"]
        roof.surplus_w = 100.0
        await eventually(lambda: any(command["ttl_s"] == 0 for command in wire.bodies(COMMANDS)))
        cleared = await eventually(lambda: next((a for a in alerts(wire) if a and a["state"] == "cleared"), None))
        assert [entry["event"] for entry in cleared["evidence"]][:3] == ["crossed", "raised", "commanded"]
        assert cleared["cleared_at"] >= cleared["raised_at"]
        assert register.alert(cleared["id"]).state == "cleared"


async def test_a_command_given_on_the_wire_by_somebody_else_is_recorded_and_respected(start, register, wire):
    async with start(community()):
        await wire.send(
            COMMANDS,
            {
                "id": "manual-1",
                "device": "ixl-school/battery",
                "set": {"power_w": 0},
                "ttl_s": 60,
                "issued_by": "jan",
                "reason": "maintenance",
                "t": now_ms(),
            },
        )
        await eventually(lambda: register.command("manual-1"))
        async with roof_on(wire):
            alert = await eventually(lambda: next((a for a in alerts(wire) if a), None))
            assert "jan" in alert["actions"][0]["reason"]
            await asyncio.sleep(0.3)
            assert [command["id"] for command in wire.bodies(COMMANDS)] == ["manual-1"]


async def test_open_alerts_are_taken_up_after_a_restart_and_said_again(start, wire):
    async with roof_on(wire):
        async with start(community()):
            first = await eventually(lambda: next((a for a in alerts(wire) if a), None))
        wire.seen.clear()
        async with start(community()):
            again = await eventually(lambda: next((a for a in alerts(wire) if a), None))
    assert again["id"] == first["id"]


async def test_a_lease_of_somebody_else_is_respected_across_a_restart(start, register, wire):
    t = now_ms()
    register.record_command(
        "manual-2", "ixl-school/battery", {"power_w": 0}, 60, issued_by="jan", reason="test", t=t, ends_at=t + 60_000
    )
    async with start(community()), roof_on(wire):
        alert = await eventually(lambda: next((a for a in alerts(wire) if a), None))
        assert "jan" in alert["actions"][0]["reason"]
        assert wire.bodies(COMMANDS) == []


def standing(wire, rule):
    return next(
        (alert for alert in alerts(wire) if alert and alert["rule"] == rule and alert["state"] != "cleared"), None
    )


async def test_a_gateway_that_goes_offline_is_told_since_when_over_a_restart_until_it_is_back(start, register, wire):
    rule = GatewayOffline(id="offline", raise_above=0.5, clear_below=0.1, for_s=0)
    status = "cw/v1/ixelles/gw-hall/status"
    async with start(make_community(rules=[rule])):
        await wire.send(status, {"online": True}, retain=True)
        await asyncio.sleep(0.6)
        assert all(alert["subject"] != "gw-hall" for alert in alerts(wire) if alert)
        await wire.send(status, {"online": False}, retain=True)
        first = await eventually(lambda: next((a for a in alerts(wire) if a and a["subject"] == "gw-hall"), None))
    async with start(make_community(rules=[rule])):
        await asyncio.sleep(1.0)
        kept = register.alert(first["id"])
        assert (kept.state, kept.since, kept.raised_at) == ("firing", first["since"], first["raised_at"])
        await wire.send(status, {"online": True}, retain=True)
        await eventually(lambda: register.alert(first["id"]).state == "cleared")
    assert [each.id for each in register.alerts() if each.subject == "gw-hall"] == [first["id"]]


async def test_a_silent_device_is_told_and_late_readings_do_not_end_it(start, register, wire):
    rule = DeviceSilent(id="silent", raise_above=0.5, clear_below=0.3, for_s=0, scope={"devices": ["ixl-school/grid"]})
    community = make_community(rules=[rule], interval_s=0.3)
    async with start(community), roof_on(wire) as roof:
        await asyncio.sleep(1.0)
        assert standing(wire, "silent") is None
        roof.silent = True
        alert = await eventually(lambda: standing(wire, "silent"))
        assert alert["subject"] == "ixl-school/grid"
        late = [reading("ixl-school/grid", now_ms() - 100, power_w=1)]
        for seq in range(5):
            await wire.readings("gw-school", seq, late, epoch="late", historical=True)
        await eventually(lambda: len(wire.acked("gw-school", "late")) == 5)
        await asyncio.sleep(0.3)
        assert standing(wire, "silent")
        roof.silent = False
        await eventually(lambda: register.alert(alert["id"]).state == "cleared")


async def test_values_that_came_late_or_stood_in_the_store_raise_nothing(start, register, wire):
    rule = QuantityAbove(id="hot", quantity="temperature_c", raise_above=60, clear_below=50, for_s=0)
    hot = [reading("ixl-school/pv", now_ms(), temperature_c=90)]
    async with start(make_community(rules=[rule])):
        await wire.readings("gw-school", 1, hot, historical=True)
        await eventually(lambda: wire.acked("gw-school"))
        await asyncio.sleep(0.4)
    async with start(make_community(rules=[rule])):
        await asyncio.sleep(0.4)
        assert register.alerts() == []
        await wire.readings("gw-school", 2, [reading("ixl-school/pv", now_ms(), temperature_c=90)])
        assert (await eventually(lambda: standing(wire, "hot")))["value"] == 90


async def test_all_alerts_that_stood_are_taken_up_however_many(start, register, wire):
    many = [
        Alert(
            id=f"old-{number}", rule="gone", community="ixelles", severity="info", state="firing", metric="x", value=1,
            raise_above=1, clear_below=0, since=now_ms() - number,
        )
        for number in range(400)
    ]  # fmt: skip
    register.save_alerts(many)
    async with start(make_community()):
        await eventually(lambda: register.alerts(open_only=True) == [])
    assert {alert.state for alert in register.alerts(limit=1000)} == {"cleared"}


async def test_the_stop_waits_for_a_write_that_has_begun_so_that_the_newest_state_stays(
    start, register, wire, monkeypatch
):
    begun, go_on, ended, save = threading.Event(), threading.Event(), threading.Event(), register.save_alerts

    def held(alerts):
        if alerts and not begun.is_set():
            begun.set()
            go_on.wait(20)
            save(alerts)
            ended.set()
        else:
            save(alerts)

    async with roof_on(wire), start(make_community(rules=[charge_rule()], interval_s=0.3)) as collector:
        monkeypatch.setattr(register, "save_alerts", held)
        await eventually(begun.is_set)
        (alert,) = collector._control.alerts()
        collector._control.told(alert.id, Told("facility", "raised", now_ms()), "facility was told")
        asyncio.get_running_loop().call_later(0.3, go_on.set)
    await eventually(ended.is_set)
    assert [told.what for stored in register.alerts() for told in stored.told] == ["raised"]
