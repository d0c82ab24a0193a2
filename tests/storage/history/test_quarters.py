"""Quarter-hours packed by month read as the rows they were, whatever is restated when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import StoreError
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS
from storage.history import DeviceQuarter, DeviceTags, SiteQuarter, sealer
from storage.history.sealer import Limits
from storage.history.segments import DAY_MS
from storage.history.sqlite import SqliteHistory

FEBRUARY = round(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)
MARCH = FEBRUARY + 28 * DAY_MS
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
LIMITS = Limits(quarters_ms=0, raw_days=None)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "history.db"


def pack(history: SqliteHistory, now_ms: int) -> None:
    while history.maintain(now_ms):
        pass


def of_site(site: str, start: int, wh: float | None, quality: Quality = Quality.MEASURED) -> SiteQuarter:
    return SiteQuarter("ixelles", site, start, wh, 10.0, None, 1.5, 0.0, wh, quality)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_what_is_older_than_a_day_is_packed_by_owner_and_month_and_the_rest_stays(path):
    history = SqliteHistory(path, limits=Limits(raw_days=None))
    starts = range(MARCH - 2 * DAY_MS, MARCH + 2 * DAY_MS, QUARTER_MS)
    sites = [of_site(site, start, 1.0) for start in starts for site in ("hall", "school")]
    devices = [DeviceQuarter(PV, start, 1.0, None, Quality.ESTIMATED, {"state": str(start)}) for start in starts]
    history.write_quarters(devices, sites)
    pack(history, MARCH + 2 * DAY_MS)
    assert rows(path, "site_quarter") == 2 * 96
    assert rows(path, "site_month") == 4
    assert rows(path, "device_quarter") == 96
    assert rows(path, "device_month") == 2
    assert history.site_quarters(["hall", "school"], starts[0], starts[-1] + 1) == sites
    assert history.device_quarters(PV.device, starts[0], starts[-1] + 1) == devices
    assert history.site_quarters(["hall"], MARCH - QUARTER_MS, MARCH + QUARTER_MS) == [
        of_site("hall", MARCH - QUARTER_MS, 1.0),
        of_site("hall", MARCH, 1.0),
    ]
    history.close()


def test_a_restated_quarter_hour_of_an_old_month_counts_at_once_and_after_it_is_packed(path):
    history = SqliteHistory(path, limits=LIMITS)
    history.write_quarters([], [of_site("hall", FEBRUARY + n * QUARTER_MS, 1.0) for n in range(96)])
    pack(history, MARCH)
    again = of_site("hall", FEBRUARY + 7 * QUARTER_MS, None, Quality.MISSING)
    history.write_quarters([], [again])
    for day in range(2):
        assert history.site_quarters(["hall"], again.start, again.start + 1) == [again]
        assert len(history.site_quarters(["hall"], FEBRUARY, MARCH)) == 96
        pack(history, MARCH + (day + 1) * DAY_MS)
    assert rows(path, "site_quarter") == 0
    history.close()


def test_a_quarter_hour_restated_while_its_month_is_packed_stands(path, monkeypatch):
    history = SqliteHistory(path, limits=LIMITS)
    history.write_quarters([], [of_site("hall", FEBRUARY + n * QUARTER_MS, 1.0) for n in range(3)])
    again = of_site("hall", FEBRUARY + QUARTER_MS, 9.0)
    real = sealer.months_due

    def restated_meanwhile(connection, before):
        found = real(connection, before)
        history.write_quarters([], [again])
        return found

    monkeypatch.setattr(sealer, "months_due", restated_meanwhile)
    assert history.maintain(MARCH)
    assert (rows(path, "site_quarter"), rows(path, "site_month")) == (3, 0)
    assert history.site_quarters(["hall"], FEBRUARY, MARCH)[1] == again
    monkeypatch.undo()
    pack(history, MARCH)
    assert (rows(path, "site_quarter"), rows(path, "site_month")) == (0, 1)
    assert history.site_quarters(["hall"], FEBRUARY, MARCH)[1] == again
    history.close()


def test_any_tool_reads_a_packed_month(path):
    history = SqliteHistory(path, limits=LIMITS)
    history.write_quarters([DeviceQuarter(PV, FEBRUARY, 1.5, None, Quality.MEASURED, {"soc_pct": 4.0})], [])
    history.write_quarters([DeviceQuarter(PV, FEBRUARY + QUARTER_MS, 0.0, 2.0, Quality.MISSING, {"state": "on"})], [])
    pack(history, MARCH)
    history.close()
    with closing(sqlite3.connect(path)) as connection:
        (blob,) = connection.execute("SELECT blob FROM device_month").fetchone()
    assert pa.ipc.open_stream(blob).read_all().to_pylist() == [
        {"gap": 0, "import_wh": 1.5, "export_wh": None, "quality": "measured", "soc_pct": 4.0, "state": None},
        {"gap": QUARTER_MS, "import_wh": 0.0, "export_wh": 2.0, "quality": "missing", "soc_pct": None, "state": "on"},
    ]


def test_a_damaged_month_is_told_where_it_is_asked_for_and_stops_no_other(path, caplog):
    history = SqliteHistory(path, limits=LIMITS)
    sites = ("hall", "school")
    history.write_quarters([], [of_site(site, start, 1.0) for start in (FEBRUARY, MARCH) for site in sites])
    pack(history, MARCH + DAY_MS)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE site_month SET blob = randomblob(99) WHERE site = 'hall' AND month = ?", (FEBRUARY,))
    with pytest.raises(StoreError, match="site hall in 2026-02 are damaged") as caught:
        history.site_quarters(["hall"], FEBRUARY, MARCH)
    assert "backup" in caught.value.hint
    assert history.site_quarters(["hall"], MARCH, MARCH + 1) == [of_site("hall", MARCH, 1.0)]
    history.write_quarters([], [of_site(site, FEBRUARY + QUARTER_MS, 2.0) for site in sites])
    pack(history, MARCH + 2 * DAY_MS)
    assert "site hall in 2026-02 are damaged" in caplog.text
    assert rows(path, "site_quarter") == 1
    found = history.site_quarters(["school"], FEBRUARY, MARCH)
    assert found == [of_site("school", FEBRUARY, 1.0), of_site("school", FEBRUARY + QUARTER_MS, 2.0)]
    history.close()


_quarters = st.lists(
    st.tuples(
        st.sampled_from(["hall", "school"]),
        st.integers(0, 70),  # thirty hours apart: three months
        st.one_of(st.none(), st.floats(0, 1e6, width=32)),
        st.sampled_from(list(Quality)),
        st.dictionaries(
            st.sampled_from(["temperature_c", "soc_pct", "energy_export_wh"]), st.floats(-9, 9), max_size=2
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(steps=st.lists(st.one_of(_quarters, st.integers(0, 100)), max_size=12))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_and_packed_in_any_order_reads_as_a_dictionary(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("quarters") / "history.db"
    history = SqliteHistory(path, limits=LIMITS)
    reader = SqliteHistory(path, read_only=True)
    sites: dict[tuple[int, str], SiteQuarter] = {}
    devices: dict[int, DeviceQuarter] = {}
    for step in steps:
        if isinstance(step, int):
            pack(history, FEBRUARY + step * DAY_MS)
        else:
            for site, n, wh, quality, values in step:
                start = FEBRUARY + n * 120 * QUARTER_MS
                sites[start, site] = of_site(site, start, wh, quality)
                devices[start] = DeviceQuarter(PV, start, wh, 1.0, quality, values)
                history.write_quarters([devices[start]], [sites[start, site]])
        assert reader.site_quarters(["school", "hall"], FEBRUARY, 2**42) == [sites[key] for key in sorted(sites)]
        assert reader.device_quarters(PV.device, 0, 2**42) == [devices[start] for start in sorted(devices)]
        inside = [sites[key] for key in sorted(sites) if FEBRUARY + 5 * DAY_MS <= key[0] < FEBRUARY + 45 * DAY_MS]
        assert reader.site_quarters(["hall", "school"], FEBRUARY + 5 * DAY_MS, FEBRUARY + 45 * DAY_MS) == inside
    reader.close()
    history.close()
