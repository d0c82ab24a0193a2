"""The register: commands and their trail, alerts and acknowledgements, quarantine; shared by processes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage.register.register as module
from energy.errors import DataError, StoreError
from energy.renewals import numbered
from storage.register import Alert, AlertAction, Command, Evidence, QuarantineEntry, Register, TrailEntry
from storage.register.settings import RegisterSettings
from tests.postgres_server import PostgresServer, postgres_binaries

ROOT = Path(__file__).parents[3]
T = 1_750_000_000_000


def ask(register, command_id="c1", t=T, ends_at=T + 60_000, **changes) -> Command:
    fields = {"device": "hall/battery", "values": {"power_w": -3000}, "ttl_s": 60, **changes}
    return register.record_command(
        command_id, **fields, issued_by="rule surplus", reason="surplus 5.1 kW", t=t, ends_at=ends_at
    )


def renew(register, number) -> Command:
    """The renewal of c1 half a minute later than the one before."""
    t = T + number * 30_000
    return ask(register, f"c1~{number}", t, t + 60_000)


def alert(alert_id="a1", **changes) -> Alert:
    fields = {
        "id": alert_id,
        "rule": "surplus",
        "community": "ixelles",
        "severity": "info",
        "state": "firing",
        "metric": "surplus_w",
        "value": 5100.0,
        "raise_above": 5000.0,
        "clear_below": 1000.0,
        "since": T,
        "raised_at": T + 1000,
        "evidence": (Evidence(T, "crossed", "surplus 5.1 kW above 5 kW"), Evidence(T + 1000, "raised", "for 60 s")),
        **changes,
    }
    return Alert(**fields)


class TestCommands:
    def test_an_empty_register_knows_no_command(self, register):
        assert register.command("c1") is None
        assert register.commands() == []

    def test_a_command_is_kept_with_everything_it_was_asked_with(self, register):
        asked = ask(register)
        assert asked == Command(
            id="c1",
            device="hall/battery",
            set={"power_w": -3000},
            ttl_s=60.0,
            issued_by="rule surplus",
            reason="surplus 5.1 kW",
            t=T,
            state="asked",
            ends_at=T + 60_000,
            trail=(TrailEntry(T, "asked", "surplus 5.1 kW"),),
            lease="c1",
        )
        assert register.command("c1") == asked
        assert register.commands() == [asked]

    def test_its_json_is_the_one_the_api_promises(self, register):
        assert msgspec.json.decode(msgspec.json.encode(ask(register))) == {
            "id": "c1",
            "device": "hall/battery",
            "set": {"power_w": -3000},
            "ttl_s": 60.0,
            "issued_by": "rule surplus",
            "reason": "surplus 5.1 kW",
            "t": T,
            "state": "asked",
            "ends_at": T + 60_000,
            "trail": [{"t": T, "state": "asked", "reason": "surplus 5.1 kW"}],
            "renewals": 0,
            "renewed_at": None,
            "lease": "c1",
        }

    def test_results_make_its_trail_and_its_state(self, register):
        ask(register)
        register.record_result("c1", "applied", "written to register 40236", T + 500)
        assert register.command("c1").state == "applied"
        assert register.command("c1").ends_at == T + 60_000
        ended = register.record_result("c1", "expired", "lease over", T + 61_000)
        assert [entry.state for entry in ended.trail] == ["asked", "applied", "expired"]
        assert (ended.state, ended.ends_at) == ("expired", T + 61_000)

    def test_a_result_told_twice_is_kept_once(self, register):
        ask(register)
        first = register.record_result("c1", "applied", "ok", T + 500)
        assert register.record_result("c1", "applied", "ok", T + 500) == first

    def test_a_late_step_does_not_bring_an_ended_command_back(self, register):
        ask(register)
        register.record_result("c1", "expired", "lease over", T + 61_000)
        late = register.record_result("c1", "applied", "ok", T + 900)
        assert (late.state, late.ends_at) == ("expired", T + 61_000)

    def test_a_refusal_ends_a_command_that_was_never_applied(self, register):
        ask(register)
        refused = register.record_result("c1", "refused", "above the fuse", T + 500)
        assert (refused.state, refused.ends_at) == ("refused", T + 500)

    def test_a_repeated_message_that_is_refused_does_not_end_the_lease_that_stands(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        replayed = register.record_result("c1", "refused", "this id came before", T + 900)
        assert (replayed.state, replayed.ends_at) == ("applied", T + 60_000)

    def test_a_gateway_whose_clock_is_behind_does_not_confuse_the_order(self, register):
        ask(register)
        behind = register.record_result("c1", "applied", "ok", T - 3_600_000)
        assert behind.state == "applied"
        assert [entry.state for entry in behind.trail] == ["asked", "applied"]

    def test_renewals_are_counted_at_the_lease_they_renew(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        for n in range(1, 4):
            renewal = renew(register, n)
            assert (renewal.lease, renewal.ends_at) == (f"c1~{n}", T + n * 30_000 + 60_000)
            register.record_result(numbered("c1", n - 1), "reverted", f"replaced by c1~{n}", T + n * 30_000 + 100)
            register.record_result(f"c1~{n}", "applied", "ok", T + n * 30_000 + 100)
        (whole,) = register.commands()
        assert (whole.state, whole.t, whole.renewals, whole.renewed_at) == ("applied", T, 3, T + 90_100)
        assert [entry.state for entry in whole.trail] == ["asked", "applied"]
        assert register.command("c1~2") == whole
        ended = register.record_result("c1~3", "expired", "its 60 s are over", T + 150_000)
        assert (ended.state, ended.ends_at) == ("expired", T + 150_000)
        assert [entry.state for entry in ended.trail] == ["asked", "applied", "expired"]
        assert len(register.commands()) == 1

    def test_a_renewal_that_is_refused_or_fails_stands_in_the_trail(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        renew(register, 1)
        refused = register.record_result("c1~1", "refused", "above the fuse", T + 30_100)
        assert (refused.state, refused.renewals) == ("applied", 0)
        failed = register.record_result("c1", "failed", "it could not be renewed", T + 40_000)
        assert (failed.state, failed.ends_at) == ("failed", T + 40_000)
        assert [entry.state for entry in failed.trail] == ["asked", "refused", "applied", "failed"]

    def test_what_ended_a_lease_before_its_newest_renewal_does_not_end_that(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        renew(register, 1)
        register.record_result("c1~1", "applied", "ok", T + 30_100)
        other = register.record_result("c1", "reverted", "a newer one has its place", T + 30_100)
        assert (other.state, other.ends_at) == ("applied", T + 90_000)
        assert other.trail[-1].state == "reverted"

    def test_a_lease_replaced_by_another_one_is_ended(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        assert register.record_result("c1", "reverted", "replaced by c2", T + 9_000).state == "reverted"

    @pytest.mark.parametrize("change", [{"device": "hall/ev"}, {"values": {"power_w": -2000}}])
    def test_what_asks_for_something_else_is_a_command_of_its_own_whatever_its_id(self, register, change):
        ask(register)
        own = ask(register, "c1~1", T + 30_000, **change)
        register.record_result("c1~1", "applied", "ok", T + 30_100)
        assert (own.id, own.lease, own.renewals) == ("c1~1", "c1~1", 0)
        assert register.command("c1~1").state == "applied"
        assert register.command("c1").state == "asked"

    def test_a_renewal_of_what_nobody_knows_is_kept_as_it_came(self, register):
        assert register.record_result("c9~4", "applied", "ok", T).id == "c9~4"
        assert ask(register, "c8~4").lease == "c8~4"

    def test_a_result_of_an_unknown_command_is_kept_and_completed_when_the_command_comes(self, register):
        stray = register.record_result("c1", "applied", "ok", T + 500)
        assert (stray.device, stray.set, stray.state, stray.t) == ("", {}, "applied", T + 500)
        known = ask(register)
        assert (known.device, known.state, known.t, known.ends_at) == ("hall/battery", "applied", T, T + 60_000)
        assert [entry.state for entry in known.trail] == ["asked", "applied"]

    def test_the_same_command_again_renews_it(self, register):
        ask(register)
        register.record_result("c1", "applied", "ok", T + 500)
        renewed = ask(register, t=T + 30_000, ends_at=T + 90_000)
        assert (renewed.t, renewed.ends_at, renewed.state) == (T, T + 90_000, "applied")

    def test_commands_are_listed_newest_first_page_by_page(self, register):
        for n in range(5):
            ask(register, f"c{n}", t=T + n)
        assert [command.id for command in register.commands(limit=2)] == ["c4", "c3"]
        assert [command.id for command in register.commands(limit=2, before=T + 3)] == ["c2", "c1"]

    def test_active_commands_have_neither_ended_nor_outlived_their_lease(self, register):
        ask(register, "asked")
        ask(register, "over", ends_at=T + 10)
        ask(register, "endless", ends_at=None)
        ask(register, "applied")
        ask(register, "failed")
        register.record_result("applied", "applied", "ok", T + 1)
        register.record_result("failed", "failed", "no answer", T + 1)
        active = {command.id for command in register.commands(active_only=True)}
        assert active == {"asked", "over", "endless", "applied"}
        assert {command.id for command in register.commands(active_only=True, now_ms=T + 10)} == active - {"over"}

    def test_values_may_be_texts(self, register):
        assert ask(register, values={"state": "on", "power_w": 1.5}).set == {"state": "on", "power_w": 1.5}


class TestAlerts:
    def test_an_alert_comes_back_as_saved(self, register):
        action = AlertAction("hall/battery", {"power_w": -3000.0}, command="c1", state="applied", reason="ok")
        saved = alert(actions=(action,))
        register.save_alert(saved)
        assert register.alert("a1") == saved
        assert register.alerts() == [saved]
        assert register.alert("a2") is None

    def test_an_alert_may_be_saved_as_the_mapping_the_wire_carries(self, register):
        register.save_alert(msgspec.to_builtins(alert()))
        assert register.alert("a1") == alert()

    @pytest.mark.parametrize("change", [{"state": "angry"}, {"since": "yesterday"}, {"raise_above": "high"}])
    def test_an_alert_of_a_wrong_shape_is_refused_by_its_field(self, register, change):
        with pytest.raises(DataError, match=next(iter(change))):
            register.save_alert({**msgspec.to_builtins(alert()), **change})
        assert register.alerts() == []

    def test_an_alert_is_replaced_by_what_became_of_it(self, register):
        register.save_alert(alert(state="pending", raised_at=None))
        register.save_alert(alert())
        assert register.alerts() == [alert()]

    def test_open_alerts_come_first_the_worst_of_them_at_the_top(self, register):
        for alert_id, severity, state, since in [
            ("past", "critical", "cleared", T + 9),
            ("older", "warning", "firing", T + 1),
            ("newer", "warning", "firing", T + 2),
            ("worst", "critical", "pending", T),
            ("older past", "info", "cleared", T + 8),
        ]:
            register.save_alert(alert(alert_id, severity=severity, state=state, since=since))
        order = ["worst", "newer", "older", "past", "older past"]
        assert [found.id for found in register.alerts()] == order
        assert [found.id for found in register.alerts(open_only=True)] == order[:3]
        assert [found.id for found in register.alerts(limit=1)] == order[:1]

    def test_an_acknowledgement_shows_in_state_and_evidence(self, register):
        register.save_alert(alert())
        assert register.acknowledge("a1", "lea", T + 2000)
        seen = register.alert("a1")
        assert (seen.state, seen.acknowledged_at, seen.acknowledged_by) == ("acknowledged", T + 2000, "lea")
        step = seen.evidence[-1]
        assert (step.t, step.event, step.text) == (T + 2000, "acknowledged", "acknowledged by lea")
        assert register.alerts(open_only=True) == [seen]

    def test_an_acknowledgement_is_made_once(self, register):
        register.save_alert(alert())
        assert register.acknowledge("a1", "lea", T + 2000)
        assert not register.acknowledge("a1", "max", T + 3000)
        assert register.alert("a1").acknowledged_by == "lea"

    @pytest.mark.parametrize("state", ["pending", "cleared"])
    def test_only_a_firing_alert_can_be_acknowledged(self, register, state):
        register.save_alert(alert(state=state))
        assert not register.acknowledge("a1", "lea", T + 2000)
        assert not register.acknowledge("unknown", "lea", T + 2000)
        assert register.alert("a1").state == state

    def test_many_alerts_are_kept_at_once_or_none(self, register):
        register.save_alerts([])
        register.save_alerts([alert(f"a{number}") for number in range(1200)])
        register.acknowledge("a1100", "lea", T + 2000)
        kept = register.alerts(limit=5_000)
        assert (len(kept), sum(each.state == "acknowledged" for each in kept)) == (1200, 1)
        with pytest.raises(DataError):
            register.save_alerts([alert("b1"), {"id": "b2"}])
        assert register.alert("b1") is None

    def test_a_mute_shows_with_its_end_and_can_be_ended(self, register):
        register.save_alert(alert("a1"))
        assert not register.act("a1", "unmute", "lea", T + 1000)
        assert register.act("a1", "mute", "lea", T + 2000, until=T + 3_602_000, reason="roof works")
        seen = register.alert("a1")
        assert (seen.state, seen.muted_by, seen.muted_until) == ("muted", "lea", T + 3_602_000)
        assert "muted by lea until 2025-06-15 16:06 UTC: roof works" in seen.evidence[-1].text
        assert register.act("a1", "mute", "max", T + 3000, until=T + 9_000_000)
        assert register.alert("a1").muted_until == T + 9_000_000
        assert register.act("a1", "unmute", "max", T + 4000)
        assert (register.alert("a1").state, register.alert("a1").muted_until) == ("firing", None)
        assert [act.act for act in register.acts(["a1", "a2"])] == ["mute", "mute", "unmute"]

    def test_what_the_saved_alert_contains_already_is_not_done_again(self, register):
        register.save_alert(alert("a1"))
        register.act("a1", "mute", "lea", T + 2000, until=T + 60_000)
        again = dataclasses.replace(register.alert("a1"), state="firing", muted_until=None)
        register.save_alert(again)
        assert register.alert("a1").state == "firing"
        assert register.act("a1", "acknowledge", "max", T + 3000, until=T + 90_000)
        assert register.alert("a1").acknowledged_until == T + 90_000

    def test_the_collector_saving_again_keeps_an_acknowledgement_it_did_not_know_of(self, register):
        register.save_alert(alert())
        register.acknowledge("a1", "lea", T + 2000)
        register.save_alert(alert(value=6000.0))
        seen = register.alert("a1")
        assert (seen.value, seen.state, seen.acknowledged_by) == (6000.0, "acknowledged", "lea")
        register.save_alert(seen)
        assert register.alert("a1") == seen
        register.save_alert(dataclasses.replace(alert(), state="cleared", cleared_at=T + 9000))
        cleared = register.alert("a1")
        assert (cleared.state, cleared.acknowledged_by) == ("cleared", "lea")


class TestQuarantine:
    def test_a_message_is_kept_with_where_it_came_from_and_why(self, register):
        register.quarantine("cw/v1/ixelles/gw1/data", b"{broken", "no JSON", T, "gw1")
        assert register.quarantined() == [
            QuarantineEntry("cw/v1/ixelles/gw1/data", "gw1", "no JSON", b"{broken", 7, T, T, 1)
        ]
        assert register.quarantine_total() == 1

    def test_the_very_same_again_is_counted(self, register):
        for n in range(3):
            register.quarantine("topic", b"x", "no JSON", T + n)
        register.quarantine("topic", b"y", "no JSON", T + 3)
        newest, repeated = register.quarantined()
        assert (newest.payload, newest.count) == (b"y", 1)
        assert (repeated.count, repeated.first_t, repeated.t) == (3, T, T + 2)
        assert register.quarantine_total() == 4

    def test_a_long_payload_is_cut_but_told_apart_by_its_end(self, register):
        register.quarantine("topic", b"x" * 10_000 + b"1", "too long", T)
        register.quarantine("topic", b"x" * 10_000 + b"2", "too long", T)
        assert [(len(entry.payload), entry.size) for entry in register.quarantined()] == [(4096, 10_001)] * 2

    def test_only_the_newest_are_kept_and_all_are_counted(self, register, monkeypatch):
        monkeypatch.setattr(module, "_QUARANTINE_ENTRIES", 5)
        for n in range(8):
            register.quarantine("topic", str(n).encode(), "no JSON", T + n)
        register.quarantine("topic", b"old", "no JSON", T - 1)
        assert [entry.payload for entry in register.quarantined()] == [b"7", b"6", b"5", b"4", b"3"]
        assert [entry.payload for entry in register.quarantined(limit=2)] == [b"7", b"6"]
        assert register.quarantine_total() == 9

    def test_an_empty_register_has_none(self, register):
        assert register.quarantined() == []
        assert register.quarantine_total() == 0


_steps = st.lists(
    st.tuples(st.sampled_from(["applied", "refused", "expired", "reverted", "failed"]), st.integers(0, 5)), max_size=6
)


@given(steps=_steps, data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_results_make_no_difference(register, steps, data):
    number = len(register.commands(limit=1000))
    one, other = ask(register, f"one{number}").id, f"other{number}"
    for state, t in steps:
        register.record_result(one, state, "", T + t)
    shuffled = data.draw(st.permutations([*steps, *steps]))
    for state, t in shuffled[: len(steps)]:
        register.record_result(other, state, "", T + t)
    ask(register, other)
    for state, t in shuffled[len(steps) :]:
        register.record_result(other, state, "", T + t)
    assert dataclasses.replace(register.command(other), id=one, lease=one) == register.command(one)


WRITER = """
import sys
from storage.register import Register
from storage.register.settings import RegisterSettings

register = Register(RegisterSettings.model_validate_json(sys.argv[1]))
for n in range(100):
    register.record_result(f"{sys.argv[2]}-{n}", "applied", "ok", n)
    register.record_result("shared", "expired" if sys.argv[2] == "api" else "applied", str(n), n)
    register.quarantine("topic", b"x", "no JSON", n)
"""


def run(code: str, where: RegisterSettings, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    given = where.model_dump_json(exclude_none=True)
    return subprocess.Popen([sys.executable, "-c", code, given, *arguments], cwd=ROOT, **options)


def test_processes_that_start_and_write_at_once_lose_nothing(where):
    writers = [run(WRITER, where, name) for name in ("collector", "api")]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0]
    register = Register(where)
    assert len(register.commands(limit=1000)) == 201
    shared = register.command("shared")
    assert (shared.state, len(shared.trail)) == ("expired", 200)
    assert register.quarantine_total() == register.quarantined()[0].count == 200
    register.close()


KILLED = """
import sys
from sqlalchemy import text
from storage.register import Register
from storage.register.settings import RegisterSettings

register = Register(RegisterSettings.model_validate_json(sys.argv[1]))
register.record_result("whole", "applied", "ok", 1)
with register.database.write() as connection:
    connection.execute(text("DELETE FROM command"))
    connection.execute(text("DELETE FROM trail"))
    print("in the middle", flush=True)
    sys.stdin.read()
"""


def test_a_process_killed_in_the_middle_of_a_write_leaves_what_was_there(where):
    victim = run(KILLED, where, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with victim:
        assert victim.stdout.readline() == b"in the middle\n"
        victim.kill()
        victim.wait()
    register = Register(where)
    assert register.command("whole").trail == (TrailEntry(1, "applied", "ok"),)
    register.record_result("after", "applied", "ok", 2)
    register.close()


def test_what_was_kept_is_there_after_a_restart(where):
    register = Register(where)
    asked = ask(register)
    register.save_alert(alert())
    register.close()
    register = Register(where)
    assert register.command("c1") == asked
    assert register.alert("a1") == alert()
    register.close()


def test_a_closed_register_says_so(where):
    register = Register(where)
    register.close()
    register.close()
    with pytest.raises(StoreError, match="is closed"):
        register.command("c1")


def test_a_server_that_was_killed_is_a_store_error_and_is_found_again_by_itself():
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(binaries)
    try:
        server.start()
        register = Register(server.fresh())
        asked = ask(register)
        server.kill()
        with pytest.raises(StoreError, match="check that PostgreSQL runs"):
            register.command("c1")
        server.start()
        assert register.command("c1") == asked
        register.close()
    finally:
        server.remove()
