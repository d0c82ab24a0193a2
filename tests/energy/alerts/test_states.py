"""The table of states: durations, hysteresis in both directions, unknown values, acknowledgement and mute."""

from hypothesis import given
from hypothesis import strategies as st

from energy.alerts.states import TABLE, AlertEvent, AlertState, Limits, Signal, Watch, acknowledge, mute, step, unmute

LIMITS = Limits(5000, 1000, for_s=60, unknown_clear_s=120)
SLOW = Limits(5000, 1000, for_s=60, clear_for_s=30, unknown_clear_s=120)
FALLING = Limits(20, 30, rising=False)
RAISED_OR_NOT = {AlertEvent.RAISED, AlertEvent.CLEARED, AlertEvent.CLEARED_UNKNOWN}


def run(values, *, seconds=10.0, watch=None, limits=LIMITS, begin_s=0.0):
    watch, events, now = watch or Watch(), [], begin_s
    for value in values:
        watch, happened = step(limits, watch, value, now)
        events.extend(happened)
        now += seconds
    return watch, events


def firing(limits=LIMITS):
    watch, _ = run([6000] * 7, limits=limits)
    assert watch.state is AlertState.FIRING
    return watch


def test_step_value_above_for_a_minute_raises_once():
    watch, events = run([6000] * 10)
    assert events == [AlertEvent.CROSSED, AlertEvent.RAISED]
    assert watch.state is AlertState.FIRING


def test_step_value_above_for_less_than_a_minute_tells_nobody():
    watch, events = run([6000] * 6 + [0])
    assert AlertEvent.RAISED not in events
    assert watch.state is AlertState.CLEARED


def test_step_value_between_clear_and_raise_keeps_the_alert_and_does_not_start_one():
    watch, _ = run([6000] * 7 + [3000] * 20)
    assert watch.state is AlertState.FIRING
    assert run([3000] * 20)[0].state is AlertState.CLEARED


def test_step_value_below_clear_ends_it():
    watch, events = run([6000] * 7 + [999])
    assert events[-1] is AlertEvent.CLEARED
    assert watch.state is AlertState.CLEARED


def test_step_value_has_to_stay_below_clear_for_its_own_duration():
    watch, events = run([6000] * 7 + [0, 0, 0, 3000, 0, 0, 0], limits=SLOW)
    assert watch.state is AlertState.FIRING
    assert AlertEvent.CLEARED not in events
    assert run([0, 0, 0, 0], watch=firing(SLOW), limits=SLOW, begin_s=70)[1] == [AlertEvent.CLEARED]


def test_step_unknown_value_restarts_the_duration_of_clearing():
    watch, _ = run([0, 0, 0, None, 0, 0, 0], watch=firing(SLOW), limits=SLOW, begin_s=70)
    assert watch.state is AlertState.FIRING


def test_step_falling_limits_raise_below_and_clear_above():
    assert run([25], limits=FALLING)[1] == []
    watch, events = run([19, 25, 30], limits=FALLING)
    assert (watch.state, events) == (AlertState.FIRING, [AlertEvent.CROSSED, AlertEvent.RAISED])
    assert run([31], watch=watch, limits=FALLING)[1] == [AlertEvent.CLEARED]


def test_step_rule_without_duration_raises_at_once():
    watch, events = step(Limits(5000, 1000), Watch(), 6000, 5)
    assert events == (AlertEvent.CROSSED, AlertEvent.RAISED)
    assert watch.raised


def test_step_unknown_value_never_raises_and_restarts_the_duration():
    watch, events = run([6000] * 6 + [None] + [6000] * 6)
    assert AlertEvent.RAISED not in events
    assert watch.state is AlertState.PENDING


def test_step_unknown_value_withholds_actions_then_clears():
    held, events = step(LIMITS, firing(), None, 100)
    assert held.raised
    assert not held.may_act
    assert events == ()
    cleared, events = step(LIMITS, held, None, 220)
    assert events == (AlertEvent.CLEARED_UNKNOWN,)
    assert cleared.state is AlertState.CLEARED
    back, _ = step(LIMITS, held, 6000, 110)
    assert back.may_act


def test_acknowledge_only_a_firing_alert_and_it_still_clears():
    assert acknowledge(Watch(), 0)[1] == ()
    seen, events = acknowledge(firing(), 100)
    assert events == (AlertEvent.ACKNOWLEDGED,)
    assert acknowledge(seen, 101)[1] == ()
    assert step(LIMITS, seen, 0, 110)[1] == (AlertEvent.CLEARED,)


def test_acknowledge_with_an_end_fires_again_when_it_still_stands_then():
    seen, _ = acknowledge(firing(), 100, until_s=200)
    seen, events = step(LIMITS, seen, 6000, 199)
    assert events == ()
    again, events = step(LIMITS, seen, 6000, 200)
    assert (again.state, events) == (AlertState.FIRING, (AlertEvent.REOPENED,))
    assert step(LIMITS, again, 6000, 300)[1] == ()


def test_mute_goes_on_acting_and_fires_again_at_its_end():
    muted, events = mute(firing(), 100, until_s=400)
    assert (events, muted.may_act) == ((AlertEvent.MUTED,), True)
    longer, _ = mute(muted, 150, until_s=500)
    assert step(LIMITS, longer, 6000, 499)[0].state is AlertState.MUTED
    assert step(LIMITS, longer, 6000, 500)[1] == (AlertEvent.REOPENED,)
    assert unmute(muted, 150)[1] == (AlertEvent.REOPENED,)


def test_mute_outlives_the_alert_until_its_end():
    muted, _ = mute(firing(), 70, until_s=1000)
    watch, events = run([0, *[6000] * 7], watch=muted, begin_s=100)
    assert events == [AlertEvent.CLEARED, AlertEvent.CROSSED, AlertEvent.RAISED]
    assert watch.state is AlertState.MUTED
    late, _ = run([0, *[6000] * 7], watch=muted, begin_s=980)
    assert late.state is AlertState.FIRING
    quiet, _ = step(LIMITS, muted, 0, 100)
    assert run([6000] * 7, watch=unmute(quiet, 101)[0], begin_s=110)[0].state is AlertState.FIRING


def test_table_has_a_row_for_every_way_out_and_none_that_raises_from_unknown():
    for state in (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.MUTED):
        assert {TABLE[state, signal][0] for signal in (Signal.SETTLED, Signal.LOST)} == {AlertState.CLEARED}
    raising = {key for key, (_, event) in TABLE.items() if event is AlertEvent.RAISED}
    assert raising == {(AlertState.PENDING, Signal.HELD), (AlertState.PENDING, Signal.HELD_MUTED)}
    assert not any(
        signal is Signal.UNKNOWN and target is not AlertState.CLEARED for (_, signal), (target, _) in TABLE.items()
    )


values = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0, 999, 1000, 3000, 5000, 5001]))
acts = st.sampled_from(["step", "step", "step", "acknowledge", "mute", "unmute"])
limits = st.builds(
    lambda clear, gap, rising, for_s, clear_for_s, lost_s: Limits(
        clear + gap if rising else clear - gap,
        clear,
        rising=rising,
        for_s=for_s,
        clear_for_s=clear_for_s,
        unknown_clear_s=lost_s,
    ),
    st.floats(-1e5, 1e5), st.floats(0, 1e5), st.booleans(), st.floats(0, 100), st.floats(0, 100), st.floats(1, 200),
)  # fmt: skip


def lives(limits, script):
    """Plays a script of (seconds on, value, what people do), and tells each step with what was before it."""
    watch, now = Watch(), 0.0
    for seconds, value, act in script:
        now += seconds
        if act == "acknowledge":
            watch, _ = acknowledge(watch, now, until_s=now + 50)
        elif act == "mute":
            watch, _ = mute(watch, now, until_s=now + 50)
        elif act == "unmute":
            watch, _ = unmute(watch, now)
        before = watch
        watch, events = step(limits, watch, value, now)
        yield before, watch, value, now, events


scripts = st.lists(st.tuples(st.floats(0.5, 40), values, acts), max_size=60)


@given(limits, scripts)
def test_any_life_alternates_raised_and_cleared(limits, script):
    ends = [event for *_, events in lives(limits, script) for event in events if event in RAISED_OR_NOT]
    for index, event in enumerate(ends):
        assert (event is AlertEvent.RAISED) == (index % 2 == 0)


@given(limits, scripts)
def test_any_life_raises_only_after_the_whole_duration_beyond_the_raise_value(limits, script):
    beyond_since = None
    for _, _, value, now, events in lives(limits, script):
        if limits.signal(value) is not Signal.RAISE:
            beyond_since = None
        elif beyond_since is None:
            beyond_since = now
        if AlertEvent.RAISED in events:
            assert beyond_since is not None
            assert now - beyond_since >= limits.for_s


@given(limits, scripts)
def test_any_life_clears_only_after_the_whole_duration_beyond_the_clear_value_or_unknown(limits, script):
    calm_since = unknown_since = None
    for before, _, value, now, events in lives(limits, script):
        where = limits.signal(value)
        calm_since = (now if calm_since is None else calm_since) if where is Signal.CALM else None
        unknown_since = (now if unknown_since is None else unknown_since) if where is Signal.UNKNOWN else None
        if AlertEvent.CLEARED in events:
            assert calm_since is not None
            assert before.raised
            assert now - calm_since >= limits.clear_for_s
        if AlertEvent.CLEARED_UNKNOWN in events:
            assert now - unknown_since >= limits.unknown_clear_s


@given(limits, scripts)
def test_any_life_acts_only_on_a_known_value_of_a_standing_alert(limits, script):
    for _, watch, value, _, events in lives(limits, script):
        assert not (watch.may_act and value is None)
        assert value is not None or AlertEvent.RAISED not in events


@given(limits, scripts)
def test_any_life_mute_or_acknowledgement_ends(limits, script):
    for _, watch, value, now, _ in lives(limits, script):
        if watch.until_s is not None:
            assert watch.until_s > now
            assert watch.until_s - now <= 50.001
            later, _ = step(limits, watch, value, now + 51)
            assert later.state not in {AlertState.MUTED, AlertState.ACKNOWLEDGED}


@given(st.floats(-1e5, 1e5), st.floats(0.01, 1e4), st.lists(st.booleans(), min_size=2, max_size=60))
def test_a_value_that_swings_inside_the_gap_never_flaps(clear, gap, swings):
    limits = Limits(clear + gap, clear)
    watch, _ = step(limits, Watch(), clear + 2 * gap, 0.0)
    events = []
    for index, up in enumerate(swings):
        watch, happened = step(limits, watch, clear + (gap if up else 0.0), float(index))
        events += happened
    assert (watch.state, events) == (AlertState.FIRING, [])
