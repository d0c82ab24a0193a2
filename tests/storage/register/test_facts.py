"""Facts: kept twice in time, nothing overwritten; the audit, runs, consents and erasure on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text

from energy.errors import DataError, RefusedError, StoreError
from storage.register import audit, consents, runs
from storage.register.erasure import Ids, erase, ids_of
from storage.register.facts import Fact, overlaps
from storage.register.participants import METERING_POINTS, PRICES, MeteringPoint, Price
from storage.register.people import PEOPLE, USERS, Person, User
from storage.register.roles import AccessRole

T = 1_750_000_000_000
POINT = MeteringPoint(id="541448911000000003", participant="p-hall", direction="both", valid_from=date(2026, 1, 1))
DIGEST = "0" * 64


class TestFacts:
    def test_a_fact_comes_back_as_it_was_put(self, register):
        user = User(id="u-1", person="u-1", role=AccessRole.MANAGER, communities=("ixelles",), sites=("a", "b"))
        price = Price(id="grid", what="grid fee", value="0.0940", unit="eur_kwh", source="card of 2026")
        with register.database.write() as connection:
            USERS.put(connection, user, T)
            METERING_POINTS.put(connection, POINT, T)
            PRICES.put(connection, price, T)
        with register.database.read() as connection:
            assert USERS.all(connection) == [user]
            assert METERING_POINTS.all(connection) == [POINT]
            (stored,) = PRICES.all(connection)
        assert str(stored.value) == "0.0940"

    def test_a_correction_keeps_what_was_known_before(self, register):
        corrected = replace(POINT, participant="p-school")
        with register.database.write() as connection:
            METERING_POINTS.put(connection, POINT, T)
            METERING_POINTS.put(connection, corrected, T + 10)
            assert METERING_POINTS.all(connection) == [corrected]
            assert METERING_POINTS.all(connection, known_at=T + 9) == [POINT]
            assert METERING_POINTS.all(connection, known_at=T + 10) == [corrected]
            assert METERING_POINTS.all(connection, known_at=T - 1) == []

    def test_a_fact_holds_from_its_first_day_until_the_day_it_ends(self, register):
        ended = replace(POINT, valid_to=date(2026, 7, 1))
        later = replace(POINT, participant="p-new", valid_from=date(2026, 7, 1))
        with register.database.write() as connection:
            METERING_POINTS.put(connection, ended, T)
            METERING_POINTS.put(connection, later, T)
            holders = {
                day: METERING_POINTS.on(connection, day)[POINT.id].participant
                for day in (date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1))
            }
            assert METERING_POINTS.on(connection, date(2025, 12, 31)) == {}
        assert list(holders.values()) == ["p-hall", "p-hall", "p-new"]

    def test_a_withdrawn_fact_is_no_longer_known_and_was(self, register):
        with register.database.write() as connection:
            METERING_POINTS.put(connection, POINT, T)
            METERING_POINTS.withdraw(connection, POINT, T + 5)
            assert METERING_POINTS.all(connection) == []
            assert METERING_POINTS.all(connection, known_at=T) == [POINT]

    def test_days_that_touch_do_not_overlap(self):
        one = Fact(id="a", valid_from=date(2026, 1, 1), valid_to=date(2026, 2, 1))
        touching, inside = replace(one, valid_from=date(2026, 2, 1), valid_to=None), replace(one, valid_to=None)
        assert overlaps([touching, one]) == []
        assert overlaps([inside, touching]) == [(inside, touching)]


class TestAudit:
    @pytest.mark.parametrize("act", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
    def test_a_line_cannot_be_changed_or_deleted(self, register, act):
        with register.database.write() as connection:
            audit.record(connection, T, "lea", "add", "site", "hall", after={"name": "Hall"}, why="new roof")
        with pytest.raises(StoreError, match="audit is append-only"), register.database.write() as connection:
            connection.execute(text(act))
        with register.database.read() as connection:
            (line,) = audit.entries(connection, subject="hall")
        assert line == audit.AuditEntry(T, "lea", "add", "site", "hall", None, {"name": "Hall"}, "new roof")

    def test_lines_come_newest_first(self, register):
        with register.database.write() as connection:
            for n in range(3):
                audit.record(connection, T + n, "lea", "add", "site", f"s{n}")
            assert [line.subject for line in audit.entries(connection, limit=2)] == ["s2", "s1"]


class TestRuns:
    def add(self, connection, status, **changes):
        values = {"inputs": DIGEST, "result": b"{}", "by": "lea", "now_ms": T, **changes}
        return runs.add(connection, "ixelles", "2026-10", status, **values)

    def test_each_run_is_the_next_version(self, register):
        with register.database.write() as connection:
            made = [self.add(connection, status) for status in ("preview", "preview", "final", "correction")]
            assert [run.version for run in made] == [1, 2, 3, 4]
            assert runs.runs(connection, "ixelles", "2026-10") == made
            assert runs.runs(connection, "ixelles", "2026-11") == []

    def test_nothing_but_a_correction_follows_a_final_run(self, register):
        with register.database.write() as connection:
            with pytest.raises(RefusedError, match="no final run to correct"):
                self.add(connection, "correction")
            self.add(connection, "final")
            for status in ("preview", "final"):
                with pytest.raises(RefusedError, match="is final"):
                    self.add(connection, status)

    @pytest.mark.parametrize("act", ["UPDATE run SET status = 'final'", "DELETE FROM run"])
    def test_a_run_cannot_be_changed_or_deleted(self, register, act):
        with register.database.write() as connection:
            self.add(connection, "preview")
        with pytest.raises(StoreError, match="run is append-only"), register.database.write() as connection:
            connection.execute(text(act))

    @pytest.mark.parametrize(("change", "field"), [({"inputs": "abc"}, "inputs"), ({"by": None}, "created_by")])
    def test_a_malformed_run_is_refused_by_its_field(self, register, change, field):
        with register.database.write() as connection, pytest.raises(DataError, match=f"run.{field}"):
            self.add(connection, "preview", **change)


class TestConsents:
    def test_a_consent_stands_until_it_is_withdrawn_and_is_remembered(self, register):
        with register.database.write() as connection:
            consents.give(connection, "u-1", "portal", "form 12 of 2026-01-05", T)
            with pytest.raises(RefusedError, match="already"):
                consents.give(connection, "u-1", "portal", "form 13", T + 1)
            consents.withdraw(connection, "u-1", "portal", T + 2)
            with pytest.raises(RefusedError, match="no consent"):
                consents.withdraw(connection, "u-1", "portal", T + 3)
            consents.give(connection, "u-1", "portal", "form 14", T + 4)
            assert consents.consents(connection, "u-1") == [
                consents.Consent("u-1", "portal", T, "form 12 of 2026-01-05", T + 2),
                consents.Consent("u-1", "portal", T + 4, "form 14"),
            ]

    def test_a_consent_without_evidence_is_refused(self, register):
        with register.database.write() as connection, pytest.raises(RefusedError, match="evidence"):
            consents.give(connection, "u-1", "portal", " ", T)


class TestErasure:
    def test_nothing_of_the_person_is_left_in_any_row(self, register):
        person = Person(id="u-1", name="Léa Dubois", mail="lea@example.org", language="nl")
        with register.database.write() as connection:
            PEOPLE.put(connection, person, T)
            PEOPLE.put(connection, replace(person, name="Léa Peeters"), T + 1)
            USERS.put(connection, User(id="u-1", person="u-1", role=AccessRole.VIEWER), T)
            consents.give(connection, "u-1", "portal", "form signed by Léa Dubois", T)
            erase(connection, Ids("u-1", ("u-1",), ()), by="dpo", why="asked on 2026-11-02", now_ms=T + 2)
        with register.database.read() as connection:
            names = connection.execute(text("SELECT name, mail, language FROM person")).all()
            assert names == [("(erased)", "", "fr")] * 2
            assert [consent.evidence for consent in consents.consents(connection, "u-1")] == ["(erased)"]
            assert [user.disabled for user in USERS.all(connection)] == [True]
            (line,) = audit.entries(connection)
        assert (line.who, line.action, line.subject, line.why) == ("dpo", "erase", "u-1", "asked on 2026-11-02")
        assert (line.before, line.after) == (None, {"curves": 0})

    def test_a_person_nobody_knows_is_refused(self, register):
        with register.database.write() as connection, pytest.raises(RefusedError, match="no user and no person 'u-9'"):
            ids_of(connection, "u-9")
