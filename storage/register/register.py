"""Alerts, commands and quarantine: written and read by several processes at once, each write durable when it returns."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, literal, or_, select, update

from energy.errors import DataError
from storage.register.database import RegisterDatabase, insert
from storage.register.records import Alert, Command, CommandState, Evidence, QuarantineEntry, TrailEntry, Value
from storage.register.settings import RegisterSettings
from storage.register.tables import AlertRow, CommandRow, QuarantineRow, TallyRow, TrailRow, table

__all__ = ["Register"]

_QUARANTINE_ENTRIES: Final = 10_000
_PAYLOAD_BYTES: Final = 4096

_COMMAND: Final = table(CommandRow)
_TRAIL: Final = table(TrailRow)
_ALERT: Final = table(AlertRow)
_QUARANTINE: Final = table(QuarantineRow)
_TALLY: Final = table(TallyRow)

_COMMAND_FIELDS: Final = ("id", "device", "values_json", "ttl_s", "issued_by", "reason", "t", "state", "ends_at")
_COMMANDS: Final = select(*(_COMMAND.c[name] for name in _COMMAND_FIELDS))
_ALERTS: Final = select(_ALERT.c.body, _ALERT.c.acknowledged_at, _ALERT.c.acknowledged_by)
# How far a step is in a command's life: clocks of gateway and centre differ, so time alone does not order steps.
# a refusal below applied: a message that came twice is refused under the id of the lease that stands
_STAGE: Final = case(
    (_TRAIL.c.state == "asked", 0), (_TRAIL.c.state == "refused", 1), (_TRAIL.c.state == "applied", 2), else_=3
)
_URGENCY: Final = case(
    (_ALERT.c.state == "cleared", 0), (_ALERT.c.severity == "critical", 0), (_ALERT.c.severity == "warning", 1), else_=2
)
_ACTIVE: Final = _COMMAND.c.state.in_(("asked", "applied"))


class Register:
    """Alerts, commands and quarantine at a path (SQLite) or as settings say, made when absent. Raises StoreError."""

    def __init__(self, where: Path | RegisterSettings) -> None:
        self.database = RegisterDatabase(where)

    def close(self) -> None:
        """Releases file or server."""
        self.database.close()

    def record_command(
        self,
        command_id: str,
        device: str,
        values: Mapping[str, Value],
        ttl_s: float,
        *,
        issued_by: str,
        reason: str,
        t: int,
        ends_at: int | None,
    ) -> Command:
        """Keeps what was asked, at `t`, to hold until `ends_at` (ms UTC). The same id again is its renewal."""
        details = {
            "device": device,
            "values_json": msgspec.json.encode(values),
            "ttl_s": ttl_s,
            "issued_by": issued_by,
            "reason": reason,
            "asked_until": ends_at,
        }
        with self.database.write() as connection:
            asked = insert(connection, _COMMAND).values(id=command_id, t=t, state="asked", **details)
            renewed = {name: asked.excluded[name] for name in details}
            # a result came before its command: when it was asked is known only now
            renewed["t"] = case((_COMMAND.c.device == "", asked.excluded.t), else_=_COMMAND.c.t)
            connection.execute(asked.on_conflict_do_update(index_elements=["id"], set_=renewed))
            return _stepped(connection, command_id, TrailEntry(t, "asked", reason))

    def record_result(self, command_id: str, state: CommandState, reason: str, t: int) -> Command:
        """Keeps what a gateway told of a command, once however often it is told. An unknown command is kept too."""
        unknown = {"device": "", "values_json": b"{}", "ttl_s": 0.0, "issued_by": "", "reason": ""}
        with self.database.write() as connection:
            connection.execute(
                insert(connection, _COMMAND)
                .values(id=command_id, t=t, state=state, **unknown)
                .on_conflict_do_nothing(index_elements=["id"])
            )
            return _stepped(connection, command_id, TrailEntry(t, state, reason))

    def command(self, command_id: str) -> Command | None:
        """The command with its trail, or None."""
        with self.database.read() as connection:
            return _command(connection, command_id)

    def commands(
        self, limit: int = 100, before: int | None = None, active_only: bool = False, now_ms: int | None = None
    ) -> list[Command]:
        """The newest `limit` commands asked before `before` (ms UTC), newest first.

        Active: asked or applied, and with `now_ms` given not past its end either.
        """
        conditions: list[ColumnElement[bool]] = []
        if before is not None:
            conditions.append(_COMMAND.c.t < before)
        if active_only:
            conditions.append(_ACTIVE)
            if now_ms is not None:
                conditions.append(or_(_COMMAND.c.ends_at.is_(None), _COMMAND.c.ends_at > now_ms))
        wanted = _COMMANDS.where(*conditions).order_by(_COMMAND.c.t.desc(), _COMMAND.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            found = connection.execute(wanted).all()
            trails = _trails(connection, [row.id for row in found])
        return [_as_command(row, trails.get(row.id, ())) for row in found]

    def save_alert(self, alert: Alert | Mapping[str, Any]) -> None:
        """Keeps an alert as it stands now. An acknowledgement made meanwhile stays. Raises DataError for a wrong shape."""
        record = _as_alert(alert)
        names = ("community", "severity", "state", "since", "acknowledged_at", "acknowledged_by")
        values = {**{name: getattr(record, name) for name in names}, "body": msgspec.json.encode(record)}
        with self.database.write() as connection:
            saved = insert(connection, _ALERT).values(id=record.id, **values)
            kept = {name: saved.excluded[name] for name in values}
            for name in ("acknowledged_at", "acknowledged_by"):
                kept[name] = func.coalesce(_ALERT.c[name], saved.excluded[name])
            connection.execute(saved.on_conflict_do_update(index_elements=["id"], set_=kept))

    def acknowledge(self, alert_id: str, by: str, t: int) -> bool:
        """Notes that a person has seen a firing alert; False when it is not firing, seen already or unknown."""
        unseen = and_(_ALERT.c.id == alert_id, _ALERT.c.state == "firing", _ALERT.c.acknowledged_at.is_(None))
        with self.database.write() as connection:
            done = connection.execute(update(_ALERT).where(unseen).values(acknowledged_at=t, acknowledged_by=by))
            return done.rowcount == 1

    def alert(self, alert_id: str) -> Alert | None:
        """The alert, or None."""
        with self.database.read() as connection:
            row = connection.execute(_ALERTS.where(_ALERT.c.id == alert_id)).one_or_none()
        return _acknowledged(*row) if row else None

    def alerts(self, open_only: bool = False, limit: int = 100) -> list[Alert]:
        """Open alerts first, the worst of them first, then past ones; among equals the newest first."""
        wanted = _ALERTS.where(_ALERT.c.state != "cleared") if open_only else _ALERTS
        past = case((_ALERT.c.state == "cleared", 1), else_=0)
        wanted = wanted.order_by(past, _URGENCY, _ALERT.c.since.desc(), _ALERT.c.id).limit(limit)
        with self.database.read() as connection:
            found = connection.execute(wanted).all()
        return [_acknowledged(*row) for row in found]

    def quarantine(self, topic: str, payload: bytes, reason: str, t: int, gateway: str | None = None) -> None:
        """Keeps a message that was not taken; the very same again is counted. Only the newest 10,000 are kept."""
        digest = hashlib.sha256(msgspec.msgpack.encode((topic, reason, payload))).digest()
        entry = {"topic": topic, "gateway": gateway, "reason": reason, "payload": payload[:_PAYLOAD_BYTES]}
        with self.database.write() as connection:
            # the count first: writers of PostgreSQL then take turns here, and find what the one before left
            counted = insert(connection, _TALLY).values(name="quarantined", value=1)
            connection.execute(
                counted.on_conflict_do_update(index_elements=["name"], set_={"value": _TALLY.c.value + 1})
            )
            kept = insert(connection, _QUARANTINE).values(
                digest=digest, **entry, size=len(payload), first_t=t, t=t, count=1
            )
            newest = case((_QUARANTINE.c.t > kept.excluded.t, _QUARANTINE.c.t), else_=kept.excluded.t)
            again = {"count": _QUARANTINE.c.count + 1, "t": newest}
            connection.execute(kept.on_conflict_do_update(index_elements=["digest"], set_=again))
            _forget_oldest(connection)

    def quarantined(self, limit: int = 100) -> list[QuarantineEntry]:
        """The newest quarantined messages, newest first."""
        fields = [_QUARANTINE.c[field.name] for field in dataclasses.fields(QuarantineEntry)]
        wanted = select(*fields).order_by(_QUARANTINE.c.t.desc(), _QUARANTINE.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            found = connection.execute(wanted).all()
        return [QuarantineEntry(*row) for row in found]

    def quarantine_total(self) -> int:
        """How many messages were ever quarantined, those no longer kept included."""
        with self.database.read() as connection:
            total = connection.execute(select(_TALLY.c.value).where(_TALLY.c.name == "quarantined")).scalar()
        return int(total or 0)


def _forget_oldest(connection: Connection) -> None:
    entries = connection.execute(select(func.count()).select_from(_QUARANTINE)).scalar_one()
    excess = entries - _QUARANTINE_ENTRIES
    if excess > 0:
        oldest = select(_QUARANTINE.c.id).order_by(_QUARANTINE.c.t, _QUARANTINE.c.id).limit(excess)
        connection.execute(delete(_QUARANTINE).where(_QUARANTINE.c.id.in_(oldest)))


def _stepped(connection: Connection, command_id: str, entry: TrailEntry) -> Command:
    """Adds a step to the trail and takes the command's state from the furthest step there is."""
    # two processes of PostgreSQL that step one command take turns here; SQLite's writers do anyway
    connection.execute(select(_COMMAND.c.id).where(_COMMAND.c.id == command_id).with_for_update())
    connection.execute(
        insert(connection, _TRAIL)
        .values(command=command_id, state=entry.state, t=entry.t, reason=entry.reason)
        .on_conflict_do_nothing()
    )
    own = _TRAIL.c.command == command_id
    furthest = select(_TRAIL.c.state).where(own).order_by(_STAGE.desc(), _TRAIL.c.t.desc()).limit(1)
    applied = _TRAIL.alias()
    was_applied = exists(literal(1)).where(applied.c.command == command_id, applied.c.state == "applied")
    ended = select(func.min(_TRAIL.c.t)).where(own, or_(_STAGE == 3, and_(_STAGE == 1, ~was_applied)))
    connection.execute(
        update(_COMMAND)
        .where(_COMMAND.c.id == command_id)
        .values(
            state=furthest.scalar_subquery(),
            ends_at=func.coalesce(ended.scalar_subquery(), _COMMAND.c.asked_until),
        )
    )
    command = _command(connection, command_id)
    assert command is not None
    return command


def _command(connection: Connection, command_id: str) -> Command | None:
    row = connection.execute(_COMMANDS.where(_COMMAND.c.id == command_id)).one_or_none()
    return _as_command(row, _trails(connection, [command_id]).get(command_id, ())) if row else None


def _trails(connection: Connection, command_ids: list[str]) -> dict[str, tuple[TrailEntry, ...]]:
    """The trails of those commands, each in the order of a command's life."""
    wanted = (
        select(_TRAIL.c.command, _TRAIL.c.t, _TRAIL.c.state, _TRAIL.c.reason)
        .where(_TRAIL.c.command.in_(command_ids))
        .order_by(_STAGE, _TRAIL.c.t)
    )
    trails: dict[str, tuple[TrailEntry, ...]] = {}
    for command, *step in connection.execute(wanted):
        trails[command] = (*trails.get(command, ()), TrailEntry(*step))
    return trails


def _as_command(row: Any, trail: tuple[TrailEntry, ...]) -> Command:
    command_id, device, values, *rest = row
    return Command(*(command_id, device, msgspec.json.decode(values), *rest, trail))


def _as_alert(alert: Alert | Mapping[str, Any]) -> Alert:
    if isinstance(alert, Alert):
        return alert
    try:
        return msgspec.convert(alert, Alert)
    except msgspec.ValidationError as error:
        raise DataError(str(error), field="alert") from error


def _acknowledged(body: bytes, at: int | None, by: str | None) -> Alert:
    """The alert as last saved with the acknowledgement it got, which may be newer than what was saved."""
    alert = msgspec.json.decode(body, type=Alert)
    if at is None or by is None:
        return alert
    evidence = alert.evidence
    if not any(entry.event == "acknowledged" for entry in evidence):
        seen = Evidence(at, "acknowledged", f"acknowledged by {by}")
        evidence = tuple(sorted((*evidence, seen), key=lambda entry: entry.t))
    state = "acknowledged" if alert.state == "firing" else alert.state
    return dataclasses.replace(alert, state=state, acknowledged_at=at, acknowledged_by=by, evidence=evidence)
