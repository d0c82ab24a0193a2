"""Who may come in: held in memory, read anew when the register says that something changed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date

import pytest

from api.keys import KeyStore
from api.rights import Action
from runtime.clock import ManualClock
from storage.register import Register
from storage.register.keys import create, revoke
from storage.register.participants import PARTICIPANTS, Participant
from storage.register.people import USERS, User
from storage.register.roles import AccessRole
from tests.api.conftest import COMMUNITIES, DAY, NOW, Api, Keys, bearer

LEA = User(id="u-1", person="p-1", role=AccessRole.OPERATOR, communities=("ixelles",))


@pytest.fixture
def put(register: Register, keys: Keys):
    """put(user or participant): writes it, and the API knows."""

    def run(*facts):
        with register.database.write() as connection:
            for fact in facts:
                (USERS if isinstance(fact, User) else PARTICIPANTS).put(connection, fact, NOW)
        keys.look()

    return run


def test_a_key_is_known_by_its_plaintext_alone(keys: Keys):
    plaintext = keys.create("grafana", "viewer", ["ixelles"])
    known = keys.verify(plaintext)
    assert known is not None
    assert (known.name, known.role, known.scope) == ("grafana", AccessRole.VIEWER, frozenset({"ixelles"}))
    for wrong in (plaintext + "x", plaintext[:-1], "", "\udcff"):
        assert keys.verify(wrong) is None


def test_a_key_for_everywhere_has_no_bounds(keys: Keys):
    known = keys.verify(keys.create("grafana", "viewer", ["*"]))
    assert known is not None
    assert known.scope is None


def test_a_key_ends_on_its_day(keys: Keys, clock: ManualClock):
    plaintext = keys.create("guest", "viewer", ["*"], expires=NOW + 1)
    assert keys.verify(plaintext)
    clock._now_ms += 1
    assert keys.verify(plaintext) is None


async def test_what_another_process_revokes_ends_within_seconds_without_a_question_per_request(
    api: Api, register: Register
):
    other = Register(register.database.path)
    watching = asyncio.create_task(api.keys.watch())
    assert (await api.get("/api/v1/live")).status_code == 200
    with other.database.write() as connection:
        revoke(connection, "viewer", by="mia", now_ms=NOW)
    assert (await api.get("/api/v1/live")).status_code == 200  # memory alone answers
    for _ in range(100):
        await api.clock.advance(1)
        await asyncio.sleep(0.01)
        if (await api.get("/api/v1/live")).status_code == 401:
            break
    assert (await api.get("/api/v1/live")).status_code == 401
    watching.cancel()
    other.close()


def test_keys_are_read_again_only_when_something_changed(keys: Keys, monkeypatch: pytest.MonkeyPatch):
    read = []
    monkeypatch.setattr("api.keys.keys", lambda connection: read.append(1) or [])
    keys.look()
    assert read == []
    keys.create("one", "viewer", ["*"])
    keys.look()
    assert read == [1]


def test_while_the_register_is_away_who_was_known_stays_known(keys: Keys, register: Register):
    plaintext = keys.create("grafana", "viewer", ["*"])
    with closing(sqlite3.connect(register.database.path)) as file:
        file.execute("ALTER TABLE tally RENAME TO elsewhere")
    with keys._outage:
        keys.look()
    assert keys.verify(plaintext)


class TestUsers:
    def key(self, keys: Keys, **more):
        return keys.create("laptop", more.pop("role", "operator"), owner="u-1", **more)

    def test_a_users_key_may_what_the_user_may(self, keys: Keys, put):
        put(LEA)
        known = keys.verify(self.key(keys))
        assert known is not None
        assert (known.name, known.scope) == ("u-1", frozenset({"ixelles"}))
        assert Action.COMMAND in known.rights

    def test_it_never_may_more_than_the_user(self, keys: Keys, put):
        put(LEA)
        plaintext = self.key(keys, communities=["*"])
        put(replace(LEA, role=AccessRole.VIEWER))
        known = keys.verify(plaintext)
        assert known is not None
        assert Action.COMMAND not in known.rights
        assert known.scope == frozenset({"ixelles"})

    def test_it_may_less(self, keys: Keys, put):
        put(LEA)
        known = keys.verify(self.key(keys, role="viewer", sites=["ixl-pool", "sch-hall"]))
        assert known is not None
        assert Action.ACKNOWLEDGE not in known.rights
        assert known.scope == frozenset({"ixelles/ixl-pool"})

    def test_disabling_the_user_ends_it(self, keys: Keys, put):
        put(LEA)
        plaintext = self.key(keys)
        put(replace(LEA, disabled=True))
        assert keys.verify(plaintext) is None

    def test_it_ends_on_the_day_on_which_the_user_ends(self, keys: Keys, put, clock: ManualClock):
        put(replace(LEA, valid_to=date(2025, 6, 16)))
        plaintext = self.key(keys)
        assert keys.verify(plaintext)
        clock._now_ms += DAY
        keys.look()
        assert keys.verify(plaintext) is None

    def test_own_participants_are_those_of_the_person_today(self, keys: Keys, put):
        own = Participant(id="m-1", community="schaerbeek", person="p-1", member_class="citizen")
        past = replace(own, id="m-0", valid_to=date(2025, 1, 1))
        put(replace(LEA, role=AccessRole.PARTICIPANT, communities=()), own, past, replace(own, id="m-2", person="p-2"))
        known = keys.verify(self.key(keys, role="participant"))
        assert known is not None
        assert (known.participants, known.person) == (frozenset({"m-1"}), "p-1")
        assert known.scope == frozenset({"schaerbeek"})


class TestPlaces:
    """Whose sites a municipality's are: Ixelles owns all of `ixelles`, nobody is named for `schaerbeek`."""

    def test_a_municipality_that_owns_all_sites_sees_the_community(self, keys: Keys):
        known = keys.verify(keys.create("town", "municipality", municipalities=["IXELLES"]))
        assert known is not None
        assert known.scope == frozenset({"ixelles"})

    def test_a_municipality_that_owns_some_sees_those(self, register: Register, clock: ManualClock):
        ixelles, *_ = COMMUNITIES
        hall, pool = ixelles.sites
        shared = ixelles.model_copy(update={"sites": (hall, pool.model_copy(update={"municipality": "Etterbeek"}))})
        with register.database.write() as connection:
            made = [
                create(connection, name, "municipality", municipalities=[name], by="mia", now_ms=NOW)
                for name in ("Ixelles", "Etterbeek")
            ]
        store = KeyStore(register.database, [shared], clock)
        assert [store.verify(each).scope for each in made] == [{"ixelles/ixl-hall"}, {"ixelles/ixl-pool"}]

    async def test_a_building_sees_itself_and_nothing_beside(self, api: Api):
        headers = bearer(api.keys.create("caretaker", "building", sites=["ixl-pool"]))
        for site in ("ixl-hall", "ixl-pool", "sch-hall"):
            community = "schaerbeek" if site == "sch-hall" else "ixelles"
            api.write(f"{site}/pv", NOW, community, power_w=1.0)
            await api.publish_live(community, site)
            api.command(f"{site}-lease", f"{site}/battery")

        async def get(path):
            return await api.client.get(f"/api/v1/{path}", headers=headers)

        assert [each["id"] for each in (await get("sites")).json()["sites"]] == ["ixl-pool"]
        live = (await get("live")).json()
        assert ([each["id"] for each in live["sites"]], live["communities"]) == (["ixl-pool"], [])
        assert [each["sites"] for each in (await get("communities")).json()["communities"]] == [["ixl-pool"]]
        assert [each["id"] for each in (await get("commands")).json()["commands"]] == ["ixl-pool-lease"]
        assert (await get("sites/ixl-pool/devices")).status_code == 200
        assert (await get("sites/ixl-hall/history")).status_code == 404
        assert (await get("communities/schaerbeek/history")).status_code == 404

    async def test_a_stream_of_one_building_carries_nothing_of_another(self, api: Api):
        reader = api.live.events.subscribe(frozenset({"ixelles/ixl-pool"}))
        await api.publish_live("ixelles", "ixl-hall")
        assert reader.take() == b""
        await api.publish_live("ixelles", "ixl-pool")
        told = reader.take()
        assert told is not None
        assert b"ixl-pool" in told
        assert b"event: community" not in told
