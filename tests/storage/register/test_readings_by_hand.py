"""Readings by hand in both databases: entered once, corrected without loss, each with its line in the audit."""

from datetime import date
from decimal import Decimal

import pytest

from energy.buildings.index import ImplausibleError, IndexMeter, IndexReading
from energy.errors import DataError
from storage.register import audit
from storage.register.readings_by_hand import enter, entries, known_readings

METER = IndexMeter(id="gas", carrier="gas", unit="m³")
TODAY = date(2026, 11, 28)


def give(register, day, index, now_ms=1000, **more):
    given = {"note": "", "corrects": False} | more
    note, corrects = given.pop("note"), given.pop("corrects")
    reading = IndexReading(date.fromisoformat(day), Decimal(index), **given)
    with register.database.write() as connection:
        return enter(
            connection, "hall", METER, reading, today=TODAY, by="lea", note=note, now_ms=now_ms, corrects=corrects
        )


def kept(register, **more):
    with register.database.read() as connection:
        return [(str(one.reading.day), str(one.reading.index)) for one in entries(connection, **more)]


def lines(register):
    with register.database.read() as connection:
        return audit.entries(connection, subject="hall/gas")


def test_reading_is_kept_as_it_was_read_with_its_line_of_audit(register):
    give(register, "2026-10-01", "1000.250")
    assert kept(register) == [("2026-10-01", "1000.250")]
    (line,) = lines(register)
    assert (line.who, line.action, line.after["index_read"]) == ("lea", "enter", "1000.250")


def test_correction_replaces_what_counts_and_keeps_what_was(register):
    give(register, "2026-10-01", "1000", 1000)
    give(register, "2026-10-01", "1010", 2000, corrects=True, note="misread a digit")
    assert kept(register) == [("2026-10-01", "1010")]
    assert kept(register, known_at=1500) == [("2026-10-01", "1000")]
    assert lines(register)[0].before["index_read"] == "1000"
    assert lines(register)[0].why == "misread a digit"


def test_refused_reading_leaves_no_trace(register):
    give(register, "2026-10-01", "1000")
    with pytest.raises(DataError, match="goes back"):
        give(register, "2026-11-01", "900")
    assert kept(register) == [("2026-10-01", "1000")]
    assert len(lines(register)) == 1


def test_same_day_again_must_say_that_it_corrects(register):
    give(register, "2026-10-01", "1000")
    with pytest.raises(DataError, match="already"):
        give(register, "2026-10-01", "1001")
    with pytest.raises(DataError, match="reason"):
        give(register, "2026-10-01", "1001", corrects=True)
    with pytest.raises(DataError, match="to correct"):
        give(register, "2026-10-02", "1001", corrects=True, note="x")


def test_unusual_reading_is_taken_when_somebody_stands_for_it(register):
    for month, index in ((6, "0"), (7, "60"), (8, "120"), (9, "180")):
        give(register, f"2026-0{month}-01", index)
    with pytest.raises(ImplausibleError):
        give(register, "2026-10-01", "3000")
    with pytest.raises(DataError, match="reason"):
        give(register, "2026-10-01", "3000", confirmed=True)
    give(register, "2026-10-01", "3000", confirmed=True, note="hall was rented for a month")
    with register.database.read() as connection:
        assert known_readings(connection, "hall", "gas")[-1].confirmed


def test_meters_of_one_site_and_sites_are_kept_apart(register):
    give(register, "2026-10-01", "1000")
    with register.database.read() as connection:
        assert known_readings(connection, "hall", "gas-2") == []
        assert entries(connection, ["pool"]) == []
