"""A month from readings to statements: by the keys of its days, for whoever held a point on each of them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError, DataError
from energy.quarters import QUARTER_MS
from energy.settlement.curves import curves
from energy.settlement.explain import explain_line, steps
from energy.settlement.gaps import MOST_GAPS
from energy.settlement.inputs import DatedKey, digest, inputs_of
from energy.settlement.month import MonthRun, month_window, settle_month
from energy.settlement.statement import Member
from energy.settlement.terms import Month
from energy.settlement.volumes import Tenure
from energy.sharing.key import SharingKey
from energy.sharing.settlement import Direction, QuarterReadings
from tests.energy.settlement.example import EAN, MONTH, OTHER, SUN, setting

START, END = month_window(MONTH, "Europe/Brussels")
HALF = START + (END - START) // 2
MEMBERS = [Member("m-1", "citizen"), Member("m-2", "sme"), Member("town", "municipality")]
TENURES = [Tenure(EAN, "m-1"), Tenure(OTHER, "m-2"), Tenure(SUN, "town")]
WHOLE = [DatedKey("all", SharingKey.model_validate({"rounds": "prorata"}))]


def readings(before=0, quarters=None):
    """Every quarter-hour: 100 Wh and 300 Wh withdrawn, 200 Wh injected; `before`: so many more at the beginning."""
    count = (END - START) // QUARTER_MS + before if quarters is None else quarters
    points = tuple(sorted((EAN, OTHER, SUN)))
    withdrawal, injection = (np.zeros((count, 3), dtype=np.int64) for _ in range(2))
    withdrawal[:, points.index(EAN)], withdrawal[:, points.index(OTHER)] = 100, 300
    injection[:, points.index(SUN)] = 200
    injects = np.tile(np.array([point == SUN for point in points]), (count, 1))
    starts = START + (np.arange(count, dtype=np.int64) - before) * QUARTER_MS
    return QuarterReadings(points, starts, withdrawal, ~injects, injection, injects)


def inputs(keys=WHOLE, tenures=TENURES, members=MEMBERS, grid_type="D"):
    return inputs_of(setting(grid_type), (START, END), keys, members, tenures)


def settled(keys=WHOLE, tenures=TENURES, given=None):
    return settle_month(inputs(keys, tenures), given or readings())


def received(made):
    return {(each.member, each.point): each.received_wh for each in made.volumes}


def test_month_of_june_has_2880_quarter_hours_and_march_2972():
    assert (END - START) // QUARTER_MS == 2880
    first, last = month_window(Month(2026, 3), "Europe/Brussels")
    assert (last - first) // QUARTER_MS == 31 * 96 - 4


def test_month_adds_up_to_the_wh():
    made = settled()
    assert received(made) == {("m-1", EAN): 50 * 2880, ("m-2", OTHER): 150 * 2880, ("town", SUN): 0}
    assert (made.quarters, made.held) == (2880, 0)


def test_quarter_hours_outside_the_month_count_for_nothing():
    assert received(settled(given=readings(before=96))) == received(settled())


def test_each_key_counts_on_its_own_days():
    keys = [
        DatedKey("old", SharingKey.model_validate({"rounds": "prorata"}), None, HALF),
        DatedKey("new", SharingKey.model_validate({"participants": {OTHER: {}}, "rounds": "prorata"}), HALF, None),
    ]
    made = settled(keys)
    assert received(made)["m-1", EAN] == 50 * 1440
    assert received(made)["m-2", OTHER] == 150 * 1440 + 200 * 1440
    assert [key.id for key in made.keys] == ["old", "new"]


def test_who_moves_in_pays_from_its_first_day():
    made = settled(tenures=[*TENURES[1:], Tenure(EAN, "m-1", None, HALF), Tenure(EAN, "town", HALF, None)])
    assert received(made)["m-1", EAN] == received(made)["town", EAN] == 50 * 1440


@pytest.mark.parametrize(
    ("keys", "tenures", "given", "error", "told"),
    [
        ([replace(WHOLE[0], until=HALF)], TENURES, None, ConfigError, "none is in force on all days"),
        ([], TENURES, None, ConfigError, "none is in force"),
        (WHOLE, TENURES[1:], None, DataError, f"{EAN} belongs to no member"),
        (WHOLE, [*TENURES, Tenure(EAN, "m-2")], None, DataError, "to none, or to two"),
        (WHOLE, [*TENURES[1:], Tenure(EAN, "m-1", HALF)], None, DataError, "for a part of the time"),
        (WHOLE, TENURES, readings(quarters=2879), DataError, "1 quarter-hours at the end of the month"),
        (WHOLE, TENURES, readings(before=-4), DataError, "4 quarter-hours at the beginning"),
    ],
)
def test_month_that_is_not_whole_is_refused(keys, tenures, given, error, told):
    with pytest.raises(error, match=told) as caught:
        settled(keys, tenures, given)
    assert caught.value.hint


def test_held_quarter_hours_are_counted_and_charge_nobody():
    gap = readings()
    gap.withdrawal_known[7, gap.points.index(EAN)] = False
    made = settled(given=gap)
    assert made.held == 1
    assert received(made)["m-2", OTHER] == 150 * 2879


def test_held_quarter_hours_are_named_with_point_and_direction():
    """Two stretches of one meter, one that another shares; what is known or another key's is not among them."""
    given = readings()
    given.withdrawal_known[7:10, given.points.index(EAN)] = False
    given.withdrawal_known[20, given.points.index(EAN)] = False
    given.injection_known[8:9, given.points.index(SUN)] = False
    two = [
        DatedKey("first", WHOLE[0].key, None, START + 9 * QUARTER_MS),
        DatedKey("second", WHOLE[0].key, START + 9 * QUARTER_MS, None),
    ]
    made = settled(two, given=given)
    assert (made.held, made.gaps_left) == (4, 0)
    told = [(gap.point, gap.direction, (gap.start - START) // QUARTER_MS, gap.quarters) for gap in made.gaps]
    assert told == [
        (EAN, Direction.WITHDRAWAL, 7, 3),
        (SUN, Direction.INJECTION, 8, 1),
        (EAN, Direction.WITHDRAWAL, 20, 1),
    ]
    assert {gap.end - gap.start for gap in made.gaps} == {3 * QUARTER_MS, QUARTER_MS}


def test_gaps_that_a_run_keeps_are_bounded_and_the_others_counted():
    given = readings()
    given.withdrawal_known[::2, given.points.index(EAN)] = False
    made = settled(given=given)
    assert (made.held, len(made.gaps), made.gaps_left) == (1440, MOST_GAPS, 1440 - MOST_GAPS)


def test_filled_quarter_hours_are_no_gaps():
    given = readings(before=700)
    given.withdrawal_known[700 + 7, given.points.index(EAN)] = False
    filled = settled(
        [DatedKey("all", SharingKey.model_validate({"rounds": "prorata", "on_missing": "estimate"}))], given=given
    )
    assert (filled.held, filled.gaps) == (0, ())


def test_same_inputs_have_one_digest_and_any_other_another():
    other = readings()
    other.withdrawal[5, 0] += 1
    unknown = readings()
    unknown.withdrawal_known[5, 0] = ~unknown.withdrawal_known[5, 0]
    digests = [digest(inputs(), given) for given in (readings(), other, unknown)]
    digests += [digest(one, readings()) for one in (inputs(grid_type="B"), inputs(members=MEMBERS[1:]))]
    assert len(set(digests)) == len(digests)
    assert digest(inputs(members=MEMBERS[::-1], tenures=TENURES[::-1]), readings()) == digests[0]


def test_run_goes_to_json_and_back_and_can_be_made_again_from_it():
    made = settled(
        [
            DatedKey(
                "h",
                SharingKey.model_validate(
                    {"participants": {EAN: {"stake": 3}, OTHER: {"stake": 4}}, "rounds": "hybrid"}
                ),
            )
        ]
    )
    run = MonthRun("preview", "0" * 64, made.inputs, 2880, 0, made.volumes, made.statements)
    again = msgspec.json.decode(msgspec.json.encode(run), type=MonthRun)
    assert again == run
    assert settle_month(again.inputs, readings()).statements == run.statements


def test_every_euro_is_traced_to_its_quarter_hours():
    made = settled()
    for statement in made.statements:
        for line in statement.lines:
            told = explain_line(made, statement.member, line)
            assert told.startswith(f"{line.net} EUR: {line.name}")
            assert "2,880 quarter-hours" in told
    energy = made.statements[0].lines[0]
    assert explain_line(made, "m-1", energy).startswith(
        f"20.16 EUR: shared_energy, 144.000 kWh x 0.14 EUR/kWh, half up to cents (agreement, art. 7). 144.000 kWh is what "
        f"{EAN} received in 2,880 quarter-hours, the most at 2026-05-31T22:00Z: {EAN} withdrew 0.100 kWh and received 0.050 kWh"
    )
    found = steps(made, "m-1", EAN)
    assert sum(step.received_wh for step in found) == energy.energy_wh


def test_step_tells_its_reading_and_whether_the_key_filled_it():
    gap = readings()
    gap.withdrawal_known[96, gap.points.index(EAN)] = False
    gap.withdrawal[96, gap.points.index(EAN)] = 0
    made = settled(
        [DatedKey("e", SharingKey.model_validate({"rounds": "prorata", "on_missing": "estimate"}))], given=gap
    )
    found = steps(made, "m-1", EAN)
    assert {(step.withdrawal_wh, step.injection_wh, step.received_wh) for step in found} == {(100, 0, 50)}
    assert [step.start for step in found if step.filled] == [START + 96 * QUARTER_MS]
    assert found[96].filled == {Direction.WITHDRAWAL}


def test_who_moves_out_sees_its_own_quarter_hours_alone():
    made = settled(tenures=[*TENURES[1:], Tenure(EAN, "m-1", None, HALF), Tenure(EAN, "town", HALF, None)])
    before, after = steps(made, "m-1", EAN), steps(made, "town", EAN)
    assert (before[0].start, before[-1].start) == (START, HALF - QUARTER_MS)
    assert (after[0].start, after[-1].start) == (HALF, END - QUARTER_MS)
    assert steps(made, "m-2", EAN) == []
    whole = {(curve.member, curve.point): (curve.start, curve.values.shape[1]) for curve in curves(made)}
    assert whole == {
        ("m-1", EAN): (START, 1440),
        ("town", EAN): (HALF, 1440),
        ("m-2", OTHER): (START, 2880),
        ("town", SUN): (START, 2880),
    }


def test_line_that_is_not_from_these_readings_is_refused():
    made = settled()
    with pytest.raises(DataError, match="its quarter-hours add up to 144000"):
        explain_line(made, "m-1", replace(made.statements[0].lines[0], energy_wh=1))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["prorata", "equal", "hybrid", "fixed-multi", "priority"]),
    st.sampled_from(["hold", "zero", "estimate"]),
    st.sampled_from("ABCD"),
)
def test_any_month_adds_up_from_quarter_hours_to_euros_and_is_the_same_again(seed, rounds, on_missing, grid_type):
    random = np.random.default_rng(seed)
    month = readings()
    for values in (month.withdrawal, month.injection):
        values[:] = np.where(values > 0, random.integers(0, 2000, values.shape), 0)
    month.withdrawal_known[random.integers(0, 2880, 20), month.points.index(EAN)] = False
    month.withdrawal[~month.withdrawal_known] = 0
    people = {EAN: {"weight": "1/3", "tier": 1}, OTHER: {"weight": 0.5, "tier": 2}}
    key = SharingKey.model_validate({"participants": people, "rounds": rounds, "on_missing": on_missing})
    given_ = inputs([DatedKey("k", key)], grid_type=grid_type)
    made = settle_month(given_, month)
    (settlement,) = made.settlements
    counted = ~settlement.held
    assert sum(received(made).values()) == settlement.given[counted].sum() == settlement.received[counted].sum()
    assert counted.sum() == made.quarters - made.held
    for statement in made.statements:
        wh = statement.energy.received_wh if statement.side == "consumer" else statement.energy.given_wh
        own = [line for line in statement.lines if line.kind in {"energy", "remuneration"}]
        assert sum(line.energy_wh for line in own) == wh
        assert statement.totals.net == sum(line.net for line in statement.lines)
        for line in statement.lines:
            assert str(line.net) in explain_line(made, statement.member, line)
    assert settle_month(given_, month).statements == made.statements
