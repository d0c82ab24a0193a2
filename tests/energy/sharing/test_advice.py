"""The key that is recommended for an aim, and the figures it stands on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.quarters import QUARTER_MS
from energy.sharing.advice import Aim, candidates, measure, recommend
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings

PEOPLE = {
    "p1": {"weight": 0.25, "tier": 1},
    "p2": {"weight": 0.25, "tier": 1},
    "p3": {"weight": 0.25, "tier": 2},
    "p4": {"weight": 0.25, "tier": 2},
}


def community(withdrawals, injections):
    """Rows of four withdrawals (Wh) and one roof's injection."""
    number = len(withdrawals)
    withdrawal = np.array([[*row, 0] for row in withdrawals], dtype=np.int64)
    injection = np.zeros_like(withdrawal)
    injection[:, 4] = injections
    receives = np.array([True] * 4 + [False])
    return QuarterReadings(
        ("p1", "p2", "p3", "p4", "roof"),
        np.arange(number, dtype=np.int64) * QUARTER_MS,
        withdrawal,
        np.tile(receives, (number, 1)),
        injection,
        np.tile(~receives, (number, 1)),
    )


def key(rounds="fixed"):
    return SharingKey.model_validate({"participants": PEOPLE, "rounds": rounds})


SCARCE = community([(600, 900, 1000, 4000)], [3000])


def test_the_figures_of_the_vulnerable_case():
    """Tier 1 withdrew 1.5 of 6.5 kWh; 3 kWh are injected."""
    priority, prorata = measure(key("priority"), SCARCE), measure(key("prorata"), SCARCE)
    assert (priority.vulnerable_coverage, priority.shared_wh, priority.sharing_rate) == (1.0, 3000, 1.0)
    assert prorata.vulnerable_coverage == pytest.approx(692 / 1500, abs=1e-3)
    assert prorata.self_sufficiency == pytest.approx(3000 / 6500)


@pytest.mark.parametrize(
    ("aim", "best"),
    [(Aim.MOST_EQUAL, "prorata"), (Aim.VULNERABLE_FIRST, "priority")],
)
def test_recommended_key_serves_the_aim(aim, best):
    assert recommend(key(), SCARCE, aim)[0].name == best


def test_most_shared_leaves_the_single_fixed_round_behind():
    ranked = recommend(key(), SCARCE, Aim.MOST_SHARED)
    assert ranked[0].figures.shared_wh == 3000
    assert ranked[-1].figures.shared_wh == 600 + 3 * 750
    assert {"in force", "fixed", "equal"} >= {option.name for option in ranked if option.figures.shared_wh < 3000}


def test_equal_shares_of_little_do_not_win():
    """One round of fixed parts can cover all alike and yet share next to nothing."""
    people = {point: {"weight": "1/1000"} for point in PEOPLE}
    poor = SharingKey.model_validate({"participants": people, "rounds": "fixed"})
    ranked = recommend(poor, community([(1000, 1000, 1000, 1000)], [3000]), Aim.MOST_EQUAL)
    assert ranked[0].name != "in force"
    assert ranked[0].figures.shared_wh == 3000


def test_candidates_need_what_they_are_made_of():
    nobody = SharingKey.model_validate({"rounds": "prorata"})
    names = set(candidates(nobody, SCARCE))
    assert "prorata" in names
    assert not names & {"fixed", "priority", "hybrid, fixed parts for tier 1"}
    assert {"priority", "hybrid", "hybrid, fixed parts for tier 1"} <= set(candidates(key(), SCARCE))


def test_two_sided_key_stands_beside_keys_of_one_side():
    """Equal rounds have no second side: they are tried with one."""
    two_sided = SharingKey.model_validate({"participants": PEOPLE, "rounds": "prorata", "two_sided": True})
    found = candidates(two_sided, SCARCE)
    assert {"in force", "equal", "priority"} <= set(found)
    assert [name for name, one in found.items() if one.two_sided] == ["in force"]


def test_weights_that_are_tried_are_the_receivers_alone():
    """Whose injection counts stays as it was agreed."""
    producers = {"method": "fixed", "points": {"roof": {"weight": 1}}}
    fixed = SharingKey.model_validate({"participants": PEOPLE, "rounds": "fixed", "producers": producers})
    tried = candidates(fixed, SCARCE)["fixed-multi by withdrawal"]
    assert tried.participants["p4"].weight != fixed.participants["p4"].weight
    assert tried.producers.points["p4"].weight == fixed.participants["p4"].weight
    assert tried.producers.points["roof"].weight == 1


def test_fixed_parts_for_tier_one_serve_them_better_than_pro_rata():
    """A priority in a form that grid operators compute."""
    options = {option.name: option.figures for option in recommend(key(), SCARCE, Aim.VULNERABLE_FIRST)}
    assert options["hybrid, fixed parts for tier 1"].vulnerable_coverage > options["prorata"].vulnerable_coverage


energies = st.integers(0, 5000)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(energies, energies, energies, energies, energies), min_size=1, max_size=5), st.sampled_from(Aim)
)
def test_nothing_ranked_below_serves_the_aim_better(rows, aim):
    ranked = recommend(key(), community([row[:4] for row in rows], [row[4] for row in rows]), aim)
    best, most = ranked[0].figures, max(option.figures.shared_wh for option in ranked)
    if aim is Aim.MOST_SHARED:
        assert best.shared_wh == most
    elif aim is Aim.MOST_EQUAL:
        assert best.shared_wh >= 0.9 * most
    else:
        assert all((option.figures.vulnerable_coverage or 0) <= (best.vulnerable_coverage or 0) for option in ranked)
