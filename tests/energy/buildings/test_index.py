"""Meters read by hand: what is believed, what is asked again, what is refused."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from energy.buildings.days import Days
from energy.buildings.index import ImplausibleError, IndexMeter, IndexReading, check_reading, stretches
from energy.errors import DataError

TODAY = date(2026, 11, 28)
METER = IndexMeter(id="gas-1", carrier="gas", unit="m³", digits=5)


def reading(day, index, **more):
    more = {key: Decimal(value) if key == "exchanged_to" else value for key, value in more.items()}
    return IndexReading(date.fromisoformat(day), Decimal(index), **more)


KNOWN = [reading("2026-07-01", "1000"), reading("2026-08-01", "1062"), reading("2026-09-01", "1124"), reading("2026-10-01", "1184")]  # fmt: skip


def refused(new, known=KNOWN, meter=METER):
    with pytest.raises(DataError) as error:
        check_reading(meter, known, new, TODAY)
    assert error.value.hint or error.value.field
    return error.value


def test_reading_that_goes_on_is_taken():
    check_reading(METER, KNOWN, reading("2026-11-01", "1250.5"), TODAY)


def test_counter_that_goes_back_is_refused_and_told_what_to_do():
    error = refused(reading("2026-11-01", "1100"))
    assert error.field == "index"
    assert "1184" in error.message
    assert "exchanged_to" in error.hint


def test_reading_in_between_must_fit_the_one_behind_it():
    assert "1124" in refused(reading("2026-08-15", "1130")).message


def test_exchanged_meter_counts_on_from_the_new_index():
    exchanged = reading("2026-10-15", "1210", exchanged_to="3.5")
    check_reading(METER, KNOWN, exchanged, TODAY)
    after = reading("2026-11-01", "40")
    check_reading(METER, [*KNOWN, exchanged], after, TODAY)
    found = stretches(METER, [*KNOWN, exchanged, after], 10.0)
    assert [stretch.amount for stretch in found[-2:]] == [260.0, 365.0]


def test_counter_that_went_over_its_highest_number():
    known = [reading("2026-10-01", "99950")]
    over = reading("2026-11-01", "12", rolled=True)
    refused(reading("2026-11-01", "12"), known)
    check_reading(METER, known, over, TODAY)
    assert stretches(METER, [*known, over], 1.0)[0].amount == 62


def test_rollover_needs_the_digits():
    meter = METER.model_copy(update={"digits": None})
    assert refused(reading("2026-11-01", "12", rolled=True), meter=meter).field == "rolled"


def test_jump_must_be_confirmed():
    jump = reading("2026-11-01", "3000")
    assert isinstance(refused(jump), ImplausibleError)
    assert refused(jump).code == "implausible"
    check_reading(METER, KNOWN, reading("2026-11-01", "3000", confirmed=True), TODAY)


def test_first_readings_have_nothing_to_jump_from():
    check_reading(METER, KNOWN[:2], reading("2026-08-02", "9000"), TODAY)


def test_small_use_is_no_jump_however_often_the_usual_one():
    meter = IndexMeter(id="water", carrier="water", unit="m³")
    known = [reading(f"2026-0{month}-01", f"{month / 10}") for month in range(5, 10)]
    check_reading(meter, known, reading("2026-10-01", "100"), TODAY)


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (reading("2026-11-29", "1300"), "day"),
        (reading("2026-10-01", "1300"), "day"),
        (reading("2026-11-01", "-1"), "index"),
        (reading("2026-11-01", "NaN"), "index"),
        (reading("2026-11-01", "Infinity"), "index"),
        (reading("2026-11-01", "100000"), "index"),
        (reading("2026-11-01", "1200", exchanged_to="-2"), "exchanged_to"),
    ],
)
def test_what_cannot_be_is_refused(new, field):
    assert refused(new).field == field


def test_gas_in_cubic_metres_without_a_calorific_value_is_unknown():
    assert stretches(METER, KNOWN) == []
    (first, *_) = stretches(METER, KNOWN, 11.39)
    assert first.days == Days(date(2026, 7, 1), date(2026, 8, 1))
    assert first.amount == pytest.approx(62 * 11.39)


def test_one_bill_of_gas_gives_the_calibration_it_was_made_of():
    known = [reading("2025-01-01", "0"), reading("2026-01-01", "1481")]
    assert stretches(METER, known, 11.39)[0].amount == pytest.approx(16_865, abs=5)


def test_transformer_factor_and_megawatt_hours():
    meter = IndexMeter(id="heat", carrier="heat", unit="MWh", factor=2)
    assert stretches(meter, [reading("2026-01-01", "1"), reading("2026-02-01", "1.5")])[0].amount == 1000


@pytest.mark.parametrize(("carrier", "unit"), [("water", "kWh"), ("electricity", "m³"), ("gas", "MWh")])
def test_meter_of_a_unit_its_carrier_has_not_is_refused(carrier, unit):
    with pytest.raises(ValidationError, match="is read in"):
        IndexMeter(id="a", carrier=carrier, unit=unit)


def test_only_electricity_is_counted_both_ways():
    assert IndexMeter(id="pv", carrier="electricity", unit="kWh", counts="production").counts == "production"
    with pytest.raises(ValidationError, match="only a meter of electricity"):
        IndexMeter(id="a", carrier="water", unit="m³", counts="export")


def test_season_that_was_never_read_is_no_jump():
    check_reading(METER, KNOWN, reading("2026-11-01", "1600"), TODAY)  # thirteen a day after two in summer
    years = [reading(f"{2025 + n // 12}-{n % 12 + 1:02}-01", str(60 * n)) for n in range(22)]
    refused(reading("2026-11-01", str(60 * 21 + 600)), years)


@pytest.mark.parametrize(("days", "refuses"), [(299, False), (300, True)])
def test_jump_is_smaller_once_every_season_is_known(days, refuses):
    """Ten times the usual use: of a year that is a jump, of a summer it may be winter."""
    first = date(2025, 12, 1)
    known = [IndexReading(first + timedelta(days=n), Decimal(n)) for n in (0, 100, 200, days)]
    ten_days = IndexReading(first + timedelta(days=days + 10), Decimal(days + 100))
    if refuses:
        refused(ten_days, known)
    else:
        check_reading(METER, known, ten_days, TODAY)


@given(st.lists(st.integers(0, 400), min_size=2, max_size=30), st.integers(0, 5000))
def test_stretches_add_up_to_the_whole_whatever_the_exchanges(uses, start):
    readings, index, total = [], Decimal(start), 0
    for place, use in enumerate(uses):
        index += use
        total += use if place else 0
        exchanged = Decimal(7) if place % 5 == 4 else None
        readings.append(IndexReading(date(2025, 1, 1) + timedelta(days=place), index, exchanged))
        index = exchanged if exchanged is not None else index
    assert sum(stretch.amount for stretch in stretches(METER, readings, 1.0)) == pytest.approx(total)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.decimals(allow_nan=True, allow_infinity=True)), max_size=12),
)
def test_whatever_is_entered_gives_stretches_without_loss_or_our_error(entries):
    known = []
    for offset, index in entries:
        new = IndexReading(date(2025, 11, 1) + timedelta(days=offset), index)
        try:
            check_reading(METER, known, new, TODAY)
        except DataError:
            continue
        known.append(new)
    assert all(stretch.amount >= 0 for stretch in stretches(METER, known, 11.39))
