"""The tables of the embedded store, and how a file of an older version comes to have them."""

from __future__ import annotations

from typing import Final

from storage.history.moving import bring_last_readings
from storage.sqlite import Schema

__all__ = ["SCHEMA"]

_MIGRATIONS: Final = (
    (
        (
            "CREATE TABLE device (id INTEGER PRIMARY KEY, community TEXT NOT NULL, site TEXT NOT NULL,"
            " device TEXT NOT NULL UNIQUE, role TEXT)"
        ),
        (
            "CREATE TABLE device_quantity (device INTEGER NOT NULL, quantity TEXT NOT NULL,"
            " PRIMARY KEY (device, quantity)) WITHOUT ROWID"
        ),
        (
            "CREATE TABLE reading (device INTEGER NOT NULL, t INTEGER NOT NULL, bad TEXT,"
            " PRIMARY KEY (device, t)) WITHOUT ROWID"
        ),
        (
            "CREATE TABLE device_quarter (device INTEGER NOT NULL, start INTEGER NOT NULL, import_wh REAL, export_wh REAL,"
            " quality TEXT NOT NULL, PRIMARY KEY (device, start)) WITHOUT ROWID"
        ),
        (
            "CREATE TABLE site_quarter (site TEXT NOT NULL, start INTEGER NOT NULL, community TEXT NOT NULL, pv_wh REAL,"
            " import_wh REAL, export_wh REAL, charge_wh REAL, discharge_wh REAL, consumption_wh REAL,"
            " quality TEXT NOT NULL, PRIMARY KEY (site, start)) WITHOUT ROWID"
        ),
    ),
    (
        "DROP TABLE reading",  # a file that has any is moved into a new one: moving.py
        "CREATE TABLE layout (id INTEGER PRIMARY KEY, schema BLOB NOT NULL)",
        # AUTOINCREMENT: the number of a commit that was sealed and deleted never comes again.
        (
            "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, layout INTEGER NOT NULL, t_min INTEGER NOT NULL,"
            " t_max INTEGER NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL,"
            " blob BLOB NOT NULL)"
        ),
        (
            "CREATE TABLE unreadable (id INTEGER PRIMARY KEY, layout INTEGER NOT NULL, t_min INTEGER NOT NULL,"
            " t_max INTEGER NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL,"
            " blob BLOB NOT NULL)"
        ),
        "CREATE TABLE sealed (upto INTEGER NOT NULL)",
        "INSERT INTO sealed VALUES (0)",
        (
            "CREATE TABLE segment (file TEXT PRIMARY KEY, position INTEGER NOT NULL, day INTEGER NOT NULL,"
            " t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,"
            " damaged INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
        ),
        "CREATE TABLE doomed (file TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE last (device INTEGER PRIMARY KEY, t INTEGER NOT NULL, bad TEXT NOT NULL, told TEXT NOT NULL)",
    ),
    (
        "ALTER TABLE device_quarter ADD COLUMN told TEXT NOT NULL DEFAULT '{}'",
        (
            "CREATE TABLE total (period TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, start INTEGER NOT NULL,"
            " end INTEGER NOT NULL, community TEXT NOT NULL, quality TEXT NOT NULL, known TEXT NOT NULL,"
            " last TEXT NOT NULL, PRIMARY KEY (period, site, device, start)) WITHOUT ROWID"
        ),
    ),
    (
        # One row at most: Arrow's stream format, compressed; see last.py.
        "CREATE TABLE last_note (upto INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL)",
        # Months in UTC, `month` their start; see quarters.py.
        (
            "CREATE TABLE site_month (site TEXT NOT NULL, month INTEGER NOT NULL, crc INTEGER NOT NULL,"
            " blob BLOB NOT NULL, PRIMARY KEY (site, month))"
        ),
        (
            "CREATE TABLE device_month (device INTEGER NOT NULL, month INTEGER NOT NULL, crc INTEGER NOT NULL,"
            " blob BLOB NOT NULL, PRIMARY KEY (device, month))"
        ),
    ),
)


SCHEMA: Final = Schema("history", _MIGRATIONS, complete=bring_last_readings)
