"""Factors are dated and say their source; the shipped file and a town's own."""

from datetime import date
from importlib.resources import files

import pytest
import yaml
from pydantic import ValidationError

from energy.buildings.days import Carrier, Days
from energy.buildings.factors import Book, FactorsFile
from runtime.presets import shipped_factors

TODAY = date(2026, 11, 28)
SOURCED = {"evidence": "secondary", "source": "a bill", "as_of": "2026-11-27"}


def book(**own):
    return Book((FactorsFile.model_validate(own), shipped_factors()))


def factor(what, carrier, value, **more):
    unit = {"co2": "kg/kWh", "price": "EUR/kWh", "primary": "kWh/kWh", "calorific": "kWh/m³"}[what]
    return {"what": what, "carrier": carrier, "value": value, "unit": unit, **SOURCED, **more}


def test_shipped_file_has_a_source_and_a_day_for_every_entry():
    content = yaml.safe_load((files("energy.buildings") / "factors.yaml").read_text(encoding="utf-8"))
    entries = [entry for group in content.values() for entry in group]
    assert len(entries) > 10
    assert all(entry["source"] and entry["as_of"] and entry["evidence"] for entry in entries)


def test_electricity_counts_two_and_a_half_in_brussels_and_says_that_nobody_confirmed_it():
    found = book().factor("primary", Carrier.ELECTRICITY, "brussels", TODAY)
    assert found.value == 2.5
    assert found.evidence == "unverified"
    assert any("primary electricity" in told for told in book().files[1].unverified())


def test_gas_co2_of_the_net_value_is_brought_to_the_gross_one_that_bills_have():
    value, rested = book().per_gross_kwh("co2", Carrier.GAS, "brussels", TODAY)
    assert value == pytest.approx(0.182, abs=0.0005)  # 56.1 kg/GJ = 0.202 kg/kWh net = 0.182 gross
    assert [one.what for one in rested] == ["co2", "ncv_per_gcv"]
    net = next(one for one in rested if one.what == "co2").value
    assert net == pytest.approx(56.1 * 3.6 / 1000, abs=0.0005)


def test_heat_has_no_factor_until_somebody_gives_one():
    assert book().per_gross_kwh("co2", Carrier.HEAT, "brussels", TODAY) is None


def test_town_file_comes_before_the_shipped_one():
    own = book(factors=[factor("co2", "electricity", 0.15, region="brussels")])
    assert own.factor("co2", Carrier.ELECTRICITY, "brussels", TODAY).value == 0.15
    assert own.factor("primary", Carrier.ELECTRICITY, "brussels", TODAY).value == 2.5


def test_factor_ends_and_the_next_begins_on_the_day_given():
    own = book(
        factors=[
            factor("price", "gas", 0.08, valid_to="2026-07-01"),
            factor("price", "gas", 0.09, valid_from="2026-07-01"),
        ]
    )
    assert own.factor("price", Carrier.GAS, "brussels", date(2026, 6, 30)).value == 0.08
    assert own.factor("price", Carrier.GAS, "brussels", date(2026, 7, 1)).value == 0.09


def test_of_a_region_comes_before_everywhere():
    own = book(factors=[factor("price", "gas", 0.08), factor("price", "gas", 0.07, region="flanders")])
    assert own.factor("price", Carrier.GAS, "flanders", TODAY).value == 0.07
    assert own.factor("price", Carrier.GAS, "brussels", TODAY).value == 0.08


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (factor("co2", "gas", 0.2), "say the basis"),
        (factor("price", "water", 4.0), "EUR/m³"),
        (factor("co2", "electricity", 0.2, unit="t/MWh"), "is in kg/kWh"),
        (factor("co2", "electricity", -1), "greater than or equal to 0"),
        ({key: value for key, value in factor("co2", "electricity", 1).items() if key != "source"}, "source"),
    ],
)
def test_factor_that_is_not_clear_is_refused(wrong, told):
    with pytest.raises(ValidationError, match=told):
        FactorsFile.model_validate({"factors": [wrong]})


def test_two_factors_of_one_day_are_refused():
    twice = [factor("price", "gas", 0.08), factor("price", "gas", 0.09)]
    with pytest.raises(ValidationError, match="stands twice"):
        FactorsFile.model_validate({"factors": twice})


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        (-1, "A++"), (0, "A++"), (0.1, "A+"), (15, "A+"), (30, "A"), (45, "A-"), (45.1, "B+"), (62, "B+"), (78, "B"),
        (95, "B-"), (96, "C+"), (113, "C+"), (132, "C"), (150, "C-"), (170, "D+"), (190, "D"), (210, "D-"), (232, "E+"),
        (253, "E"), (275, "E-"), (345, "F"), (345.1, "G"), (2000, "G"),
    ],
)  # fmt: skip
def test_class_of_a_brussels_dwelling_has_inclusive_upper_bounds(primary, expected):
    scale = book().scale("social_housing", "brussels", TODAY)
    assert scale.class_of(primary) == expected


@pytest.mark.parametrize(("primary", "expected"), [(85, "A"), (170, "B"), (255, "C"), (510, "F"), (511, "G")])
def test_class_of_a_walloon_dwelling(primary, expected):
    assert book().scale("dwelling", "wallonia", TODAY).class_of(primary) == expected


def test_offices_have_no_class_because_no_bounds_are_verified():
    assert book().scale("town_hall", "brussels", TODAY) is None


def test_degree_days_of_uccle_are_known_by_year_and_normal():
    known = {2014: 1424, 2015: 1704, 2016: 1948, 2017: 1780, 2018: 1739}
    assert {year: book().observed("uccle", 15.0, Days.of_year(year)).value for year in known} == known
    assert book().observed("uccle", 15.0, Days(date(2018, 1, 1), date(2018, 7, 1))) is None
    assert book().normal("uccle", 15.0, TODAY).value == 1902
