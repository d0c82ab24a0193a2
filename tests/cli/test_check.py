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
        (
            {"more": ", interval_s: -1"},
            ":9: buses.0.devices.1.interval_s:",
            ["greater than or equal to 0.1", "schema gateway`"],
        ),
        ({"profile": "sunspec-inverter"}, ":9: configuration: hall/pv:", ["did you mean `sunspec-inverter-"]),
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
        ("comunities: []\n", "", ["is no configuration of commonwatt", "did you mean `communities:`?"]),
        (
            "communities: [{id: x, name: X}]\nstore: {path: x}\n",
            ":2:",
            ["lacks `kind`", "`kind: embedded`, `kind: influxdb`"],
        ),
        ("centre: []\n", "", ["is no configuration of commonwatt", "a centre has `communities:`"]),
        ("\tcommunities: []\n", ":1:", ["is no YAML", "check indentation"]),
        ("communities:\n  - {id: x, name: X, timezone: Brussels}\n", ":2:", ["unknown time zone", "Europe/Brussels"]),
        (
            "communities: [{id: x, name: X}]\nmqtt: {pasword: x}\n",
            ":2:",
            ["unknown setting", "did you mean `password`?"],
        ),
    ],
)
def test_wrong_centre_names_file_line_field_and_next_step(commonwatt, tmp_path, text, where, words):
    path = tmp_path / "centre.yaml"
    path.write_text(text)
    outcome = commonwatt("check", path)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{path}{where}" in outcome.err
    assert all(word in outcome.err for word in words)


SEVERAL = """\
gateway: live
community: ixelles
data_dir: /tmp/x
buses:
  - id: b1
    url: tcp://10.0.0.2
    devices:
      - {device: hall/grid, profile: eastron-sdm63}
      - {device: hall/pv, profile: sunspec-inverter-103, unit: 3, limits: {power_w: {low: -5, high: 5}}}
      - {device: hall/pv-2, profile: sunspec-inverter-103, unit: 3}
      - {device: hall/battery, profile: goodwe-et-battery, unit: 247, limits: {power_w: {low: -5, high: 5}}}
"""


def test_check_tells_everything_that_is_wrong_each_with_its_line(commonwatt, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(SEVERAL)
    outcome = commonwatt("check", path)
    assert outcome.code == 1
    expected = {
        1: "no gateway may be called so",
        8: "did you mean `eastron-sdm630`?",
        9: "the profile takes 0",
        10: "is hall/pv already",
        11: "accept_no_watchdog: true",
    }
    told = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(told) == len(expected)
    for line, words in expected.items():
        assert any(f"{path}:{line}:" in one and words in one for one in told), words
    facts = json.loads(commonwatt("check", path, "--json").out)
    assert facts["ok"] is False
    assert [problem["line"] for problem in facts["problems"]] == list(expected)
    assert all(problem["next"] and problem["field"] and problem["problem"] for problem in facts["problems"])


def test_check_tells_misspelt_and_impossible_settings_together(commonwatt, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY.format(**(GOOD | {"more": ", intervall_s: 5, unit_: 3"})) + "outbox_limit_mb: 0\n")
    outcome = commonwatt("check", path)
    assert [line.split(": ")[2] for line in outcome.err.splitlines() if line.startswith("error")] == [
        "buses.0.devices.1.intervall_s",
        "buses.0.devices.1.unit_",
        "outbox_limit_mb",
    ]


def test_check_tells_an_unknown_profile_beside_a_field_that_is_wrong(commonwatt, tmp_path):
    path = tmp_path / "gateway.yaml"
    text = GATEWAY.format(**(GOOD | {"more": ", intervall_s: 5"})).replace("eastron-sdm630", "eastron-sdm63")
    path.write_text(text)
    told = [line for line in commonwatt("check", path).err.splitlines() if line.startswith("error")]
    assert any("intervall_s: unknown setting" in line for line in told)
    assert any("profile: unknown profile 'eastron-sdm63'; did you mean `eastron-sdm630`?" in line for line in told)
    assert all("at least 1 item" not in line for line in told)


def test_serial_line_that_cannot_carry_its_readings_is_a_warning(commonwatt, tmp_path):
    path = tmp_path / "gateway.yaml"
    devices = "".join(
        f"      - {{device: hall/load-{unit}, profile: eastron-sdm630, unit: {unit}, interval_s: 1}}\n"
        for unit in range(2, 12)
    )
    path.write_text(GATEWAY.format(**(GOOD | {"url": "rtu:///dev/ttyUSB0?baud=9600"})) + devices)
    outcome = commonwatt("check", path)
    assert outcome.code == 0
    assert "warning: bus b1: its readings need" in outcome.out
    (warning,) = json.loads(commonwatt("check", path, "--json").out)["warnings"]
    assert "raise interval_s" in warning
    path.write_text(GATEWAY.format(**(GOOD | {"url": "rtu:///dev/ttyUSB0?baud=9600"})))
    assert "warning" not in commonwatt("check", path).out


def test_file_that_is_not_there_is_one_error(commonwatt, tmp_path):
    outcome = commonwatt("check", tmp_path / "absent.yaml")
    assert outcome.code == 1
    assert "No such file" in outcome.err
    assert "Errno" not in outcome.err
