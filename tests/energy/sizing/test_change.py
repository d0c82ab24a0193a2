"""A battery for the community in the readings of one point."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters
from energy.sizing.change import with_battery
from energy.sizing.store import Store
from tests.energy.sizing.case import readings


def shared(of: QuarterReadings) -> int:
    return int(settle_quarters(SharingKey.model_validate({"rounds": "prorata"}), of).received.sum())


def test_a_battery_keeps_what_nobody_could_use_for_the_quarter_hours_that_lack():
    town = readings({"school": [1000, 5000, 5000]}, {"roof": [9000, 0, 1000]})
    kept = with_battery(town, "roof", Store(capacity_wh=5000, power_w=16_000, efficiency=0.64))
    roof = kept.points.index("roof")
    assert kept.injection[:, roof].tolist() == [9000 - 4000, 2560, 1000]
    assert shared(kept) == shared(town) + 2560


def test_a_battery_rests_where_anything_is_unknown():
    town = readings({"school": [1000, None, 5000]}, {"roof": [9000, 0, 1000]})
    kept = with_battery(town, "roof", Store(5000, 16_000, 0.9))
    assert kept.injection[1, kept.points.index("roof")] == 0
    assert kept.withdrawal_known[:, kept.points.index("school")].tolist() == [True, False, True]


amounts = st.lists(st.integers(0, 9000), min_size=12, max_size=12)


@settings(deadline=None)
@given(amounts, amounts, amounts, st.integers(0, 9000), st.integers(0, 20_000), st.integers(1, 100))
def test_a_battery_makes_no_energy_and_keeps_within_its_power(school, hall, roof, capacity, power, efficiency):
    town = readings({"school": school, "hall": hall}, {"hall": roof})
    kept = with_battery(town, "hall", Store(capacity, power, efficiency / 100))
    assert (kept.withdrawal >= 0).all()
    assert (kept.injection >= 0).all()
    taken = (kept.withdrawal - kept.injection).sum() - (town.withdrawal - town.injection).sum()
    assert taken >= 0, "what it gives it took before, and lost a part of it"
    for row in range(12):
        charged = (kept.withdrawal - kept.injection)[row].sum() - (town.withdrawal - town.injection)[row].sum()
        assert abs(charged) <= power // 4
