"""Daily temperatures in both databases."""

from datetime import date

import pytest

from energy.errors import DataError
from storage.register import audit
from storage.register.weather import keep_temperatures, temperatures

DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)


def keep(register, days, source="KMI", station="uccle"):
    with register.database.write() as connection:
        keep_temperatures(connection, station, days, source=source, by="lea", now_ms=1000)


def test_days_are_kept_by_station_and_replaced_when_told_again(register):
    keep(register, {DAY: 3.5, NEXT: 4.0})
    keep(register, {NEXT: 4.5})
    keep(register, {DAY: 9.0}, station="ostend")
    with register.database.read() as connection:
        assert temperatures(connection, "uccle") == {DAY: 3.5, NEXT: 4.5}
        assert temperatures(connection, "nowhere") == {}
        assert audit.entries(connection, subject="uccle")[0].after["days"] == 1


@pytest.mark.parametrize(("days", "source"), [({DAY: 70.0}, "KMI"), ({DAY: float("nan")}, "KMI"), ({DAY: 3.0}, " ")])
def test_temperature_that_cannot_be_or_is_from_nowhere_is_refused(register, days, source):
    with pytest.raises(DataError):
        keep(register, days, source)
    with register.database.read() as connection:
        assert temperatures(connection, "uccle") == {}
