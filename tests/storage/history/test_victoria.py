"""VictoriaMetrics takes the very lines that InfluxDB gets; what it makes of them is told in docs/store-layout.md."""

from __future__ import annotations

from contextlib import closing

import pytest

from energy.errors import StoreError
from energy.quantities import Quality, Role
from storage.history import DeviceTags, Known, Period, Row, SiteQuarter, Total
from storage.history.influx_client import InfluxClient
from storage.history.influx_setup import Shelf
from storage.history.influx_writer import InfluxWriter
from storage.history.influxdb import InfluxHistory
from tests.victoria_server import VictoriaServer, victoria_metrics

T = 1_750_000_500_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
GRID = DeviceTags("ixelles", "hall", "hall/grid", Role.GRID)


@pytest.fixture(scope="module")
def victoria(tmp_path_factory):
    """A real server, shared by the tests of this file; it keeps one sample of an instant."""
    binary = victoria_metrics()
    if binary is None:
        pytest.skip("victoria-metrics is not installed")
    server = VictoriaServer(binary, tmp_path_factory.mktemp("victoria"), "-dedup.minScrapeInterval=1ms")
    yield server
    server.kill()


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def writer(request, victoria):
    settings = victoria.settings.model_copy(update={"gzip": request.param})
    with closing(InfluxWriter(InfluxClient(settings, only_lines=True))) as opened:
        yield opened


def test_readings_come_back_from_its_export(victoria, writer):
    rows = [Row(tags, T + n * 10_000, {"power_w": float(n)}) for n in range(6000) for tags in (PV, GRID)]
    writer.write(rows)
    expected = [(T + n * 10_000, float(n)) for n in range(6000)]
    assert victoria.export("reading_power_w") == {PV.device: expected, GRID.device: expected}
    writer.write(rows)  # sent again after an answer that was lost
    assert victoria.export("reading_power_w") == {PV.device: expected, GRID.device: expected}


def test_quarter_hours_and_days_come_back_from_its_export(victoria, writer):
    quarter = SiteQuarter("ixelles", "hall", T, 250.0, 10.0, 0.0, 0.0, 0.0, None, Quality.MEASURED)
    writer.write_quarters([], [quarter])
    writer.write_totals(
        Period.DAY,
        [Total("ixelles", "hall", None, T, T + 86_400_000, Quality.MEASURED, {"pv_wh": Known(5.0, 90)})],
    )
    assert victoria.export("site_quarter_pv_wh") == {"hall": [(T, 250.0)]}
    assert victoria.export("site_quarter_consumption_wh") == {}
    assert victoria.export("site_day_pv_wh") == {"hall": [(T, 5.0)]}


def test_a_text_becomes_zero(victoria, writer):
    writer.write([Row(PV, T, {"state": "on", "soc_pct": 7.0})])
    assert victoria.export("reading_state") == {PV.device: [(T, 0.0)]}
    assert victoria.export("reading_soc_pct") == {PV.device: [(T, 7.0)]}


def test_a_line_it_cannot_read_is_left_out_without_a_word(victoria):
    client = InfluxClient(victoria.settings, only_lines=True)
    with closing(client):
        client.write(Shelf.RAW, f"this is garbage\nreading,device=x/pv,site=x frequency_hz=50 {T}".encode())
    assert victoria.export("reading_frequency_hz") == {"x/pv": [(T, 50.0)]}
    assert victoria.metric('vm_rows_invalid_total{type="influx"}') == 1


def test_without_deduplication_a_restated_quarter_hour_stands_beside_the_one_before(tmp_path):
    binary = victoria_metrics()
    if binary is None:
        pytest.skip("victoria-metrics is not installed")
    server = VictoriaServer(binary, tmp_path / "victoria")
    try:
        with closing(InfluxWriter(InfluxClient(server.settings, only_lines=True))) as writer:
            for pv_wh in (3.0, 2.0):
                again = SiteQuarter("ixelles", "hall", T, pv_wh, 0.0, 0.0, 0.0, 0.0, 0.0, Quality.MEASURED)
                writer.write_quarters([], [again])
        assert server.export("site_quarter_pv_wh") == {"hall": [(T, 2.0), (T, 3.0)]}
    finally:
        server.kill()


def test_it_cannot_be_the_store_and_a_configuration_that_says_so_is_told(victoria):
    with (
        closing(InfluxHistory(victoria.settings)) as history,
        pytest.raises(StoreError, match=r"no InfluxDB 1\.x") as caught,
    ):
        history.check()
    assert "VictoriaMetrics" in caught.value.hint


def test_a_server_that_is_away_is_a_store_error_and_nothing_is_lost_here(tmp_path):
    binary = victoria_metrics()
    if binary is None:
        pytest.skip("victoria-metrics is not installed")
    server = VictoriaServer(binary, tmp_path / "victoria")
    server.kill()
    with (
        closing(InfluxWriter(InfluxClient(server.settings, only_lines=True))) as writer,
        pytest.raises(StoreError, match="does not answer"),
    ):
        writer.write([Row(PV, T, {"power_w": 1.0})])
