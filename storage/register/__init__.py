"""The register: alerts, commands, quarantine; places, people, participants, keys, consents, runs and their audit.

`Register` is imported when it is first asked for: a configuration is read without SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.register.records import Act, Alert, AlertAction, Command, Evidence, QuarantineEntry, Told, TrailEntry

if TYPE_CHECKING:
    from storage.register.register import Register

__all__ = ["Act", "Alert", "AlertAction", "Command", "Evidence", "QuarantineEntry", "Register", "Told", "TrailEntry"]


def __getattr__(name: str) -> object:
    if name == "Register":
        from storage.register.register import Register  # noqa: PLC0415

        return Register
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
