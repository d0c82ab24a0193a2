"""A settled month as a run that is kept: preview, final with its documents, correction with credit notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection

from energy.errors import RefusedError
from energy.settlement.curves import curves as curves_of
from energy.settlement.documents import Correction, Document, Draft, corrected, corrections, drafts
from energy.settlement.month import MonthRun, RunStatus, Settled
from storage.register import audit, curves, runs
from storage.register.documents import documents, issue

__all__ = ["keep", "kept", "settled_months"]


def keep(
    connection: Connection,
    settled: Settled,
    digest: str,
    status: RunStatus,
    *,
    issued: date,
    by: str,
    why: str,
    now_ms: int,
) -> tuple[int, MonthRun]:
    """(version, run), with all its documents, in the caller's transaction.

    Raises RefusedError when the status cannot follow what is kept, or when a correction would change nothing.
    """
    inputs = settled.inputs
    community, month = inputs.community, inputs.month
    before = kept(connection, community, month)
    changes = _corrections(before, settled, status, month)
    wanted = _drafts(connection, settled, changes, status, community, month)
    version = len(before) + 1
    made = issue(
        connection, community, version, wanted, issued=issued, due_days=inputs.setting().terms.due_days, now_ms=now_ms
    )
    run = MonthRun(
        status=status,
        digest=digest,
        inputs=inputs,
        quarters=settled.quarters,
        held=settled.held,
        volumes=settled.volumes,
        statements=settled.statements,
        differences=settled.differences,
        corrections=tuple(changes),
        documents=tuple(made),
        why=why.strip(),
        gaps=settled.gaps,
        gaps_left=settled.gaps_left,
    )
    result = msgspec.json.encode(run)
    runs.add(connection, community, month, status, inputs=digest, result=result, by=by, now_ms=now_ms)
    if status != "preview":
        curves.keep(connection, community, month, version, list(curves_of(settled)))
    told = {"version": version, "inputs": digest, "documents": [document.number for document in made]}
    audit.record(connection, now_ms, by, status, "run", f"{community}/{month}", after=told, why=why)
    return version, run


def kept(connection: Connection, community: str, month: str) -> list[MonthRun]:
    """All versions of a month, the first first."""
    return [msgspec.json.decode(run.result, type=MonthRun) for run in runs.runs(connection, community, month)]


def settled_months(connection: Connection, community: str, months: int) -> list[tuple[int, MonthRun]]:
    """(version, run) of the last final run or correction of each of the newest months."""
    return [
        (run.version, msgspec.json.decode(run.result, type=MonthRun))
        for run in runs.last_final(connection, community, months)
    ]


def _corrections(before: Sequence[MonthRun], settled: Settled, status: RunStatus, month: str) -> list[Correction]:
    closed = [run for run in before if run.status != "preview"]
    if status != "correction" or not closed:  # what may not follow is refused where runs are added
        return []
    found = corrections(closed[-1].statements, settled.statements)
    if not found:
        raise RefusedError(f"nothing of {month} would change", hint="there is nothing to correct")
    return found


def _drafts(
    connection: Connection,
    settled: Settled,
    changes: Sequence[Correction],
    status: RunStatus,
    community: str,
    month: str,
) -> list[Draft]:
    if status == "final":
        return drafts(settled.statements)
    if status == "preview":
        return []
    standing: dict[tuple[str, str], Document] = {}
    for document in documents(connection, community, month):
        if document.draft.kind != "credit_note":
            side = "consumer" if document.draft.kind == "invoice" else "producer"
            standing[document.draft.member, side] = document
        else:
            standing = {place: sent for place, sent in standing.items() if sent.number != document.draft.credits}
    made = []
    for change in changes:
        statement = change.after or change.before
        assert statement is not None
        made += corrected(change, standing.get((statement.member, statement.side)))
    return made
