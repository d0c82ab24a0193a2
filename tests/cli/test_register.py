"""`register` and `users` as a person runs them: plan, apply, export, audit; adding and erasing people."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

EAN, OTHER = "541448911000000003", "541448911000000010"
PEOPLE = f"""\
people:
  - {{id: lea, name: Léa Dubois, mail: lea@example.org, language: fr}}
users:
  - {{id: lea, person: lea, role: manager, communities: [ixelles]}}
participants:
  - {{id: p-1, community: ixelles, person: lea, member_class: citizen, valid_from: 2026-01-01}}
metering_points:
  - {{id: "{EAN}", participant: p-1, direction: both, site: hall, valid_from: 2026-01-01}}
sharing_keys:
  - id: k1
    community: ixelles
    valid_from: 2026-01-01
    key: {{participants: {{"{EAN}": {{weight: 0.25, tier: 1}}}}, rounds: hybrid}}
prices:
  - {{id: shared, community: ixelles, what: shared energy, value: 0.14, unit: eur_kwh, source: "agreement, art. 7"}}
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "centre.yaml"
    content = {
        "register": {"path": str(tmp_path / "register.db")},
        "communities": [
            {
                "id": "ixelles",
                "name": "Ixelles",
                "kind": "cer",
                "sites": [{"id": "hall", "name": "Hall", "gateway": "gw", "devices": [{"id": "grid", "role": "grid"}]}],
            }
        ],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def people(tmp_path) -> Path:
    path = tmp_path / "people.yaml"
    path.write_text(PEOPLE)
    return path


def apply(commonwatt, config, people):
    files = ("--config", config, "--people", people)
    plan = json.loads(commonwatt("register", "plan", *files, "--json").out)["plan"]
    return commonwatt("register", "apply", *files, "--plan", plan, "--by", "mia", "--why", "start")


def test_plan_tells_and_writes_nothing(commonwatt, config, people):
    files = ("--config", config, "--people", people)
    for _ in range(2):
        outcome = commonwatt("register", "plan", *files)
        assert outcome.code == 0, outcome.err
        assert "+ metering_point 541448911000000003 from 2026-01-01" in outcome.out
        assert "9 to add, 0 to change, 0 to end, 0 kept" in outcome.out


def test_apply_writes_the_plan_and_the_next_plan_is_empty(commonwatt, config, people):
    outcome = apply(commonwatt, config, people)
    assert (outcome.code, outcome.out) == (0, "9 changes are written\n"), outcome.err
    facts = json.loads(commonwatt("register", "plan", "--config", config, "--people", people, "--json").out)
    assert (facts["changes"], facts["kept"]) == ([], [])


def test_a_change_is_shown_before_and_after(commonwatt, config, people):
    apply(commonwatt, config, people)
    people.write_text(PEOPLE.replace("value: 0.14", "value: 0.15"))
    out = commonwatt("register", "plan", "--config", config, "--people", people).out
    assert "~ price shared\n    value: '0.14' -> '0.15'\n" in out


def test_without_the_people_file_people_are_kept_and_said(commonwatt, config, people):
    apply(commonwatt, config, people)
    out = commonwatt("register", "plan", "--config", config).out
    assert "= person lea stands only in the register and is kept" in out


def test_an_older_plan_is_refused(commonwatt, config, people):
    plan = json.loads(commonwatt("register", "plan", "--config", config, "--people", people, "--json").out)["plan"]
    apply(commonwatt, config, people)
    outcome = commonwatt("register", "apply", "--config", config, "--people", people, "--plan", plan)
    assert outcome.code == 1
    assert "register or files have changed" in outcome.err
    assert "make the plan again" in outcome.err


def test_an_export_applied_again_changes_nothing(commonwatt, config, people):
    apply(commonwatt, config, people)
    people.write_text(commonwatt("register", "export", "--config", config).out)
    facts = json.loads(commonwatt("register", "plan", "--config", config, "--people", people, "--json").out)
    assert facts["changes"] == []
    assert yaml.safe_load(people.read_text())["people"][0]["name"] == "Léa Dubois"


def test_an_export_of_a_day_has_what_held_then(commonwatt, config, people):
    apply(commonwatt, config, people)
    content = yaml.safe_load(commonwatt("register", "export", "--config", config, "--on", "2025-12-31").out)
    assert set(content) == {"people", "users", "prices"}


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (EAN, "541448911000000004", 8, "wrong check digit"),
        ("role: manager", "role: king", 4, "users.0.role"),
        ("mail: lea@example.org", "mail: lea", 2, "people.0.mail"),
        ("valid_from: 2026-01-01}\nmetering", "valid_from: 2026-13-01}\nmetering", 6, "month must be in 1..12"),
        ("weight: 0.25", "weight: 1.5", 13, "must lie from 0 to 1"),
        ("member_class: citizen", "member_clas: citizen", 6, "did you mean `member_class`?"),
        ("site: hall", "site: hal", 8, "metering_point.site names 'hal', which is no site"),
        ("person: lea, role", "person: leo, role", 2, "user.person names 'leo', which is no person"),
    ],
)
def test_a_bad_file_is_told_with_line_and_field_and_nothing_is_written(
    commonwatt, config, people, old, new, line, told
):
    people.write_text(PEOPLE.replace(old, new, 1))
    for arguments in (("plan",), ("apply", "--plan", "0")):
        outcome = commonwatt("register", *arguments, "--config", config, "--people", people)
        assert outcome.code == 1
        assert f"people.yaml:{line}:" in outcome.err, outcome.err
        assert told in outcome.err
    assert "{}" in commonwatt("register", "export", "--config", config).out


def test_all_problems_are_told_at_once(commonwatt, config, people):
    wrong = PEOPLE.replace("site: hall", "site: hal").replace("person: lea, role", "person: leo, role")
    people.write_text(wrong)
    outcome = commonwatt("register", "plan", "--config", config, "--people", people)
    assert "'hal'" in outcome.err
    assert "'leo'" in outcome.err


def test_check_knows_a_people_file(commonwatt, people):
    outcome = commonwatt("check", people)
    assert outcome.code == 0, outcome.err
    assert "a valid people configuration: 1 people, 1 users, 1 participants, 1 metering_points" in outcome.out


def test_audit_tells_who_when_what_and_why(commonwatt, config, people):
    apply(commonwatt, config, people)
    out = commonwatt("register", "audit", "--config", config, "--subject", "p-1").out
    assert out.rstrip().split("\t")[1:] == ["mia", "add participant p-1", "start"]
    (line,) = json.loads(commonwatt("register", "audit", "--config", config, "--subject", "p-1", "--json").out)["audit"]
    assert line["after"]["member_class"] == "citizen"


def test_a_user_is_added_changed_disabled_and_erased(commonwatt, config, tmp_path):
    add = ("users", "add", "Noor Peeters", "--mail", "noor@example.org", "--role", "technician", "--config", config)
    user = json.loads(commonwatt(*add, "--community", "*", "--json").out)
    assert (user["name"], user["role"], user["communities"]) == ("Noor Peeters", "technician", ["*"])
    assert commonwatt("users", "role", user["id"], "operator", "--config", config).code == 0
    assert commonwatt("users", "disable", user["id"], "--config", config, "--why", "left").code == 0
    (listed,) = json.loads(commonwatt("users", "list", "--config", config, "--json").out)["users"]
    assert (listed["role"], listed["disabled"]) == ("operator", True)
    assert commonwatt("users", "delete", user["id"], "--config", config, "--why", "asked for it").code == 0
    acts = json.loads(commonwatt("register", "audit", "--config", config, "--json").out)["audit"]
    assert [entry["action"] for entry in acts] == ["erase", "disable", "role", "add"]
    with closing(sqlite3.connect(tmp_path / "register.db")) as connection:
        dump = "\n".join(connection.iterdump())
    assert "Noor" not in dump
    assert "example.org" not in dump


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "X", "--community", "nowhere"), "user.communities names 'nowhere'"),
        (("add", "X", "--mail", "no mail"), "mail: "),
        (("add", "X", "--language", "xx"), "language: "),
        (("role", "u-none", "viewer"), "there is no user 'u-none'"),
        (("erase", "u-none"), "there is no user and no person 'u-none'"),
    ],
)
def test_a_wrong_user_is_refused_and_nothing_is_kept(commonwatt, config, arguments, told):
    outcome = commonwatt("users", *arguments, "--config", config)
    assert outcome.code == 1
    assert told in outcome.err
    assert json.loads(commonwatt("users", "list", "--config", config, "--json").out) == {"users": []}


def test_the_people_file_of_the_documentation_is_one(commonwatt, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "register.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(people:.*?)```", page, flags=re.DOTALL)
    path = tmp_path / "people.yaml"
    path.write_text(example)
    outcome = commonwatt("check", path)
    assert outcome.code == 0, outcome.err


def test_configuration_is_read_without_sqlalchemy():
    code = "import sys, cli.main, cli.configs; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
