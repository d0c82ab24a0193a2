"""The data source's JSON for both generations of InfluxDB."""

from __future__ import annotations

import pytest

from dashboards.datasource import InfluxSource
from energy.errors import ConfigError


def test_source_of_influxdb_2_sends_the_token_as_a_header_kept_secret():
    source = InfluxSource("http://influxdb:8086", token="reader:abc").to_json()
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token reader:abc"}
    assert (source["uid"], source["type"], source["access"]) == ("commonwatt", "influxdb", "proxy")
    assert source["jsonData"]["version"] == "InfluxQL"


def test_source_of_influxdb_1_keeps_the_password_secret():
    source = InfluxSource("http://influxdb:8086", version=1, username="grafana", password="abc").to_json()
    assert source["user"] == "grafana"
    assert source["secureJsonData"] == {"password": "abc"}
    assert "httpHeaderName1" not in source["jsonData"]


def test_source_of_influxdb_1_without_user_has_no_secrets():
    assert "secureJsonData" not in InfluxSource("http://localhost:8086", version=1).to_json()


def test_source_of_influxdb_2_without_token_is_refused_with_a_hint():
    with pytest.raises(ConfigError) as raised:
        InfluxSource("http://influxdb:8086").to_json()
    assert "influx auth create" in str(raised.value)


def test_provisioning_locks_the_source_against_editing():
    (source,) = InfluxSource("http://influxdb:8086", version=1).provisioning()["datasources"]
    assert source["editable"] is False
