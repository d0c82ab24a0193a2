"""Members with the social tariff never pay more for sharing than they would have without."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError, RefusedError
from energy.settlement.guard import allowed_gross
from energy.settlement.statement import Member, statements
from energy.settlement.terms import SocialGuard
from tests.energy.settlement.example import YEAR, setting, volume

PROTECTED = Member("m-1", "citizen", social_tariff=True)
REFERENCE = {"reference_eur_kwh": "0.24927", "source": "social tariff, July 2026", **YEAR}


def test_cap_lowers_by_a_line_of_its_own_to_what_the_social_tariff_asks(charge):
    """123.457 kWh cost 39.88 in type D; at the social tariff 30.77."""
    made = charge(member=PROTECTED)
    reduction = made.lines[-1]
    assert (reduction.kind, reduction.name) == ("reduction", "never_worse_off")
    assert made.totals.gross <= Decimal("30.77") < made.totals.gross + Decimal("0.02")
    assert charge().totals.gross == Decimal("39.88"), "others pay what they pay"


def test_cheap_sharing_is_left_alone(charge):
    assert [line.name for line in charge(member=PROTECTED, grid_type="A").lines] == [
        "shared_energy",
        "network",
        "excise",
    ]


def test_warning_names_both_costs(charge):
    made = charge(member=PROTECTED, social=[REFERENCE | {"action": "warn"}])
    assert made.totals.gross == Decimal("39.88")
    assert "39.88 EUR for shared energy is 9.11 EUR more" in made.warnings[0]


def test_stop_refuses_the_run(charge):
    with pytest.raises(RefusedError, match=r"m-1, 2026-06: 39\.88 EUR") as caught:
        charge(member=PROTECTED, social=[REFERENCE | {"action": "stop"}])
    assert caught.value.hint


def test_suppliers_fee_counts_by_the_month():
    guard = SocialGuard.model_validate(REFERENCE | {"supplier_fee_eur_year": "120"})
    assert allowed_gross(guard, 100_000) == Decimal("14.92")
    assert allowed_gross(guard, 1000) == 0


def test_cap_never_takes_what_is_owed_to_others_and_says_what_is_left(charge):
    made = charge(member=PROTECTED, social=[REFERENCE | {"reference_eur_kwh": "0.10"}])
    assert made.lines[-1].net == Decimal("-17.28"), "the community's own price, and no more"
    assert "even without the community's own price" in made.warnings[0]


def test_protected_member_without_a_guard_in_force_is_refused(charge):
    with pytest.raises(ConfigError, match="social: nothing holds in 2026-06 for citizen"):
        charge(member=PROTECTED, social=[])


@settings(deadline=None)
@given(st.integers(1, 10**7), st.decimals("0.01", "0.6", places=5), st.sampled_from("ABCD"), st.integers(0, 150))
def test_protected_member_pays_at_most_the_reference_or_the_community_gave_up_its_price(
    received, reference, grid_type, fee
):
    social = [REFERENCE | {"reference_eur_kwh": str(reference), "supplier_fee_eur_year": fee}]
    (made,) = statements(setting(grid_type, social=social), [PROTECTED], [volume(received)])
    (plain,) = statements(setting(grid_type), [Member("m-1", "citizen")], [volume(received)])
    allowed = allowed_gross(setting(social=social).terms.social[0], received)
    assert made.totals.gross <= plain.totals.gross
    assert made.totals.gross <= allowed or made.warnings
    if made.totals.gross != plain.totals.gross:
        assert made.warnings or allowed - made.totals.gross <= Decimal("0.02"), "no more is given up than needed"
