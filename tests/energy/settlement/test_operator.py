"""The grid operator's volumes beside ours."""

from dataclasses import replace
from decimal import Decimal

import pytest

from energy.errors import DataError
from energy.settlement.operator import OperatorTotal, differences, operator_volumes
from energy.settlement.volumes import Tenure
from tests.energy.settlement.example import EAN, OTHER, SUN, volume

WINDOW = (1000, 2000)


def total(ean, shared_wh=0, given_wh=0, fee=None):
    return OperatorTotal(ean, shared_wh, None, given_wh, fee)


def test_day_and_night_of_a_point_are_added_and_what_is_unknown_stays_so():
    day, night = OperatorTotal(EAN, 100, 5, 0, Decimal("1.10")), OperatorTotal(EAN, 30, None, 2, None)
    assert day.plus(night) == OperatorTotal(EAN, 130, None, 2, Decimal("1.10"))
    assert night.plus(day) == day.plus(night)


def test_what_a_point_withdrew_is_what_it_shared_and_what_its_supplier_sold():
    (known, unknown) = operator_volumes(
        [OperatorTotal(EAN, 100, 40, 0, None), total(OTHER, 100)], [Tenure(EAN, "m-1"), Tenure(OTHER, "m-2")], WINDOW
    )
    assert (known.withdrawal_wh, known.received_wh, known.injection_wh) == (140, 100, 0)
    assert unknown.withdrawal_wh == 100


def test_totals_become_the_volumes_of_who_holds_the_point():
    made = operator_volumes(
        [total(OTHER, 7), total(EAN, 0, 9)], [Tenure(EAN, "m-1"), Tenure(OTHER, "m-2", 0, 2000)], WINDOW
    )
    assert {(each.member, each.point): (each.received_wh, each.given_wh) for each in made} == {
        ("m-1", EAN): (0, 9),
        ("m-2", OTHER): (7, 0),
    }


@pytest.mark.parametrize(
    ("tenures", "told"),
    [
        ([], "belongs to no member"),
        ([Tenure(EAN, "m-1", None, 1500), Tenure(EAN, "m-2", 1500, None)], "changes its member within the month"),
    ],
)
def test_point_that_is_not_one_members_all_month_is_refused(tenures, told):
    with pytest.raises(DataError, match=told):
        operator_volumes([total(EAN, 1)], tenures, WINDOW)


def test_every_difference_is_told_also_of_points_that_only_one_side_knows():
    ours = [volume(100), volume(50, point=OTHER)]
    found = differences(ours, [total(EAN, 90), total(OTHER, 50), total(SUN, 0, 140)])
    assert [(each.ean, each.direction, each.ours_wh, each.theirs_wh) for each in found] == [
        (SUN, "injection", 0, 140),
        (EAN, "withdrawal", 100, 90),
    ]
    moved = [volume(60, given_wh=5), volume(40, member="m-2", given_wh=7)]
    assert differences(moved, [total(EAN, 100, 12)]) == ()
    (one,) = differences(ours, [total(EAN, 100)])
    assert (one.ean, one.ours_wh, one.theirs_wh, one.causes) == (OTHER, 50, 0, ("only_ours",))


def known(shared_wh, withdrawal_wh):
    """The operator's month of EAN with all that it withdrew."""
    return OperatorTotal(EAN, shared_wh, withdrawal_wh - shared_wh, 0, None)


@pytest.mark.parametrize(
    ("own", "theirs", "held", "causes"),
    [
        ({}, known(5000, 9000), 0, ("key",)),
        ({}, known(5000, 9500), 0, ("readings",)),
        ({}, known(5000, 9001), 0, ("key",)),  # both count to the Wh
        ({"estimated": 3}, known(5000, 9500), 0, ("readings", "estimated")),
        ({"estimated": 3}, known(5000, 9000), 0, ("estimated",)),
        ({}, known(5000, 9500), 4, ("held",)),  # which quarter-hours it withdrew more in is not known
        ({"estimated": 3}, known(5000, 9000), 4, ("held", "estimated")),
        ({}, known(8000 - 2879, 9000), 0, ("rounding",)),
        ({}, known(8000 - 2880, 9000), 0, ("key",)),
        ({}, total(EAN, 5000), 0, ("key",)),  # a file without the complementary volume tells less
        (None, total(EAN, 5000), 0, ("only_theirs",)),
        (None, total(EAN, 5000), 4, ("held", "only_theirs")),
    ],
)
def test_difference_says_what_two_totals_can_tell_of_its_cause(own, theirs, held, causes):
    ours = [] if own is None else [replace(volume(8000, withdrawal_wh=9000), **own)]
    (found,) = differences(ours, [theirs], [volume(5000, member="m-9")], held)
    assert found.causes == causes
    assert found.members == (("m-9",) if own is None else ("m-1", "m-9"))
