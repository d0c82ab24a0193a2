"""Numbers, credit notes and what a correction changes."""

from datetime import date
from decimal import Decimal

import pytest

from energy.settlement.documents import corrected, corrections, drafts, numbered, payments
from energy.settlement.money import parse_communication
from energy.settlement.statement import Member, statements
from tests.energy.settlement.example import OTHER, setting, volume

JUNE = date(2026, 7, 3)


def made(received_wh, grid_type="B"):
    return statements(setting(grid_type), [Member("m-1", "citizen")], [volume(received_wh)])


def test_document_carries_number_communication_and_due_day():
    (draft,) = drafts(made(123_457))
    document = numbered(draft, 2026, 42, JUNE, 30)
    assert (document.number, document.due) == ("2026-000042", date(2026, 8, 2))
    assert parse_communication(document.communication) == 2_026_000_042
    assert document.draft.totals.gross == Decimal("32.33")


@pytest.mark.parametrize("sequence", [0, 10**6])
def test_number_that_a_year_does_not_have_is_refused(sequence):
    with pytest.raises(ValueError, match="no number of a document: a year has up to 999,999"):
        numbered(drafts(made(1000))[0], 2026, sequence, JUNE, 30)


def test_last_number_of_a_year_is_given():
    assert numbered(drafts(made(1000))[0], 2026, 999_999, JUNE, 30).number == "2026-999999"


def test_payment_of_a_member_is_the_sum_of_its_own_documents_and_due_with_the_last():
    volumes = [volume(1000), volume(5000, member="m-2", point=OTHER)]
    members = [Member("m-1", "citizen"), Member("m-2", "citizen")]
    first, other = (
        numbered(draft, 2026, number, JUNE, 30)
        for number, draft in enumerate(drafts(statements(setting(), members, volumes)), 1)
    )
    (change,) = corrections(made(1000), made(900))
    credit, again = (
        numbered(draft, 2026, number, date(2026, 8, 3), 30) for number, draft in enumerate(corrected(change, first), 3)
    )
    one, two = payments([credit, other, again])
    assert (one.member, one.documents) == ("m-1", ("2026-000003", "2026-000004"))
    assert one.owed == again.draft.owed + credit.draft.owed < 0
    assert (one.due, one.communication) == (date(2026, 9, 2), again.communication)
    assert (two.member, two.owed, two.documents) == ("m-2", other.draft.owed, ("2026-000002",))


def test_nothing_is_sent_to_who_received_nothing():
    assert drafts(statements(setting(), [Member("m-1", "citizen")], [volume(0, withdrawal_wh=5)])) == []


def test_correction_credits_what_was_sent_and_says_it_anew():
    before, after = made(123_457), made(100_000)
    sent = numbered(drafts(before)[0], 2026, 1, JUNE, 30)
    (change,) = corrections(before, after)
    credit, invoice = corrected(change, sent)
    assert (credit.kind, credit.credits, invoice.kind) == ("credit_note", "2026-000001", "invoice")
    assert credit.totals.gross == -sent.draft.totals.gross
    assert sum(line.energy_wh for line in credit.lines) == -sum(line.energy_wh for line in sent.draft.lines)
    assert invoice.lines == after[0].lines
    deltas = {delta.name: (delta.energy_wh, delta.net) for delta in change.deltas}
    assert deltas["shared_energy"] == (-23_457, Decimal("-3.28"))
    assert sum(delta.net for delta in change.deltas) == after[0].totals.net - before[0].totals.net


def test_nothing_changes_where_nothing_changed():
    assert corrections(made(5000), made(5000)) == []


def test_member_that_comes_or_goes_by_a_correction_is_invoiced_or_credited_alone():
    (came,) = corrections([], made(5000))
    assert [draft.kind for draft in corrected(came, None)] == ["invoice"]
    (went,) = corrections(made(5000), [])
    sent = numbered(drafts(made(5000))[0], 2026, 1, JUNE, 30)
    assert [draft.kind for draft in corrected(went, sent)] == ["credit_note"]
