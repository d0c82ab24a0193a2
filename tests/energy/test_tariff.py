"""What a kWh costs: bands in local time, the market where it is known, the tariff where it is not."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from energy.quarters import QUARTER_MS
from energy.tariff import Band, SharedEnergy, Tariff, prices, shared_fees

T = 1_764_284_400_000  # Fri 28 Nov 2025, 00:00 in Brussels
HOUR = 3_600_000


def hours(*numbers):
    return [T + round(number * HOUR) for number in numbers]


@pytest.mark.parametrize(("start", "until"), [("22:00", "06:00"), ("08:00", "08:00"), ("00:30", "00:15")])
def test_band_that_would_never_hold_is_refused(start, until):
    """A night tariff from 22:00 to 06:00 as one band would silently cost nobody anything."""
    with pytest.raises(ValidationError, match="a night is two bands"):
        Band.model_validate({"from": start, "until": until, "eur_kwh": 0.2})


@pytest.mark.parametrize(("start", "until"), [("17:00Z", "22:00"), ("17:00", "22:00+01:00"), ("17:00Z", "22:00Z")])
def test_band_with_an_offset_is_refused(start, until):
    with pytest.raises(ValidationError, match="leave out the offset"):
        Band.model_validate({"from": start, "until": until, "eur_kwh": 0.2})


def test_band_may_last_the_whole_day_or_until_midnight():
    local = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)
    for start in ("00:00", "23:00"):
        assert Band.model_validate({"from": start, "until": "00:00", "eur_kwh": 0.2}).holds(local)


def test_first_band_that_holds_decides_in_local_time():
    tariff = Tariff.model_validate(
        {
            "import_eur_kwh": 0.3,
            "bands": [
                {"from": "17:00", "until": "22:00", "days": [5], "eur_kwh": 0.5},
                {"from": "22:00", "until": "00:00", "eur_kwh": 0.2},
            ],
        }
    )
    buy, sell = prices(tariff, hours(16.75, 17, 21.75, 22, 23.75, 24, 41), "Europe/Brussels", {})
    assert buy == [0.3, 0.5, 0.5, 0.2, 0.2, 0.3, 0.3]
    assert sell == [0.05] * 7


def test_market_price_counts_where_it_is_known():
    market = {"csv": "p.csv", "import_factor": 1.1, "import_add_eur_kwh": 0.15, "feed_in_factor": 0.9}
    tariff = Tariff.model_validate({"market": market})
    buy, sell = prices(tariff, [T, T + QUARTER_MS], "Europe/Brussels", {T: 0.1, T - QUARTER_MS: 9.0})
    assert buy == [pytest.approx(0.26), 0.3]
    assert sell == [pytest.approx(0.09), 0.05]


@pytest.mark.parametrize(
    "market", [{}, {"csv": "a", "entsoe": {}}, {"entsoe": {"area": "be!"}}, {"csv": "a", "import_factor": -1}]
)
def test_market_without_one_source_is_refused(market):
    with pytest.raises(ValidationError):
        Tariff.model_validate({"market": market})


BRUSSELS = {"A": 0.0, "B": 0.05769, "C": 0.11538, "D": 0.11538}


def entry(valid_from, eur_kwh, valid_to=None):
    return {"valid_from": valid_from, "valid_to": valid_to, "eur_kwh": eur_kwh, "source": "a tariff card"}


@pytest.mark.parametrize(("grid_type", "fee"), list(BRUSSELS.items()))
def test_grid_fee_is_that_of_the_type_on_its_days_and_the_number_on_others(grid_type, fee):
    fees = [entry("2025-11-29", BRUSSELS, "2025-11-30"), entry("2025-11-30", 0.2)]
    tariff = Tariff.model_validate({"shared_fee_eur_kwh": 0.01, "sharing": {"fees": fees}})
    assert shared_fees(tariff, hours(23.75, 24, 47.75, 48), "Europe/Brussels", grid_type) == [0.01, fee, fee, 0.2]


@pytest.mark.parametrize(
    ("fees", "said"),
    [
        ([entry("2025-01-01", 0.1), entry("2026-01-01", 0.1)], "hold on the same days"),
        ([entry("2025-01-01", 0.1, "2026-01-02"), entry("2026-01-01", 0.1)], "hold on the same days"),
        ([entry("2025-01-01", -0.1)], "from 0 to 1"),
        ([entry("2025-01-01", {"A": 2.0})], "less than or equal to 1"),
        ([{"valid_from": "2025-01-01", "eur_kwh": 0.1}], "source"),
    ],
)
def test_grid_fees_that_contradict_or_say_no_source_are_refused(fees, said):
    with pytest.raises(ValidationError, match=said):
        SharedEnergy.model_validate({"fees": fees})


def test_grid_fee_by_type_needs_the_communitys_type():
    sharing = SharedEnergy.model_validate({"fees": [entry("2025-01-01", {"A": 0.0, "B": 0.05})]})
    sharing.check_type("B")
    with pytest.raises(ValueError, match="no grid_type"):
        sharing.check_type(None)
    with pytest.raises(ValueError, match="none for D"):
        sharing.check_type("D")
