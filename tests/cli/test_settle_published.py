"""Examples that regulators, operators and communities publish with their numbers, from file to file by the contract's own forms."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.cli.test_settle import Desk
from tests.cli.test_settle_worked import AT, EANS, SUNS, near, shared


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def weights(*parts):
    return [f"{{weight: {part}}}" for part in parts]


def test_first_of_two_neighbours_is_served_and_the_other_gets_the_rest(desk):
    """doc.plein-soleil.org, L'autoconsommation collective: A injects 1 kWh, B needs 0.4, C 0.8, B comes first; C's bill is 0.2."""
    received, left = shared(desk, "priority", ("0.4", "0.8"), "1", ["{tier: 1}", "{tier: 2}"])
    assert (received, left) == (near("0.4", "0.6"), 0)
    assert Decimal(desk.rows()[EANS[1], AT]["residual_kwh"]) == Decimal("0.2")


def test_surplus_of_a_quarter_hour_reduces_what_the_neighbours_meter_counts(desk):
    """ILR (Luxembourg), question on sharing with neighbours: of 500 Wh 200 are used at home; withdrawals fall by the other 300."""
    received, left = shared(desk, "prorata", ("0.7",), "0.3", ["{}"])
    assert (received, left) == (near("0.3"), 0)
    assert Decimal(desk.rows()[EANS[0], AT]["residual_kwh"]) == Decimal("0.4")


def test_static_key_of_three_flats(desk):
    """ERÚ's illustration of a static key (vtm.zive.cz, 2023): 10 kWh in a quarter-hour by 30, 30 and 40 %."""
    parts = weights(0.3, 0.3, 0.4)
    assert shared(desk, "fixed", ("5", "5", "5"), "10", parts) == (near("3", "3", "4"), 0)
    # as the article goes on: flats without use leave their part to the grid, and the thirsty one buys
    assert shared(desk, "fixed", ("9", "0", "0"), "10", parts) == (near("3", "0", "0"), 7)


def test_five_turns_of_a_static_key(desk):
    """Decree 408/2015, annex 25: each turn min(what is still needed, percent of what is still left), the percents as they are."""
    left, got = Decimal(10), Decimal(0)
    for _ in range(5):
        got, left = got + left * Decimal("0.3"), left * Decimal("0.7")
    assert got == Decimal("8.3193")
    five = "[{method: fixed, share: 1.0, max_rounds: 5}]"
    parts = weights(0.3, 0.3, 0.4)
    assert shared(desk, five, ("9", "0", "0"), "10", parts) == (near("8.3193", "0", "0"), near("1.6807")[0])


def test_two_neighbours_with_fixed_coefficients(desk):
    """ecodrivex.es: 100 Wh by 30 and 70 %, Juan uses 45 Wh and pays 15, Amaya 80 and pays 10."""
    assert shared(desk, "fixed", ("0.045", "0.080"), "0.1", weights(0.3, 0.7), resolution=1) == (
        near("0.03", "0.07"),
        0,
    )
    rows = desk.rows()
    assert [rows[ean, AT]["residual_kwh"] for ean in EANS[:2]] == ["0.015", "0.010"]


@pytest.mark.parametrize("rounds", ["prorata", "equal", "priority"])
def test_surplus_of_a_roof_is_taken_from_the_neighbours_bill(desk, rounds):
    """ILR: of 500 Wh made 200 are used at home; the other 300 reduce what the group takes from the grid."""
    received, left = shared(desk, rounds, ("0.450",), "0.300", resolution=1)
    assert (received, left) == ([Decimal("0.300")], 0)
    assert desk.rows()[EANS[0], AT]["residual_kwh"] == "0.150"


@pytest.mark.parametrize(("generated", "net"), [("4", "1.2"), ("10", "0"), ("0", "2.8")])
def test_constant_part_of_a_roof_reduces_what_a_flat_buys(desk, generated, net):
    """Germany, EnWG 42b with a constant factor: net = max(0, c - f * g), here f 0.4 and c 2.8 kWh."""
    shared(desk, "fixed", ("2.8",), generated, weights(0.4))
    assert Decimal(desk.rows()[EANS[0], AT]["residual_kwh"]) == Decimal(net)


def test_who_alone_injects_may_hold_no_percentage_of_it(desk):
    """Fluvius, fourth principle: nothing is shared within one EAN, so the pool's own percentage goes to nobody."""
    pool = SUNS[0]
    rows = f"{EANS[0]},{AT},5,\n{pool},{AT},2,8\n"
    key = f"participants:\n  {EANS[0]}: {{weight: 0.75}}\n  {pool}: {{weight: 0.25}}\nrounds: "
    made = desk.settle(rows, key + "fixed\n")
    assert [made[ean, AT]["received_kwh"] for ean in (EANS[0], pool)] == ["5.000", "0.000"]
    assert (made[pool, AT]["given_kwh"], made[pool, AT]["surplus_kwh"]) == ("5.000", "3.000")
    for rounds in ("prorata", "hybrid", "fixed-multi", "equal"):
        made = desk.settle(rows, key + rounds + "\n")
        assert made[pool, AT]["received_kwh"] == "0.000"


def test_a_second_roof_makes_the_pool_a_receiver_too(desk):
    """Then it receives the other's injection only: 1 kWh of the school, whatever it injects itself."""
    pool, school = SUNS[:2]
    rows = f"{EANS[0]},{AT},5,\n{pool},{AT},2,8\n{school},{AT},,1\n"
    key = f"participants:\n  {EANS[0]}: {{}}\n  {pool}: {{}}\nrounds: prorata\n"
    made = desk.settle(rows, key)
    assert [made[ean, AT]["received_kwh"] for ean in (EANS[0], pool)] == ["5.000", "1.000"]
    assert [made[ean, AT]["given_kwh"] for ean in (pool, school)] == ["5.000", "1.000"]


@pytest.mark.parametrize(
    ("parts", "received"),
    [
        (("0.3333333333333333",) * 3, ("0.334", "0.333", "0.333")),
        ((0.1 + 0.2, 0.1 + 0.6, "0"), ("0.300", "0.700", "0.000")),  # a hair above 1 as floats
        (("1/3", "1/3", "1/3"), ("0.334", "0.333", "0.333")),
        ((1e-05, 0.5, 0.25), ("0.000", "0.500", "0.250")),
    ],
)
def test_weights_that_a_program_computed_are_taken_as_they_are(desk, parts, received):
    assert shared(desk, "fixed", ("2", "2", "2"), "1", weights(*parts), resolution=1)[0] == [*map(Decimal, received)]


def test_participants_may_be_named_and_nothing_more(desk):
    rows = f"{EANS[0]},{AT},1,\n{EANS[1]},{AT},3,\n{SUNS[0]},{AT},,2\n"
    made = desk.settle(rows, f"participants:\n  {EANS[0]}:\n  {EANS[1]}:\nrounds: prorata\n")
    assert [made[ean, AT]["received_kwh"] for ean in EANS[:2]] == ["0.500", "1.500"]
