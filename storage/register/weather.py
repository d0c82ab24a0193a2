"""Daily mean temperatures of a weather station, each with where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.errors import DataError
from storage.register import audit
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["keep_temperatures", "temperatures"]

_COLDEST_C, _WARMEST_C = -40.0, 45.0  # of a day's mean, anywhere between the Ardennes and the sea


class WeatherDayRow(Base):
    """The mean temperature of a local day, °C."""

    __tablename__ = "weather_day"

    station: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    mean_c: Mapped[float]
    source: Mapped[str]
    recorded_at: Mapped[int]


_DAYS: Final = table(WeatherDayRow)


def temperatures(connection: Connection, station: str) -> dict[date, float]:
    """All that are known of a station, °C."""
    wanted = select(_DAYS.c.day, _DAYS.c.mean_c).where(_DAYS.c.station == station).order_by(_DAYS.c.day)
    return {row.day: row.mean_c for row in connection.execute(wanted)}


def keep_temperatures(
    connection: Connection, station: str, days: Mapping[date, float], *, source: str, by: str, now_ms: int
) -> None:
    """Keeps them, in the caller's transaction; what was known of the same days is replaced. Raises DataError."""
    for day, mean_c in days.items():
        if not _COLDEST_C <= mean_c <= _WARMEST_C:
            raise DataError(
                f"a mean of {mean_c:g} °C on {day} cannot be",
                field="temperature_c",
                hint="leave out a day whose mean is not known",
            )
    if not source.strip():
        raise DataError(
            "must say where the temperatures are from", field="source", hint="name who measured them, and where"
        )
    if not days:
        return
    rows = [
        {"station": station, "day": day, "mean_c": mean_c, "source": source, "recorded_at": now_ms}
        for day, mean_c in days.items()
    ]
    added = insert(connection, _DAYS)
    kept = {name: added.excluded[name] for name in ("mean_c", "source", "recorded_at")}
    connection.execute(added.on_conflict_do_update(index_elements=["station", "day"], set_=kept), rows)
    told = {"days": len(days), "first": min(days).isoformat(), "last": max(days).isoformat(), "source": source}
    audit.record(connection, now_ms, by, "enter", "weather", station, after=told)
