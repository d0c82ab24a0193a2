"""What a weather feed told of a community's place, kept so that a restart or an outage of the feed loses none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.weather_feed import Told
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["forget_weather", "keep_weather", "told_at", "told_weather"]


class WeatherToldRow(Base):
    """A quarter-hour as it was told last, at `told_at`."""

    __tablename__ = "weather_told"

    community: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True)
    irradiance_wm2: Mapped[float | None]
    temperature_c: Mapped[float | None]
    told_at: Mapped[int]


_TOLD: Final = table(WeatherToldRow)
_STALE_MS: Final = 24 * 3_600_000


def keep_weather(connection: Connection, community: str, told: Mapping[int, Told], now_ms: int) -> None:
    """Keeps what was told now, in place of what was told before of the same quarter-hours."""
    rows = [
        {
            "community": community,
            "start": start,
            "irradiance_wm2": each.irradiance_wm2,
            "temperature_c": each.temperature_c,
            "told_at": now_ms,
        }
        for start, each in told.items()
    ]
    added = insert(connection, _TOLD)
    kept = {name: added.excluded[name] for name in ("irradiance_wm2", "temperature_c", "told_at")}
    connection.execute(added.on_conflict_do_update(index_elements=["community", "start"], set_=kept), rows)


def forget_weather(connection: Connection, community: str, before_ms: int) -> None:
    """What is older is no longer learned from."""
    connection.execute(delete(_TOLD).where(_TOLD.c.community == community, _TOLD.c.start < before_ms))


def told_weather(connection: Connection, community: str, start: int, end: int, now_ms: int) -> dict[int, Told]:
    """By start of quarter-hour in [start, end), ms UTC; of the future nothing when it was told more than a day ago."""
    at = told_at(connection, community)
    if at is None or now_ms - at > _STALE_MS:
        end = min(end, now_ms)
    columns = (_TOLD.c.start, _TOLD.c.irradiance_wm2, _TOLD.c.temperature_c)
    wanted = select(*columns).where(_TOLD.c.community == community, _TOLD.c.start >= start, _TOLD.c.start < end)
    return {row.start: Told(row.irradiance_wm2, row.temperature_c) for row in connection.execute(wanted)}


def told_at(connection: Connection, community: str) -> int | None:
    """When it was told last, ms UTC; None: never."""
    wanted = select(func.max(_TOLD.c.told_at)).where(_TOLD.c.community == community)
    return connection.execute(wanted).scalar()
