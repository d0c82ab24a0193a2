"""The grid operator's volumes beside ours."""

from decimal import Decimal

import pytest

from energy.errors import DataError
from energy.settlement.operator import Difference, OperatorTotal, differences, operator_volumes
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
    assert differences(ours, [total(EAN, 90), total(OTHER, 50), total(SUN, 0, 140)]) == (
        Difference(SUN, "injection", 0, 140),
        Difference(EAN, "withdrawal", 100, 90),
    )
    moved = [volume(60, given_wh=5), volume(40, member="m-2", given_wh=7)]
    assert differences(moved, [total(EAN, 100, 12)]) == ()
    assert differences(ours, [total(EAN, 100)]) == (Difference(OTHER, "withdrawal", 50, 0),)
