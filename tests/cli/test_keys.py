"""`keys` as a person runs it: in the register, of users and machines, with the file of before taken over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from storage.register.keys import sha256_of


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "centre.yaml"
    content = {
        "register": {"path": str(tmp_path / "register.db")},
        "api": {"keys_file": str(tmp_path / "keys.json")},
        "communities": [
            {
                "id": "ixelles",
                "name": "Ixelles",
                "municipality": "Ixelles",
                "sites": [{"id": "hall", "name": "Hall", "gateway": "gw"}],
            }
        ],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def old_file(tmp_path) -> Path:
    path = tmp_path / "keys.json"
    entry = {"name": "old", "role": "viewer", "communities": ["*"], "sha256": sha256_of("cw_old"), "created": 0}
    path.write_text(json.dumps({"keys": [entry]}))
    return path


@pytest.fixture
def keys(commonwatt, config):
    """keys("list", ...): the command with --config and --json, its facts."""

    def run(command, *arguments):
        outcome = commonwatt("keys", command, *arguments, "--config", config, "--json")
        assert outcome.code == 0, outcome.err
        return json.loads(outcome.out)

    return run


def test_a_key_is_made_listed_and_revoked_with_who_did_it(commonwatt, config, keys):
    made = keys("create", "grafana", "--role", "technician", "--community", "ixelles", "--site", "hall", "--by", "mia")
    assert made["key"].startswith("cw_")
    (listed,) = keys("list")["keys"]
    assert (listed["role"], listed["communities"], listed["sites"]) == ("technician", ["ixelles"], ["hall"])
    assert (listed["created_by"], listed["state"]) == ("mia", "stands")
    assert made["key"] not in commonwatt("keys", "list", "--config", config).out
    assert keys("revoke", "grafana", "--by", "noor", "--why", "lost") == {"name": "grafana", "state": "revoked"}
    assert keys("list") == {"keys": []}
    (ended,) = keys("list", "--all")["keys"]
    assert ended["revoked_by"] == "noor"
    audit = json.loads(commonwatt("register", "audit", "--config", config, "--json").out)["audit"]
    assert [(line["who"], line["action"], line["subject"], line["why"]) for line in audit] == [
        ("noor", "revoke", "grafana", "lost"),
        ("mia", "create", "grafana", ""),
    ]


def test_a_users_key_has_the_users_role_and_ends_on_its_day(commonwatt, config, keys):
    added = commonwatt("users", "add", "Noor", "--role", "operator", "--community", "*", "--config", config, "--json")
    user = json.loads(added.out)["id"]
    keys("create", "laptop", "--user", user, "--expires", "2027-01-01")
    (listed,) = keys("list")["keys"]
    assert (listed["user"], listed["role"], listed["communities"]) == (user, "operator", [])
    assert listed["expires"] == 1_798_758_000_000  # midnight in Brussels
    assert f"all of {user}" in commonwatt("keys", "list", "--config", config).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("x", "--role", "king"), "'king' is no role"),
        (("x", "--community", "ixeles"), "'ixeles' is none of the communities of the configuration"),
        (("x", "--site", "pool"), "there are hall"),
        (("x", "--municipality", "Uccle"), "there are ixelles"),
        (("x", "--participant", "m-1"), "there is no participant 'm-1'"),
        (("x", "--user", "u-1"), "there is no active user 'u-1'"),
        (("x", "--expires", "tomorrow"), "'tomorrow' is no day"),
        (("x", "--role", "building", "--community", "ixelles"), "building is a role for single sites"),
    ],
)
def test_a_wrong_key_is_refused_and_nothing_is_kept(commonwatt, config, keys, arguments, told):
    outcome = commonwatt("keys", "create", *arguments, "--config", config)
    assert outcome.code == 1
    assert told in outcome.err
    assert keys("list") == {"keys": []}


def test_a_file_of_before_is_taken_over_by_the_first_command(keys, old_file):
    assert [key["name"] for key in keys("list")["keys"]] == ["old"]
    assert not old_file.exists()


def test_the_old_option_finds_the_register_beside_the_file(commonwatt, keys, old_file):
    assert "old\tviewer" in commonwatt("keys", "list", "--keys-file", old_file).out
    assert commonwatt("keys", "create", "new", "--keys-file", old_file).out.startswith("cw_")
    assert commonwatt("keys", "revoke", "old", "--keys-file", old_file).code == 0
    assert [key["name"] for key in keys("list")["keys"]] == ["new"]


def test_a_command_that_is_told_nothing_asks_for_the_configuration(commonwatt):
    outcome = commonwatt("keys", "list")
    assert outcome.code == 1
    assert "--config: is needed to find the register" in outcome.err


def test_a_key_that_does_not_stand_cannot_be_revoked(commonwatt, config):
    outcome = commonwatt("keys", "revoke", "nobody", "--config", config)
    assert (outcome.code, "no key named 'nobody'" in outcome.err) == (1, True)
