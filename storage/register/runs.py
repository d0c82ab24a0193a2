"""Settlement runs: immutable, numbered by version; a correction is a new version, never a change of an old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.errors import DataError, RefusedError
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Run", "add", "last_final", "runs"]

RunStatus = Literal["preview", "final", "correction"]
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Run:
    """One computation of a community's month. `inputs`: SHA-256 of all it was computed from; `created` ms UTC."""

    community: str
    month: Month
    version: int
    status: RunStatus
    inputs: Digest
    result: bytes
    created: int
    created_by: str


class RunRow(Base):
    """See Run."""

    __tablename__ = "run"

    community: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    inputs: Mapped[str]
    result: Mapped[bytes]
    created: Mapped[int]
    created_by: Mapped[str]


_RUN: Final = table(RunRow)
_FIELDS: Final = ("community", "month", "version", "status", "inputs", "result", "created", "created_by")
_CHECK: Final = TypeAdapter(Run)


def add(
    connection: Connection,
    community: str,
    month: str,
    status: RunStatus,
    *,
    inputs: str,
    result: bytes,
    by: str,
    now_ms: int,
) -> Run:
    """Keeps a run as the next version of its month. Raises DataError, and RefusedError when its status cannot follow."""
    before = runs(connection, community, month)
    closed = any(run.status != "preview" for run in before)
    if closed and status != "correction":
        raise RefusedError(f"{month} of {community} is final", hint="what comes now is a correction")
    if status == "correction" and not closed:
        raise RefusedError(f"{month} of {community} has no final run to correct", hint="make the final run first")
    # two processes that add at once get the same number: the database refuses the second, nothing of it is kept
    latest = select(func.coalesce(func.max(_RUN.c.version), 0)).where(_of(community, month))
    version = connection.execute(latest).scalar_one() + 1
    try:
        values = (community, month, version, status, inputs, result, now_ms, by)
        run = _CHECK.validate_python(dict(zip(_FIELDS, values, strict=True)))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(first["msg"], field=f"run.{first['loc'][0]}") from error
    connection.execute(insert(connection, _RUN).values(**{name: getattr(run, name) for name in _FIELDS}))
    return run


def runs(connection: Connection, community: str, month: str) -> list[Run]:
    """All versions of a month, oldest first."""
    wanted = select(*(_RUN.c[name] for name in _FIELDS)).where(_of(community, month)).order_by(_RUN.c.version)
    return [Run(*row) for row in connection.execute(wanted)]


def last_final(connection: Connection, community: str, months: int) -> list[Run]:
    """What stands of each of the newest months that are final, newest first."""
    closed = (_RUN.c.community == community) & (_RUN.c.status != "preview")
    standing = select(_RUN.c.month, func.max(_RUN.c.version).label("version")).where(closed).group_by(_RUN.c.month)
    last = standing.order_by(_RUN.c.month.desc()).limit(months).subquery()
    of_them = (_RUN.c.month == last.c.month) & (_RUN.c.version == last.c.version)
    wanted = select(*(_RUN.c[name] for name in _FIELDS)).join(last, of_them).where(_RUN.c.community == community)
    return [Run(*row) for row in connection.execute(wanted.order_by(_RUN.c.month.desc()))]


def _of(community: str, month: str) -> ColumnElement[bool]:
    return (_RUN.c.community == community) & (_RUN.c.month == month)
