"""The chain of an alert as a table: crossing, action, command, result, effect measured, cleared, in the order of time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from energy.languages import Language
from energy.reasons import in_words
from storage.register.records import Alert, Command

__all__ = ["EvidenceRow", "as_csv", "commands_of", "evidence_rows", "translated"]

_COLUMNS: Final = ("time", "community", "alert", "rule", "subject", "severity", "event", "command", "text")


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One step of the chain; `command`: the id of the lease it is about, empty for other steps. `t`: ms UTC."""

    t: int
    alert: Alert
    event: str
    text: str
    command: str = ""


def commands_of(alert: Alert) -> list[str]:
    """Ids of the leases an alert asked for last, one for each of its actions that has one."""
    return [action.command for action in alert.actions if action.command is not None]


def translated(alert: Alert, language: Language) -> Alert:
    """With the sentences of its evidence and of its actions in a language."""
    evidence = tuple(replace(step, text=step.told(language)) for step in alert.evidence)
    actions = tuple(replace(action, reason=in_words(action.reason, language)) for action in alert.actions)
    return replace(alert, evidence=evidence, actions=actions)


def evidence_rows(alert: Alert, commands: Sequence[Command], language: Language = "en") -> list[EvidenceRow]:
    """The alert's own steps in a language, the trail of its leases as gateways told it, and how often they were renewed."""
    own = [EvidenceRow(step.t, alert, step.event, step.told(language)) for step in alert.evidence]
    trail = [
        EvidenceRow(
            step.t, alert, f"command {step.state}", f"{command.device}: {in_words(step.reason, language)}", command.id
        )
        for command in commands
        for step in command.trail
    ]
    renewed = [
        EvidenceRow(command.renewed_at, alert, "command renewed", f"{command.device}: {_times(command)}", command.id)
        for command in commands
        if command.renewed_at is not None
    ]
    return sorted([*own, *trail, *renewed], key=lambda row: row.t)


def _times(command: Command) -> str:
    return f"renewed {'once' if command.renewals == 1 else f'{command.renewals} times'}, the last time now"


def as_csv(rows: Iterable[EvidenceRow]) -> str:
    """The rows as CSV with a header, times in UTC."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        alert = row.alert
        time = datetime.fromtimestamp(row.t / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        writer.writerow(
            (
                time,
                alert.community,
                alert.id,
                alert.rule,
                alert.subject,
                alert.severity,
                row.event,
                row.command,
                row.text,
            )
        )
    return text.getvalue()
