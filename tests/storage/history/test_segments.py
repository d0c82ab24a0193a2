"""Files of sealed readings: what is remembered of them."""

from __future__ import annotations

from energy.quantities import Role
from storage.history import DeviceTags, Row, segments
from storage.history.columns import Columned, batch_of, joined, rows_of
from storage.history.segments import DAY_MS, SegmentFiles

PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)


def test_footers_of_the_files_asked_for_last_are_kept_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_GROUPS_KNOWN", 2)
    files, written = SegmentFiles(tmp_path), []
    for day in range(4):
        rows = [Row(PV, day * DAY_MS + n, {"power_w": float(day)}) for n in range(3)]
        table = joined([batch_of([1] * 3, Columned.of(rows))])
        written.append((files.write(day, day * DAY_MS, [table], {1: PV}), rows))
    for number in (0, 1, 0, 2, 3, 0):
        segment, rows = written[number]
        assert rows_of(files.devices(segment, 1, 1), {1: PV}) == rows
    assert list(files._indices) == [written[3][0].file, written[0][0].file]
