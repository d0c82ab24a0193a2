"""A building's year, and buildings beside each other: figures, and what is said where there are none."""

from datetime import date, timedelta

import pytest

from energy.buildings.annual import Climate
from energy.buildings.days import Carrier, Days, Stretch
from energy.buildings.factors import Book, FactorsFile
from energy.buildings.indicators import Building, Metered, Unknown, building_year, closed_days
from energy.buildings.portfolio import like_buildings, portfolio, target_state, worst_first
from runtime.presets import shipped_factors

YEAR = Days.of_year(2025)
SOURCED = {"evidence": "secondary", "source": "contract", "as_of": "2026-11-27"}
OWN = FactorsFile.model_validate(
    {
        "factors": [
            {"what": "price", "carrier": "gas", "value": 0.08, "unit": "EUR/kWh", **SOURCED},
            {"what": "price", "carrier": "electricity", "value": 0.3, "unit": "EUR/kWh", **SOURCED},
        ],
        "targets": [
            {
                "id": "plage", "municipality": "Ixelles", "carriers": ["electricity", "gas"], "reference_year": 2019,
                "reference_kwh": 160_000, "reduction": 0.1, "normalised": False, "due": "2028-12-31",
                "penalty_eur_kwh": 0.06, **SOURCED,
            }
        ],
    }
)  # fmt: skip


def temperatures():
    """Winters of 5 °C, summers of 20 °C: half of the year heats."""
    span = Days(date(2024, 1, 1), date(2026, 1, 1))
    return {day: 5.0 if day.month in {1, 2, 3, 10, 11, 12} else 20.0 for day in span}


CLIMATE = Climate(temperatures(), "uccle", Book((OWN, shipped_factors())))


def flat(total, span=YEAR):
    return [Stretch(Days(day, day + timedelta(days=1)), total / span.count) for day in span]


def heated(base, per_degree_day, span=YEAR):
    known = temperatures()
    return [
        Stretch(Days(day, day + timedelta(days=1)), base + per_degree_day * max(0, 15 - known[day])) for day in span
    ]


def building(**more):
    facts = {
        "id": "hall", "name": "Hall", "kind": "town_hall", "community": "ixelles", "municipality": "Ixelles",
        "area_m2": 1000.0, "supplies": (Carrier.ELECTRICITY, Carrier.GAS),
    }  # fmt: skip
    return Building(**(facts | more))


def year(metered, days=YEAR, climate=CLIMATE, **more):
    return building_year(building(**more), metered, days, climate)


def test_known_year_gives_every_figure_with_the_factors_it_rests_on():
    found = year(
        Metered({Carrier.ELECTRICITY: flat(60_000), Carrier.GAS: flat(90_000)}, delivered=flat(40_000)), kind="dwelling"
    )
    assert found.energy_kwh_m2 == pytest.approx(150)
    assert found.primary_kwh_m2 == pytest.approx(2.5 * 40 + 90)
    assert found.co2_kg == pytest.approx(40_000 * 0.395 + 90_000 * 0.202 * 0.903)
    assert found.cost_eur == pytest.approx(40_000 * 0.3 + 90_000 * 0.08)
    assert found.class_ == "D"
    assert found.coverage == 1
    assert found.unknown == ()
    assert {(one.what, one.carrier) for one in found.factors} >= {("primary", "electricity"), ("co2", "gas")}


def test_normal_year_scales_only_what_heats():
    found = year(Metered({Carrier.ELECTRICITY: flat(60_000), Carrier.GAS: heated(100, 20)}))
    gas = found.carriers[Carrier.GAS].year
    observed = 182 * 10
    assert gas.degree_days == pytest.approx(observed)
    assert gas.normalised == pytest.approx(100 * 365 + 20 * observed * 1902 / observed, rel=0.01)
    assert found.carriers[Carrier.ELECTRICITY].year.normalised == pytest.approx(60_000)
    assert found.normalised_kwh == pytest.approx(60_000 + gas.normalised)


def test_unknown_supply_leaves_sums_unknown_and_says_so():
    found = year(Metered({Carrier.ELECTRICITY: flat(60_000)}), supplies=None)
    assert found.energy_kwh is None
    assert found.primary_kwh is None
    assert Unknown.SUPPLIES in found.unknown
    assert found.carriers[Carrier.ELECTRICITY].year.amount == pytest.approx(60_000)


def test_supply_without_a_meter_leaves_sums_unknown():
    found = year(Metered({Carrier.ELECTRICITY: flat(60_000)}))
    assert found.energy_kwh is None
    assert found.carriers[Carrier.GAS].year.amount is None
    assert found.coverage == 0
    assert Unknown.USE in found.unknown


def test_missing_area_leaves_the_sum_but_no_specific_figure():
    found = year(Metered({Carrier.ELECTRICITY: flat(1), Carrier.GAS: flat(1)}), area_m2=None)
    assert found.energy_kwh == pytest.approx(2)
    assert found.energy_kwh_m2 is None
    assert Unknown.AREA in found.unknown


def test_town_hall_has_no_class_and_says_that_no_scale_is_verified():
    found = year(Metered({Carrier.ELECTRICITY: flat(1), Carrier.GAS: flat(1)}))
    assert found.class_ is None
    assert Unknown.SCALE in found.unknown


def test_heat_without_a_factor_has_no_primary_energy():
    found = year(
        Metered({Carrier.ELECTRICITY: flat(1), Carrier.HEAT: flat(5000)}), supplies=(Carrier.ELECTRICITY, Carrier.HEAT)
    )
    assert found.energy_kwh == pytest.approx(5001)
    assert found.primary_kwh is None
    assert Unknown.FACTOR in found.unknown


def test_missing_days_are_filled_by_the_weather_and_counted():
    gas = heated(100, 20)
    missing = {day for day in YEAR if day.month in {11, 12}}
    found = year(
        Metered({Carrier.ELECTRICITY: flat(1), Carrier.GAS: [one for one in gas if one.days.first not in missing]})
    )
    total = found.carriers[Carrier.GAS].year
    assert total.filled_days == 61
    assert total.amount == pytest.approx(sum(one.amount for one in gas), rel=0.01)
    assert total.estimated_share == pytest.approx(61 / 365)
    assert found.estimated_share == pytest.approx(61 / 365)


def test_half_a_year_is_not_made_a_whole_one():
    half = heated(100, 20)[:180]
    found = year(Metered({Carrier.ELECTRICITY: flat(1), Carrier.GAS: half}))
    assert found.carriers[Carrier.GAS].year.amount is None
    assert found.carriers[Carrier.GAS].year.use.coverage == pytest.approx(180 / 365)


def test_last_year_is_compared_on_the_days_both_know():
    before = flat(36_500, Days.of_year(2025).year_before())
    now = flat(73_000)[:200]
    found = year(Metered({Carrier.ELECTRICITY: [*before, *now]}), supplies=(Carrier.ELECTRICITY,))
    change = found.carriers[Carrier.ELECTRICITY].year.change
    assert change.days == 200
    assert change.ratio == pytest.approx((73_000 / 365) / (36_500 / 366) - 1)


def test_too_few_common_days_compare_nothing():
    before = flat(36_500, Days(date(2024, 1, 1), date(2024, 2, 1)))
    found = year(Metered({Carrier.ELECTRICITY: [*before, *flat(1)]}), supplies=(Carrier.ELECTRICITY,))
    assert found.carriers[Carrier.ELECTRICITY].year.change is None


def test_without_temperatures_the_normal_year_is_unknown():
    climate = Climate({}, "uccle", CLIMATE.book)
    found = year(Metered({Carrier.ELECTRICITY: flat(1), Carrier.GAS: heated(1, 1)}), climate=climate)
    assert found.normalised_kwh is None
    assert Unknown.WEATHER in found.unknown


def test_water_is_told_beside_energy_and_not_in_its_sum():
    found = year(
        Metered({Carrier.ELECTRICITY: flat(100), Carrier.WATER: flat(365)}),
        supplies=(Carrier.ELECTRICITY, Carrier.WATER),
    )
    assert found.energy_kwh == pytest.approx(100)
    assert found.carriers[Carrier.WATER].year.amount == pytest.approx(365)
    assert found.cost_eur == pytest.approx(30)
    assert found.carriers[Carrier.WATER].cost_eur is None  # nobody gave a price of water


def _three():
    return [
        year(Metered({Carrier.ELECTRICITY: flat(total)}), id=name, name=name, supplies=(Carrier.ELECTRICITY,))
        for name, total in (("a", 50_000.0), ("b", 90_000.0), ("c", 70_000.0))
    ]


def test_portfolio_sums_what_is_known_and_says_of_how_many():
    unknown = year(Metered({}), id="d", name="d")
    found = portfolio([*_three(), unknown])
    assert (found.buildings, found.known) == (4, 3)
    assert found.energy_kwh_m2 == pytest.approx(70)
    assert (found.area_m2, found.known_area_m2) == (4000, 3000)
    assert found.cost_known == 3


def test_worst_comes_first_and_the_unknown_last():
    unknown = year(Metered({}), id="d", name="d")
    assert [one.building.id for one in worst_first([unknown, *_three()])] == ["b", "c", "a", "d"]


def test_building_stands_among_those_of_its_kind():
    years = _three()
    likes = like_buildings(years[1], years)
    assert (likes.others, likes.median_kwh_m2, likes.place) == (2, pytest.approx(60), 3)
    assert like_buildings(years[1], years[:2]) is None


def test_target_is_unknown_while_a_building_is_and_told_in_kwh_and_euro_when_not():
    (target,) = CLIMATE.book.targets("Ixelles", date(2026, 11, 28))
    state = target_state(target, _three())
    assert target.allowed_kwh == pytest.approx(144_000)
    assert state.to_go_kwh == pytest.approx(210_000 - 144_000)
    assert state.at_stake_eur == pytest.approx(66_000 * 0.06)
    assert target_state(target.model_copy(update={"penalty_eur_kwh": None}), _three()).at_stake_eur is None
    assert target_state(target.model_copy(update={"reference_kwh": 300_000.0}), _three()).at_stake_eur == 0.0
    part = target_state(target, [*_three(), year(Metered({}), id="d")])
    assert (part.used_kwh, part.known, part.buildings, part.known_kwh) == (None, 3, 4, pytest.approx(210_000))


def test_closed_days_follow_the_opening_hours():
    closed = closed_days("Mo-Sa 08:00-18:00")
    assert [closed(date(2026, 11, 23) + timedelta(days=n)) for n in range(7)] == [False] * 6 + [True]
    assert closed_days("whenever")(date(2026, 11, 28))
