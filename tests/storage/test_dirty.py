"""The durable set of quarter-hours to compute."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from energy.errors import StoreError
from energy.quarters import QUARTER_MS
from storage.dirty import DirtyQuarters

ROOT = Path(__file__).parents[2]


def keys(dirty):
    return [(mark.site, mark.start) for mark in dirty.pending()]


@pytest.fixture
def dirty(tmp_path):
    quarters = DirtyQuarters(tmp_path / "dirty.db")
    yield quarters
    quarters.close()


def test_pending_gives_the_newest_quarter_hour_first(dirty):
    dirty.mark([("a", 0), ("b", QUARTER_MS)])
    dirty.mark([("a", 2 * QUARTER_MS)])
    assert keys(dirty) == [("a", 2 * QUARTER_MS), ("b", QUARTER_MS), ("a", 0)]


def test_marks_survive_reopening(tmp_path):
    first = DirtyQuarters(tmp_path / "dirty.db")
    first.mark([("a", 0), ("a", QUARTER_MS)])
    first.mark([("a", 0)], late=True)
    first.clear([mark for mark in first.pending() if mark.start == QUARTER_MS])
    first.close()
    second = DirtyQuarters(tmp_path / "dirty.db")
    assert [(mark.site, mark.start, mark.late) for mark in second.pending()] == [("a", 0, True)]
    second.close()


def test_clear_when_marked_again_meanwhile_keeps_the_mark(dirty):
    dirty.mark([("a", 0)])
    taken = dirty.pending()
    dirty.mark([("a", 0)])
    dirty.clear(taken)
    assert keys(dirty) == [("a", 0)]
    dirty.clear(dirty.pending())
    assert keys(dirty) == []


def test_a_late_mark_stays_late_when_marked_in_order_afterwards(dirty):
    dirty.mark([("a", 0)], late=True)
    dirty.mark([("a", 0)])
    assert dirty.pending()[0].late


def test_marking_what_is_marked_writes_nothing(dirty, tmp_path):
    dirty.mark([("a", 0)])
    size = (tmp_path / "dirty.db-wal").stat().st_size
    for _ in range(100):
        dirty.mark([("a", 0)])
    assert (tmp_path / "dirty.db-wal").stat().st_size == size


def test_a_second_process_on_the_same_file_is_refused(dirty, tmp_path):
    with pytest.raises(StoreError) as refused:
        DirtyQuarters(tmp_path / "dirty.db")
    assert refused.value.hint


def test_marks_survive_kill_9(tmp_path):
    code = (
        "import sys; from pathlib import Path; from storage.dirty import DirtyQuarters\n"
        "dirty = DirtyQuarters(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    dirty.mark([('a', n * 900_000)])\n"
        "    print(n, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "dirty.db")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    told = [int(process.stdout.readline()) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    dirty = DirtyQuarters(tmp_path / "dirty.db")
    assert {("a", n * QUARTER_MS) for n in told} <= set(keys(dirty))
    dirty.close()


class DirtyMachine(RuleBasedStateMachine):
    """Against a model: a dict of what was marked, and which marks are out for computing."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "dirty.db"
        self.dirty = DirtyQuarters(self.path)
        self.model = {}
        self.taken = []

    @rule(pairs=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=4), late=st.booleans())
    def mark(self, pairs, late):
        self.dirty.mark(pairs, late=late)
        for pair in pairs:
            self.model[pair] = late or self.model.get(pair, False)
        self.taken = [mark for mark in self.taken if (mark.site, mark.start) not in pairs]

    @rule()
    def take(self):
        self.taken = self.dirty.pending()

    @rule()
    def clear(self):
        self.dirty.clear(self.taken)
        for mark in self.taken:
            del self.model[mark.site, mark.start]
        self.taken = []

    @rule()
    def reopen(self):
        self.dirty.close()
        self.dirty = DirtyQuarters(self.path)
        self.taken = []

    @invariant()
    def same_as_the_model(self):
        assert {(mark.site, mark.start): mark.late for mark in self.dirty.pending()} == self.model

    def teardown(self):
        self.dirty.close()
        self.folder.cleanup()


DirtyMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
test_dirty_quarters_against_a_model = DirtyMachine.TestCase
