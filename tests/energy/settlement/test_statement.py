"""What a member pays and is paid: the worked example, both invoice models, and what always adds up."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError
from energy.settlement.paper import spared_eur
from energy.settlement.statement import Member, statements
from tests.energy.settlement.example import EAN, OTHER, SUN, YEAR, setting, volume

D = Decimal


def amounts(statement):
    return {line.name: line.net for line in statement.lines}


@pytest.mark.parametrize(
    ("grid_type", "network", "net", "vat", "gross"),
    [
        ("A", "0.00", "23.38", "1.40", "24.78"),
        ("B", "7.12", "30.50", "1.83", "32.33"),
        ("C", "14.24", "37.62", "2.26", "39.88"),
        ("D", "14.24", "37.62", "2.26", "39.88"),
    ],
)
def test_worked_example_of_123_457_kwh_by_grid_type(charge, grid_type, network, net, vat, gross):
    made = charge(grid_type=grid_type)
    assert amounts(made) == {"shared_energy": D("17.28"), "network": D(network), "excise": D("6.10")}
    assert (made.totals.net, made.totals.vat, made.totals.gross) == (D(net), D(vat), D(gross))


def test_walloon_invoice_carries_no_network_cost(charge):
    excise = {"name": "excise", "kind": "levy", "eur_kwh": "0.0494061", "source": "cards", **YEAR}
    made = charge(network="billed_by_supplier", charges=[excise], grid_type=None)
    assert amounts(made) == {"shared_energy": D("17.28"), "excise": D("6.10")}


def test_network_cost_of_the_operators_file_takes_the_place_of_the_computed(charge):
    made = charge(grid_fees={EAN: "9.875"})
    assert amounts(made) == {"shared_energy": D("17.28"), "grid_fee": D("9.88"), "excise": D("6.10")}


def test_network_cost_missing_for_one_who_received_is_refused(charge):
    with pytest.raises(ConfigError, match=f"grid_fees: have none for {EAN}"):
        charge(grid_fees={OTHER: "1"})
    with pytest.raises(ConfigError, match="the suppliers bill the network"):
        charge(grid_fees={EAN: "1"}, network="billed_by_supplier", charges=[])


def test_reduction_by_an_unknown_grid_type_is_refused(charge):
    with pytest.raises(ConfigError, match=r"charges\.network: is reduced by grid type"):
        charge(grid_type=None)


def test_member_class_decides_price_and_vat(charge):
    prices = [
        {"eur_kwh": "0.10", "classes": ["social_housing"], "source": "art. 7", **YEAR},
        {"eur_kwh": "0.14", "classes": ["citizen", "sme"], "source": "art. 7", **YEAR},
    ]
    social = charge(100_000, Member("m-1", "social_housing"), shared_energy=prices, charges=[])
    firm = charge(100_000, Member("m-1", "sme"), shared_energy=prices, charges=[])
    assert (social.totals.net, social.totals.vat) == (D("10.00"), D("0.60"))
    assert (firm.totals.net, firm.totals.vat) == (D("14.00"), D("2.94"))


def test_each_metering_point_has_lines_of_its_own_and_the_supplier_bills_the_rest():
    own = [volume(1000, withdrawal_wh=5000), volume(500, point=OTHER, withdrawal_wh=500)]
    (made,) = statements(setting(), [Member("m-1", "citizen")], own)
    assert [(line.ean, line.energy_wh) for line in made.lines if line.kind == "energy"] == [(EAN, 1000), (OTHER, 500)]
    assert (made.energy.received_wh, made.energy.complementary_wh) == (1500, 4000)


def test_producer_is_paid_by_a_statement_of_its_own():
    both = [volume(2000, withdrawal_wh=4000), volume(0, point=SUN, given_wh=100_000, withdrawal_wh=0)]
    consumer, producer = statements(setting(), [Member("m-1", "citizen")], both)
    assert [statement.side for statement in (consumer, producer)] == ["consumer", "producer"]
    assert amounts(producer) == {"shared_injection": D("6.00")}
    assert producer.totals.gross == D("6.00")


def test_who_received_nothing_is_told_so_and_charged_nothing(charge):
    made = charge(volumes=[volume(0, withdrawal_wh=9000)])
    assert made.lines == ()
    assert made.totals.gross == 0
    assert made.energy.complementary_wh == 9000


energies = st.integers(0, 10**8)


@settings(deadline=None)
@given(st.lists(energies, min_size=1, max_size=6), st.sampled_from("ABCD"))
def test_lines_add_up_and_vat_is_rounded_once_on_their_sum(received, grid_type):
    eans = [EAN, OTHER, SUN, "541449020000123458", "541448820000000015", "541448900000000014"]
    own = [volume(wh, point=ean) for wh, ean in zip(received, eans, strict=False)]
    for made in statements(setting(grid_type), [Member("m-1", "citizen")], own):
        assert made.totals.net == sum((line.net for line in made.lines), D(0))
        assert made.totals.gross == made.totals.net + made.totals.vat
        assert abs(made.totals.vat - made.totals.net * D("0.06")) <= D("0.005")
        assert sum(line.energy_wh for line in made.lines if line.kind == "energy") == sum(received)
        for line in made.lines:
            assert abs(line.net - D(line.energy_wh) / 1000 * line.eur_kwh) <= D("0.005")


def test_members_are_charged_by_id_whatever_their_order():
    members = [Member("m-2", "citizen"), Member("m-1", "citizen")]
    own = [volume(1000, member="m-2", point=OTHER), volume(2000)]
    made = statements(setting(), members, own)
    assert [statement.member for statement in made] == ["m-1", "m-2"]
    assert made == statements(setting(), list(reversed(members)), list(reversed(own)))


@pytest.mark.parametrize(("reference", "spared"), [("0.39", "15.82"), ("0.2", "-7.64"), (None, None)])
def test_what_is_spared_is_the_suppliers_price_less_what_is_paid_with_vat(charge, reference, spared):
    """123.457 kWh for 32.33 EUR."""
    made = spared_eur(charge(grid_type="B"), None if reference is None else Decimal(reference))
    assert made == (None if spared is None else Decimal(spared))
