"""`check`: what is wrong with file, line, field, what is allowed, and the next step."""

from __future__ import annotations

import json

import pytest

GATEWAY = """\
gateway: gw-a
community: ixelles
data_dir: /tmp/x
buses:
  - id: b1
    url: {url}
    devices:
      - {{device: hall/grid, profile: eastron-sdm630}}
      - {{device: hall/pv, profile: {profile}, unit: 3{more}}}
"""
GOOD = {"url": "tcp://10.0.0.2", "profile": "sunspec-inverter-103", "more": ""}


def test_good_file_tells_what_it_configures(commonwatt, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY.format(**GOOD))
    outcome = commonwatt("check", path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "a valid gateway configuration: 1 buses, 2 devices" in outcome.out
    facts = json.loads(commonwatt("check", path, "--json").out)
    assert (facts["kind"], facts["ok"], facts["devices"]) == ("gateway", True, 2)


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"more": ", interval: 5"}, ":9: buses.0.devices.1.interval:", ["did you mean `interval_s`?"]),
        ({"more": ", interval_s: -1"}, ":9: buses.0.devices.1.interval_s:", ["greater than 0", "schema gateway`"]),
        ({"profile": "sunspec-inverter"}, ":9: configuration: hall/pv:", ["did you mean `sunspec-inverter-1"]),
        ({"url": "10.0.0.2"}, ":6: buses.0.url:", ["write tcp://host:502"]),
    ],
)
def test_wrong_gateway_names_file_line_field_and_next_step(commonwatt, tmp_path, change, where, words):
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY.format(**(GOOD | change)))
    outcome = commonwatt("check", path)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{path}{where}" in outcome.err
    assert all(word in outcome.err for word in [*words, "next: "])


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("communities:\n  - {id: x, name: X}\nstoer: {}\n", ":3: stoer:", ["did you mean `store`?"]),
        ("communities:\n  - {id: x, name: X, sites: [\n", ":3:", ["is no YAML"]),
        ("comunities: []\n", "", ["is no configuration of commonwatt", "a centre has `communities:`"]),
    ],
)
def test_wrong_centre_names_file_line_field_and_next_step(commonwatt, tmp_path, text, where, words):
    path = tmp_path / "centre.yaml"
    path.write_text(text)
    outcome = commonwatt("check", path)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{path}{where}" in outcome.err
    assert all(word in outcome.err for word in words)


def test_file_that_is_not_there_is_one_error(commonwatt, tmp_path):
    outcome = commonwatt("check", tmp_path / "absent.yaml")
    assert outcome.code == 1
    assert "No such file" in outcome.err
    assert "Errno" not in outcome.err
