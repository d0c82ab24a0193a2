"""The register: written and read by several processes at once, each write durable when it returns."""

# ruff: noqa: S608 - only names from tables of this program stand in statements; values are bound

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from energy.errors import DataError
from storage.register.records import Alert, Command, CommandState, Evidence, QuarantineEntry, TrailEntry, Value
from storage.sqlite import Database, Schema

__all__ = ["Register"]

_QUARANTINE_ENTRIES: Final = 10_000
_PAYLOAD_BYTES: Final = 4096

_SCHEMA: Final = Schema(
    "register",
    (
        (
            (
                "CREATE TABLE command (id TEXT PRIMARY KEY, device TEXT NOT NULL, values_json BLOB NOT NULL,"
                " ttl_s REAL NOT NULL, issued_by TEXT NOT NULL, reason TEXT NOT NULL, t INTEGER NOT NULL,"
                " state TEXT NOT NULL, ends_at INTEGER, asked_until INTEGER)"
            ),
            "CREATE INDEX command_by_time ON command (t)",
            "CREATE INDEX command_active ON command (t) WHERE state IN ('asked', 'applied')",
            (
                "CREATE TABLE trail (command TEXT NOT NULL, state TEXT NOT NULL, t INTEGER NOT NULL, reason TEXT NOT NULL,"
                " PRIMARY KEY (command, state, t, reason)) WITHOUT ROWID"
            ),
            (
                "CREATE TABLE alert (id TEXT PRIMARY KEY, community TEXT NOT NULL, severity TEXT NOT NULL,"
                " state TEXT NOT NULL, since INTEGER NOT NULL, body BLOB NOT NULL,"
                " acknowledged_at INTEGER, acknowledged_by TEXT)"
            ),
            "CREATE INDEX alert_by_time ON alert (since)",
            "CREATE INDEX alert_open ON alert (since) WHERE state <> 'cleared'",
            (
                "CREATE TABLE quarantine (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, topic TEXT NOT NULL,"
                " gateway TEXT, reason TEXT NOT NULL, payload BLOB NOT NULL, size INTEGER NOT NULL,"
                " first_t INTEGER NOT NULL, t INTEGER NOT NULL, count INTEGER NOT NULL)"
            ),
            "CREATE INDEX quarantine_by_time ON quarantine (t)",
            "CREATE TABLE tally (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        ),
    ),
)

_COMMAND: Final = "SELECT id, device, values_json, ttl_s, issued_by, reason, t, state, ends_at FROM command"
# How far a step is in a command's life: clocks of gateway and centre differ, so time alone does not order steps.
# a refusal below applied: a message that came twice is refused under the id of the lease that stands
_STAGE: Final = "CASE state WHEN 'asked' THEN 0 WHEN 'refused' THEN 1 WHEN 'applied' THEN 2 ELSE 3 END"
_SEVERITY: Final = "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END"


class Register:
    """Alerts, commands and quarantine in the SQLite file at `path`, created when absent. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def close(self) -> None:
        """Releases the file."""
        self._database.close()

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
        details = (device, msgspec.json.encode(values), ttl_s, issued_by, reason, t, ends_at)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO command (id, device, values_json, ttl_s, issued_by, reason, t, asked_until, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'asked') ON CONFLICT (id) DO UPDATE SET device = excluded.device,"
                " values_json = excluded.values_json, ttl_s = excluded.ttl_s, issued_by = excluded.issued_by,"
                " reason = excluded.reason, asked_until = excluded.asked_until,"
                " t = CASE device WHEN '' THEN excluded.t ELSE t END",
                (command_id, *details),
            )
            return _stepped(connection, command_id, TrailEntry(t, "asked", reason))

    def record_result(self, command_id: str, state: CommandState, reason: str, t: int) -> Command:
        """Keeps what a gateway told of a command, once however often it is told. An unknown command is kept too."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO command VALUES (?, '', '{}', 0, '', '', ?, ?, NULL, NULL)",
                (command_id, t, state),
            )
            return _stepped(connection, command_id, TrailEntry(t, state, reason))

    def command(self, command_id: str) -> Command | None:
        """The command with its trail, or None."""
        with self._database.read() as connection:
            return _command(connection, command_id)

    def commands(
        self, limit: int = 100, before: int | None = None, active_only: bool = False, now_ms: int | None = None
    ) -> list[Command]:
        """The newest `limit` commands asked before `before` (ms UTC), newest first.

        Active: asked or applied, and with `now_ms` given not past its end either.
        """
        conditions, parameters = [], []
        if before is not None:
            conditions.append("t < ?")
            parameters.append(before)
        if active_only:
            conditions.append("state IN ('asked', 'applied')")
            if now_ms is not None:
                conditions.append("(ends_at IS NULL OR ends_at > ?)")
                parameters.append(now_ms)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._database.read() as connection:
            found = connection.execute(
                f"{_COMMAND}{where} ORDER BY t DESC, id DESC LIMIT ?", (*parameters, limit)
            ).fetchall()
            return [_as_command(row, _trail(connection, row[0])) for row in found]

    def save_alert(self, alert: Alert | Mapping[str, Any]) -> None:
        """Keeps an alert as it stands now. An acknowledgement made meanwhile stays. Raises DataError for a wrong shape."""
        record = _as_alert(alert)
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " community = excluded.community, severity = excluded.severity, state = excluded.state,"
                " since = excluded.since, body = excluded.body,"
                " acknowledged_at = coalesce(acknowledged_at, excluded.acknowledged_at),"
                " acknowledged_by = coalesce(acknowledged_by, excluded.acknowledged_by)",
                (
                    record.id,
                    record.community,
                    record.severity,
                    record.state,
                    record.since,
                    msgspec.json.encode(record),
                    record.acknowledged_at,
                    record.acknowledged_by,
                ),
            )

    def acknowledge(self, alert_id: str, by: str, t: int) -> bool:
        """Notes that a person has seen a firing alert; False when it is not firing, seen already or unknown."""
        with self._database.write() as connection:
            done = connection.execute(
                "UPDATE alert SET acknowledged_at = ?, acknowledged_by = ?"
                " WHERE id = ? AND state = 'firing' AND acknowledged_at IS NULL",
                (t, by, alert_id),
            )
            return done.rowcount == 1

    def alert(self, alert_id: str) -> Alert | None:
        """The alert, or None."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT body, acknowledged_at, acknowledged_by FROM alert WHERE id = ?", (alert_id,)
            ).fetchone()
        return _acknowledged(*row) if row else None

    def alerts(self, open_only: bool = False, limit: int = 100) -> list[Alert]:
        """Open alerts first, the worst of them first, then past ones; among equals the newest first."""
        where = " WHERE state <> 'cleared'" if open_only else ""
        with self._database.read() as connection:
            found = connection.execute(
                f"SELECT body, acknowledged_at, acknowledged_by FROM alert{where} ORDER BY state = 'cleared',"
                f" CASE WHEN state = 'cleared' THEN 0 ELSE {_SEVERITY} END, since DESC, id LIMIT ?",
                (limit,),
            ).fetchall()
        return [_acknowledged(*row) for row in found]

    def quarantine(self, topic: str, payload: bytes, reason: str, t: int, gateway: str | None = None) -> None:
        """Keeps a message that was not taken; the very same again is counted. Only the newest 10,000 are kept."""
        digest = hashlib.sha256(msgspec.msgpack.encode((topic, reason, payload))).digest()
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO quarantine (digest, topic, gateway, reason, payload, size, first_t, t, count)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)"
                " ON CONFLICT (digest) DO UPDATE SET count = count + 1, t = max(t, excluded.t)",
                (digest, topic, gateway, reason, payload[:_PAYLOAD_BYTES], len(payload), t, t),
            )
            connection.execute(
                "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY t, id"
                " LIMIT max(0, (SELECT count(*) FROM quarantine) - ?))",
                (_QUARANTINE_ENTRIES,),
            )
            connection.execute(
                "INSERT INTO tally VALUES ('quarantined', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )

    def quarantined(self, limit: int = 100) -> list[QuarantineEntry]:
        """The newest quarantined messages, newest first."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT topic, gateway, reason, payload, size, first_t, t, count FROM quarantine"
                " ORDER BY t DESC, id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [QuarantineEntry(*row) for row in found]

    def quarantine_total(self) -> int:
        """How many messages were ever quarantined, those no longer kept included."""
        with self._database.read() as connection:
            row = connection.execute("SELECT value FROM tally WHERE name = 'quarantined'").fetchone()
        return int(row[0]) if row else 0


def _stepped(connection: sqlite3.Connection, command_id: str, entry: TrailEntry) -> Command:
    """Adds a step to the trail and takes the command's state from the furthest step there is."""
    connection.execute(
        "INSERT OR IGNORE INTO trail VALUES (?, ?, ?, ?)", (command_id, entry.state, entry.t, entry.reason)
    )
    connection.execute(
        f"UPDATE command SET state = (SELECT state FROM trail WHERE command = ? ORDER BY {_STAGE} DESC, t DESC LIMIT 1),"
        f" ends_at = coalesce((SELECT min(t) FROM trail WHERE command = ? AND ({_STAGE} = 3 OR {_STAGE} = 1 AND NOT EXISTS"
        " (SELECT 1 FROM trail WHERE command = ? AND state = 'applied'))), asked_until) WHERE id = ?",
        (command_id, command_id, command_id, command_id),
    )
    command = _command(connection, command_id)
    assert command is not None
    return command


def _command(connection: sqlite3.Connection, command_id: str) -> Command | None:
    row = connection.execute(f"{_COMMAND} WHERE id = ?", (command_id,)).fetchone()
    return _as_command(row, _trail(connection, command_id)) if row else None


def _trail(connection: sqlite3.Connection, command_id: str) -> tuple[TrailEntry, ...]:
    found = connection.execute(
        f"SELECT t, state, reason FROM trail WHERE command = ? ORDER BY {_STAGE}, t", (command_id,)
    )
    return tuple(TrailEntry(*row) for row in found)


def _as_command(row: tuple[Any, ...], trail: tuple[TrailEntry, ...]) -> Command:
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
