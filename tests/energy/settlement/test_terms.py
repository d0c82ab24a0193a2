from decimal import Decimal

import pytest
from pydantic import ValidationError

from energy.errors import ConfigError
from energy.settlement.terms import Month, least_local
from tests.energy.settlement.example import MONTH, YEAR, terms

PRICE = {"eur_kwh": "0.14", "source": "art. 7"}


def test_operation_has_the_least_local_type_of_any_participant():
    assert least_local(["A", "C", "B"]) == "C"


def test_month_is_parsed_and_ends_where_the_next_begins():
    assert str(Month.parse("2026-12").end) == "2027-01-01"
    with pytest.raises(ConfigError, match="is no month"):
        Month.parse("2026-13")


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ([{**PRICE, "valid_from": "2026-07-01"}], "nothing holds in 2026-06 for citizen"),
        ([{**PRICE, "valid_from": "2026-01-01", "valid_to": "2026-06-01"}], "nothing holds"),
        ([{**PRICE, "valid_from": "2026-06-02"}], "changes within 2026-06"),
        ([{**PRICE, "valid_from": "2026-01-01", "valid_to": "2026-06-15"}], "changes within 2026-06"),
        ([{**PRICE, **YEAR}, {**PRICE, **YEAR}], "several hold in 2026-06 for citizen"),
        ([{**PRICE, **YEAR, "classes": ["sme"]}], "nothing holds in 2026-06 for citizen"),
    ],
)
def test_price_that_is_not_one_for_the_whole_month_is_refused(prices, told):
    with pytest.raises(ConfigError, match=told) as caught:
        terms(shared_energy=prices).price(MONTH, "citizen")
    assert caught.value.hint


def test_price_changes_on_the_first_day_of_a_month():
    prices = [
        {**PRICE, "valid_from": "2026-01-01", "valid_to": "2026-07-01"},
        {**PRICE, "eur_kwh": "0.15", "valid_from": "2026-07-01"},
    ]
    dated = terms(shared_energy=prices)
    assert [dated.price(Month(2026, month), "citizen").eur_kwh for month in (6, 7)] == [
        Decimal("0.14"),
        Decimal("0.15"),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"network": "billed_by_supplier"}, "do not belong on invoices"),
        ({"shared_energy": []}, "at least 1"),
        ({"shared_energy": [{"eur_kwh": "NaN", "source": "x", **YEAR}]}, "finite"),
        ({"shared_energy": [{"eur_kwh": "0.14", **YEAR}]}, "source"),
        ({"vat": [{"rate": "6", "source": "x", **YEAR}]}, "less than or equal to 1"),
        ({"vat": [{"rate": "0.06", "category": "E", "source": "x", **YEAR}]}, "category S goes with a rate above 0"),
        ({"vat": [{"rate": "0", "category": "S", "source": "x", **YEAR}]}, "category S goes with a rate above 0"),
    ],
)
def test_terms_that_make_no_sense_are_refused(fields, told):
    with pytest.raises(ValidationError, match=told):
        terms(**fields)


def test_entries_that_nobody_confirmed_are_told_with_their_source():
    confirmed = [{**PRICE, **YEAR, "verified": True}]
    doubts = terms(shared_energy=confirmed).unverified()
    assert ("vat[0]", "to be confirmed") in doubts
    assert not any(field.startswith("shared_energy") for field, _ in doubts)


@pytest.mark.parametrize(
    ("rate", "category", "code", "exemption"),
    [
        ("0.21", None, "S", ""),
        ("0.21", "S", "S", ""),
        ("0", None, "E", "law"),
        ("0", "Z", "Z", ""),
        ("0", "O", "O", "law"),
    ],
)
def test_vat_rate_knows_its_category_and_why_none_is_due(rate, category, code, exemption):
    (made,) = terms(vat=[{"rate": rate, "category": category, "source": "law", **YEAR}]).vat
    assert (made.code, made.exemption) == (code, exemption)
