"""What the rules of a community decide: alerts, leases, and who keeps off whose device."""

import itertools

import pytest

from collector.rules import RuleDesk
from collector.steering import DeviceView
from energy.alerts.facts import Facts, Seen
from energy.alerts.rules import Action, DeviceSilent
from energy.balance import CommunityBalance, Known, SiteBalance
from energy.quantities import Quality
from messaging.codec import Command, CommandResult
from storage.register import Act, Register, Told

from .conftest import charge_rule, make_community

BATTERY = "ixl-school/battery"
T0 = 1_750_000_000_000


def balance(surplus_w, *, import_w=0.0, stale=()):
    nothing = dict.fromkeys(
        ["pv_w", "grid_w", "battery_w", "consumption_w", "shared_w", "self_sufficiency", "self_consumption"]
    )
    return CommunityBalance(
        id="ixelles", t=0, surplus_w=surplus_w, import_w=import_w, quality=Quality.MEASURED, stale=tuple(stale),
        known=Known(0, 0, 0, 0, 0, 0), **nothing,
    )  # fmt: skip


def flows(site, grid_w):
    nothing = dict.fromkeys(["pv_w", "battery_w", "consumption_w", "soc_pct", "self_sufficiency", "self_consumption"])
    return SiteBalance(
        id=site, community="ixelles", t=0, grid_w=grid_w, quality=Quality.MEASURED, stale=(), devices=(), **nothing
    )


class Bench:
    """A desk with a clock set by hand, and the device it steers."""

    def __init__(self, *rules, gateway=("ixelles", "gw-school"), look_s=0.0):
        self.community = make_community(rules=rules)
        self.now_s = 0.0
        self.device = DeviceView(T0, 0.0)
        ids = itertools.count()
        self.desk = RuleDesk(
            self.community, lambda _: gateway, lambda _: self.device, new_id=lambda: f"c{next(ids)}", look_s=look_s
        )

    @property
    def now_ms(self):
        return T0 + int(self.now_s * 1000)

    def tick(self, surplus_w, *, after_s=1.0, **more):
        self.now_s += after_s
        self.desk.tick(self.facts(surplus_w, **more), self.now_s)
        return [order.command for order in self.desk.take_orders()]

    def facts(self, surplus_w, **more):
        """The school has the surplus; its battery says what the device says."""
        return Facts(
            now=self.now_ms,
            started=T0,
            connected=True,
            community=self.community,
            balance=balance(surplus_w, **more),
            sites={
                "ixl-school": flows("ixl-school", None if surplus_w is None else -surplus_w),
                "ixl-hall": flows("ixl-hall", 0.0),
            },
            devices={BATTERY: Seen(self.now_ms, {"power_w": self.device.power_w}, live=True)},
        )

    def answer(self, command_id, state, reason=""):
        self.desk.result(CommandResult(command_id, state, reason, self.now_ms), self.now_s)

    def foreign(self, *, ttl_s=60.0, command_id="f1", by="operator jan"):
        command = Command(command_id, BATTERY, {"power_w": 0.0}, ttl_s, by, "test", self.now_ms)
        return self.desk.command_seen(command, self.now_s)

    @property
    def alert(self):
        (alert,) = self.desk.open_alerts()
        return alert

    def events(self):
        return [entry.event for entry in self.alert.evidence]


@pytest.fixture
def bench():
    return Bench(charge_rule())


def test_a_raised_rule_asks_for_a_lease_with_a_reason_in_numbers(bench):
    (command,) = bench.tick(3120.0)
    assert (command.device, command.set, command.ttl_s) == (BATTERY, {"power_w": -3000.0}, 60.0)
    assert command.issued_by == "rule:surplus"
    assert "3,120 W" in command.reason
    assert "2,000 W" in command.reason
    assert bench.alert.id == f"ixelles-surplus-{T0 + 1000}"
    assert bench.alert.state == "firing"
    assert bench.events() == ["crossed", "raised", "commanded"]
    assert bench.alert.actions[0].state == "asked"


def test_a_blip_shorter_than_the_duration_tells_nobody():
    bench = Bench(charge_rule(for_s=60))
    bench.tick(3000.0)
    bench.tick(3000.0, after_s=30)
    bench.tick(1000.0)
    assert bench.desk.take_changes() == []
    assert bench.desk.open_alerts() == []


def test_a_lease_is_renewed_with_a_new_command_at_half_its_time(bench):
    (first,) = bench.tick(3000.0)
    bench.answer(first.id, "applied")
    assert bench.tick(3000.0, after_s=29.0) == []
    (second,) = bench.tick(3000.0, after_s=1.0)
    assert second.id != first.id
    assert second.ttl_s == 60
    bench.answer(second.id, "applied")
    bench.answer(first.id, "reverted", f"replaced by {second.id}")
    assert bench.alert.actions[0].command == second.id
    assert bench.events().count("applied") == 1
    assert "reverted" not in bench.events()


def test_when_the_alert_clears_the_lease_is_ended_at_once(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    bench.desk.take_changes()
    (ended,) = bench.tick(100.0)
    assert (ended.device, ended.ttl_s) == (BATTERY, 0)
    (alert,) = bench.desk.take_changes()
    assert alert.state == "cleared"
    assert alert.cleared_at == bench.now_ms
    assert bench.desk.open_alerts() == []
    bench.answer(asked.id, "reverted", "released")
    (alert,) = bench.desk.take_changes()
    assert alert.actions[0].state == "reverted"
    assert alert.evidence[-1].event == "reverted"
    bench.tick(100.0, after_s=61)
    assert bench.desk.take_gone() == [alert.id]


def test_unknown_data_ends_the_lease_at_once_and_known_data_asks_again(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    (ended,) = bench.tick(None, stale=["ixl-hall"])
    assert ended.ttl_s == 0
    assert bench.alert.state == "firing"
    assert "ixl-hall" in bench.alert.evidence[-1].text
    assert bench.tick(None) == []
    (again,) = bench.tick(3000.0)
    assert again.ttl_s == 60


def test_data_unknown_for_two_minutes_clears_the_alert(bench):
    bench.tick(3000.0)
    bench.tick(None)
    bench.desk.take_changes()
    bench.tick(None, after_s=121)
    (alert,) = bench.desk.take_changes()
    assert alert.state == "cleared"
    assert alert.value is None
    assert "unknown" in alert.evidence[-1].text


def test_unknown_data_never_raises(bench):
    assert bench.tick(None) == []
    assert bench.desk.open_alerts() == []


def test_a_device_under_a_lease_of_somebody_else_is_left_alone_until_that_ends(bench):
    assert bench.foreign(ttl_s=60)
    assert bench.tick(3000.0) == []
    assert bench.alert.actions[0].state == "refused"
    assert "operator jan" in bench.alert.evidence[-1].text
    assert bench.tick(3000.0, after_s=50) == []
    assert bench.events().count("refused") == 1
    (asked,) = bench.tick(3000.0, after_s=10)
    assert asked.ttl_s == 60


def test_who_takes_the_device_keeps_it_when_the_alert_clears(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    bench.foreign()
    assert bench.tick(3000.0) == []
    assert bench.alert.actions[0].state == "reverted"
    bench.answer(asked.id, "reverted", "replaced")
    assert bench.tick(100.0) == []


@pytest.mark.parametrize("state", ["refused", "expired", "reverted", "failed"])
def test_a_foreign_lease_that_ended_at_the_gateway_frees_the_device(bench, state):
    bench.foreign(ttl_s=300)
    assert bench.tick(3000.0) == []
    bench.answer("f1", state)
    assert len(bench.tick(3000.0)) == 1


def test_a_device_released_by_hand_is_not_taken_again_at_once(bench):
    (asked,) = bench.tick(3000.0)
    bench.foreign(ttl_s=0.0)
    bench.answer(asked.id, "reverted", "released")
    assert bench.tick(3000.0, after_s=60) == []
    assert "release by operator jan" in bench.alert.evidence[-1].text
    assert len(bench.tick(3000.0, after_s=241)) == 1


def test_commands_of_our_own_rules_are_not_foreign(bench):
    (asked,) = bench.tick(3000.0)
    assert not bench.desk.command_seen(asked, bench.now_s)
    assert not bench.foreign(by="rule:surplus", command_id="of a former life")
    assert len(bench.tick(3000.0, after_s=30)) == 1


def test_of_two_rules_on_one_device_the_earlier_in_the_file_has_it():
    stop = Action(device=BATTERY, set={"power_w": 0.0}, ttl_s=60)
    bench = Bench(
        charge_rule(id="first", raise_above=5000, clear_below=4000, actions=(stop,)), charge_rule(id="second")
    )
    (second,) = bench.tick(3000.0)
    assert second.issued_by == "rule:second"
    (first,) = bench.tick(6000.0)
    assert first.issued_by == "rule:first"
    later = next(alert for alert in bench.desk.open_alerts() if alert.rule == "second")
    assert later.actions[0].state == "reverted"
    released, again = bench.tick(3000.0)
    assert (released.issued_by, released.ttl_s) == ("rule:first", 0)
    assert (again.issued_by, again.ttl_s) == ("rule:second", 60)


def test_a_refusal_is_told_and_asked_again_only_after_the_lease_time(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "refused", "above the limit")
    assert bench.alert.actions[0].state == "refused"
    assert "above the limit" in bench.alert.evidence[-1].text
    assert bench.tick(3000.0, after_s=59) == []
    assert len(bench.tick(3000.0, after_s=2)) == 1


def test_the_effect_is_told_once_when_the_device_has_spoken(bench):
    bench.device = DeviceView(T0, 10.0)
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    bench.tick(2900.0, after_s=6)
    assert "effect" not in bench.events()
    bench.device = DeviceView(T0 + 7000, -2950.0)
    bench.tick(180.0 + 500, after_s=1)
    bench.tick(680.0, after_s=1)
    assert bench.events().count("effect") == 1
    text = bench.alert.evidence[-1].text
    assert all(number in text for number in ("10 W", "-2,950 W", "3,000 W", "680 W"))


def test_an_order_that_could_not_be_sent_is_tried_again_soon(bench):
    bench.tick(3000.0)
    bench.now_s += 1
    bench.desk.tick(bench.facts(3000.0), bench.now_s)
    bench.now_s += 40
    bench.desk.tick(bench.facts(3000.0), bench.now_s)
    (order,) = bench.desk.take_orders()
    bench.desk.not_sent(order, "no broker", bench.now_ms, bench.now_s)
    assert bench.alert.actions[0].state == "failed"
    assert bench.tick(3000.0, after_s=4) == []
    assert len(bench.tick(3000.0, after_s=1)) == 1


def test_a_device_without_a_gateway_is_told_in_the_evidence():
    bench = Bench(charge_rule(), gateway=None)
    assert bench.tick(3000.0) == []
    assert bench.alert.actions[0].state == "failed"


def test_an_acknowledged_alert_goes_on_acting(bench, tmp_path):
    (asked,) = bench.tick(3000.0)
    register = Register(tmp_path / "register.db")
    register.save_alert(bench.alert)
    assert register.acknowledge(bench.alert.id, "jan", bench.now_ms)
    bench.desk.acted(register.acts([bench.alert.id]), bench.now_ms, bench.now_s)
    register.close()
    assert bench.alert.state == "acknowledged"
    assert bench.alert.acknowledged_by == "jan"
    assert bench.events()[-1] == "acknowledged"
    assert len(bench.tick(3000.0, after_s=30)) == 1
    assert asked.id


def test_an_alert_that_stood_before_a_restart_is_taken_up_and_acts_again(bench):
    bench.tick(3000.0)
    before = bench.alert
    after = Bench(charge_rule())
    after.desk.resume([before], after.now_ms, after.now_s)
    (asked,) = after.tick(1000.0)
    assert after.alert.id == before.id
    assert asked.ttl_s == 60
    assert after.tick(100.0)[0].ttl_s == 0


def test_an_alert_of_a_rule_that_is_no_more_is_cleared(bench):
    bench.tick(3000.0)
    after = Bench()
    after.desk.resume([bench.alert], after.now_ms, after.now_s)
    (alert,) = after.desk.take_changes()
    assert alert.state == "cleared"
    assert alert.cleared_at == after.now_ms


def test_the_value_of_a_standing_alert_is_refreshed_every_ten_seconds(bench):
    bench.tick(3000.0)
    bench.desk.take_changes()
    bench.tick(3100.0, after_s=5)
    assert bench.desk.take_changes() == []
    bench.tick(3200.0, after_s=5)
    (alert,) = bench.desk.take_changes()
    assert alert.value == 3200


def test_a_rule_that_takes_its_whole_surplus_stands_and_tells_what_it_takes(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    bench.device = DeviceView(T0, -3000.0)
    for _ in range(20):
        assert all(command.ttl_s == 60 for command in bench.tick(0.0, after_s=10))
    assert bench.alert.state == "firing"
    assert (bench.alert.value, bench.alert.effect_w) == (3000.0, -3000.0)
    bench.device = DeviceView(T0, -400.0)
    (ended,) = bench.tick(0.0, after_s=10)
    assert ended.ttl_s == 0


def test_its_own_effect_is_known_after_a_restart_too(bench):
    (asked,) = bench.tick(3000.0)
    bench.answer(asked.id, "applied")
    after = Bench(charge_rule())
    after.desk.resume([bench.alert], after.now_ms, after.now_s)
    after.device = DeviceView(T0, -3000.0)
    (renewed,) = after.tick(0.0)
    assert renewed.ttl_s == 60
    assert (after.alert.state, after.alert.value) == ("firing", 3000.0)


def act(bench, kind, *, alert=None, number=1, until=None, reason=""):
    acts = [Act(number, (alert or bench.alert).id, kind, bench.now_ms, "jan", until, reason)]
    bench.desk.acted(acts, bench.now_ms, bench.now_s)


def test_a_muted_alert_acts_on_and_fires_again_at_the_end(bench):
    bench.tick(3000.0)
    act(bench, "mute", until=bench.now_ms + 100_000, reason="roof works")
    assert (bench.alert.state, bench.alert.muted_by) == ("muted", "jan")
    assert "roof works" in bench.alert.evidence[-1].text
    assert len(bench.tick(3000.0, after_s=40)) == 1
    bench.tick(3000.0, after_s=61)
    assert (bench.alert.state, bench.alert.muted_until) == ("firing", None)
    assert bench.events()[-1] == "reopened"


def test_an_acknowledgement_with_an_end_and_one_that_was_applied_already(bench):
    bench.tick(3000.0)
    act(bench, "acknowledge", until=bench.now_ms + 50_000)
    act(bench, "acknowledge", until=bench.now_ms + 90_000)  # the same act read again
    bench.tick(3000.0, after_s=51)
    assert bench.alert.state == "firing"
    act(bench, "mute", number=2, until=bench.now_ms + 50_000)
    act(bench, "unmute", number=3)
    assert (bench.alert.state, bench.alert.acts) == ("firing", 3)


def test_ends_of_mutes_and_acknowledgements_outlive_a_restart_and_the_alert(bench):
    bench.tick(3000.0)
    act(bench, "mute", until=bench.now_ms + 100_000)
    after = Bench(charge_rule())
    after.now_s = 50.0
    after.desk.resume([bench.alert], after.now_ms, after.now_s)
    assert after.tick(3000.0)[0].ttl_s == 60
    assert after.alert.state == "muted"
    after.tick(3000.0, after_s=51)
    assert after.alert.state == "firing"
    act(bench, "mute", number=2, until=bench.now_ms + 100_000)
    bench.tick(0.0)
    cleared = next(alert for alert in bench.desk.take_changes() if alert.state == "cleared")
    later = Bench(charge_rule())
    later.now_s = bench.now_s
    later.desk.resume([cleared], later.now_ms, later.now_s)
    later.tick(3000.0)
    assert later.alert.state == "muted"
    assert later.alert.muted_until == cleared.muted_until


def test_a_standing_alert_tells_since_when_nothing_is_known(bench):
    bench.tick(3000.0)
    bench.tick(None)
    since = bench.now_ms
    assert bench.alert.unknown_since == since
    bench.tick(None, after_s=20)
    assert (bench.alert.unknown_since, bench.alert.value) == (since, None)
    bench.tick(3000.0)
    assert bench.alert.unknown_since is None


def test_a_rule_of_devices_has_an_alert_for_each_and_acts_at_its_own_site():
    acts = (Action(device=BATTERY, set={"power_w": 0.0}, ttl_s=60),)
    bench = Bench(DeviceSilent(id="silent", raise_above=10, clear_below=5, for_s=0, actions=acts))
    bench.now_s = 300.0
    bench.desk.tick(bench.facts(0.0), bench.now_s)
    alerts = {alert.subject: alert for alert in bench.desk.open_alerts()}
    assert sorted(alerts) == ["ixl-hall/grid", "ixl-hall/pv", "ixl-school/grid", "ixl-school/pv"]
    assert alerts["ixl-hall/pv"].id == f"ixelles-silent-ixl-hall.pv-{bench.now_ms}"
    assert (alerts["ixl-hall/pv"].site, alerts["ixl-hall/pv"].unit, alerts["ixl-hall/pv"].kind) == (
        "ixl-hall", "s", "device_silent",
    )  # fmt: skip
    assert [len(alerts[name].actions) for name in sorted(alerts)] == [0, 0, 1, 1]
    assert len(bench.desk.take_orders()) == 1  # of two alerts the earlier has the battery


def test_rules_that_do_not_act_are_looked_at_now_and_then():
    bench = Bench(DeviceSilent(id="silent", raise_above=10, clear_below=5, for_s=0), look_s=10.0)
    bench.now_s = 100.0
    seen = []
    for _ in range(12):
        bench.tick(0.0)
        seen.append(len(bench.desk.open_alerts()))
    assert seen[0] < seen[-1] == 4


def test_what_a_channel_was_told_is_evidence(bench):
    bench.tick(3000.0)
    told = Told("facility", "raised", bench.now_ms)
    assert bench.desk.told(bench.alert.id, told, "facility was told")
    assert not bench.desk.told("another", told, "")
    assert bench.alert.told == (told,)
    assert bench.events()[-1] == "notified"
