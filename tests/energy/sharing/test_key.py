from fractions import Fraction

import pytest
from pydantic import ValidationError

from energy.errors import ConfigError
from energy.sharing.key import SHORT_NAMES, Method, Roster, SharingKey

WEIGHTED = {"a": {"weight": 0.5}, "b": {"weight": "1/3"}}


def key(**fields):
    return SharingKey.model_validate({"rounds": "prorata"} | fields)


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_short_name_expands_to_rounds_that_start_with_the_whole_injection(name):
    rounds = key(participants=WEIGHTED, rounds=name).rounds
    assert [round_.share for round_ in rounds] == [1] + [0] * (len(rounds) - 1)


def test_short_names_differ_as_the_operators_do():
    single, multi = (key(participants=WEIGHTED, rounds=name).rounds[0] for name in ("fixed", "fixed-multi"))
    assert (single.max_rounds, multi.max_rounds) == (1, None)
    hybrid = key(participants=WEIGHTED, rounds="hybrid").rounds
    assert [round_.method for round_ in hybrid] == [Method.FIXED, Method.PRORATA]


@pytest.mark.parametrize(
    ("written", "exact"), [(0.1, "1/10"), ("0.333333", "333333/1000000"), ("1/3", "1/3"), (1, "1"), (1e-05, "1/100000")]
)
def test_weight_is_exactly_what_was_written(written, exact):
    assert key(participants={"a": {"weight": written}}).participants["a"].weight == Fraction(exact)


@pytest.mark.parametrize(
    "weight", [-0.1, 1.1, "half", True, None, "1/0", float("nan"), float("inf"), "1e999999999", [1]]
)
def test_weight_that_is_no_part_of_one_is_refused(weight):
    with pytest.raises(ValidationError, match="from 0 to 1"):
        key(participants={"a": {"weight": weight}})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"participants": {"a": {"weight": 0.6}, "b": {"weight": 0.400001}}}, "may not exceed 1"),
        ({"rounds": [{"method": "prorata", "share": 0.7}, {"method": "equal", "share": 0.4}]}, "may not exceed 1"),
        ({"rounds": [{"method": "prorata"}, {"method": "equal", "share": 0.1}]}, "may not exceed 1"),
        ({"rounds": "pro-rata"}, "short names are fixed, fixed-multi"),
        ({"rounds": [{"method": "cascade"}]}, "'equal', 'fixed', 'prorata' or 'priority'"),
        ({"rounds": [{"method": "fixed", "max_rounds": 0}]}, "greater than or equal to 1"),
        ({"rounds": [{"method": "prorata", "basis": "load"}]}, "'residual', 'withdrawal'"),
        ({"rounds": []}, "must be 1 to 20 rounds, are 0"),
        ({"rounds": "fixed"}, "needs participants with a weight"),
        ({"rounds": "fixed", "participants": {"a": {}}}, "needs participants with a weight"),
        ({"participants": {}}, "at least 1"),
        ({"participants": {"a": {"tier": 0}}}, "greater than or equal to 1"),
        ({"participants": {"a": {"since": "2026-06-01T00:00:00"}}}, "timezone"),
        ({"participants": {"a": {"until": "2026-06-01T00:07:00Z"}}}, "start of a quarter-hour"),
        ({"producers": "biggest"}, "'prorata', 'fixed' or 'priority'"),
        (
            {"producers": {"method": "fixed", "points": {"a": {"weight": 0.7}, "b": {"weight": 0.7}}}},
            "may not exceed 1",
        ),
        ({"producers": "fixed"}, "no producer has a weight"),
        ({"resolution_wh": 10}, "0 or 1"),
        ({"on_missing": "guess"}, "'hold', 'zero' or 'estimate'"),
        ({"rouds": []}, "Extra inputs"),
    ],
)
def test_key_that_makes_no_sense_is_refused_in_words(fields, words):
    with pytest.raises(ValidationError, match=words):
        key(**fields)


def test_shares_below_one_are_allowed_for_the_rest_is_surplus():
    assert key(rounds=[{"method": "prorata", "share": 0.4}]).rounds[0].share == Fraction(2, 5)


def test_stakes_of_any_size_become_weights_that_add_up_to_one():
    stakes = key(participants={"a": {"stake": 12500}, "b": {"stake": "7500.50"}, "c": {}}, rounds="fixed").participants
    assert [stakes[point].weight for point in "abc"] == [Fraction(25000, 40001), Fraction(15001, 40001), 0]
    again = key(participants=stakes, rounds="fixed").participants
    assert again == stakes


@pytest.mark.parametrize(
    ("standings", "words"),
    [
        ({"a": {"stake": 3}, "b": {"weight": 0.5}}, "b has a weight where others have a stake"),
        ({"a": {"stake": 0}}, "stakes add up to 0"),
        ({"a": {"stake": -1}}, "from 0 "),
        ({"a": {"stake": "much"}}, "from 0 up"),
        ({"a": {"participation_pct": 0}}, "greater than or equal to 1"),
        ({"a": {"participation_pct": 12.5}}, "integer"),
    ],
)
def test_stake_or_participation_that_makes_no_sense_is_refused(standings, words):
    with pytest.raises(ValidationError, match=words):
        key(participants=standings)


def test_roster_without_list_lets_everybody_with_withdrawals_receive():
    assert Roster.of(key(), ["a", "b"], [True, False]).receives == (True, False)


def test_roster_with_list_lets_only_the_listed_receive():
    assert Roster.of(key(participants={"b": {}}), ["a", "b"], [True, True]).receives == (False, True)


def test_roster_of_a_listed_point_without_readings_is_refused():
    with pytest.raises(ConfigError, match=r"participants\.c: is not in the readings"):
        Roster.of(key(participants={"c": {}}), ["a", "b"], [True, True])


def test_roster_takes_a_producers_own_standing_before_its_standing_as_participant():
    producers = {"method": "priority", "points": {"b": {"tier": 1}}}
    participants = {"a": {"tier": 2, "weight": 0.2}, "b": {"tier": 3}}
    roster = Roster.of(key(participants=participants, producers=producers), ["a", "b", "c"], [True] * 3)
    assert roster.producer_tiers[:2] == (2, 1)
    assert roster.producer_tiers[2] > 1000, "a point without tier comes last"
