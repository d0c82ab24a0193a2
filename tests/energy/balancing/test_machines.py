"""Machines that run once: when they wait, begin and go on, in every state of what is known."""

import itertools

import pytest

from energy.balancing.cycle import decide
from energy.balancing.machines import ON, MachineWish, machine_of
from energy.balancing.now import CommunityNow, Limits, Machine, Rates, SiteNow

T = 1_764_319_500_000  # 09:45 in Brussels
HOUR = 3_600_000
PARTS = ((30.0, 2000.0), (30.0, 100.0))


def machine(wish, *, planned_ms=None, standing=None, now_ms=T):
    return machine_of(
        "hall/boiler", PARTS, wish, now_ms, "Europe/Brussels", planned_ms=planned_ms, wired=(0,), standing=standing
    )


def wish(earliest_h=0.0, finish_h=6.0, started_h=None):
    started_ms = None if started_h is None else T + round(started_h * HOUR)
    return MachineWish(T + round(earliest_h * HOUR), T + round(finish_h * HOUR), T, started_ms)


@pytest.mark.parametrize(
    ("wanted", "planned_h", "standing", "stage", "said"),
    [
        (None, None, None, "", "nobody wants"),
        (wish(1), 0, None, "", "not to run before 10:45"),
        (wish(), None, None, "", "14:43, the last moment"),
        (wish(), 2, None, "", "11:45, the best time"),
        (wish(), 0, None, "due", "finds no better time"),
        (wish(), -1, None, "due", "finds no better time"),
        (wish(finish_h=1), 2, None, "due", "ready by 10:45"),
        (wish(finish_h=0.5), None, None, "due", "ready by 10:15"),  # too late is as soon as possible
        (wish(), 2, ON, "runs", "Starts"),  # asked for, not confirmed yet
        (wish(started_h=-0.5), 2, None, "runs", "Runs until 10:15"),
        (wish(started_h=-1), 2, ON, "", "has run"),
    ],
)
def test_machine_waits_begins_goes_on_and_ends(wanted, planned_h, standing, stage, said):
    planned_ms = None if planned_h is None else T + round(planned_h * HOUR)
    found = machine(wanted, planned_ms=planned_ms, standing=standing)
    assert (found.runs, found.due) == (stage == "runs", stage == "due")
    assert said in found.reason
    assert found.reason.endswith(".")
    assert found.power_w == 2000


def answer(each, **site):
    now = CommunityNow(0.0, 600.0, (SiteNow("hall", machines=(each,), **site),), Rates())
    (decision,) = [found for found in decide(now).decisions if found.device == each.id]
    return decision


def test_machine_that_runs_is_never_cut_whatever_is_known_or_exceeded():
    runs = Machine("hall/boiler", 2000, "Runs.", runs=True)
    sites = [
        {"unknown": "Let go: the grid meter is silent."},
        {"settled": False},
        {"grid_w": 90_000.0, "limits": Limits(import_w=1000)},
    ]
    for site in sites:
        assert answer(runs, **site).value == ON


def test_machine_that_is_due_begins_only_where_all_is_known_and_the_limits_leave_room():
    due = Machine("hall/boiler", 2000, "Starts.", due=True)
    assert answer(due, grid_w=500.0).value == ON
    assert answer(due, grid_w=500.0, limits=Limits(import_w=2400)).value is None
    assert "it needs 2.0 kW" in answer(due, grid_w=500.0, limits=Limits(import_w=2400)).reason
    assert answer(due, grid_w=500.0, limits=Limits(import_w=3000)).value == ON
    assert answer(due, unknown="Let go.").value is None
    assert answer(due, settled=False).value is None


def test_machines_never_begin_together_beyond_a_limit():
    for grid_w, import_w in itertools.product((-3000.0, 0.0, 1500.0), (1000.0, 4000.0, 7000.0)):
        each = tuple(Machine(f"hall/{number}", 2000, "Starts.", due=True) for number in range(4))
        now = CommunityNow(
            0.0, 600.0, (SiteNow("hall", grid_w=grid_w, limits=Limits(import_w=import_w), machines=each),), Rates()
        )
        begun = sum(found.value == ON for found in decide(now).decisions)
        assert grid_w + 2000 * begun <= max(import_w, grid_w)
