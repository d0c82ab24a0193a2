"""The rule table: durations, hysteresis, unknown values."""

from hypothesis import given
from hypothesis import strategies as st

from energy.alerts import AlertEvent, AlertState, Watch, acknowledge, step
from energy.community import Rule

RULE = Rule(id="surplus", metric="surplus_w", raise_above=5000, clear_below=1000, for_s=60)


def _run(values, *, seconds=10.0, watch=None):
    watch, events, now = watch or Watch(), [], 0.0
    for value in values:
        watch, happened = step(RULE, watch, value, now)
        events.extend(happened)
        now += seconds
    return watch, events


def test_step_value_above_for_a_minute_raises_once():
    watch, events = _run([6000] * 10)
    assert events == [AlertEvent.CROSSED, AlertEvent.RAISED]
    assert watch.state is AlertState.FIRING


def test_step_value_above_for_less_than_a_minute_tells_nobody():
    watch, events = _run([6000] * 6 + [0])
    assert AlertEvent.RAISED not in events
    assert watch.state is AlertState.IDLE


def test_step_value_between_clear_and_raise_keeps_the_alert_and_does_not_start_one():
    watch, _ = _run([6000] * 7 + [3000] * 20)
    assert watch.state is AlertState.FIRING
    assert _run([3000] * 20)[0].state is AlertState.IDLE


def test_step_value_below_clear_ends_it():
    watch, events = _run([6000] * 7 + [999])
    assert events[-1] is AlertEvent.CLEARED
    assert watch.state is AlertState.IDLE


def test_step_rule_without_duration_raises_at_once():
    rule = RULE.model_copy(update={"for_s": 0})
    watch, events = step(rule, Watch(), 6000, 5)
    assert events == (AlertEvent.CROSSED, AlertEvent.RAISED)
    assert watch.raised


def test_step_unknown_value_never_raises_and_restarts_the_duration():
    watch, events = _run([6000] * 6 + [None] + [6000] * 6)
    assert AlertEvent.RAISED not in events
    assert watch.state is AlertState.PENDING


def test_step_unknown_value_withholds_actions_then_clears():
    firing, _ = _run([6000] * 7)
    held, events = step(RULE, firing, None, 100)
    assert held.raised
    assert not held.may_act
    assert events == ()
    cleared, events = step(RULE, held, None, 220)
    assert events == (AlertEvent.CLEARED_UNKNOWN,)
    assert cleared.state is AlertState.IDLE
    back, _ = step(RULE, held, 6000, 110)
    assert back.may_act


def test_acknowledge_only_a_firing_alert_and_it_still_clears():
    assert acknowledge(Watch(), 0)[1] == ()
    firing, _ = _run([6000] * 7)
    seen, events = acknowledge(firing, 100)
    assert events == (AlertEvent.ACKNOWLEDGED,)
    assert step(RULE, seen, 0, 110)[1] == (AlertEvent.CLEARED,)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=80), st.floats(0.5, 40))
def test_step_any_sequence_alternates_raised_and_cleared(values, seconds):
    _, events = _run(values, seconds=seconds)
    ends = [event for event in events if event is not AlertEvent.CROSSED]
    for index, event in enumerate(ends):
        assert (event is AlertEvent.RAISED) == (index % 2 == 0)
