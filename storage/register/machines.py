"""What people want machines to do: run once between two times. The newest wish counts; once begun it stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from storage.register import audit
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Run", "forget_run", "keep_run", "mark_started", "runs"]

_LONGEST_MS: Final = 2 * 86_400_000  # a run that began before is over


class MachineWishRow(Base):
    """The run that is wanted of a machine."""

    __tablename__ = "machine_wish"

    device: Mapped[str] = mapped_column(primary_key=True)
    earliest: Mapped[int]
    finish_by: Mapped[int]
    by: Mapped[str]
    t: Mapped[int]
    started_at: Mapped[int | None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run from `earliest` on, ended by `finish_by`, as `by` said at `t`; `started_at`: since when it runs (ms UTC)."""

    device: str
    earliest: int
    finish_by: int
    by: str
    t: int
    started_at: int | None = None


_RUNS: Final = table(MachineWishRow)
_FIELDS: Final = ("device", "earliest", "finish_by", "by", "t", "started_at")


def runs(connection: Connection, now_ms: int, devices: Iterable[str] | None = None) -> list[Run]:
    """Those whose time is not over and those that began within two days, by machine; `devices`: only of these."""
    stands = or_(_RUNS.c.finish_by > now_ms, _RUNS.c.started_at > now_ms - _LONGEST_MS)
    wanted = select(*(_RUNS.c[name] for name in _FIELDS)).where(stands)
    if devices is not None:
        wanted = wanted.where(_RUNS.c.device.in_(list(devices)))
    return [Run(*row) for row in connection.execute(wanted.order_by(_RUNS.c.device))]


def keep_run(connection: Connection, run: Run) -> None:
    """Keeps it in place of the one before, with a line of audit."""
    added = insert(connection, _RUNS).values(asdict(run))
    kept = {name: added.excluded[name] for name in _FIELDS[1:]}
    connection.execute(added.on_conflict_do_update(index_elements=["device"], set_=kept))
    told = {"earliest": run.earliest, "finish_by": run.finish_by}
    audit.record(connection, run.t, run.by, "enter", "machine_wish", run.device, after=told)


def mark_started(connection: Connection, device: str, said_at: int, started_at: int) -> None:
    """It runs. Nothing when the wish of that time is no longer the newest, or is known to run."""
    these = (_RUNS.c.device == device) & (_RUNS.c.t == said_at) & _RUNS.c.started_at.is_(None)
    connection.execute(update(_RUNS).where(these).values(started_at=started_at))


def forget_run(connection: Connection, device: str, *, by: str, now_ms: int) -> bool:
    """Takes a wish back; False when there is none that has not begun."""
    these = (_RUNS.c.device == device) & _RUNS.c.started_at.is_(None)
    if not connection.execute(delete(_RUNS).where(these)).rowcount:
        return False
    audit.record(connection, now_ms, by, "end", "machine_wish", device)
    return True
