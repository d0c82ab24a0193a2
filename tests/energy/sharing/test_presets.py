from datetime import date
from fractions import Fraction

import pytest
from pydantic import ValidationError

from energy.sharing.exact import share_pairs
from energy.sharing.key import SHORT_NAMES, Method, SharingKey
from energy.sharing.presets import Presets, with_preset
from runtime.presets import shipped_presets

PRESET = {
    "name": "town-fixed",
    "operator": "Town grid",
    "called": {"en": "fixed"},
    "rounds": "fixed",
    "evidence": "published",
    "source": "its page",
    "as_of": "2026-11-27",
}
ALL = shipped_presets().presets


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("sibelga-fixed", "fixed"),
        ("sibelga-fixed-multi", "fixed-multi"),
        ("sibelga-prorata", "prorata"),
        ("sibelga-hybrid", "hybrid"),
        ("fluvius-vaste", "fixed"),
        ("fluvius-relatieve", "fixed"),
        ("wallonia-egalitaire", "equal"),
        ("wallonia-specifique", "fixed"),
        ("wallonia-dynamique", "prorata"),
        ("enedis-statique", "fixed"),
        ("enedis-dynamique", "prorata"),
        ("austria-statisch", "fixed"),
        ("austria-dynamisch", "prorata"),
        ("luxembourg-priority", "priority"),
        ("spain-beta", "fixed"),
        ("luxembourg-prorata", "prorata"),
    ],
)
def test_shipped_preset_is_the_key_that_the_operator_publishes(name, like):
    people = {"a": {"weight": 0.5, "tier": 1}, "b": {"weight": 0.5}}
    ours = SharingKey.model_validate(with_preset({"participants": people, "preset": name}, ALL))
    assert ours.rounds == SharingKey.model_validate({"participants": people, "rounds": like}).rounds


def test_every_shipped_preset_says_where_it_is_from_and_what_is_not_verified():
    for preset in ALL:
        assert preset.source
        assert preset.called["en"]
        assert preset.evidence != "unverified" or preset.unverified
        assert preset.holds(date(2026, 11, 28))


def test_preset_keeps_what_else_the_key_says():
    key = with_preset({"preset": "luxembourg-priority", "on_missing": "zero", "resolution_wh": 0}, ALL)
    assert (key["producers"], key["on_missing"], key["resolution_wh"]) == ("priority", "zero", 0)
    assert [round_["method"] for round_ in key["rounds"]] == [Method.PRIORITY]


def test_preset_of_two_sides_and_of_coefficients_by_quarter_hour_says_so():
    assert with_preset({"preset": "luxembourg-prorata"}, ALL)["two_sided"] is True
    hourly = SharingKey.model_validate(with_preset({"preset": "spain-beta-hourly", "participants": {"a": {}}}, ALL))
    assert hourly.coefficients == "by_quarter"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"preset": "luxembourg-prorata", "two_sided": False}, "has its own two_sided"),
        ({"preset": "sibelga"}, "there is no preset 'sibelga'"),
        ({"preset": "sibelga-fixed", "rounds": "fixed"}, "either"),
    ],
)
def test_preset_that_is_not_there_or_not_alone_is_refused(key, words):
    with pytest.raises(ValueError, match=words):
        with_preset(key, ALL)


def test_a_name_may_stand_twice_only_for_other_days():
    old, new = PRESET | {"valid_to": "2027-01-01"}, PRESET | {"valid_from": "2027-01-01", "rounds": "prorata"}
    both = Presets.model_validate({"presets": [old, new]})
    assert [both.on(date(year, 1, 1))["town-fixed"].rounds[0].method for year in (2026, 2027)] == ["fixed", "prorata"]
    with pytest.raises(ValidationError, match="town-fixed stands twice"):
        Presets.model_validate({"presets": [old, PRESET]})


def test_short_names_are_all_used_by_some_operator():
    used = {preset.rounds for preset in ALL}
    people = {"a": {"weight": 1}}
    for name in SHORT_NAMES:
        assert SharingKey.model_validate({"participants": people, "rounds": name}).rounds in {
            tuple(
                round_ if round_.share is not None else round_.model_copy(update={"share": int(n == 0)})
                for n, round_ in enumerate(rounds)
            )
            for rounds in used
        }


PROTOCOL_WEIGHTS = {"p2": 0.1, "p3": 0.225, "p4": 0.225, "p5": 0.225, "p6": 0.225}
PROTOCOL_WITHDRAWALS = [None, 30, 22, 30, 18, 20]


@pytest.mark.parametrize(
    ("preset", "received"),
    [
        ("fluvius-vaste", [0, 10, 22, 22.5, 18, 20]),
        ("fluvius-relatieve", [0, 10, 22, 22.5, 18, 20]),
        ("fluvius-optimale", [0, 12.307692, 22, 27.692308, 18, 20]),
    ],
)
def test_fluvius_presets_give_what_openenergyid_gives_where_producers_do_not_receive(sharing, preset, received):
    """Its sample with all injection at P1; results of OpenEnergyID 0.4.0, run on 2026-11-28, kWh."""
    people = {point: {"weight": weight} for point, weight in PROTOCOL_WEIGHTS.items()}
    key = with_preset({"participants": people, "preset": preset, "resolution_wh": 0}, ALL)
    case = sharing(key, PROTOCOL_WITHDRAWALS, [100, 0, 0, 0, 0, 0], ["p1", *PROTOCOL_WEIGHTS])
    assert [float(part) for part in case.exactly()[0]] == pytest.approx(received, abs=1e-6)


@pytest.mark.parametrize(
    ("relative", "received"),
    [(False, [0, 9, 18, 22.5, 18, 20]), (True, [0, 9.580645, 18.25, 24.056452, 18, 20])],
)
def test_coefficients_by_pair_give_what_openenergyid_gives_where_producers_receive(sharing, relative, received):
    """Its own sample: P2 and P3 inject and receive; a producer's percentage is nobody's (vaste), or the others' (relatieve)."""
    key = {"participants": {point: {} for point in PROTOCOL_WEIGHTS}, "rounds": "fixed", "coefficients": "by_pair"}
    case = sharing(key | {"resolution_wh": 0}, PROTOCOL_WITHDRAWALS, [70, 10, 20, 0, 0, 0], ["p1", *PROTOCOL_WEIGHTS])
    weights = [0, *PROTOCOL_WEIGHTS.values()]
    pairs = {
        own: [
            0 if place == own else Fraction(str(weight)) * 10**6 / (1 - Fraction(str(weights[own])) * relative)
            for place, weight in enumerate(weights)
        ]
        for own in range(3)
    }
    shared = share_pairs(case.key, case.roster, case.quarter, pairs)
    assert [float(part) for part in shared.received] == pytest.approx(received, abs=1e-6)
