"""What changes when a key, a member, a roof or a battery does."""

import numpy as np
import pytest

from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters
from energy.sharing.whatif import gains, with_points, with_roof


def readings(withdrawals, injections, first=0):
    """Of points by name: Wh of each quarter-hour, None where unknown."""
    points = tuple(sorted({*withdrawals, *injections}))
    number = len(next(iter({**withdrawals, **injections}.values())))

    def grid(columns):
        cells = [columns.get(point, [None] * number) for point in points]
        values = np.array([[value or 0 for value in column] for column in cells], dtype=np.int64).T
        return values, np.array([[value is not None for value in column] for column in cells]).T

    starts = (np.arange(number, dtype=np.int64) + first) * QUARTER_MS
    return QuarterReadings(points, starts, *grid(withdrawals), *grid(injections))


def settled(given_, key="prorata", **people):
    rules = {"rounds": key} | ({"participants": people} if people else {})
    return settle_quarters(SharingKey.model_validate(rules), given_)


SCHOOL = readings({"school": [3000, 3000], "hall": [1000, 1000]}, {"roof": [2000, 6000]})


def gain(before, after):
    return {each.point: (each.received_wh, each.given_wh) for each in gains(before, after)}


def test_another_key_takes_from_one_what_it_gives_the_other():
    assert gain(settled(SCHOOL), settled(SCHOOL, "equal")) == {
        "hall": (500, 0),
        "school": (-500, 0),
        "roof": (0, 0),
    }


def test_one_member_more_shares_in_what_was_scarce_and_uses_what_was_left():
    more = with_points(SCHOOL, readings({"baker": [4000, 4000]}, {}))
    assert gain(settled(SCHOOL), settled(more)) == {
        "baker": (1000 + 3000, 0),
        "hall": (-250 - 250, 0),
        "school": (-750 - 750, 0),
        "roof": (0, 2000),
    }


def test_points_of_other_days_or_twice_are_refused():
    with pytest.raises(ValueError, match="hall is there already"):
        with_points(SCHOOL, readings({"hall": [1, 1]}, {}))
    with pytest.raises(ValueError, match="of other days"):
        with_points(SCHOOL, readings({"baker": [1, 1]}, {}, first=2))


def test_quarter_hours_without_the_new_member_are_unknown_of_it():
    more = with_points(SCHOOL, readings({"baker": [4000, 4000]}, {}, first=1))
    assert more.withdrawal_known[:, more.points.index("baker")].tolist() == [False, True]
    assert settled(more).held.tolist() == [True, False]


def test_a_roof_covers_its_own_building_first():
    roofed = with_roof(SCHOOL, "hall", np.array([400, 2500]))
    hall = roofed.points.index("hall")
    assert roofed.withdrawal[:, hall].tolist() == [600, 0]
    assert roofed.injection[:, hall].tolist() == [0, 1500]
    assert roofed.injection_known[:, hall].all()


def test_a_roof_where_the_withdrawal_is_unknown_stays_unknown():
    roofed = with_roof(readings({"hall": [None, 5]}, {}), "hall", np.array([9, 9]))
    assert roofed.injection_known[:, 0].tolist() == [False, True]
    assert roofed.injection[:, 0].tolist() == [0, 4]
