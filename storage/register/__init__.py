"""Alerts, commands with their trail, and quarantined messages: one SQLite file that collector and API share."""

from __future__ import annotations

from storage.register.records import Alert, AlertAction, Command, Evidence, QuarantineEntry, TrailEntry
from storage.register.register import Register

__all__ = ["Alert", "AlertAction", "Command", "Evidence", "QuarantineEntry", "Register", "TrailEntry"]
