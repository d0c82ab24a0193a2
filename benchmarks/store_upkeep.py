"""What the embedded store's housekeeping holds up: commits beside seal, merge, retention, packing and giving back."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import workload
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from storage.history import DeviceQuarter, Row, SiteQuarter
from storage.history.sealer import Limits
from storage.history.segments import DAY_MS
from storage.history.sqlite import SqliteHistory

__all__ = ["upkeep"]

_COMMITS: Final = 300
_PAUSE_S: Final = 0.03
_OLD_DAYS: Final = 37
_BUSY: Final = Limits(seal_rows=25_000, files_a_day=3, raw_days=36, quarters_ms=0, spare_bytes=4 * 2**20)


def upkeep() -> list[tuple[str, str]]:
    """The same commits of 500 readings with nothing beside them, and with a month's housekeeping in ten seconds."""
    rows = list(workload.rows(cycles=_COMMITS, step_ms=10_000))
    alone, _ = _commits(rows, housekeeping=False)
    beside, done = _commits(rows, housekeeping=True)
    return [
        (f"{_COMMITS} commits of 500 readings, nothing beside", _spread(alone)),
        (f"the same beside {done}", _spread(beside)),
    ]


def _commits(rows: Sequence[Row], *, housekeeping: bool) -> tuple[list[float], str]:
    """Seconds of each commit, and what was done meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        history = SqliteHistory(Path(name) / "history.db", limits=_BUSY)
        _yesterday(history, rows)
        found = []
        with _kept_house(history, rows[-1].t + DAY_MS, housekeeping) as steps:
            for batch in workload.in_batches(rows, 500):
                began = time.perf_counter()
                history.write(batch)
                found.append(time.perf_counter() - began)
                time.sleep(_PAUSE_S)
        with history._database.read() as connection:  # noqa: SLF001 - facts no caller of the store needs
            (months,) = connection.execute("SELECT count(*) FROM device_month").fetchone()
            (files,) = connection.execute("SELECT count(*) FROM segment").fetchone()
        history.close()
    return found, f"{len(steps)} steps of housekeeping ({months} devices' quarter-hours packed, {files} files left)"


def _yesterday(history: SqliteHistory, rows: Sequence[Row]) -> None:
    """What there is to do: readings past their time, a day of quarter-hours of every device and site."""
    old = [Row(row.tags, row.t - _OLD_DAYS * DAY_MS, row.values) for row in rows[:50_000]]
    for batch in workload.in_batches(old, 5000):
        history.write(batch)
    history.maintain(old[-1].t)
    day = rows[0].t // DAY_MS * DAY_MS - DAY_MS
    tags = {row.tags.device: row.tags for row in rows[: workload.DEVICES]}.values()
    values = rows[0].values
    for start in range(day, day + DAY_MS, QUARTER_MS):
        history.write_quarters(
            [DeviceQuarter(each, start, 10.0, 0.0, Quality.MEASURED, values) for each in tags],
            [
                SiteQuarter(workload.COMMUNITY, site, start, 1.0, 2.0, 3.0, 0.0, 0.0, 0.5, Quality.MEASURED)
                for site in sorted({each.site for each in tags})
            ],
        )


@contextmanager
def _kept_house(history: SqliteHistory, now_ms: int, wanted: bool) -> Iterator[list[bool]]:
    """Housekeeping in a thread, over and over; the steps that had something to do."""
    done = threading.Event()
    steps: list[bool] = []

    def work() -> None:
        while not done.is_set():
            if history.maintain(now_ms):
                steps.append(True)
            else:
                time.sleep(0.01)

    thread = threading.Thread(target=work) if wanted else None
    if thread is not None:
        thread.start()
    try:
        yield steps
    finally:
        done.set()
        if thread is not None:
            thread.join()


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    ms: Callable[[float], str] = lambda value: f"{value * 1e3:.1f} ms"  # noqa: E731
    return f"median {ms(statistics.median(ordered))}, 99 of 100 {ms(ordered[len(ordered) * 99 // 100])}, longest {ms(ordered[-1])}"
