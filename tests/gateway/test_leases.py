"""The lease's table and the checks before it begins."""

from __future__ import annotations

import itertools

import pytest

from energy.errors import RefusedError
from gateway.leases import RESULTS, TRANSITIONS, Event, Lease, Permit, SeenIds, State, check, step
from messaging.codec import Command

NOW = 1_750_000_000_000
STARTED = NOW - 86_400_000 * 3
PERMITS = {
    "site/battery": {"power_w": Permit("W", -5000.0, 5000.0)},
    "site/heat_pump": {"state": Permit("", allowed=("normal", "boost"))},
}


def command(**changes) -> Command:
    fields = {"id": "1", "device": "site/battery", "set": {"power_w": -3000}, "ttl_s": 60.0, "issued_by": "test"}
    return Command(**{**fields, "reason": "surplus", "t": NOW, **changes})


def refused(asked: Command, *, started: int = STARTED) -> str:
    with pytest.raises(RefusedError) as caught:
        check(asked, PERMITS, now_ms=NOW, started_ms=started)
    return caught.value.message


@pytest.mark.parametrize(
    "asked",
    [
        command(),
        command(set={"power_w": 5000}),
        command(set={"power_w": -5000.0}),
        command(ttl_s=300.0),
        command(ttl_s=0, set={}),
        command(t=NOW - 85_000),
        command(t=NOW + 55_000),
        command(device="site/heat_pump", set={"state": "boost"}),
    ],
)
def test_check_lets_a_proper_command_through(asked):
    check(asked, PERMITS, now_ms=NOW, started_ms=STARTED)


HOUR = 3_600_000


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (command(t=NOW - 91_000), "stale"),
        (command(t=NOW - HOUR), "stale"),
        (command(t=NOW - 24 * HOUR), "stale"),
        (command(t=NOW + 61_000), "future"),
        (command(t=NOW + HOUR), "future"),
        (command(t=NOW + 24 * HOUR), "future"),
        (command(ttl_s=0, t=NOW - 31_000), "stale"),
        (command(device="other/battery"), "no such device"),
        (command(device="site/battery2"), "no such device"),
        (command(ttl_s=0, device="other/battery"), "no such device"),
        (command(set={"power_w": 5001}), "outside this gateway's limits"),
        (command(set={"power_w": -5001}), "outside this gateway's limits"),
        (command(set={"power_w": 1e9}), "outside"),
        (command(set={"power_w": "full"}), "no number"),
        (command(set={"soc_pct": 50}), "cannot be commanded"),
        (command(set={"power_w": 1, "soc_pct": 50}), "cannot be commanded"),
        (command(set={}), "sets nothing"),
        (command(ttl_s=301.0), "at most 300 s"),
        (command(ttl_s=-1.0), "at most 300 s"),
        (command(device="site/heat_pump", set={"state": "forced"}), "none of normal, boost"),
        (command(device="site/heat_pump", set={"state": 1}), "none of normal, boost"),
    ],
)
def test_check_refuses_with_a_reason(asked, reason):
    assert reason in refused(asked)


def test_check_refuses_what_was_asked_before_the_start():
    assert "before this gateway started" in refused(command(t=NOW - 1000), started=NOW - 500)


@pytest.mark.parametrize("step_ms", [-24 * HOUR, -HOUR, HOUR, 24 * HOUR])
def test_check_refuses_everything_while_the_clocks_disagree(step_ms):
    with pytest.raises(RefusedError, match="clocks"):
        check(command(), PERMITS, now_ms=NOW + step_ms, started_ms=0)


def test_step_follows_the_table_and_nothing_else():
    for state, event in itertools.product(State, Event):
        lease = Lease("1", "site/battery", {"power_w": 1}, 60, 60.0, state=state)
        if (state, event) in TRANSITIONS:
            assert step(lease, event).state is TRANSITIONS[state, event]
        else:
            with pytest.raises(ValueError, match="cannot"):
                step(lease, event)


def test_every_state_but_asked_is_reached_told_and_final_or_applied():
    reached = set(TRANSITIONS.values())
    assert reached == set(State) - {State.ASKED} == set(RESULTS)
    assert {state for state, _ in TRANSITIONS} == {State.ASKED, State.APPLIED}


def test_seen_ids_knows_a_replay_and_forgets_the_oldest():
    seen = SeenIds(capacity=3)
    assert [seen.add(name) for name in "abca"] == [True, True, True, False]
    assert seen.add("d")
    assert seen.add("a")
