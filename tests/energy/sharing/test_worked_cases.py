"""Worked cases of grid operators, regulators and open implementations, and own ones derived from their rules by hand."""

from fractions import Fraction

import pytest

from energy.sharing.fairness import gini, jain, ratio

FOUR = (0.5, 1.0, 1.5, 3.0)
QUARTERS = [{"weight": 0.25}] * 4
HYBRID = [{"method": "fixed", "share": 1.0, "max_rounds": 1}]


def exactly(*values):
    return [Fraction(str(value)) for value in values]


def near(*values):
    return pytest.approx(list(values), abs=5e-7)


def test_fixed_single_round_leaves_unused_parts_to_the_supplier(receive):
    """Sibelga's rule and its illustration of four times 25 %."""
    received = receive("fixed", FOUR, 4, QUARTERS)
    assert received == exactly(0.5, 1, 1, 1)
    assert 4 - sum(received) == Fraction(1, 2)


@pytest.mark.parametrize("rounds", ["fixed-multi", [{"method": "fixed", "max_rounds": None, "renormalise": True}]])
def test_fixed_multi_round_reassigns_until_nothing_moves(receive, rounds):
    assert receive(rounds, FOUR, 4, QUARTERS) == exactly(0.5, 1, 1.25, 1.25)
    assert receive(rounds, FOUR, 5, QUARTERS) == exactly(0.5, 1, 1.5, 2)


@pytest.mark.parametrize(
    ("max_rounds", "renormalise", "injection", "expected"),
    [
        (2, False, 4, (0.5, 1, 1.125, 1.125)),
        (3, False, 4, (0.5, 1, 1.1875, 1.1875)),
        (2, True, 4, (0.5, 1, 1.25, 1.25)),
        (2, True, 5, (0.5, 1, 1.5, 1.75)),
        (3, True, 5, (0.5, 1, 1.5, 2)),
    ],
)
def test_fixed_with_limited_repeats(receive, max_rounds, renormalise, injection, expected):
    rounds = [{"method": "fixed", "max_rounds": max_rounds, "renormalise": renormalise}]
    assert receive(rounds, FOUR, injection, QUARTERS) == exactly(*expected)


def test_equal_is_fixed_with_one_nth(receive):
    assert receive("equal", FOUR, 4) == exactly(0.5, 1, 1, 1)
    assert receive([{"method": "equal", "max_rounds": None}], FOUR, 4) == exactly(0.5, 1, 1.25, 1.25)


def test_pro_rata_follows_withdrawal(receive):
    assert receive("prorata", FOUR, 4) == [Fraction(1, 3), Fraction(2, 3), 1, 2]
    assert receive("prorata", FOUR, 8) == exactly(*FOUR)


@pytest.mark.parametrize(
    ("basis", "expected"),
    [
        ("residual", (0.5, 1, 1.1, 1.4)),
        ("withdrawal", (0.5, 1, 1.166667, 1.333333)),
        ("withdrawal_of_all", (0.5, 1, 1.125, 1.25)),
    ],
)
def test_hybrid_shares_the_surplus_of_the_fixed_round_pro_rata(receive, basis, expected):
    rounds = [*HYBRID, {"method": "prorata", "share": 0.0, "basis": basis}]
    assert receive(rounds, FOUR, 4, QUARTERS) == near(*expected)


def test_short_name_hybrid_weighs_by_residual(receive):
    assert receive("hybrid", FOUR, 4, QUARTERS) == exactly(0.5, 1, 1.1, 1.4)


POOL = [  # (injection, withdrawals of hall, library and depot, shared fixed, shared with redistribution)
    (8, (3.0, 1.0, 5.0), (2, 1, 4), (2.333333, 1, 4.666667)),
    (10, (2.5, 4.0, 6.0), (2.5, 2.5, 5), (2.5, 2.5, 5)),
    (6, (2.0, 0.8, 3.0), (1.5, 0.8, 3), (2, 0.8, 3)),
    (4, (1.5, 1.2, 2.0), (1, 1, 2), (1, 1, 2)),
]


@pytest.mark.parametrize(("injection", "withdrawals", "fixed", "multi"), POOL)
def test_swimming_pool_shares_with_three_buildings(receive, injection, withdrawals, fixed, multi):
    """Fluvius' municipal example (25 %, 25 %, 50 %) with own quantities."""
    weights = [{"weight": 0.25}, {"weight": 0.25}, {"weight": 0.5}]
    assert receive("fixed", withdrawals, injection, weights) == near(*fixed)
    assert receive("fixed-multi", withdrawals, injection, weights) == near(*multi)


def test_swimming_pool_hour_adds_up(receive):
    weights = [{"weight": 0.25}, {"weight": 0.25}, {"weight": 0.5}]
    quarters = [receive("fixed", withdrawals, injection, weights) for injection, withdrawals, _, _ in POOL]
    assert [sum(building) for building in zip(*quarters, strict=True)] == exactly(7, 5.3, 14)
    assert 28 - sum(map(sum, quarters)) == Fraction("1.7")


VULNERABLE = (0.6, 0.9, 1.0, 4.0)
TIERS = [{"tier": 1}, {"tier": 1}, {"tier": 2}, {"tier": 2}]


def test_priority_serves_the_vulnerable_first(receive):
    assert receive("priority", VULNERABLE, 3, TIERS) == exactly(0.6, 0.9, 0.3, 1.2)


def test_reserved_quota_then_pro_rata_of_the_residual(receive):
    rounds = [{"method": "priority", "share": 0.3}, {"method": "prorata", "share": 0.7}]
    assert receive(rounds, VULNERABLE, 3, TIERS) == exactly(0.45, 0.675, 0.375, 1.5)
    assert receive("prorata", VULNERABLE, 3) == near(0.276923, 0.415385, 0.461538, 1.846154)


def test_optimce_fixed_vector(receive):
    """OptimCE allocation-key-simulation, test_compute: numbers restated."""
    received = receive("fixed", (160, 300, 350), 1000, [{"weight": 0.3}, {"weight": 0.5}, {"weight": 0.2}])
    assert received == [160, 300, 200]
    assert ratio(sum(received), 1000) == 0.66
    assert ratio(sum(received), 810) == pytest.approx(0.814815, abs=5e-7)
    assert (810 - sum(received), 1000 - sum(received)) == (150, 340)


def test_optimce_pro_rata_vectors(receive):
    received = receive("prorata", (200, 300), 1000)
    assert (ratio(sum(received), 500), ratio(sum(received), 1000)) == (1.0, 0.5)
    assert receive("prorata", (0, 0), 1000) == [0, 0]


def test_producers_give_pro_rata_of_their_injection(sharing):
    key = {"participants": {"user": {}}, "rounds": "prorata"}
    case = sharing(key, [None, None, None, 7000], [6000, 3000, 1000, None], ["a", "b", "c", "user"])
    for received, given in (case.exactly(), case.fast()):
        assert given == [4200, 2100, 700, 0]
        assert received == [0, 0, 0, 7000]


@pytest.mark.parametrize(
    ("producers", "expected"),
    [
        (
            {"method": "fixed", "points": {"a": {"weight": 0.2}, "b": {"weight": 0.2}, "c": {"weight": 0.6}}},
            [3000, 3000, 1000],
        ),
        ({"method": "fixed", "points": {"b": {"weight": 0.5}}}, [3429, 3000, 571]),
        ({"method": "priority", "points": {"c": {"tier": 1}, "b": {"tier": 2}, "a": {"tier": 3}}}, [3000, 3000, 1000]),
        ({"method": "priority", "points": {"a": {"tier": 1}}}, [6000, 750, 250]),
    ],
)
def test_producers_give_by_fixed_parts_or_in_order(sharing, producers, expected):
    key = {"participants": {"user": {}}, "rounds": "prorata", "producers": producers}
    case = sharing(key, [None, None, None, 7000], [6000, 3000, 1000, None], ["a", "b", "c", "user"])
    assert case.exactly()[1][:3] == case.fast()[1][:3] == expected


def test_quarter_hours_are_not_hours(receive):
    """What is shared by the quarter-hour (5) is less than the hour's totals would allow (8)."""
    injection, withdrawal = (4, 0, 2, 2), (1, 3, 2, 2)
    shared = [receive("prorata", (wanted,), given)[0] for given, wanted in zip(injection, withdrawal, strict=True)]
    assert sum(shared) == 5
    assert receive("prorata", (sum(withdrawal),), sum(injection)) == [8]


@pytest.mark.parametrize(
    ("rounds", "participants"),
    [("equal", None), ("prorata", None), ("fixed", [{"weight": "1/3"}] * 3), ("fixed", [{"weight": 0.333333}] * 3)],
)
def test_a_kilowatt_hour_in_thirds_gives_the_odd_wh_to_the_first_ean(receive, rounds, participants):
    received = receive(rounds, (1, 1, 1), 1, participants, resolution_wh=1)
    assert received == exactly(0.334, 0.333, 0.333)


def test_pro_rata_in_whole_wh(receive):
    assert receive("prorata", FOUR, 4, resolution_wh=1) == exactly(0.333, 0.667, 1, 2)


def test_annual_totals_of_the_flemish_regulators_example():
    """VREG, blog of 12/09/2023: shares 60/30/10, published yearly totals in kWh."""
    received, withdrawn, produced = (1780, 1240, 800), (4500, 3500, 3000), 6160
    assert sum(received) == 3820
    assert ratio(sum(received), produced) == pytest.approx(0.6201, abs=5e-5)
    assert ratio(sum(received), sum(withdrawn)) == pytest.approx(0.3473, abs=5e-5)


@pytest.mark.parametrize(
    ("rounds", "jain_kwh", "gini_kwh", "jain_coverage", "gini_coverage", "min_coverage"),
    [
        ("fixed", 0.9423, 0.1071, 0.8804, 0.1944, 0.3333),
        ("fixed-multi", 0.9143, 0.1562, 0.9207, 0.1474, 0.4167),
        ("prorata", 0.7200, 0.3333, 1.0, 0.0, 0.6667),
        ("hybrid", 0.9050, 0.1750, 0.9290, 0.1458, 0.4667),
    ],
)
def test_fairness_of_the_four_keys(receive, rounds, jain_kwh, gini_kwh, jain_coverage, gini_coverage, min_coverage):
    received = receive(rounds, FOUR, 4, QUARTERS)
    coverage = [value / Fraction(str(wanted)) for value, wanted in zip(received, FOUR, strict=True)]
    measured = (jain(received), gini(received), jain(coverage), gini(coverage), float(min(coverage)))
    assert measured == pytest.approx((jain_kwh, gini_kwh, jain_coverage, gini_coverage, min_coverage), abs=6e-5)


def test_producer_consumer_never_receives_its_own(sharing):
    """A injects 10 and withdraws 5; without another producer only B can use it."""
    case = sharing({"rounds": "prorata"}, [5000, 4000], [10_000, 0])
    assert case.fast() == ([0, 4000], [4000, 0])


def test_producer_consumer_receives_what_others_inject(sharing):
    """P's 2 kWh are all that A, which injects 8 of the 10, may receive; B takes the rest from A."""
    case = sharing({"rounds": "prorata"}, [90_000, 10_000, None], [8000, 0, 2000], ["A", "B", "P"])
    assert case.fast() == ([2000, 8000, 0], [8000, 0, 2000])


def test_two_producer_consumers_swap(sharing):
    case = sharing({"rounds": "prorata"}, [3000, 3000], [2000, 1000])
    assert case.fast() == ([1000, 2000], [2000, 1000])


def test_alone_with_its_own_injection_nobody_receives(sharing):
    case = sharing({"rounds": "equal"}, [3000], [2000])
    assert case.fast() == ([0], [0])
    assert case.exactly() == ([0], [0])


LUXEMBOURG = {
    "participants": {"hall": {"weight": 0.5, "tier": 1}, "pool": {"weight": 0.5, "tier": 2}},
    "producers": {
        "method": "priority",
        "points": {"east": {"weight": 0.75, "tier": 2}, "west": {"weight": 0.25, "tier": 1}},
    },
    "two_sided": True,
}


@pytest.mark.parametrize(
    ("rounds", "withdrawn", "injected", "received", "given"),
    [
        # less is injected than withdrawn: the consumption side
        ("priority", (3000, 5000), (2000, 2000), (3000, 1000), (2000, 2000)),
        ("prorata", (3000, 5000), (2000, 2000), (1500, 2500), (2000, 2000)),
        ("fixed", (1000, 5000), (2000, 2000), (1000, 2000), (1000, 2000)),
        # more is injected: the production side, and what it gives is shared pro rata of withdrawal
        ("priority", (1000, 3000), (3000, 3000), (1000, 3000), (1000, 3000)),
        ("prorata", (1000, 3000), (6000, 2000), (1000, 3000), (3000, 1000)),
        ("fixed", (1000, 3000), (2000, 5000), (750, 2250), (2000, 1000)),
        # as much as is withdrawn is not less: the production side
        ("fixed", (1000, 3000), (3000, 1000), (1000, 3000), (3000, 1000)),
    ],
)
def test_luxembourgs_two_sided_rule(sharing, rounds, withdrawn, injected, received, given):
    """Creos: the consumption-side models apply where a group produces less than it consumes, else the production-side ones."""
    key = LUXEMBOURG | {"rounds": rounds}
    names = ["hall", "pool", "east", "west"]
    case = sharing(key, [*withdrawn, None, None], [None, None, *injected], names)
    for got, gave in (case.exactly(), case.fast()):
        assert (got[:2], gave[2:]) == (list(received), list(given))


def test_participation_factor_caps_what_is_offered_on_both_sides(sharing):
    """Austria: with 50 % of 6 kWh the large consumer counts 3 against 1, and with 80 % of 10 kWh only 8 are offered."""
    key = {
        "participants": {"large": {"participation_pct": 50}, "small": {}},
        "rounds": "prorata",
        "producers": {"points": {"sun": {"participation_pct": 80}}},
    }
    few = sharing(key, [6000, 1000, None], [None, None, 2500], ["large", "small", "sun"])
    assert few.fast() == ([1500, 500, 0], [0, 0, 2000])
    assert few.exactly() == ([1500, 500, 0], [0, 0, 2000])
    plenty = sharing(key, [6000, 1000, None], [None, None, 10_000], ["large", "small", "sun"])
    assert plenty.fast() == ([3000, 1000, 0], [0, 0, 4000])


def test_co_ownership_in_thousandths_is_a_fixed_key(receive):
    """Sibelga names millièmes as weights: 500, 300 and 200 of 4 kWh."""
    parts = [{"stake": 500}, {"stake": 300}, {"stake": 200}]
    assert receive("fixed", (3, 3, 3), 4, parts) == exactly(2, 1.2, 0.8)
