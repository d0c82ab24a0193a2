"""Late readings of a closed month: whom they change, and their way into bytes and back."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.quarters import QUARTER_MS
from energy.settlement.late import changes, packed, unpacked
from energy.settlement.month import settle_month
from energy.sharing.settlement import QuarterReadings
from tests.energy.settlement.example import EAN
from tests.energy.settlement.test_month import inputs, readings, settled


def test_changes_name_who_is_charged_otherwise_and_by_how_much():
    """In one quarter-hour m-1 withdrew nothing: its 50 Wh go to m-2, and the town gives as much as before."""
    late = readings()
    late.withdrawal[7, late.points.index(EAN)] = 0
    found = changes(settled().statements, settle_month(inputs(), late).statements)
    assert {(each.member, each.side): each.energy_wh for each in found} == {
        ("m-1", "consumer"): -50,
        ("m-2", "consumer"): 50,
    }
    assert sorted(each.gross > Decimal(0) for each in found) == [False, True]
    assert changes(settled().statements, settled().statements) == []


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32))
def test_readings_come_back_as_they_were_packed(points, quarters, seed):
    random = np.random.default_rng(seed)
    shape = (quarters, points)
    made = QuarterReadings(
        tuple(f"p{n}" for n in range(points)),
        1_780_264_800_000 + np.arange(quarters, dtype=np.int64) * QUARTER_MS,
        random.integers(0, 10**12, shape),
        random.random(shape) < 0.5,
        random.integers(0, 10**12, shape),
        random.random(shape) < 0.5,
    )
    back = unpacked(packed(made))
    assert back.points == made.points
    for name in ("starts", "withdrawal", "withdrawal_known", "injection", "injection_known"):
        assert (getattr(back, name) == getattr(made, name)).all()


def test_packed_readings_give_the_same_run():
    back = unpacked(packed(readings(before=96)))
    assert settle_month(inputs(), back).statements == settled(given=readings(before=96)).statements
    assert replace(back).starts[0] == readings(before=96).starts[0]
