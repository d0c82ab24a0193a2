"""What a kWh costs: bands in local time, the market where it is known, the tariff where it is not."""

import pytest
from pydantic import ValidationError

from energy.quarters import QUARTER_MS
from energy.tariff import Tariff, prices

T = 1_764_284_400_000  # Fri 28 Nov 2025, 00:00 in Brussels
HOUR = 3_600_000


def hours(*numbers):
    return [T + round(number * HOUR) for number in numbers]


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
