"""What people said of the car at a charger: how much it wants and until when. The newest counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from storage.register import audit
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["CarWish", "forget_wish", "keep_wish", "wishes"]


class CarWishRow(Base):
    """The wish for the car at a charger."""

    __tablename__ = "car_wish"

    device: Mapped[str] = mapped_column(primary_key=True)
    ready_at: Mapped[int]
    energy_wh: Mapped[float]
    by: Mapped[str]
    t: Mapped[int]


@dataclass(frozen=True, slots=True)
class CarWish:
    """`energy_wh` until `ready_at`, as `by` said at `t` (ms UTC)."""

    device: str
    ready_at: int
    energy_wh: float
    by: str
    t: int


_WISHES: Final = table(CarWishRow)
_FIELDS: Final = ("device", "ready_at", "energy_wh", "by", "t")


def wishes(connection: Connection, now_ms: int, devices: Iterable[str] | None = None) -> list[CarWish]:
    """Those whose time is not over, by charger; `devices`: only of these."""
    wanted = select(*(_WISHES.c[name] for name in _FIELDS)).where(_WISHES.c.ready_at > now_ms)
    if devices is not None:
        wanted = wanted.where(_WISHES.c.device.in_(list(devices)))
    return [CarWish(*row) for row in connection.execute(wanted.order_by(_WISHES.c.device))]


def keep_wish(connection: Connection, wish: CarWish) -> None:
    """Keeps it in place of the one before, with a line of audit."""
    added = insert(connection, _WISHES).values({name: getattr(wish, name) for name in _FIELDS})
    kept = {name: added.excluded[name] for name in _FIELDS[1:]}
    connection.execute(added.on_conflict_do_update(index_elements=["device"], set_=kept))
    told = {"ready_at": wish.ready_at, "energy_wh": wish.energy_wh}
    audit.record(connection, wish.t, wish.by, "enter", "car_wish", wish.device, after=told)


def forget_wish(connection: Connection, device: str, *, by: str, now_ms: int) -> bool:
    """Takes a charger's wish back; False when there is none."""
    if not connection.execute(delete(_WISHES).where(_WISHES.c.device == device)).rowcount:
        return False
    audit.record(connection, now_ms, by, "end", "car_wish", device)
    return True
