"""A people file with anything anywhere is read, or refused by our own error."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cli.register.file import PeopleFile, as_yaml, load_people, wanted
from energy.errors import ConfigError
from storage.register.consistency import problems

EAN = "541448911000000003"
GOOD: dict[str, Any] = {
    "people": [{"id": "lea", "name": "Léa", "mail": "lea@example.org", "language": "fr"}],
    "users": [{"id": "lea", "person": "lea", "role": "manager", "communities": ["*"]}],
    "participants": [{"id": "p-1", "community": "ixelles", "member_class": "citizen", "valid_from": "2026-01-01"}],
    "metering_points": [{"id": EAN, "participant": "p-1", "direction": "both", "valid_from": "2026-01-01"}],
    "sharing_keys": [
        {"id": "k1", "community": "ixelles", "key": {"participants": {EAN: {"weight": 0.5}}, "rounds": "fixed"}}
    ],
    "prices": [{"id": "x", "what": "x", "value": "0.14", "unit": "eur_kwh", "source": "card"}],
}
_anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.dates(),
        st.datetimes(),
        st.sampled_from([EAN, "*", "1/3", "fixed", "2026-02-30", "1e999"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(content, dict | list):
        keys = content if isinstance(content, dict) else range(len(content))
        found += [one for key in keys for one in places(content[key], (*path, key))]
    return found


def read(path: Path) -> tuple[PeopleFile | None, str]:
    """The file, or what our error says of it."""
    try:
        return load_people(path), ""
    except ConfigError as error:
        return None, str(error)


@given(place=st.sampled_from(places(GOOD)), value=_anything)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_anywhere_is_read_or_refused_by_our_error(tmp_path: Path, place: tuple[Any, ...], value: Any):
    content = copy.deepcopy(GOOD)
    target = content
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    path = tmp_path / "people.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    people, told = read(path)
    assert (people is None) == (str(path) in told)
    if people is None:
        return
    facts = wanted((), people)
    assert isinstance(problems(facts), list)
    path.write_text(as_yaml(facts), encoding="utf-8")
    if as_yaml(facts).strip() != "{}":
        assert load_people(path).facts() == people.facts()


@pytest.mark.parametrize("text", ["", "people:\n", "[]", "people: 3\n", "people: [a]\n", "\x00"])
def test_a_file_that_is_hardly_one_is_read_or_refused(tmp_path, text):
    path = tmp_path / "people.yaml"
    path.write_text(text)
    people, told = read(path)
    assert people is None or people.people == ()
    assert (people is None) == ("people.yaml" in told)


def test_sharing_key_may_be_an_operators_by_its_name_and_is_kept_by_its_rounds():
    written = copy.deepcopy(GOOD)
    written["sharing_keys"][0]["key"] = {"participants": {EAN: {"weight": 0.5}}, "preset": "sibelga-hybrid"}
    key = PeopleFile.model_validate(written).sharing_keys[0]
    assert [each.method for each in key.parsed().rounds] == ["fixed", "prorata"]
    assert "preset" not in key.key
    written["sharing_keys"][0]["key"]["preset"] = "sibelga"
    with pytest.raises(ValidationError, match="there is no preset 'sibelga'"):
        PeopleFile.model_validate(written)
