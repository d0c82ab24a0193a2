"""`users consent`, `export`, `erase`, `research` as a person runs them."""

from __future__ import annotations

import json
import sqlite3
import stat
import zipfile
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
import yaml

from storage.register.database import RegisterDatabase
from storage.register.month_runs import keep
from tests.energy.settlement.example import EAN, OTHER, SUN
from tests.energy.settlement.test_month import settled

PEOPLE = f"""\
people:
  - {{id: p7, name: Léa Dubois, mail: lea@example.org}}
  - {{id: p8, name: Noor Peeters}}
users:
  - {{id: p7, person: p7, role: member}}
participants:
  - {{id: m-1, community: ixelles, person: p7, member_class: citizen, valid_to: 2026-07-01}}
  - {{id: m-2, community: ixelles, person: p8, member_class: sme}}
metering_points:
  - {{id: "{EAN}", participant: m-1, direction: withdrawal, valid_to: 2026-07-01}}
  - {{id: "{OTHER}", participant: m-2, direction: withdrawal}}
"""


@pytest.fixture
def config(commonwatt, tmp_path) -> Path:
    """A centre whose register has two members and a settled June."""
    path, people = tmp_path / "centre.yaml", tmp_path / "people.yaml"
    community = {"id": "ixelles", "name": "Ixelles", "sites": []}
    path.write_text(yaml.safe_dump({"register": {"path": str(tmp_path / "register.db")}, "communities": [community]}))
    people.write_text(PEOPLE)
    files = ("--config", path, "--people", people)
    plan = json.loads(commonwatt("register", "plan", *files, "--json").out)["plan"]
    assert commonwatt("register", "apply", *files, "--plan", plan).code == 0
    with closing(RegisterDatabase(tmp_path / "register.db")) as database, database.write() as connection:
        keep(connection, settled(), "0" * 64, "final", issued=date(2026, 7, 3), by="ann", why="", now_ms=1)
    return path


@pytest.fixture
def users(commonwatt, config):
    """users(command, ...): its outcome."""

    def run(*arguments):
        return commonwatt("users", *arguments, "--config", config)

    return run


def consent(users, person="p7", purpose="research"):
    return users("consent", person, purpose, "--evidence", "form 12 of 2026-01-05")


def test_a_consent_is_kept_listed_and_withdrawn(users):
    assert consent(users).code == 0
    assert "already" in consent(users).err
    ended = json.loads(users("withdraw", "p7", "research", "--json").out)
    assert ended == {"person": "p7", "purpose": "research", "stands": False}
    (kept,) = json.loads(users("consents", "p7", "--json").out)["consents"]
    assert kept["evidence"] == "form 12 of 2026-01-05"
    assert kept["withdrawn_at"] >= kept["given_at"]
    assert users("withdraw", "p7", "research").code == 1


def test_research_gets_who_consents_under_a_pseudonym_and_is_refused_without(users, tmp_path):
    out = tmp_path / "research.csv"
    refused = users("research", "--community", "ixelles", "--out", out)
    assert (refused.code, out.exists()) == (1, False)
    assert "nobody of ixelles consents to research" in refused.err
    consent(users)
    assert users("research", "--community", "ixelles", "--out", out).code == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "participant,start,withdrawn_wh,received_wh,injected_wh,given_wh"
    assert {line.split(",")[0] for line in lines[1:]} == {"m-1"}
    assert len(lines) == 2881
    assert not [told for told in (EAN, OTHER, SUN, "Léa", "p7") if told in out.read_text()]
    users("withdraw", "p7", "research")
    assert users("research", "--community", "ixelles", "--out", tmp_path / "again.csv").code == 1


def test_export_has_everything_of_one_person_and_is_for_its_owner_alone(users, tmp_path):
    out = tmp_path / "lea.zip"
    outcome = users("export", "p7", "--out", out, "--json")
    assert json.loads(outcome.out)["quarter_hours"] == 2880, outcome.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        assert set(archive.namelist()) == {"README.txt", "about.json", "quarter_hours.csv"}
        about = json.loads(archive.read("about.json"))
        rows = archive.read("quarter_hours.csv").decode().splitlines()
    assert about["register"]["person"][0]["name"] == "Léa Dubois"
    assert len(about["statements"]) == 1
    assert rows[1].startswith(f"m-1,{EAN},2026-05-31T22:00:00Z,100,")
    assert "Noor" not in json.dumps(about)
    assert users("export", "p7", "--out", out).code == 1


@pytest.mark.parametrize("command", ["erase", "delete"])
def test_erase_leaves_statements_under_the_pseudonym_and_says_what_it_cannot_reach(users, config, tmp_path, command):
    outcome = users(command, "p7", "--why", "asked on 2026-11-02")
    assert outcome.code == 0, outcome.err
    assert "backups, exports, `.before-` files" in outcome.out
    with closing(sqlite3.connect(tmp_path / "register.db")) as connection:
        dump = "\n".join(connection.iterdump())
        members = connection.execute("SELECT DISTINCT member FROM document").fetchall()
    assert ("m-1",) in members
    assert not [name for name in ("Léa", "Dubois", "lea@") if name in dump]
    assert "m-2 is a member of ixelles" in users("erase", "p8").err


def test_check_warns_of_a_pseudonym_that_says_who_it_is(commonwatt, tmp_path):
    path = tmp_path / "people.yaml"
    path.write_text(PEOPLE.replace("m-1", "m-dubois"))
    outcome = commonwatt("check", path)
    assert outcome.code == 0
    assert "warning: participant m-dubois holds a part of its person's name" in outcome.out
    path.write_text(PEOPLE)
    assert "warning" not in commonwatt("check", path).out
