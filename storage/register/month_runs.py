"""A settled month as a run that is kept: preview, final with its documents, correction with credit notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import Connection

from energy.errors import RefusedError
from energy.settlement.curves import curves as curves_of
from energy.settlement.documents import Correction, Document, Draft, corrected, corrections, drafts
from energy.settlement.inputs import digest as digest_of
from energy.settlement.late import changes, late_points, packed, unpacked
from energy.settlement.month import MonthRun, RunStatus, Settled, settle_month
from energy.sharing.settlement import QuarterReadings
from storage.register import audit, curves, reopened, runs, settled_readings
from storage.register.documents import documents, issue
from storage.register.reopened import Reopened

__all__ = ["closed", "keep", "kept", "reopen", "settled_late", "settled_months"]


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
    readings: QuarterReadings | None = None,
) -> tuple[int, MonthRun]:
    """(version, run), with all its documents, in the caller's transaction.

    `readings`: what it was settled by; kept of a closed month, so that late ones are found by themselves.
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
        reopened.close(connection, community, month)
        if readings is None:
            settled_readings.forget(connection, community, month)
        else:
            settled_readings.keep(connection, community, month, version, readings)
    told = {"version": version, "inputs": digest, "documents": [document.number for document in made]}
    audit.record(connection, now_ms, by, status, "run", f"{community}/{month}", after=told, why=why)
    return version, run


def kept(connection: Connection, community: str, month: str) -> list[MonthRun]:
    """All versions of a month, the first first."""
    return [msgspec.json.decode(run.result, type=MonthRun) for run in runs.runs(connection, community, month)]


def closed(connection: Connection, community: str, month: str) -> tuple[int, MonthRun]:
    """(version, run) of the last final run or correction. Raises RefusedError when there is none."""
    found = [(n, run) for n, run in enumerate(kept(connection, community, month), 1) if run.status != "preview"]
    if not found:
        raise RefusedError(f"{month} of {community} has no final run", hint="until then make previews of the readings")
    return found[-1]


def reopen(connection: Connection, settled: Settled, late: QuarterReadings, *, by: str, now_ms: int) -> Reopened | None:
    """Marks a closed month as reopened where late readings contradict it; None, and no mark, where they do not.

    `settled`: the closed month's inputs with these readings. Raises RefusedError when nothing is closed yet.
    """
    community, month = settled.inputs.community, settled.inputs.month
    version, run = closed(connection, community, month)
    found = changes(run.statements, settled.statements)
    if not found:
        reopened.close(connection, community, month)
        return None
    before = settled_readings.readings_of(connection, community, month)
    quarters, points = (0, []) if before is None else late_points(before, late, settled.inputs.window)
    made = Reopened(community, month, version, now_ms, by, tuple(found), quarters, tuple(points))
    reopened.put(connection, made, packed(late))
    told = {"version": version, "members": sorted({change.member for change in found})}
    audit.record(connection, now_ms, by, "reopen", "run", f"{community}/{month}", after=told)
    return made


def settled_late(connection: Connection, community: str, month: str) -> tuple[Settled, str, QuarterReadings]:
    """A reopened month settled with the readings that reopened it, the digest, and these; all else as in the last version.

    Raises RefusedError when the month is not reopened.
    """
    body = reopened.body_of(connection, community, month)
    if body is None:
        raise RefusedError(f"{month} of {community} is not reopened", hint="`statements late` compares late readings")
    _, run = closed(connection, community, month)
    late = unpacked(body)
    return settle_month(run.inputs, late), digest_of(run.inputs, late), late


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
