"""The data source the boards read, as Grafana's provisioning and HTTP API both want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.model import DATASOURCE_UID, Json
from energy.errors import ConfigError

__all__ = ["InfluxSource"]


@dataclass(frozen=True, slots=True)
class InfluxSource:
    """Where InfluxDB answers InfluxQL.

    `database`: the database of 1.x, or the name the DBRP mapping gives to a bucket of 2.x. For 2.x `token` is
    needed: an API token, or `user:password` of a 1.x-compatible user with read access. `token` may be Grafana's
    `$__file{/run/secrets/...}` where the source is provisioned from a file.
    """

    url: str
    database: str = "commonwatt"
    version: Literal[1, 2] = 2
    token: str | None = None
    username: str | None = None
    password: str | None = None

    def to_json(self) -> Json:
        """The data source under the uid that every panel names. Raises ConfigError when 2.x has no token."""
        source: Json = {
            "name": "commonwatt",
            "uid": DATASOURCE_UID,
            "type": "influxdb",
            "access": "proxy",
            "url": self.url,
            "isDefault": True,
            "jsonData": {"version": "InfluxQL", "dbName": self.database, "httpMode": "POST", "timeInterval": "10s"},
        }
        if self.version == 1:
            return self._with_user(source)
        if not self.token:
            raise ConfigError("InfluxDB 2 needs a token", field="token", hint="create one: influx auth create")
        # https://docs.influxdata.com/influxdb/v2/tools/grafana/#configure-grafana-to-use-influxql
        source["jsonData"]["httpHeaderName1"] = "Authorization"
        source["secureJsonData"] = {"httpHeaderValue1": f"Token {self.token}"}
        return source

    def _with_user(self, source: Json) -> Json:
        if self.username:
            source["user"] = self.username
            source["secureJsonData"] = {"password": self.password or ""}
        return source

    def provisioning(self) -> Json:
        """The content of a file for Grafana's provisioning/datasources."""
        return {"apiVersion": 1, "datasources": [{**self.to_json(), "editable": False}]}
