"""One far site: the worked example of 123.457 kWh, whose network cost depends on the whole operation's type."""

from dataclasses import replace
from decimal import Decimal

import pytest

from energy.errors import ConfigError
from energy.settlement.far_site import far_site, network_eur_kwh
from energy.settlement.inputs import inputs_of
from energy.settlement.operator import OperatorTotal
from energy.settlement.statement import Member
from energy.settlement.volumes import Tenure
from tests.energy.settlement.example import EAN, MONTH, OTHER, SUN, YEAR, setting, terms, volume

MEMBERS = [Member("m-1", "citizen"), Member("m-2", "sme"), Member("town", "municipality")]
VOLUMES = [
    volume(123_457),
    volume(50_000, member="m-2", point=OTHER),
    volume(0, member="town", point=SUN, given_wh=173_457, withdrawal_wh=0),
]


def joined(now, joining, members=MEMBERS, operator=None, tenures=(), **fields):
    return far_site(inputs_of(setting(now, **fields), (0, 1), [], members, tenures, operator), VOLUMES, joining)


@pytest.mark.parametrize(
    ("now", "joining", "after", "citizen"),
    [
        ("A", "B", "B", ("24.78", "32.33")),
        ("A", "D", "D", ("24.78", "39.88")),
        ("B", "C", "C", ("32.33", "39.88")),
        ("C", "D", "D", ("39.88", "39.88")),
        ("B", "A", "B", ("32.33", "32.33")),
        ("D", "A", "D", ("39.88", "39.88")),
    ],
)
def test_whole_operation_takes_the_type_of_the_farthest(now, joining, after, citizen):
    found = joined(now, joining)
    assert (found.before, found.after) == (now, after)
    assert (found.members[0].before, found.members[0].after) == tuple(map(Decimal, citizen))
    assert [each.member for each in found.members] == ["m-1", "m-2"], "who only gives pays nothing"
    assert found.more == sum(each.more for each in found.members)


def test_everybody_pays_more_with_its_own_vat():
    """50 kWh at 0.05769 are 2.88 more before VAT (of 5.77 in full), with 21 % 3.50."""
    second = joined("B", "D").members[1]
    assert second.more == Decimal("3.50")


def test_where_suppliers_bill_the_network_nothing_changes_on_the_invoice():
    assert joined("A", "D", network="billed_by_supplier", charges=[]).more == 0


def test_operators_amounts_of_the_month_are_of_the_old_type_and_the_terms_are_compared():
    operator = [OperatorTotal(EAN, 123_457, 0, 0, Decimal("7.00"))]
    found = joined("B", "D", operator=operator, tenures=[Tenure(EAN, "m-1")])
    assert [(each.before, each.after) for each in found.members] == [(Decimal("32.33"), Decimal("39.88"))]


def test_social_guard_that_would_stop_the_run_warns_here():
    guard = [{"reference_eur_kwh": "0.27", "action": "stop", "source": "social tariff", **YEAR}]
    found = joined("B", "D", [replace(MEMBERS[0], social_tariff=True), *MEMBERS[1:]], social=guard)
    assert "more than the social tariff" in found.members[0].warnings[0]


def test_operation_of_an_unknown_type_is_refused():
    with pytest.raises(ConfigError, match="the grid type of ixelles is not known"):
        joined(None, "D")


@pytest.mark.parametrize(
    ("grid_type", "cost"), [("A", "0"), ("B", "0.0611514"), ("C", "0.1223028"), ("D", "0.1223028")]
)
def test_network_cost_of_a_kwh_with_vat_is_halved_or_gone_nearby(grid_type, cost):
    assert network_eur_kwh(terms(), MONTH, "citizen", grid_type) == Decimal(cost)
