"""Every worked case of the operators' published keys through `settle`, from files to files, and odd inputs judged by the rule."""

from __future__ import annotations

from decimal import Decimal

import pytest

from energy.errors import ConfigError, DataError
from tests.cli.test_settle import Desk

EANS = ("541448820000000015", "541448910000123453", "541448911000000003", "541449020000123458")
SUNS = ("541448900000000007", "541448910006000079", "541448900000000014")
AT = "2026-06-01T10:00:00Z"
FOUR = ("0.5", "1", "1.5", "3")
QUARTERS = ["{weight: 0.25}"] * 4


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def shared(desk, rounds, withdrawn, injected, standings=None, resolution=0, more=""):
    """(received by each, what is left) of one quarter-hour, kWh; `injected` by one producer or by several."""
    injections = injected if isinstance(injected, tuple) else (injected,)
    eans = EANS[: len(withdrawn)]
    listed = "".join(f'  "{ean}": {each}\n' for ean, each in zip(eans, standings or ["{}"] * len(eans), strict=True))
    rows = "".join(f"{ean},{AT},{kwh},\n" for ean, kwh in zip(eans, withdrawn, strict=True))
    rows += "".join(f"{ean},{AT},,{kwh}\n" for ean, kwh in zip(SUNS, injections, strict=False))
    key = f"participants:\n{listed}rounds: {rounds}\nresolution_wh: {resolution}\n{more}"
    made = desk.settle(rows, key)
    return [Decimal(made[ean, AT]["received_kwh"]) for ean in eans], sum(
        Decimal(made[ean, AT]["surplus_kwh"]) for ean, _ in zip(SUNS, injections, strict=False)
    )


def near(*values):
    return [pytest.approx(Decimal(value), abs=Decimal("1e-6")) for value in values]


HYBRID = "[{method: fixed}, {method: prorata, share: 0, basis: %s}]"
REPEATED = "[{method: fixed, max_rounds: %s, renormalise: %s}]"


@pytest.mark.parametrize(
    ("rounds", "injected", "received", "left"),
    [
        ("fixed", "4", ("0.5", "1", "1", "1"), "0.5"),
        ("fixed-multi", "4", ("0.5", "1", "1.25", "1.25"), "0"),
        (REPEATED % (2, "false"), "4", ("0.5", "1", "1.125", "1.125"), "0.25"),
        (REPEATED % (3, "false"), "4", ("0.5", "1", "1.1875", "1.1875"), "0.125"),
        (REPEATED % ("null", "false"), "4", ("0.5", "1", "1.25", "1.25"), "0"),
        (REPEATED % (2, "true"), "4", ("0.5", "1", "1.25", "1.25"), "0"),
        ("fixed-multi", "5", ("0.5", "1", "1.5", "2"), "0"),
        (REPEATED % (2, "true"), "5", ("0.5", "1", "1.5", "1.75"), "0.25"),
        (REPEATED % (3, "true"), "5", ("0.5", "1", "1.5", "2"), "0"),
        ("prorata", "4", ("0.333333", "0.666667", "1", "2"), "0"),
        ("prorata", "8", FOUR, "2"),
        ("hybrid", "4", ("0.5", "1", "1.1", "1.4"), "0"),
        (HYBRID % "residual", "4", ("0.5", "1", "1.1", "1.4"), "0"),
        (HYBRID % "withdrawal", "4", ("0.5", "1", "1.166667", "1.333333"), "0"),
        (HYBRID % "withdrawal_of_all", "4", ("0.5", "1", "1.125", "1.25"), "0.125"),
        ("equal", "4", ("0.5", "1", "1", "1"), "0.5"),
        ("[{method: equal, max_rounds: null}]", "4", ("0.5", "1", "1.25", "1.25"), "0"),
    ],
)
def test_four_alike_share_as_it_is_published(desk, rounds, injected, received, left):
    """Sibelga's illustration of four times 25 %, withdrawals of 0.5, 1, 1.5 and 3 kWh."""
    assert shared(desk, rounds, FOUR, injected, QUARTERS) == (near(*received), near(left)[0])


@pytest.mark.parametrize(
    ("injected", "withdrawn", "fixed", "back", "again", "rest"),
    [
        ("8", ("3.0", "1.0", "5.0"), ("2", "1", "4"), "1", ("2.333333", "1", "4.666667"), "0"),
        ("10", ("2.5", "4.0", "6.0"), ("2.5", "2.5", "5"), "0", ("2.5", "2.5", "5"), "0"),
        ("6", ("2.0", "0.8", "3.0"), ("1.5", "0.8", "3"), "0.7", ("2", "0.8", "3"), "0.2"),
        ("4", ("1.5", "1.2", "2.0"), ("1", "1", "2"), "0", ("1", "1", "2"), "0"),
    ],
)
def test_swimming_pool_of_the_municipal_example(desk, injected, withdrawn, fixed, back, again, rest):
    parts = ["{weight: 0.25}", "{weight: 0.25}", "{weight: 0.5}"]
    assert shared(desk, "fixed", withdrawn, injected, parts) == (near(*fixed), near(back)[0])
    assert shared(desk, "fixed-multi", withdrawn, injected, parts) == (near(*again), near(rest)[0])


VULNERABLE = ("0.6", "0.9", "1.0", "4.0")
TIERS = ["{tier: 1}", "{tier: 1}", "{tier: 2}", "{tier: 2}"]
RESERVED = "[{method: priority, share: %s}, {method: prorata, share: %s}]"


@pytest.mark.parametrize(
    ("rounds", "injected", "received", "left"),
    [
        ("priority", "3", ("0.6", "0.9", "0.3", "1.2"), "0"),
        (RESERVED % (0.3, 0.7), "3", ("0.45", "0.675", "0.375", "1.5"), "0"),
        ("prorata", "3", ("0.276923", "0.415385", "0.461538", "1.846154"), "0"),
        # a quota larger than what its tier withdraws goes on to the next tier and to the next round
        (RESERVED % (0.9, 0.1), "3", ("0.6", "0.9", "0.3", "1.2"), "0"),
        (RESERVED % (1, 0), "10", VULNERABLE, "3.5"),
    ],
)
def test_vulnerable_first_and_reserved_quota(desk, rounds, injected, received, left):
    assert shared(desk, rounds, VULNERABLE, injected, TIERS) == (near(*received), near(left)[0])


def test_published_vectors_of_an_open_simulator(desk):
    parts = ["{weight: 0.3}", "{weight: 0.5}", "{weight: 0.2}"]
    assert shared(desk, "fixed", ("160", "300", "350"), "1000", parts) == (near("160", "300", "200"), 340)
    facts = desk.facts()
    assert facts["sharing_rate"] == 0.66
    assert facts["self_sufficiency"] == pytest.approx(0.814815, abs=5e-7)
    assert facts["totals"]["residual_kwh"] == 150
    assert shared(desk, "prorata", ("200", "300"), "1000") == (near("200", "300"), 500)
    assert (desk.facts()["self_sufficiency"], desk.facts()["sharing_rate"]) == (1.0, 0.5)
    assert shared(desk, "prorata", ("0", "0"), "1000") == ([0, 0], 1000)
    assert (desk.facts()["self_sufficiency"], desk.facts()["sharing_rate"]) == (None, 0.0)


def test_producers_give_pro_rata_of_injection(desk):
    shared(desk, "prorata", ("7",), ("6", "3", "1"))
    given = {ean: (row["given_kwh"], row["surplus_kwh"]) for (ean, _), row in desk.rows().items()}
    numbers = [tuple(Decimal(text) for text in given[ean]) for ean in SUNS]
    assert numbers == [tuple(map(Decimal, pair)) for pair in (("4.2", "1.8"), ("2.1", "0.9"), ("0.7", "0.3"))]


def test_rounding_to_whole_wh_is_by_largest_remainder(desk):
    assert shared(desk, "equal", ("1", "1", "1"), "1", resolution=1)[0] == [Decimal(f"0.{n}") for n in (334, 333, 333)]
    assert shared(desk, "prorata", FOUR, "4", resolution=1)[0] == [Decimal(n) for n in ("0.333", "0.667", "1", "2")]


def test_an_hour_is_never_made_of_quarter_hours_before_sharing(desk):
    rows = "".join(
        f"{EANS[0]},2026-06-01T10:{minute}:00Z,{wanted},\n{SUNS[0]},2026-06-01T10:{minute}:00Z,,{given}\n"
        for minute, wanted, given in (("00", 1, 4), ("15", 3, 0), ("30", 2, 2), ("45", 2, 2))
    )
    desk.settle(rows)
    assert desk.facts()["totals"]["received_kwh"] == 5.0


@pytest.mark.parametrize(
    ("rounds", "jain_kwh", "gini_kwh", "jain", "gini", "least"),
    [
        ("fixed", 0.9423, 0.1071, 0.8804, 0.1944, 0.3333),
        ("fixed-multi", 0.9143, 0.1562, 0.9207, 0.1474, 0.4167),
        ("prorata", 0.7200, 0.3333, 1.0, 0.0, 0.6667),
        ("hybrid", 0.9050, 0.1750, 0.9290, 0.1458, 0.4667),
    ],
)
def test_fairness_figures_of_the_four_keys(desk, rounds, jain_kwh, gini_kwh, jain, gini, least):
    shared(desk, rounds, FOUR, "4", QUARTERS)
    facts = desk.facts()
    told = (*facts["jain"].values(), *facts["gini"].values(), facts["min_coverage"])
    assert facts["jain"].keys() == {"kwh", "coverage"}
    assert told == pytest.approx((jain_kwh, jain, gini_kwh, gini, least), abs=6e-5)


@pytest.mark.parametrize("rounds", ["fixed", "fixed-multi", "equal", "prorata", "hybrid", "priority"])
@pytest.mark.parametrize(
    ("withdrawn", "injected"), [(FOUR, "0"), (("0", "0", "0", "0"), "4"), (("0", "0", "0", "0"), "0")]
)
def test_nothing_to_share_or_nobody_to_take_it_gives_zeros_and_no_error(desk, rounds, withdrawn, injected):
    assert shared(desk, rounds, withdrawn, injected, QUARTERS) == ([0, 0, 0, 0], Decimal(injected))


@pytest.mark.parametrize(
    ("rounds", "received"), [("fixed", "0.25"), ("fixed-multi", "3"), ("hybrid", "3"), ("equal", "3")]
)
def test_one_participant_gets_its_part_or_all_it_can_use(desk, rounds, received):
    assert shared(desk, rounds, ("3",), "4" if rounds != "fixed" else "1", ["{weight: 0.25}"]) == (
        near(received),
        Decimal(4 if rounds != "fixed" else 1) - Decimal(received),
    )


def test_weights_below_one_leave_their_rest_and_above_one_are_refused(desk):
    few = ["{weight: 0.1}"] * 4
    assert shared(desk, "fixed", FOUR, "4", few) == (near("0.4", "0.4", "0.4", "0.4"), near("2.4")[0])
    assert shared(desk, "fixed-multi", FOUR, "4", few) == (near("0.5", "1", "1.25", "1.25"), near("0")[0])
    with pytest.raises(ConfigError, match=r"weights add up to 1\.2, they may not exceed 1"):
        shared(desk, "fixed", FOUR, "4", ["{weight: 0.3}"] * 4)


def test_who_withdraws_nothing_is_passed_over_by_what_reassigns(desk):
    withdrawn = ("0", "1", "1.5", "3")
    assert shared(desk, "fixed", withdrawn, "4", QUARTERS) == (near("0", "1", "1", "1"), near("1")[0])
    assert shared(desk, "fixed-multi", withdrawn, "4", QUARTERS) == (near("0", "1", "1.5", "1.5"), near("0")[0])
    assert shared(desk, "hybrid", withdrawn, "4", QUARTERS) == (near("0", "1", "1.2", "1.8"), near("0")[0])


def test_tie_of_tiers_is_pro_rata_and_who_has_no_tier_comes_last(desk):
    mixed = ["{}", "{tier: 2}", "{tier: 2}", "{tier: 7}"]
    assert shared(desk, "priority", ("1", "1", "3", "2"), "3", mixed) == (near("0", "0.75", "2.25", "0"), near("0")[0])
    assert shared(desk, "priority", ("1", "1", "3", "2"), "6.5", mixed) == (near("0.5", "1", "3", "2"), near("0")[0])


def test_thousandths_of_a_house_are_weights_whatever_they_add_up_to(desk):
    stakes = ["{stake: 120}", "{stake: 80}", "{stake: 300}", "{stake: 500}"]
    assert shared(desk, "fixed", ("5", "5", "5", "5"), "10", stakes) == (near("1.2", "0.8", "3", "5"), near("0")[0])


@pytest.mark.parametrize("cell", ["-0.5", "0,5", "x", '"1,500"', "nan"])
def test_reading_that_is_no_number_is_refused_with_its_line(desk, cell):
    """A decimal comma is never read as a thousand."""
    with pytest.raises(DataError) as caught:
        desk.settle(f"{EANS[0]},{AT},{cell},\n{SUNS[0]},{AT},,1\n")
    assert f"{desk.readings}:2" in str(caught.value)
