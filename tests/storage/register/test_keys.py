"""API keys in the register: shown once, ended but never deleted, and a count that rises with all that decides access."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from energy.errors import ConfigError, RefusedError
from storage.register import audit
from storage.register.key_file import take_over
from storage.register.keys import access_version, create, keys, revoke, sha256_of
from storage.register.participants import PARTICIPANTS, Participant
from storage.register.people import PEOPLE, USERS, Person, User
from storage.register.roles import AccessRole

T = 1_750_000_000_000
LEA = User(id="u-1", person="u-1", role=AccessRole.MANAGER, communities=("ixelles",))


def made(connection, name="grafana", role="viewer", **values):
    values = {"communities": ["ixelles"], "by": "mia", "now_ms": T, **values}
    return create(connection, name, role, **values)


def test_a_key_is_kept_hashed_with_who_made_it(register):
    with register.database.write() as connection:
        plaintext = made(connection, sites=["sch-hall"], expires=T + 5)
        (key,) = keys(connection)
        rows = str(connection.execute(text("SELECT * FROM api_key")).all())
    assert (key.name, key.role, key.scope) == ("grafana", AccessRole.VIEWER, ("ixelles", "sch-hall"))
    assert (key.created, key.created_by, key.expires, key.sha256) == (T, "mia", T + 5, sha256_of(plaintext))
    assert plaintext.startswith("cw_")
    assert plaintext not in rows


def test_making_and_revoking_a_key_is_audited(register):
    with register.database.write() as connection:
        made(connection, why="wall screen")
        assert revoke(connection, "grafana", by="noor", now_ms=T + 1, why="lost") is True
        assert revoke(connection, "grafana", by="noor", now_ms=T + 2) is False
        ended, begun = audit.entries(connection, subject="grafana")
    assert (begun.who, begun.action, begun.after, begun.why) == (
        "mia",
        "create",
        {"role": "viewer", "communities": ["ixelles"]},
        "wall screen",
    )
    assert (ended.who, ended.action, ended.why) == ("noor", "revoke", "lost")


def test_a_revoked_key_stays_known_and_its_name_is_free(register):
    with register.database.write() as connection:
        made(connection)
        with pytest.raises(RefusedError, match="already"):
            made(connection)
        revoke(connection, "grafana", by="mia", now_ms=T + 1)
        made(connection)
        assert [(key.revoked, key.revoked_by) for key in keys(connection, revoked=True)] == [
            (T + 1, "mia"),
            (None, None),
        ]
        assert len(keys(connection)) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"role": "king"}, "no role"),
        ({"name": ""}, "1 to 63"),
        ({"name": "a\nb"}, "printable"),
        ({"communities": []}, "some place"),
        ({"owner": "u-9"}, "no active user 'u-9'"),
        ({"role": "building"}, "for single sites"),
        ({"role": "municipality"}, "municipalities and single sites"),
    ],
)
def test_a_key_that_fits_nothing_is_refused(register, values, told):
    with register.database.write() as connection:
        with pytest.raises(RefusedError, match=told):
            made(connection, **values)
        assert keys(connection) == []


def test_a_member_is_a_participant(register):
    with register.database.write() as connection:
        made(connection, role="member", participants=["m-1"])
        assert keys(connection)[0].role is AccessRole.PARTICIPANT


def test_a_key_of_a_disabled_user_is_not_made(register):
    with register.database.write() as connection:
        PEOPLE.put(connection, Person(id="u-1", name="Léa"), T)
        USERS.put(connection, replace(LEA, disabled=True), T)
        with pytest.raises(RefusedError, match="no active user"):
            made(connection, owner="u-1")


def test_the_count_rises_with_everything_that_decides_access_and_with_nothing_else(register):
    def version():
        with register.database.read() as connection:
            return access_version(connection)

    def counted(act):
        before = version()
        with register.database.write() as connection:
            act(connection)
        return version() > before

    member = Participant(id="m-1", community="ixelles", member_class="citizen")
    assert counted(made)
    assert counted(lambda connection: USERS.put(connection, LEA, T))
    assert counted(lambda connection: USERS.put(connection, replace(LEA, disabled=True), T + 1))
    assert counted(lambda connection: PARTICIPANTS.put(connection, member, T))
    assert counted(lambda connection: revoke(connection, "grafana", by="mia", now_ms=T))
    assert counted(lambda connection: connection.execute(text("DELETE FROM api_key")))  # by hand, past our code
    assert not counted(lambda connection: audit.record(connection, T, "mia", "look", "site", "hall"))
    register.quarantine("cw/v1/ixelles/gw/data", b"{", "no JSON", T)
    assert not counted(lambda _: None)


class TestFile:
    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "keys.json"
        entry = {"name": "grafana", "role": "viewer", "communities": ["*"], "sha256": sha256_of("cw_old"), "created": 7}
        path.write_text(json.dumps({"keys": [entry, entry | {"name": "wall", "sha256": sha256_of("cw_wall")}]}))
        return path

    def test_its_keys_are_taken_over_once_as_they_were(self, register, file):
        assert take_over(register.database, file, T) == 2
        assert take_over(register.database, file, T) == 0
        with register.database.read() as connection:
            grafana, wall = keys(connection)
            assert audit.entries(connection, subject="wall")[0].why == "taken over from keys.json"
        assert (grafana.name, grafana.sha256, grafana.created, grafana.communities) == (
            "grafana",
            sha256_of("cw_old"),
            7,
            ("*",),
        )
        assert wall.sha256 == sha256_of("cw_wall")
        assert [path.name for path in file.parent.glob("keys.json*")] == ["keys.json.taken-over"]

    def test_a_key_that_was_revoked_meanwhile_does_not_come_back(self, register, file):
        content = file.read_text()
        take_over(register.database, file, T)
        with register.database.write() as connection:
            revoke(connection, "wall", by="mia", now_ms=T)
        file.write_text(content)  # from a backup
        assert take_over(register.database, file, T) == 0
        with register.database.read() as connection:
            assert [key.name for key in keys(connection)] == ["grafana"]

    def test_another_key_of_a_name_is_refused_and_the_file_stays(self, register, file):
        with register.database.write() as connection:
            made(connection)
        with pytest.raises(ConfigError, match="has a key 'grafana', and the register another"):
            take_over(register.database, file, T)
        assert file.exists()
        with register.database.read() as connection:
            assert len(keys(connection)) == 1

    @pytest.mark.parametrize("content", ['{"keys": [{"name": "half"', "{}", '{"keys": [{"name": "x"}]}', "[]"])
    def test_a_broken_file_is_named_and_nothing_is_taken(self, register, file, content):
        file.write_text(content)
        with pytest.raises(ConfigError, match=r"keys\.json: is no key file"):
            take_over(register.database, file, T)
        assert file.read_text() == content

    def test_a_folder_in_its_place_is_named(self, register, tmp_path):
        (tmp_path / "keys.json").mkdir()
        with pytest.raises(ConfigError, match="cannot be read"):
            take_over(register.database, tmp_path / "keys.json", T)
