"""Alerts, commands and quarantine: written and read by several processes at once, each write durable when it returns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from energy.errors import DataError
from energy.renewals import first_of, numbered, renewal_of, replaced_by
from storage.register.acts import acted, can
from storage.register.database import RegisterDatabase
from storage.register.records import Act, ActKind, Alert, Command, CommandState, QuarantineEntry, TrailEntry, Value
from storage.register.settings import RegisterSettings
from storage.register.statements import COMMAND, QUARANTINE, TALLY, statements

__all__ = ["Register"]

_QUARANTINE_ENTRIES: Final = 10_000
_PAYLOAD_BYTES: Final = 4096
_ALERT_COLUMNS: Final = ("id", "community", "severity", "state", "since")
_AT_ONCE: Final = 500  # names in one statement


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
        """Keeps what was asked, at `t`, to hold until `ends_at` (ms UTC). The same id again asks for it anew.

        A renewal's id (`energy.renewals`) that asks for the same is noted at the command it renews.
        """
        asked = {
            "id": command_id,
            "device": device,
            "values_json": msgspec.json.encode(values),
            "ttl_s": ttl_s,
            "issued_by": issued_by,
            "reason": reason,
            "t": t,
            "state": "asked",
            "asked_until": ends_at,
        }
        with self.database.write() as connection:
            if _renewed(connection, asked):
                return _settled(connection, first_of(command_id)[0])
            connection.execute(statements(connection).ask, {**asked, "renewals_asked": 0, "renewals": 0})
            return _stepped(connection, command_id, TrailEntry(t, "asked", reason))

    def record_result(self, command_id: str, state: CommandState, reason: str, t: int) -> Command:
        """Keeps what a gateway told of a command, once however often it is told. An unknown command is kept too.

        Of renewals only the confirmations are counted; that one took the place of the one before is not kept.
        """
        unknown = {"device": "", "values_json": b"{}", "ttl_s": 0.0, "issued_by": "", "reason": ""}
        nothing_yet = {**unknown, "renewals_asked": 0, "renewals": 0}
        with self.database.write() as connection:
            known = statements(connection)
            own, number = _place(connection, command_id)
            if number and state == "applied":
                connection.execute(known.confirm, {"wanted": own, "number": number, "told": t})
                return _settled(connection, own)
            replaced = state == "reverted" and reason == replaced_by(renewal_of(command_id))
            if replaced and (whole := _command(connection, own)) is not None:
                return whole
            connection.execute(known.tell, {"id": own, "t": t, "state": state, **nothing_yet})
            return _stepped(connection, own, TrailEntry(t, state, reason), number)

    def command(self, command_id: str) -> Command | None:
        """The command with its trail, or None; a renewal's id gives the command it renewed."""
        with self.database.read() as connection:
            return _command(connection, _place(connection, command_id)[0])

    def commands(
        self, limit: int = 100, before: int | None = None, active_only: bool = False, now_ms: int | None = None
    ) -> list[Command]:
        """The newest `limit` commands asked before `before` (ms UTC), newest first.

        Active: asked or applied, and with `now_ms` given not past its end either.
        """
        conditions: list[ColumnElement[bool]] = []
        if before is not None:
            conditions.append(COMMAND.c.t < before)
        if active_only:
            conditions.append(COMMAND.c.state.in_(("asked", "applied")))
            if now_ms is not None:
                conditions.append(or_(COMMAND.c.ends_at.is_(None), COMMAND.c.ends_at > now_ms))
        with self.database.read() as connection:
            wanted = statements(connection).commands.where(*conditions)
            found = connection.execute(wanted, {"most": limit}).all()
            trails = _trails(connection, [row.id for row in found])
        return [_as_command(row, trails.get(row.id, ())) for row in found]

    def save_alert(self, alert: Alert | Mapping[str, Any]) -> None:
        """Keeps an alert as it stands now. What people did meanwhile stays. Raises DataError for a wrong shape."""
        self.save_alerts([alert])

    def save_alerts(self, alerts: Sequence[Alert | Mapping[str, Any]]) -> None:
        """Keeps alerts as they stand now, all of them or none."""
        rows = [
            {**{name: getattr(record, name) for name in _ALERT_COLUMNS}, "body": msgspec.json.encode(record)}
            for record in map(_as_alert, alerts)
        ]
        if rows:
            with self.database.write() as connection:
                connection.execute(statements(connection).save_alert, rows)

    def act(self, alert_id: str, act: ActKind, by: str, t: int, *, until: int | None = None, reason: str = "") -> bool:
        """Notes what a person does to an alert, until a moment (ms UTC) if one is given.

        False when it does not stand, is unknown, or is so already: acknowledged, or not muted.
        """
        with self.database.write() as connection:
            known = statements(connection)
            row = connection.execute(known.lock_alert, {"wanted": alert_id}).one_or_none()
            if row is None or not can(act, self._acted(connection, [row.body])[0]):
                return False
            done = {"alert": alert_id, "act": act, "t": t, "by": by, "until": until, "reason": reason}
            connection.execute(known.act, done)
            return True

    def acknowledge(self, alert_id: str, by: str, t: int, *, until: int | None = None, reason: str = "") -> bool:
        """Notes that a person has seen a standing alert; False when it is not standing, seen already or unknown."""
        return self.act(alert_id, "acknowledge", by, t, until=until, reason=reason)

    def acts(self, alert_ids: Sequence[str]) -> list[Act]:
        """What people did to those alerts, in the order it was done."""
        with self.database.read() as connection:
            return _acts(connection, alert_ids)

    def alert(self, alert_id: str) -> Alert | None:
        """The alert, or None."""
        with self.database.read() as connection:
            row = connection.execute(statements(connection).alert, {"wanted": alert_id}).one_or_none()
            return self._acted(connection, [row.body])[0] if row else None

    def alerts(self, open_only: bool = False, limit: int = 100) -> list[Alert]:
        """Open alerts first, the worst of them first, then past ones; among equals the newest first."""
        with self.database.read() as connection:
            known = statements(connection)
            found = connection.execute(known.open_alerts if open_only else known.alerts, {"most": limit}).all()
            return self._acted(connection, [row.body for row in found])

    @staticmethod
    def _acted(connection: Connection, bodies: Sequence[bytes]) -> list[Alert]:
        """The alerts as last saved, and what people did since."""
        alerts = {alert.id: alert for alert in (msgspec.json.decode(body, type=Alert) for body in bodies)}
        for act in _acts(connection, list(alerts)):
            alerts[act.alert] = acted(alerts[act.alert], act)
        return list(alerts.values())

    def quarantine(self, topic: str, payload: bytes, reason: str, t: int, gateway: str | None = None) -> None:
        """Keeps a message that was not taken; the very same again is counted. Only the newest 10,000 are kept."""
        digest = hashlib.sha256(msgspec.msgpack.encode((topic, reason, payload))).digest()
        entry = {"topic": topic, "gateway": gateway, "reason": reason, "payload": payload[:_PAYLOAD_BYTES]}
        with self.database.write() as connection:
            known = statements(connection)
            # the count first: writers of PostgreSQL then take turns here, and find what the one before left
            connection.execute(known.count, {"name": "quarantined", "value": 1})
            seen = {"digest": digest, "size": len(payload), "first_t": t, "t": t, "count": 1}
            connection.execute(known.keep, {**entry, **seen})
            _forget_oldest(connection)

    def quarantined(self, limit: int = 100) -> list[QuarantineEntry]:
        """The newest quarantined messages, newest first."""
        with self.database.read() as connection:
            found = connection.execute(statements(connection).quarantined, {"most": limit}).all()
        return [QuarantineEntry(*row) for row in found]

    def quarantine_total(self) -> int:
        """How many messages were ever quarantined, those no longer kept included."""
        with self.database.read() as connection:
            total = connection.execute(select(TALLY.c.value).where(TALLY.c.name == "quarantined")).scalar()
        return int(total or 0)


def _acts(connection: Connection, alert_ids: Sequence[str]) -> list[Act]:
    found: list[Act] = []
    for first in range(0, len(alert_ids), _AT_ONCE):
        wanted = list(alert_ids[first : first + _AT_ONCE])
        found += [Act(*row) for row in connection.execute(statements(connection).acts, {"wanted": wanted})]
    return found


def _forget_oldest(connection: Connection) -> None:
    entries = connection.execute(select(func.count()).select_from(QUARANTINE)).scalar_one()
    excess = entries - _QUARANTINE_ENTRIES
    if excess > 0:
        oldest = select(QUARANTINE.c.id).order_by(QUARANTINE.c.t, QUARANTINE.c.id).limit(excess)
        connection.execute(delete(QUARANTINE).where(QUARANTINE.c.id.in_(oldest)))


def _place(connection: Connection, lease_id: str) -> tuple[str, int]:
    """The command that a lease's id belongs to and its number there: its own, or what it renews."""
    first, number = first_of(lease_id)
    if number:
        known = statements(connection).command
        whole = connection.execute(known, {"wanted": first}).one_or_none()
        alone = connection.execute(known, {"wanted": lease_id}).one_or_none()
        if whole is not None and alone is None and number <= whole.renewals_asked:
            return first, number
    return lease_id, 0


def _renewed(connection: Connection, asked: Mapping[str, Any]) -> bool:
    """Notes a renewal at the command that asks for the very same; False when this is none."""
    first, number = first_of(asked["id"])
    if not number:
        return False
    same = {f"same_{name}": asked[name] for name in ("device", "issued_by", "values_json")}
    wanted = {"same_id": first, **same, "number": number, "until": asked["asked_until"]}
    return bool(connection.execute(statements(connection).renew, wanted).rowcount)


def _stepped(connection: Connection, command_id: str, entry: TrailEntry, renewal: int = 0) -> Command:
    """Adds a step to the trail and takes the command's state from the furthest step there is."""
    known = statements(connection)
    # two processes of PostgreSQL that step one command take turns here; SQLite's writers do anyway
    connection.execute(known.lock_command, {"wanted": command_id})
    step = {"command": command_id, "state": entry.state, "t": entry.t, "reason": entry.reason, "renewal": renewal}
    connection.execute(known.step, step)
    return _settled(connection, command_id)


def _settled(connection: Connection, command_id: str) -> Command:
    """The command with its state and end as its trail has them now."""
    connection.execute(statements(connection).settle, {"wanted": command_id})
    command = _command(connection, command_id)
    assert command is not None
    return command


def _command(connection: Connection, command_id: str) -> Command | None:
    row = connection.execute(statements(connection).command, {"wanted": command_id}).one_or_none()
    return _as_command(row, _trails(connection, [command_id]).get(command_id, ())) if row else None


def _trails(connection: Connection, command_ids: list[str]) -> dict[str, tuple[TrailEntry, ...]]:
    """The trails of those commands, each in the order of a command's life."""
    trails: dict[str, tuple[TrailEntry, ...]] = {}
    for command, *step in connection.execute(statements(connection).trails, {"wanted": command_ids}):
        trails[command] = (*trails.get(command, ()), TrailEntry(*step))
    return trails


def _as_command(row: Any, trail: tuple[TrailEntry, ...]) -> Command:
    command_id, device, values, *rest, renewals, renewed_at, asked = row
    known = (command_id, device, msgspec.json.decode(values), *rest, trail)
    return Command(*(*known, renewals, renewed_at, numbered(command_id, asked)))


def _as_alert(alert: Alert | Mapping[str, Any]) -> Alert:
    if isinstance(alert, Alert):
        return alert
    try:
        return msgspec.convert(alert, Alert)
    except msgspec.ValidationError as error:
        raise DataError(str(error), field="alert") from error
