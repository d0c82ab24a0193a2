import pytest

from energy.sharing.explain import explain

NAMED = {
    "p00": {"name": "School", "weight": 0.25, "tier": 1},
    "p01": {"name": "Library", "weight": 0.25},
    "p02": {"weight": 0.25},
    "p03": {"name": "Town hall", "weight": 0.25},
}


@pytest.fixture
def why(sharing):
    """why(point, rounds): the sentence for the published four-participant case."""

    def run(point, rounds="hybrid", withdrawals=(500, 1000, 1500, 3000, None), injections=(0, 0, 0, 0, 4000), **fields):
        case = sharing({"participants": NAMED, "rounds": rounds} | fields, withdrawals, injections)
        return explain(case.key, case.roster, case.quarter, point)

    return run


def test_explain_hybrid_tells_both_rounds(why):
    assert why("p03") == (
        "Town hall (p03) withdrew 3.000 kWh and received 1.400 kWh: 1.000 kWh in round 1 (fixed 25 % of 4.000 kWh), then "
        "0.400 kWh in round 2 (pro rata of withdrawal not yet covered, 0.500 kWh for 2.000 kWh of 2.500 kWh not covered "
        "before); the other 1.600 kWh came from its supplier."
    )


def test_explain_a_covered_participant(why):
    assert why("p00").endswith("(fixed 25 % of 4.000 kWh), which is all it withdrew.")


def test_explain_a_producer(why):
    assert why("p04") == (
        "p04 is no participant and received nothing; it gave 4.000 kWh of the 4.000 kWh it injected "
        "(4.000 kWh shared in all, taken pro rata of injection)."
    )


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        ("equal", "equal parts of 4.000 kWh"),
        ("fixed-multi", "fixed 25 % of 4.000 kWh, repeated on what was left until nothing moved"),
        ([{"method": "fixed", "max_rounds": 3}], "repeated on what was left up to 3 times"),
        ("priority", "tier 1 of 4.000 kWh, pro rata inside"),
    ],
)
def test_explain_names_the_method(why, rounds, words):
    assert words in why("p00", rounds)


def test_explain_rounding_is_told(why):
    assert ", rounded to whole Wh;" in why("p00", "prorata")
    assert "rounded" not in why("p00", "prorata", resolution_wh=0)


def test_explain_participation_is_told(sharing):
    case = sharing({"participants": {"p00": {"participation_pct": 40}}, "rounds": "prorata"}, [1000, None], [None, 900])
    assert "received 0.400 kWh" in explain(case.key, case.roster, case.quarter, "p00")
    assert "takes part with 40 % of its withdrawal" in explain(case.key, case.roster, case.quarter, "p00")


def test_explain_own_injection_is_told(why):
    own = why("p00", withdrawals=(500, 0, None, 0, None), injections=(4000, 0, 0, 0, 0))
    assert "received nothing because nobody else injected; it gave 0.000 kWh of the 4.000 kWh" in own
    capped = why("p00", "prorata", withdrawals=(500, 0, 0, 0, None), injections=(4000, 0, 0, 0, 100))
    assert "received 0.100 kWh" in capped
    assert "which is all that others injected" in capped


@pytest.mark.parametrize(("point", "words"), [("p01", "withdrew nothing"), ("p02", "has no withdrawal value")])
def test_explain_why_nothing_was_received(why, point, words):
    assert words in why(point, withdrawals=(500, 0, None, 0, None))


def test_explain_unknown_point_is_a_key_error(why):
    with pytest.raises(KeyError):
        why("p99")
