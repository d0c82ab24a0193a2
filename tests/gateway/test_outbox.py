"""The outbox: nothing committed is lost, nothing is sent under a number twice, damage is survived."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from energy.errors import ConfigError, StoreError
from gateway.outbox import Outbox
from messaging.codec import Reading
from runtime.clock import ManualClock

EVERYTHING = 2**62
ROOT = Path(__file__).parents[2]


def reading(t: int = 1_750_000_000_000, power_w: float = 1.0) -> Reading:
    return Reading("site/pv", t, {"power_w": power_w})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "outbox.sqlite"


def seqs(outbox: Outbox) -> list[int]:
    return [batch.seq for batch in outbox.pending(0, EVERYTHING, 1_000_000)]


def test_append_keeps_the_readings_as_json_of_the_wire(path):
    outbox = Outbox(path, ManualClock())
    assert outbox.append([reading(power_w=1.5), reading(power_w=2.5)]) == 1
    (batch,) = outbox.pending(0, EVERYTHING, 10)
    assert msgspec.json.decode(batch.readings, type=list[Reading]) == [reading(power_w=1.5), reading(power_w=2.5)]
    outbox.close()


def test_reopened_outbox_has_the_same_epoch_batches_and_numbers(path):
    outbox = Outbox(path, ManualClock())
    epoch = outbox.epoch
    for _ in range(5):
        outbox.append([reading()])
    outbox.confirm(epoch, [1, 2, 5])
    outbox.close()
    outbox = Outbox(path, ManualClock())
    assert outbox.epoch == epoch
    assert seqs(outbox) == [3, 4]
    assert outbox.append([reading()]) == 6  # 5 is gone but never comes again
    assert outbox.last_seq() == 6
    outbox.close()


def test_empty_outbox_reopened_never_reuses_a_number(path):
    outbox = Outbox(path, ManualClock())
    outbox.append([reading()])
    outbox.confirm(outbox.epoch, [1])
    outbox.close()
    outbox = Outbox(path, ManualClock())
    assert outbox.append([reading()]) == 2
    outbox.close()


def test_confirm_of_another_epoch_forgets_nothing(path):
    outbox = Outbox(path, ManualClock())
    outbox.append([reading()])
    assert outbox.confirm("another", [1]) == 0
    assert seqs(outbox) == [1]
    outbox.close()


def test_depth_tells_number_and_oldest_reading(path):
    outbox = Outbox(path, ManualClock())
    assert (outbox.depth().batches, outbox.depth().oldest_ms) == (0, None)
    outbox.append([reading(5000), reading(4000)])
    outbox.append([reading(9000)])
    assert (outbox.depth().batches, outbox.depth().oldest_ms) == (2, 4000)
    outbox.close()


def test_limit_drops_the_oldest_counts_them_and_is_never_exceeded(path):
    limit = 256 * 1024
    outbox = Outbox(path, ManualClock(), limit_bytes=limit)
    total = 2000
    for i in range(total):
        outbox.append([reading(1_750_000_000_000 + i * 977, os.urandom(4)[0] + n / 7) for n in range(40)])
    held = seqs(outbox)
    assert held == list(range(total - len(held) + 1, total + 1))
    assert outbox.dropped_total == total - len(held) > 0
    assert outbox.confirm(outbox.epoch, held[:3]) == 3
    outbox.close()
    assert path.stat().st_size <= limit + 64 * 1024
    outbox = Outbox(path, ManualClock(), limit_bytes=limit)
    assert outbox.dropped_total == total - len(held)
    outbox.close()


def _pages(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA page_count").fetchone()[0]


def test_full_disk_is_a_store_error_and_what_was_kept_stays(path):
    outbox = Outbox(path, ManualClock())
    outbox.append([reading()])
    outbox._file._db.execute(f"PRAGMA max_page_count = {_pages(path)}")
    too_much = [reading(power_w=os.urandom(8).hex()) for _ in range(500)]
    for _ in range(2):
        with pytest.raises(StoreError, match="full"):
            outbox.append(too_much)
    assert (seqs(outbox), outbox.depth().batches) == ([1], 1)
    outbox._file._db.execute("PRAGMA max_page_count = 1000000")
    assert outbox.append(too_much) == 2
    assert (seqs(outbox), outbox.depth().batches) == ([1, 2], 2)
    outbox.close()


FILLER = """
import resource, sys
from pathlib import Path
from energy.errors import StoreError
from gateway.outbox import Outbox
from messaging.codec import Reading
from runtime.clock import ManualClock
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
outbox = Outbox(Path(sys.argv[1]), ManualClock())
kept = 0
try:
    while True:
        outbox.append([Reading("s/pv", 1_750_000_000_000 + kept, {"state": str(kept) * 50}) for _ in range(40)])
        kept += 1
except StoreError as error:
    print(kept, "|", error.message.replace("\\n", " "))
"""


def test_file_that_may_not_grow_ends_in_a_store_error_and_keeps_what_was_told(path):
    """The kernel refuses to write beyond a size, as it does on a full disk; SIGXFSZ is Python's to ignore."""
    process = subprocess.run(
        [sys.executable, "-c", FILLER, str(path)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    kept, _, message = process.stdout.partition(" | ")
    assert "outbox" in message
    outbox = Outbox(path, ManualClock())
    assert outbox.set_aside is None
    assert seqs(outbox) == list(range(1, int(kept) + 1))
    outbox.close()


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=60), confirmed=st.sets(st.integers(1, 60)), seed=st.binary()
)
def test_what_came_in_is_what_is_held_plus_dropped_plus_confirmed(sizes, confirmed, seed):
    """Exactly, at a limit that is reached, over a restart."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.sqlite"
        outbox = Outbox(path, ManualClock(), limit_bytes=96 * 1024)
        gone = 0
        for number, size in enumerate(sizes, 1):
            outbox.append([reading(power_w=os.urandom(12).hex() + seed.hex()) for _ in range(size)])
            if number in confirmed:
                gone += outbox.confirm(outbox.epoch, [number])
        assert outbox.depth().batches == len(seqs(outbox))
        assert len(sizes) == gone + outbox.dropped_total + outbox.depth().batches
        outbox.close()
        again = Outbox(path, ManualClock())
        assert len(sizes) == gone + again.dropped_total + again.depth().batches
        again.close()


def _filled(path: Path, batches: int = 400) -> None:
    outbox = Outbox(path, ManualClock())
    for i in range(batches):
        outbox.append([reading(1_750_000_000_000 + i, os.urandom(1)[0] + n / 7) for n in range(20)])
    outbox.close()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _junk(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _flip_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data) - 200, 4096):
        data[start : start + 100] = bytes(100)
    path.write_bytes(bytes(data))


def _foreign(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE other (x)")
    db.commit()
    db.close()


def _no_epoch(path: Path) -> None:
    _execute(path, "DELETE FROM outbox")


def _no_batches(path: Path) -> None:
    _execute(path, "DROP TABLE batch")


def _flip_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 0x10
    path.write_bytes(bytes(data))


def _one_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(bytes(data))


def _stub(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _flip_schema(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(3000, 4096):
        data[at] ^= 0x55
    path.write_bytes(bytes(data))


def _execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


DAMAGES = [
    _truncate,
    _stub,
    _junk,
    _flip_header,
    _flip_pages,
    _flip_schema,
    _foreign,
    _no_epoch,
    _no_batches,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_set_aside_and_a_new_epoch_begins(path, damage, caplog):
    _filled(path)
    before = Outbox(path, ManualClock())
    epoch = before.epoch
    before.close()
    damage(path)
    outbox = Outbox(path, ManualClock(now_ms=1_760_000_000_000))
    assert outbox.set_aside == path.with_name("outbox.sqlite.damaged-1760000000000")
    assert outbox.set_aside.exists()
    assert "outbox.sqlite.damaged-1760000000000" in caplog.text
    assert outbox.epoch != epoch
    rescued = outbox.depth().batches
    assert outbox.append([reading()]) == rescued + 1
    assert seqs(outbox) == list(range(1, rescued + 2))
    outbox.close()


@pytest.mark.parametrize(("damage", "least"), [(_no_epoch, 400), (_one_page, 350)])
def test_batches_that_can_still_be_read_come_along(path, damage, least):
    """In front of the damage and behind it; what is in it is lost and everything else is sent."""
    _filled(path)
    before = Outbox(path, ManualClock())
    held = {batch.readings for batch in before.pending(0, EVERYTHING, 1000)}
    before.close()
    damage(path)
    outbox = Outbox(path, ManualClock())
    rescued = [batch.readings for batch in outbox.pending(0, EVERYTHING, 1000)]
    assert least <= len(rescued) <= 400
    assert set(rescued) <= held
    assert len(set(rescued)) == len(rescued)
    outbox.close()


def test_damaged_files_do_not_fill_the_disk(path):
    for number in range(6):
        _filled(path, 3)
        _junk(path)
        Outbox(path, ManualClock(now_ms=1_760_000_000_000 + number)).close()
    kept = sorted(found.name for found in path.parent.glob("*.damaged-*"))
    assert kept == [f"outbox.sqlite.damaged-{1_760_000_000_000 + number}" for number in (3, 4, 5)]


@pytest.mark.parametrize("spoil", [lambda wal: wal.write_bytes(b"junk" * 5000), lambda wal: wal.touch()])
def test_write_ahead_log_that_is_junk_or_empty_changes_nothing(path, spoil):
    _filled(path, 10)
    spoil(path.with_name(path.name + "-wal"))
    outbox = Outbox(path, ManualClock())
    assert (outbox.set_aside, seqs(outbox)) == (None, list(range(1, 11)))
    outbox.close()


def test_write_ahead_log_that_was_cut_loses_only_its_end(path):
    """Power went while the last transaction was being written."""
    outbox = Outbox(path, ManualClock())
    for number in range(10):
        outbox.append([reading(power_w=number)])
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    wal = path.with_name(path.name + "-wal").read_bytes()
    copy.with_name(copy.name + "-wal").write_bytes(wal[: len(wal) - 1000])
    outbox.close()
    cut = Outbox(copy, ManualClock())
    assert (cut.set_aside, seqs(cut)) == (None, list(range(1, 10)))
    cut.close()


def test_folder_in_its_place_is_an_error_that_says_what_to_check(path):
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot keep the outbox"):
        Outbox(path, ManualClock())


def test_outbox_of_a_running_gateway_is_not_opened_a_second_time_while_it_writes(path, monkeypatch):
    monkeypatch.setattr("gateway.durable._BUSY_S", 0.1)
    _filled(path, 1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match="locked") as caught:
            Outbox(path, ManualClock())
    assert "no other gateway" in str(caught.value.hint)


@pytest.mark.parametrize("version", [1, 2])
def test_outbox_of_every_earlier_version_opens_and_gives_its_batches(path, version):
    path.parent.mkdir()
    shutil.copy(Path(__file__).parent / "fixtures" / f"outbox-v{version}.sqlite", path)
    outbox = Outbox(path, ManualClock())
    assert outbox.set_aside is None
    assert [batch.seq for batch in outbox.pending(0, EVERYTHING, 10)] == [3, 4, 5, 6]
    (first, *_) = outbox.pending(0, EVERYTHING, 10)
    expected = Reading(
        "site/pv", 1_750_000_002_000, {"power_w": 102.5, "energy_export_wh": 1_000_002}, ["voltage_l2_v"]
    )
    assert msgspec.json.decode(first.readings, type=list[Reading]) == [expected]
    assert outbox.append([reading()]) == 7
    assert len(seqs(outbox)) == 5
    outbox.close()


DAYS_35 = 35 * 86_400 // 10
"""Cycles of 10 s: 302,400."""


def _device(dice, name, cycle):
    values = {
        "power_w": round(4200 + dice.gauss(0, 400)),
        "power_l1_w": round(1400 + dice.gauss(0, 150)),
        "power_l2_w": round(1400 + dice.gauss(0, 150)),
        "power_l3_w": round(1400 + dice.gauss(0, 150)),
        "voltage_l1_v": round(230 + dice.gauss(0, 2), 1),
        "voltage_l2_v": round(231 + dice.gauss(0, 2), 1),
        "voltage_l3_v": round(229 + dice.gauss(0, 2), 1),
        "frequency_hz": round(50 + dice.gauss(0, 0.02), 2),
        "energy_import_wh": 12_345_678 + 11 * cycle + dice.randrange(11),
        "energy_export_wh": 2_345_678 + 3 * cycle + dice.randrange(3),
    }
    return Reading(f"town-hall/{name}", 1_750_000_000_000 + 10_000 * cycle, values)


def _roof(dice, cycle):
    """50 points of five devices, every one noisy in its last digits: nothing that compresses better than real meters."""
    return [_device(dice, name, cycle) for name in ("grid", "pv", "battery", "ev", "heat_pump")]


def test_35_days_without_a_centre_fit_in_150_megabytes_and_open_quickly(path):
    """A part of it by default, its size scaled up; all of it with COMMONWATT_LONG=1. Syncs are left to the kernel here."""
    cycles = DAYS_35 if os.environ.get("COMMONWATT_LONG") else 6_000
    dice = random.Random(1)
    outbox = Outbox(path, ManualClock())
    outbox._file._db.execute("PRAGMA synchronous = OFF")
    for cycle in range(cycles):
        outbox.append(_roof(dice, cycle))
    outbox.close()
    whole = path.stat().st_size * DAYS_35 / cycles
    began = time.perf_counter()
    outbox = Outbox(path, ManualClock())
    opened_s = time.perf_counter() - began
    print(f"{cycles} cycles, {whole / 1e6:.0f} MB for 35 days, opened in {opened_s:.2f} s")  # noqa: T201 - a figure to tell
    assert whole < 150e6
    assert opened_s < 5
    assert outbox.depth().batches == cycles
    assert outbox.dropped_total == 0
    (last,) = outbox.pending(cycles - 1, cycles, 1)
    assert b"town-hall/heat_pump" in last.readings
    outbox.close()


def test_one_damaged_batch_is_dropped_alone_and_counted(path):
    _filled(path, 3)
    db = sqlite3.connect(path)
    db.execute("UPDATE batch SET readings = substr(readings, 1, 10) WHERE seq = 2")
    db.commit()
    db.close()
    outbox = Outbox(path, ManualClock())
    assert seqs(outbox) == [1, 3]
    assert outbox.dropped_total == 1
    assert outbox.depth().batches == 2
    outbox.close()


def test_empty_file_becomes_an_outbox(path):
    path.parent.mkdir()
    path.touch()
    outbox = Outbox(path, ManualClock())
    assert outbox.append([reading()]) == 1
    outbox.close()


def test_file_of_a_newer_version_is_refused_with_a_hint_and_left_alone(path):
    _filled(path, 1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="newer version") as caught:
        Outbox(path, ManualClock())
    assert caught.value.hint
    assert path.exists()


def test_folder_that_cannot_be_made_is_a_config_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot keep the outbox"):
        Outbox(tmp_path / "file" / "outbox.sqlite", ManualClock())


WRITER = """
import sys
from pathlib import Path
from gateway.outbox import Outbox
from messaging.codec import Reading
from runtime.clock import ManualClock
outbox = Outbox(Path(sys.argv[1]), ManualClock())
while True:
    print(outbox.append([Reading("site/pv", 1_750_000_000_000, {"power_w": 1.0})]), flush=True)
"""


def test_kill_9_in_the_middle_of_appending_loses_nothing_that_was_kept(path):
    """The writer prints each number after `append` returned; every printed number must be there afterwards."""
    printed = 0
    for round_number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.01 + 0.017 * round_number)
        process.send_signal(signal.SIGKILL)
        lines = [first, *process.stdout.readlines()]
        process.wait()
        process.stdout.close()
        complete = [int(line) for line in lines if line.endswith("\n")]
        assert complete[0] >= printed + 1
        printed = complete[-1]
        outbox = Outbox(path, ManualClock())
        assert outbox.set_aside is None
        held = seqs(outbox)
        assert held == list(range(1, len(held) + 1))
        assert printed <= len(held) <= printed + 1  # one may be on disk and not yet told
        outbox.close()


@settings(max_examples=15, stateful_step_count=30, deadline=None)
class OutboxMachine(RuleBasedStateMachine):
    """The outbox against a list: any order of appends, confirmations, damage-free restarts."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "outbox.sqlite"
        self.outbox = Outbox(self.path, ManualClock())
        self.epoch = self.outbox.epoch
        self.model: dict[int, int] = {}
        self.given = 0

    @rule(t=st.integers(0, 2**40))
    def append(self, t):
        seq = self.outbox.append([reading(t)])
        assert seq == self.given + 1
        self.given = seq
        self.model[seq] = t

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def confirm(self, data):
        chosen = data.draw(st.lists(st.integers(1, self.given + 2), max_size=5, unique=True))
        assert self.outbox.confirm(self.epoch, chosen) == len(set(chosen) & set(self.model))
        for seq in chosen:
            self.model.pop(seq, None)

    @rule()
    def restart(self):
        self.outbox.close()
        self.outbox = Outbox(self.path, ManualClock())
        assert self.outbox.epoch == self.epoch

    @rule(after=st.integers(0, 20), up_to=st.integers(0, 20), limit=st.integers(1, 10))
    def pending(self, after, up_to, limit):
        expected = [seq for seq in sorted(self.model) if after < seq <= up_to][:limit]
        assert [batch.seq for batch in self.outbox.pending(after, up_to, limit)] == expected

    @invariant()
    def holds_what_the_model_holds(self):
        depth = self.outbox.depth()
        assert depth.batches == len(self.model)
        assert depth.oldest_ms == (self.model[min(self.model)] if self.model else None)

    def teardown(self):
        self.outbox.close()
        self.folder.cleanup()


test_outbox_behaves_as_a_list_would = OutboxMachine.TestCase
