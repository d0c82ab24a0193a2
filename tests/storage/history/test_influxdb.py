"""InfluxDB: servers that die, refuse, ask to wait or are something else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from energy.errors import ConfigError, StoreError
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS
from storage.history import DeviceQuarter, DeviceTags, Known, Period, Row, Total, UnstorableError
from storage.history.influxdb import InfluxHistory
from storage.history.settings import InfluxSettings
from tests.fault_proxy import Answer, fault_proxy
from tests.storage.conftest import new_server

T = 1_750_000_000_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)


def row(n: int) -> Row:
    return Row(PV, T + n, {"power_w": float(n)})


@contextmanager
def opened(settings, **options):
    history = InfluxHistory(settings, **options)
    try:
        yield history
    finally:
        history.close()


@contextmanager
def web_server(status: int, headers: dict[str, str], body: bytes):
    """Something on a port that always answers the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_a_killed_server_is_a_store_error_until_it_is_back_and_loses_nothing(own_influx):
    with opened(own_influx.settings) as history:
        for n in range(20):
            history.write([row(n)])
        own_influx.kill()
        for question in (history.check, history.last, lambda: history.write([row(20)])):
            with pytest.raises(StoreError, match="does not answer") as caught:
                question()
            assert "start the server" in caught.value.hint
        own_influx.start()
        history.write([row(20)])
        assert history.readings(PV.device, T, T + 100) == [row(n) for n in range(21)]


def test_compressed_requests_are_stored_and_their_culprits_isolated_like_any(influx):
    with opened(influx.fresh().model_copy(update={"gzip": True})) as history:
        history.write([row(n) for n in range(3)])
        with pytest.raises(UnstorableError, match="type"):
            history.write([row(3), Row(PV, T + 4, {"power_w": "a text in a numeric field"}), row(5)])
        assert history.readings(PV.device, T, T + 9) == [row(n) for n in (0, 1, 2, 3, 5)]


def test_a_store_may_be_made_before_the_server_is_up(own_influx):
    own_influx.kill()
    with opened(own_influx.settings) as history:
        with pytest.raises(StoreError):
            history.write([row(0)])
        own_influx.start()
        history.write([row(0)])
        assert history.last() == {PV.device: row(0)}


def test_a_point_the_server_will_never_take_is_isolated_and_told(influx):
    with opened(influx.fresh()) as history:
        history.write([row(0)])
        rows = [row(n) for n in range(1, 100)]
        rows[41] = Row(PV, T + 42, {"power_w": "a text in a numeric field"})
        with pytest.raises(UnstorableError) as caught:
            history.write(rows)
        assert [r.t - T for r in history.readings(PV.device, T, T + 100)] == [n for n in range(100) if n != 42]
        [refused] = caught.value.refused
        assert refused.row is rows[41]
        assert "type" in refused.reason


@pytest.mark.parametrize("name", ["hall/pv\n2", "hall/pv\\", "hall/\x00pv"])
def test_a_name_the_protocol_cannot_write_is_left_out_and_told(influx, caplog, name):
    unwritable = Row(DeviceTags("ixelles", "hall", name, None), T, {"power_w": 1.0})
    with opened(influx.fresh()) as history:
        with pytest.raises(UnstorableError, match="backslash or control character") as caught:
            history.write([row(0), unwritable, row(1)])
        assert [refused.row for refused in caught.value.refused] == [unwritable]
        history.write_quarters([DeviceQuarter(unwritable.tags, T, 1.0, 1.0, Quality.MEASURED)], [])
        assert "1 quarter-hours cannot be stored" in caplog.text
        assert history.readings(PV.device, T, T + 9) == [row(0), row(1)]
        assert history.devices() == [PV]


def test_points_older_than_the_retention_are_told_and_do_not_hold_up_the_others(influx):
    fresh = 4_000_000_000_000  # in the future: within any retention
    old = [Row(PV, 1_000_000_000_000 + n, {"power_w": 1.0}) for n in range(40)]
    with opened(influx.fresh(raw_days=36)) as history:
        with pytest.raises(UnstorableError, match="retention") as caught:
            history.write([*old, Row(PV, fresh, {"power_w": 2.0})])
        assert [refused.row for refused in caught.value.refused] == old
        assert history.readings(PV.device, 0, 2 * fresh) == [Row(PV, fresh, {"power_w": 2.0})]


def test_a_database_dropped_meanwhile_is_made_again(running_influx):
    server = running_influx(1)
    settings = server.fresh()
    with opened(settings) as history:
        history.write([row(0)])
        server.query(f'DROP DATABASE "{settings.database}"')
        with pytest.raises(StoreError, match="404"):
            history.write([row(1)])
        history.write([row(1)])
        assert history.last() == {PV.device: row(1)}


def test_a_limit_of_the_server_keeps_the_points_for_later(tmp_path):
    server = new_server(1, tmp_path / "influxdb", environment={"INFLUXDB_DATA_MAX_SERIES_PER_DATABASE": "1"})
    server.start()
    try:
        with opened(server.settings) as history:
            history.write([row(0)])
            with pytest.raises(StoreError, match="max-series-per-database") as caught:
                history.write([Row(DeviceTags("ixelles", "hall", "hall/grid", Role.GRID), T, {"power_w": 1.0})])
            assert "raise `max-series-per-database`" in caught.value.hint
    finally:
        server.kill()


def test_a_wrong_token_is_told(running_influx, tmp_path):
    token = tmp_path / "token"
    token.write_text("wrong")
    settings = running_influx(2).settings.model_copy(update={"token_file": token})
    with opened(settings) as history, pytest.raises(StoreError, match="401") as caught:
        history.check()
    assert "token_file" in caught.value.hint


def test_the_wrong_major_version_is_told(running_influx, tmp_path):
    token = tmp_path / "token"
    token.write_text("any")
    settings = InfluxSettings(url=running_influx(1).url, version=2, token_file=token)
    with opened(settings) as history, pytest.raises(StoreError, match="404") as caught:
        history.check()
    assert "is it a 1.x server?" in caught.value.hint


def test_a_server_that_asks_to_wait_is_heard():
    with (
        web_server(503, {"Retry-After": "17"}, b'{"error": "busy"}') as url,
        opened(InfluxSettings(url=url, version=1)) as history,
        pytest.raises(StoreError, match="503: busy") as caught,
    ):
        history.write([row(0)])
    assert "wait 17 s" in caught.value.hint


def test_something_that_is_no_influxdb_is_told():
    with (
        web_server(200, {}, b"<html>hello</html>") as url,
        opened(InfluxSettings(url=url, version=1)) as history,
        pytest.raises(StoreError, match="does not answer like InfluxDB"),
    ):
        history.check()


@pytest.mark.parametrize("content", [None, "", b"\xff"])
def test_a_secret_that_cannot_be_read_is_a_configuration_error(tmp_path, content):
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"token: store\.token_file: "):
        InfluxHistory(InfluxSettings(token_file=token))


def test_points_are_laid_out_as_documented(influx):
    settings = influx.fresh()
    database = settings.database if influx.version == 1 else settings.bucket
    known = {"pv_wh": Known(7.5, 90), "import_wh": Known(1.0, 96)}
    with opened(settings) as history:
        history.write([Row(PV, T, {"power_w": 5, "state": "on"}, bad=("soc_pct",))])
        values = {"temperature_c": 4.5, "energy_export_wh": 12.0, "state": "on"}
        history.write_quarters([DeviceQuarter(PV, T, None, 2.5, Quality.ESTIMATED, values)], [])
        day = Total("ixelles", "hall", None, T, T + 96 * QUARTER_MS, Quality.MEASURED, known)
        history.write_totals(Period.DAY, [day])
    [series] = influx.query("SELECT * FROM reading GROUP BY *", database)["results"][0]["series"]
    assert series["tags"] == {"community": "ixelles", "site": "hall", "device": "hall/pv", "role": "pv"}
    assert point(series) == {"time": T, "power_w": 5, "state": "on", "bad": "soc_pct"}
    fields = influx.query("SHOW FIELD KEYS FROM reading", database)["results"][0]["series"][0]["values"]
    assert ["power_w", "float"] in fields
    [series] = influx.query('SELECT * FROM "quarters".device_quarter GROUP BY *', database)["results"][0]["series"]
    assert series["tags"] == {"community": "ixelles", "site": "hall", "device": "hall/pv"}
    told = {"time": T, "export_wh": 2.5, "quality": "estimated", "role": "pv", "unknown": "import_wh", **values}
    assert point(series) == told
    [series] = influx.query('SELECT * FROM "quarters".site_day GROUP BY *', database)["results"][0]["series"]
    assert series["tags"] == {"community": "ixelles", "site": "hall"}
    assert point(series) == {
        "time": T,
        "pv_wh": 7.5,
        "import_wh": 1,
        "quality": "measured",
        "quarters": 96,
        "counts": "pv_wh:90,export_wh:0,charge_wh:0,discharge_wh:0,consumption_wh:0",
    }


def point(series):
    return dict(zip(series["columns"], series["values"][0], strict=True))


def test_a_server_too_slow_to_answer_is_a_store_error_and_its_late_work_is_harmless(influx):
    with fault_proxy(influx.port) as proxy:
        settings = influx.fresh()
        with (
            opened(settings) as direct,
            opened(settings.model_copy(update={"url": proxy.url, "timeout_s": 0.3})) as history,
        ):
            history.write([row(0)])
            proxy.silent = True
            for _ in range(2):
                with pytest.raises(StoreError, match="does not answer"):
                    history.write([row(1), row(2)])
            proxy.release()  # the server gets both attempts now, while a third is made
            history.write([row(1), row(2)])
            assert direct.readings(PV.device, T, T + 9) == [row(0), row(1), row(2)]


def test_a_call_of_many_requests_ends_at_the_first_that_fails(influx):
    rows = [row(n) for n in range(12_000)]
    with fault_proxy(influx.port) as proxy:
        settings = influx.fresh()
        with opened(settings) as direct, opened(settings.model_copy(update={"url": proxy.url})) as history:
            history.check()
            proxy.faults.append(Answer(500))
            with pytest.raises(StoreError, match="500"):
                history.write(rows)
            assert proxy.writes == 1
            history.write(rows)
            assert proxy.writes == 4
            assert direct.series(PV.device, "power_w", T, T + 12_000, None).t == [r.t for r in rows]


def test_culprits_in_any_request_of_a_large_call_are_isolated(influx):
    rows = [row(n) for n in range(12_000)]
    culprits = [rows[at] for at in (0, 4_999, 5_000, 11_999)]
    with opened(influx.fresh()) as history:
        history.write([Row(PV, T - 1, {"power_w": 1.0})])
        for culprit in culprits:
            culprit.values["power_w"] = "a text in a numeric field"
        with pytest.raises(UnstorableError) as caught:
            history.write(rows)
        assert [refused.row for refused in caught.value.refused] == culprits
        assert len(history.readings(PV.device, T, T + 12_000)) == 11_996


def test_of_one_point_in_several_requests_of_a_call_the_last_value_stands(influx):
    times = [Row(PV, T + n % 5_000, {"power_w": float(n)}) for n in range(20_000)]
    with opened(influx.fresh()) as history:
        history.write(times)
        assert history.readings(PV.device, T, T + 5_000) == times[-5_000:]
