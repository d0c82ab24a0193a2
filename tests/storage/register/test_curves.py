"""Members' settled quarter-hours: kept by month, replaced by a correction, cut to a period, forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from energy.quarters import QUARTER_MS
from energy.settlement.curves import COLUMNS, UNKNOWN, Curve, curves
from storage.register import curves as kept
from tests.energy.settlement.test_month import END, HALF, START, TENURES, WHOLE, readings, settled

POINT = TENURES[0].point


def curve(member="m-1", start=START, quarters=4, point=POINT, first=0):
    values = np.arange(first, first + quarters * len(COLUMNS), dtype=np.int32).reshape(len(COLUMNS), quarters)
    return Curve(member, point, start, values)


def rows(found):
    return [(each.member, each.point, each.start, each.values.tolist()) for each in found]


def test_a_curve_comes_back_as_it_was_kept(register):
    made = curve()
    made.values[1, 2] = UNKNOWN
    with register.database.write() as connection:
        kept.keep(connection, "ixelles", "2026-06", 1, [made, curve("m-2", point="x")])
        assert rows(kept.of_participants(connection, ["m-1"], START, END)) == rows([made])
        assert len(kept.of_community(connection, "ixelles", START, END)) == 2
        assert kept.of_community(connection, "schaerbeek", START, END) == []


def test_a_correction_takes_the_place_of_the_whole_month(register):
    with register.database.write() as connection:
        kept.keep(connection, "ixelles", "2026-06", 1, [curve(), curve("m-2")])
        kept.keep(connection, "ixelles", "2026-06", 2, [curve(first=100)])
        assert rows(kept.of_community(connection, "ixelles", START, END)) == rows([curve(first=100)])


@pytest.mark.parametrize(("first", "last"), [(0, 4), (1, 3), (-5, 2), (3, 99), (4, 9), (-9, 0)])
def test_a_period_has_the_quarter_hours_that_begin_in_it(register, first, last):
    with register.database.write() as connection:
        kept.keep(connection, "ixelles", "2026-06", 1, [curve()])
        found = kept.of_community(connection, "ixelles", START + first * QUARTER_MS, START + last * QUARTER_MS)
    wanted = list(range(max(first, 0), min(last, 4)))
    assert [each.values[0].tolist() for each in found] == ([wanted] if wanted else [])


def test_who_is_forgotten_is_gone_and_others_stay(register):
    with register.database.write() as connection:
        kept.keep(connection, "ixelles", "2026-06", 1, [curve(), curve("m-2")])
        assert kept.forget(connection, ["m-1"]) == 1
        assert [each.member for each in kept.of_community(connection, "ixelles", START, END)] == ["m-2"]


def test_a_settled_month_gives_each_member_its_own_and_adds_up(register):
    found = {each.member: each for each in curves(settled())}
    assert set(found) == {"m-1", "m-2", "town"}
    assert sum(int(each.values[1].sum()) for each in found.values() if each.member != "town") == 200 * 2880
    assert int(found["town"].values[3].sum()) == 200 * 2880
    assert (found["town"].values[0] == UNKNOWN).all()  # it only injects


def test_a_point_that_passes_from_member_to_member_is_divided_at_the_moment(register):
    passed = [*TENURES[1:], type(TENURES[0])(POINT, "m-1", None, HALF), type(TENURES[0])(POINT, "m-2", HALF, None)]
    found = [each for each in curves(settled(WHOLE, passed, readings())) if each.point == POINT]
    assert [(each.member, each.start, each.values.shape[1]) for each in found] == [
        ("m-1", START, 1440),
        ("m-2", HALF, 1440),
    ]
