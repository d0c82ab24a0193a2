"""Terms of sizing: dated, with a source, never a default price."""

import pytest
from pydantic import ValidationError

from energy.errors import ConfigError
from energy.sizing.terms import SizingTerms
from tests.energy.sizing.case import DAY, ENERGY, FROM, TERMS, terms


def test_point_has_its_own_price_before_that_of_all_others():
    own = {**ENERGY, "points": ["pool"], "tariff": {"import_eur_kwh": 0.2, "feed_in_eur_kwh": 0.01}}
    found = terms(energy=[ENERGY, own])
    assert (found.tariff_of("pool").import_eur_kwh, found.tariff_of("hall").import_eur_kwh) == (0.2, 0.3)
    with pytest.raises(ConfigError, match="no price holds for hall"):
        terms(energy=[own]).tariff_of("hall")


def test_entries_hold_on_their_days_only():
    past = [
        {**FROM, "valid_to": "2026-06-01", "discount_rate": 0.02},
        {**FROM, "valid_from": "2026-06-01", "discount_rate": 0.03},
    ]
    assert terms(finance=past).finance.discount_rate == 0.03
    with pytest.raises(ConfigError, match="finance: nothing holds on 2026-11-28"):
        terms(finance=past[:1])
    with pytest.raises(ConfigError, match="finance: several hold"):
        terms(finance=[past[1], past[1]])
    with pytest.raises(ConfigError, match="energy: several hold"):
        terms(energy=[ENERGY, ENERGY])


@pytest.mark.parametrize("tariff", [{"import_eur_kwh": 0.3}, {"feed_in_eur_kwh": 0.3}, {}])
def test_no_price_is_taken_from_the_program(tariff):
    with pytest.raises(ValidationError, match="no price is known to the program"):
        terms(energy=[{**ENERGY, "tariff": tariff}])


def test_market_of_years_to_come_is_refused():
    tariff = {**ENERGY["tariff"], "market": {"csv": "prices.csv"}}
    with pytest.raises(ValidationError, match="market prices of years to come"):
        terms(energy=[{**ENERGY, "tariff": tariff}])


def test_what_nobody_confirmed_is_told():
    content = TERMS | {"finance": [{**TERMS["finance"][0], "verified": True}]}
    unverified = SizingTerms.model_validate(content).unverified()
    assert ("pv[0]", "made up") in unverified
    assert "finance[0]" not in dict(unverified)
    assert SizingTerms.model_validate(content).on(DAY).carbon.kg_kwh == 0.2
