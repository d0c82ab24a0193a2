"""What is held about a person: collected as a whole, erased as far as the law allows, on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from energy.errors import RefusedError
from energy.settlement.month import settle_month
from storage.register import audit, consents
from storage.register.curves import of_community
from storage.register.documents import documents
from storage.register.erasure import about, erase, ids_of
from storage.register.keys import create, keys
from storage.register.month_runs import keep, reopen
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.parties import PARTIES, BillingParty
from storage.register.people import PEOPLE, USERS, Person, User
from storage.register.reopened import body_of
from storage.register.roles import AccessRole
from storage.register.tables import Base
from tests.energy.settlement.example import EAN
from tests.energy.settlement.test_month import END, START, inputs, readings, settled

T = 1_750_000_000_000
LEFT = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
LEA = Person(id="p-1", name="Léa Dubois", mail="lea@example.org", language="nl")
MEMBER = Participant(id="m-1", community="ixelles", person="p-1", member_class="citizen", valid_to=date(2026, 7, 1))
NAMES = ("Léa", "Dubois", "lea@", "ldubois")


@pytest.fixture
def filled(register):
    """A register in which Léa has a user, a key, a membership, a consent and a settled month; Noor is beside."""
    with register.database.write() as connection:
        for person in (LEA, replace(LEA, name="Léa Peeters-Dubois"), Person(id="p-2", name="Noor")):
            PEOPLE.put(connection, person, T)
        USERS.put(
            connection,
            User(id="u-1", person="p-1", role=AccessRole.VIEWER, communities=("ixelles",), login="ldubois"),
            T,
        )
        for n, ean in ((1, EAN), (2, "541448911000000003")):
            member = MEMBER if n == 1 else replace(MEMBER, id="m-2", person="p-2", valid_to=None)
            PARTICIPANTS.put(connection, member, T)
            METERING_POINTS.put(connection, MeteringPoint(id=ean, participant=f"m-{n}", direction="both"), T)
        create(connection, "phone of Léa", "viewer", owner="u-1", by="u-1", now_ms=T)
        consents.give(connection, "p-1", "research", "form signed by Léa Dubois", T)
        keep(connection, settled(), "0" * 64, "final", issued=date(2026, 7, 3), by="ann", why="", now_ms=T)
    register.save_alert(
        {"id": "a1", "rule": "r", "community": "ixelles", "severity": "info", "state": "firing", "metric": "m",
         "value": 1.0, "raise_above": 1.0, "clear_below": 0.5, "since": T, "raised_at": T, "acknowledged_at": None, "acknowledged_by": None, "cleared_at": None,
         "actions": [], "evidence": []}
    )  # fmt: skip
    register.acknowledge("a1", "u-1", T + 1)
    return register


def dump(register) -> str:
    with register.database.read() as connection:
        return "\n".join(str(connection.execute(table.select()).all()) for table in Base.metadata.sorted_tables)


@pytest.mark.parametrize("name", ["u-1", "p-1"])
def test_everything_about_a_person_is_told_and_nothing_about_another(filled, name):
    with filled.database.read() as connection:
        found = about(connection, ids_of(connection, name))
    told = json.dumps(found, default=str)
    assert found["register"]["person"][-1]["name"] == "Léa Peeters-Dubois"
    assert [point["id"] for point in found["register"]["metering_point"]] == [EAN]
    assert [key["name"] for key in found["keys"]] == ["phone of Léa"]
    assert [consent["purpose"] for consent in found["consents"]] == ["research"]
    assert [act["alert"] for act in found["acts"]["alerts"]] == ["a1"]
    assert {statement["member"] for statement in found["statements"]} == {"m-1"}
    assert [document["draft"]["member"] for document in found["documents"]] == ["m-1"]
    assert "sha256" not in told
    assert not [other for other in ("Noor", "m-2", "p-2") if other in told]


def test_erasing_leaves_the_law_its_documents_and_nothing_of_the_person(filled):
    with filled.database.write() as connection:
        sent = documents(connection, "ixelles")
        erase(connection, ids_of(connection, "u-1"), by="dpo", why="asked on 2026-11-02", now_ms=LEFT)
    with filled.database.read() as connection:
        assert documents(connection, "ixelles") == sent
        assert {curve.member for curve in of_community(connection, "ixelles", START, END)} == {"m-2", "town"}
        assert keys(connection) == []
        assert [user.disabled for user in USERS.all(connection)] == [True]
        assert audit.entries(connection)[0].action == "erase"
    left = dump(filled).replace("'phone of Léa'", "", 2)  # the audit's lines of a key that was named against the rule
    assert not [name for name in NAMES if name in left]


def test_erasing_forgets_late_readings_of_the_persons_months(filled):
    late = readings()
    late.withdrawal[7] = 0
    with filled.database.write() as connection:
        assert reopen(connection, settle_month(inputs(), late), late, by="ann", now_ms=T) is not None
        erase(connection, ids_of(connection, "u-1"), by="dpo", why="asked on 2026-11-02", now_ms=LEFT)
        assert body_of(connection, "ixelles", "2026-06") is None


@pytest.mark.parametrize(
    ("person", "now_ms", "told"),
    [
        ("p-2", LEFT, "m-2 is a member of ixelles until further notice"),
        ("p-1", LEFT - 1, "m-1 is a member of ixelles until 2026-07-01"),
    ],
)
def test_who_is_still_a_member_is_not_erased(filled, person, now_ms, told):
    before = dump(filled)
    with pytest.raises(RefusedError, match=told), filled.database.write() as connection:
        erase(connection, ids_of(connection, person), by="dpo", why="", now_ms=now_ms)
    assert dump(filled) == before


def test_no_name_stands_anywhere_but_with_the_person_its_login_its_evidence_and_its_keys(filled):
    with filled.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name not in {"person", "user_account", "consent", "api_key", "audit"}:
                rows = str(connection.execute(table.select()).all())
                assert not [name for name in NAMES if name in rows], table.name
        lines = str(connection.execute(text("SELECT before, after FROM audit")).all())
    assert not [name for name in NAMES if name in lines]


@pytest.mark.parametrize(("year", "name"), [(2036, "Léa Dubois"), (2037, "(erased)")])
def test_the_party_of_documents_stays_until_these_need_not_be_kept(filled, year, name):
    """The document is of 2026; the year after ten more it may go, when the person is erased again."""
    instant = int(datetime(year, 6, 1, tzinfo=UTC).timestamp() * 1000)
    with filled.database.write() as connection:
        PARTIES.put(connection, BillingParty(id="m-1", name="Léa Dubois", city="Ixelles"), T)
        for now_ms in (LEFT, instant):
            erase(connection, ids_of(connection, "p-1"), by="dpo", why="", now_ms=now_ms)
        (party,) = PARTIES.all(connection)
    assert (party.name, party.city) == (name, "Ixelles" if name != "(erased)" else "")
