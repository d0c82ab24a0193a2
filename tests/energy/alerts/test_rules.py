"""Rules as they are written: ready ones by name, changed ones, whole ones, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from energy.alerts.library import expand, ready_rules, texts_of
from energy.alerts.rules import Balance, VoltageHigh
from energy.alerts.subjects import actions_of, subjects
from energy.community import Community
from energy.errors import ConfigError
from energy.languages import LANGUAGES
from runtime.config import load_config

from .conftest import site

TWO = (site("hall"), site("school"))


def community(*rules, sites=TWO):
    return Community.model_validate({"id": "ixelles", "name": "Ixelles", "sites": list(sites), "rules": list(rules)})


@pytest.mark.parametrize("name", ready_rules())
def test_every_ready_rule_says_what_it_is_what_it_means_and_what_to_do_in_every_language(name):
    rule = ready_rules()[name]
    told = [rule.texts[language] for language in LANGUAGES]
    assert rule.id == name
    for field in ("title", "means", "do"):
        texts = [getattr(one, field) for one in told]
        assert all(text.strip() for text in texts)
        assert len(set(texts)) >= (2 if field == "title" else 4), "a text that is the same was not translated"
    assert rule.limits.raise_at != rule.limits.clear_at or rule.unit == ""


def test_a_ready_rule_is_used_by_its_name_or_changed():
    plain, changed = community(
        "voltage-high", {"use": "voltage-high", "id": "hall", "raise_above": 249, "for_s": 60}
    ).rules
    assert isinstance(plain, VoltageHigh)
    assert (plain.id, plain.raise_above, plain.clear_below) == ("voltage-high", 250, 248)
    assert (changed.id, changed.raise_above, changed.clear_below, changed.for_s) == ("hall", 249, 248, 60)
    assert texts_of(changed, "fr").title == texts_of(plain, "fr").title


def test_a_rule_without_kind_is_one_of_the_balance():
    (rule,) = community({"id": "sun", "metric": "surplus_w", "raise_above": 2, "clear_below": 1}).rules
    assert isinstance(rule, Balance)
    assert texts_of(rule, "nl") == texts_of(ready_rules()["surplus"], "nl")


def test_own_texts_stand_before_the_librarys_and_one_language_stands_for_the_others():
    (rule,) = community(
        {"use": "device-silent", "texts": {"fr": {"title": "Muet", "means": "Rien.", "do": "Appelez Jan."}}}
    ).rules
    assert texts_of(rule, "fr").do == "Appelez Jan."
    assert texts_of(rule, "de").do == "Appelez Jan."


@pytest.mark.parametrize(("rule", "told"), [
    ("no-such", "no ready rule 'no-such'"),
    ({"use": "voltage-high", "raise_above": 247}, "clear_below must not exceed raise_above"),
    ({"use": "voltage-low", "clear_above": 200}, "clear_above must not be less"),
    ({"use": "voltage-high", "raise_abvoe": 247}, "raise_abvoe"),
    ({"use": "voltage-high", "scope": {"sites": ["depot"]}}, "watches 'depot', which is no site"),
    ({"use": "voltage-high", "scope": {"devices": ["hall/x"]}}, "watches 'hall/x', which is no device"),
    ({"use": "voltage-high", "raise_above": float("nan")}, "finite"),
    ({"use": "voltage-high", "for_s": -1}, "greater than or equal to 0"),
    ({"id": "x", "kind": "quantity_above", "quantity": "state", "raise_above": 2, "clear_below": 1}, "no quantity"),
    ({"id": "x", "kind": "wind", "raise_above": 2, "clear_below": 1}, "does not match any of the expected tags"),
    ({"use": "surplus", "actions": [{"device": "depot/x", "set": {"power_w": 1}}]}, "acts on 'depot/x'"),
    ({"use": "surplus", "actions": [{"device": "hall/pv", "set": {"powr": 1}}]}, "unknown quantities powr"),
    (7, "valid dictionary"),
])  # fmt: skip
def test_what_is_wrong_with_a_rule_is_told(rule, told):
    with pytest.raises(ValidationError, match=told):
        community(rule)


def test_opening_hours_nobody_can_read_are_told_where_a_rule_needs_them():
    sites = [site("hall", opening_hours="every day", floor_area_m2=10)]
    assert community("night-load", sites=sites)
    with pytest.raises(ValidationError, match="opening hours 'every day'"):
        community("consumption-when-closed", sites=sites)


def test_a_file_with_a_wrong_rule_is_told_with_its_line(tmp_path):
    path = tmp_path / "community.yaml"
    path.write_text(
        "id: ixelles\nname: Ixelles\nrules:\n  - voltage-high\n  - use: voltage-low\n    severity: bad\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as wrong:
        load_config(path, Community, env={})
    assert (wrong.value.line, wrong.value.file) == (6, str(path))
    path.write_text("id: ixelles\nname: Ixelles\nrules:\n  - use: voltage-low\n    severty: info\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown setting") as wrong:
        load_config(path, Community, env={})
    assert wrong.value.line == 5
    assert "severity" in wrong.value.hint


def test_scope_narrows_what_is_watched():
    for scope, watched in (
        ({}, ["hall/grid", "hall/pv", "school/grid", "school/pv"]),
        ({"sites": ["hall"]}, ["hall/grid", "hall/pv"]),
        ({"devices": ["school/pv"]}, ["school/pv"]),
        ({"sites": ["hall"], "devices": ["school/pv"]}, ["hall/grid", "hall/pv", "school/pv"]),
    ):
        place = community({"use": "device-silent", "scope": scope})
        assert [subject.id for subject in subjects(place.rules[0], place)] == watched


def test_actions_are_asked_for_by_the_alert_of_their_own_site():
    acts = [{"device": f"{name}/pv", "set": {"power_w": 0}} for name in ("hall", "school")]
    place = community({"use": "quarter-peak", "actions": acts}, {"use": "surplus", "actions": acts})
    peak, surplus = place.rules
    hall, school = subjects(peak, place)
    assert [action.device for action in actions_of(peak, hall)] == ["hall/pv"]
    assert [action.device for action in actions_of(peak, school)] == ["school/pv"]
    assert len(actions_of(surplus, subjects(surplus, place)[0])) == 2


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["use", "id", "kind", "metric", "raise_above", "scope", "actions"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)


@given(st.one_of(anything, st.lists(anything, max_size=3)))
def test_whatever_stands_under_rules_is_read_or_refused(rules):
    with suppress(ValidationError):
        assert Community.model_validate({"id": "ixelles", "name": "Ixelles", "rules": rules}).rules is not None


@given(anything)
def test_expand_raises_nothing_but_value_errors(entry):
    with suppress(ValueError):
        expand(entry)
