"""Results of commands survive restarts, in order, bounded, and leases left standing are told as reverted."""

from __future__ import annotations

import pytest

from gateway.journal import Journal
from messaging.codec import CommandResult, decode_result
from runtime.clock import ManualClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def result(name, state="applied", reason="because"):
    return CommandResult(name, state, reason, 1_750_000_000_000)


def waiting(journal):
    return [(told.id, told.state) for told in (decode_result(payload) for _, payload in journal.waiting(20_000))]


def test_results_wait_in_order_over_a_restart_until_they_are_told(path):
    journal = Journal(path, ManualClock())
    journal.keep([result("1"), result("2", "refused"), result("1", "expired")])
    journal.close()
    journal = Journal(path, ManualClock())
    assert waiting(journal) == [("1", "applied"), ("2", "refused"), ("1", "expired")]
    first, _ = journal.waiting(1)[0]
    journal.told(first)
    assert waiting(journal) == [("2", "refused"), ("1", "expired")]
    journal.told(journal.waiting()[-1][0])
    assert waiting(journal) == []
    journal.close()


def test_lease_that_stood_at_the_end_is_told_as_reverted_once(path):
    journal = Journal(path, ManualClock())
    journal.keep([result("ended"), result("standing"), result("ended", "reverted")])
    journal.told(journal.waiting()[-1][0])
    journal.close()
    journal = Journal(path, ManualClock(now_ms=1_760_000_000_000))
    (told,) = [decode_result(payload) for _, payload in journal.waiting()]
    assert (told.id, told.state, told.t) == ("standing", "reverted", 1_760_000_000_000)
    journal.close()
    again = Journal(path, ManualClock())
    assert waiting(again) == [("standing", "reverted")]
    again.close()


def test_more_results_than_the_bound_drop_the_oldest_and_say_so(path, caplog):
    journal = Journal(path, ManualClock())
    journal.keep([result(str(number), "refused") for number in range(10_050)])
    kept = waiting(journal)
    assert (len(kept), kept[0], kept[-1]) == (10_000, ("50", "refused"), ("10049", "refused"))
    assert "50 results" in caplog.text
    journal.close()


def test_damaged_journal_is_set_aside_and_a_new_one_begins(path):
    path.write_bytes(b"no journal" * 1000)
    journal = Journal(path, ManualClock())
    journal.keep([result("1")])
    assert waiting(journal) == [("1", "applied")]
    assert list(path.parent.glob("journal.sqlite.damaged-*"))
    journal.close()
