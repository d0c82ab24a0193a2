"""Runs that are kept with their documents: numbers without a gap, nothing changed afterwards, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from energy.errors import RefusedError, StoreError
from energy.settlement.documents import drafts
from energy.settlement.inputs import inputs_of
from energy.settlement.month import Settled
from energy.settlement.statement import Member, statements
from storage.register import audit
from storage.register.database import RegisterDatabase
from storage.register.documents import documents, issue
from storage.register.month_runs import keep, kept
from tests.energy.settlement.example import EAN, OTHER, setting, volume

MEMBERS = [Member("m-1", "citizen"), Member("m-2", "sme")]
JULY = date(2026, 7, 3)


@pytest.fixture
def database(where):
    opened = RegisterDatabase(where)
    yield opened
    opened.close()


def settled(first=1000, second=2000):
    own = (volume(first), volume(second, member="m-2", point=OTHER))
    return Settled(
        inputs_of(setting(), (0, 1), [], MEMBERS, []), (), (), own, statements(setting(), MEMBERS, own), (), 2880, 0
    )


def kept_as(database, status, made=None, *, issued=JULY, inputs="0" * 64):
    with database.write() as connection:
        return keep(connection, made or settled(), inputs, status, issued=issued, by="ann", why="June", now_ms=1)


def read(database, what, *arguments):
    with database.read() as connection:
        return what(connection, *arguments)


def numbers(database):
    return [document.number for document in read(database, documents, "ixelles")]


def test_preview_issues_nothing_and_may_be_made_again(database):
    for version in (1, 2):
        assert kept_as(database, "preview")[0] == version
    assert numbers(database) == []


def test_final_run_issues_one_document_a_statement_and_reads_back_word_for_word(database):
    version, run = kept_as(database, "final")
    assert version == 1
    assert [document.number for document in run.documents] == ["2026-000001", "2026-000002"]
    assert list(run.documents) == read(database, documents, "ixelles", "2026-06")
    assert read(database, kept, "ixelles", "2026-06") == [run]


def test_after_the_final_run_only_corrections_follow(database):
    kept_as(database, "final")
    for status in ("final", "preview"):
        with pytest.raises(RefusedError, match="what comes now is a correction"):
            kept_as(database, status, settled(5))
    with pytest.raises(RefusedError, match="nothing of 2026-06 would change"):
        kept_as(database, "correction")
    assert numbers(database) == ["2026-000001", "2026-000002"], "what was refused used no number"


def test_correction_without_a_final_run_is_refused(database):
    kept_as(database, "preview")
    with pytest.raises(RefusedError, match="no final run to correct"):
        kept_as(database, "correction", settled(5))


def test_correction_credits_and_invoices_only_who_it_changes_each_time_what_stands(database):
    kept_as(database, "final")
    _, first = kept_as(database, "correction", settled(first=900))
    _, second = kept_as(database, "correction", settled(first=800))
    for run, credited in ((first, "2026-000001"), (second, "2026-000004")):
        credit, invoice = run.documents
        assert (credit.draft.kind, credit.draft.credits, credit.draft.member) == (
            "credit_note",
            credited,
            EAN and "m-1",
        )
        assert invoice.draft.kind == "invoice"
        assert {change.after.member for change in run.corrections} == {"m-1"}
    assert numbers(database) == [f"2026-{n:06}" for n in range(1, 7)]
    balance = sum(document.draft.totals.gross for document in read(database, documents, "ixelles"))
    assert balance == sum(statement.totals.gross for statement in settled(first=800).statements)


def test_numbers_begin_again_each_year_and_never_go_back_in_time(database):
    kept_as(database, "final", issued=date(2026, 12, 31))
    _, run = kept_as(database, "correction", settled(first=1), issued=date(2027, 1, 2))
    assert run.documents[0].number == "2027-000001"
    with pytest.raises(RefusedError, match="2027-000002 was issued on 2027-01-02"):
        kept_as(database, "correction", settled(first=2), issued=date(2027, 1, 1))


def test_transaction_that_fails_after_issuing_leaves_no_gap(database):
    def fail():
        with database.write() as connection:
            issue(connection, "ixelles", 1, drafts(settled().statements), issued=JULY, due_days=30, now_ms=1)
            raise RuntimeError("power is gone")

    with pytest.raises(RuntimeError):
        fail()
    kept_as(database, "final")
    assert numbers(database) == ["2026-000001", "2026-000002"]


def test_communities_that_issue_at_once_get_numbers_without_gap_or_double(database):
    def one(community):
        for _ in range(20):
            try:
                with database.write() as connection:
                    return issue(
                        connection, community, 1, drafts(settled().statements), issued=JULY, due_days=30, now_ms=1
                    )
            except StoreError:
                continue
        raise AssertionError("never got a turn")

    names = ["ixelles"] * 6 + ["jette"] * 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, names))
    assert numbers(database) == [f"2026-{n:06}" for n in range(1, 13)]
    assert len(read(database, documents, "jette")) == 4


@pytest.mark.parametrize("statement", ["UPDATE document SET member = 'x'", "DELETE FROM document"])
def test_issued_document_is_never_changed(database, statement):
    kept_as(database, "final")
    with pytest.raises(StoreError, match="document is append-only"), database.write() as connection:
        connection.execute(text(statement))
    assert len(numbers(database)) == 2


def test_run_stands_in_the_audit_with_its_reason(database):
    kept_as(database, "final")
    (entry,) = read(database, audit.entries)
    assert (entry.who, entry.action, entry.subject, entry.why) == ("ann", "final", "ixelles/2026-06", "June")
    assert entry.after["documents"] == ["2026-000001", "2026-000002"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6), seed=st.integers(0, 2**30)
)
def test_after_any_corrections_the_documents_balance_with_what_stands(tmp_path, steps, seed):
    """Each step is what the two members received, hundreds of Wh; a step that changes nothing is refused."""
    database = RegisterDatabase(tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}.db")
    try:
        stands = settled(5000, 7000)
        kept_as(database, "final", stands)
        for first, second in steps:
            step = settled(first * 100, second * 100)
            if step.statements == stands.statements:
                with pytest.raises(RefusedError, match="would change"):
                    kept_as(database, "correction", step)
            else:
                kept_as(database, "correction", step)
                stands = step
        issued = read(database, documents, "ixelles")
        for member in ("m-1", "m-2"):
            balance = sum(each.draft.totals.gross for each in issued if each.draft.member == member)
            assert balance == sum(each.totals.gross for each in stands.statements if each.member == member)
        assert [each.number for each in issued] == [f"2026-{n:06}" for n in range(1, len(issued) + 1)]
    finally:
        database.close()
