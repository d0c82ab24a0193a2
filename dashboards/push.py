"""Puts data source, folder and dashboards into a running Grafana over its HTTP API; doing it again changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from dashboards.boards import build
from dashboards.datasource import InfluxSource
from dashboards.model import DATASOURCE_UID
from energy.errors import ConfigError, RefusedError, StoreError
from runtime.secret_file import read_secret

__all__ = ["FOLDER_UID", "Credential", "Pushed", "credential", "push"]

FOLDER_UID: Final = "commonwatt"
_FOLDER_TITLE: Final = "commonwatt"
_WANTED: Final = "a Grafana service-account token with role Editor (Admin for the data source)"
_ACCESS_HINT: Final = f"give {_WANTED}"

Credential = str | tuple[str, str]
"""A service-account token, or user name and password."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was put into Grafana: the dashboards' addresses, and whether folder and data source were new."""

    dashboards: tuple[str, ...]
    folder_created: bool
    datasource: str


def credential(*, token_file: Path | None = None, env: Mapping[str, str] = os.environ) -> Credential:
    """Who we are to Grafana: `token_file`, else COMMONWATT_GRAFANA_TOKEN, else COMMONWATT_GRAFANA_USER and _PASSWORD."""
    if token_file is not None:
        return read_secret(token_file, "--token-file", wanted=_WANTED)
    token = env.get("COMMONWATT_GRAFANA_TOKEN")
    if token:
        return token
    user, password = env.get("COMMONWATT_GRAFANA_USER"), env.get("COMMONWATT_GRAFANA_PASSWORD")
    if user and password:
        return user, password
    raise ConfigError("no credentials for Grafana", field="COMMONWATT_GRAFANA_TOKEN", hint=_ACCESS_HINT)


def push(url: str, who: Credential, *, source: InfluxSource | None = None) -> Pushed:
    """Puts folder and dashboards, and with `source` the data source, into the Grafana at `url`.

    Raises ConfigError for a wrong address, RefusedError when Grafana does not let us, StoreError when it does not
    answer or breaks. Without `source` a data source with the uid `commonwatt` must already be there.
    """
    api = _connect(url, who)
    try:
        datasource = _put_datasource(api, source)
        created = _put_folder(api)
        addresses = tuple(_put_dashboard(api, url, name, dashboard) for name, dashboard in build().items())
    except GrafanaException as error:
        raise _translate(error, url) from error
    except OSError as error:  # the root of its HTTP client's errors
        raise StoreError(f"no answer from Grafana at {url}: {error}", hint="check address, port and proxy") from error
    finally:
        api.client.s.close()
    return Pushed(addresses, created, datasource)


def _connect(url: str, who: Credential) -> Any:  # grafana-client has no annotations
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{url!r} is no address of a Grafana", field="url", hint="give http(s)://host:port[/path]")
    if parts.username or parts.password:
        raise ConfigError("holds a user or password", field="url", hint="give them by file or environment instead")
    path = parts.path.strip("/")
    return GrafanaApi(
        auth=who,
        host=parts.hostname,
        port=parts.port,
        protocol=parts.scheme,
        url_path_prefix=f"{path}/" if path else "",
        timeout=10.0,
    )


def _exists(get: Any, uid: str) -> bool:
    try:
        get(uid)
    except GrafanaClientError as error:
        if error.status_code == 404:
            return False
        raise
    return True


def _put_datasource(api: Any, source: InfluxSource | None) -> str:
    there = _exists(api.datasource.get_datasource_by_uid, DATASOURCE_UID)
    if source is None:
        if not there:
            raise ConfigError(
                f"Grafana has no data source with the uid {DATASOURCE_UID!r}",
                hint="provision it (deploy/grafana), or give the address of InfluxDB here",
            )
        return "kept"
    if there:
        api.datasource.update_datasource_by_uid(DATASOURCE_UID, source.to_json())
        return "updated"
    api.datasource.create_datasource(source.to_json())
    return "created"


def _put_folder(api: Any) -> bool:
    if _exists(api.folder.get_folder, FOLDER_UID):
        return False
    api.folder.create_folder(_FOLDER_TITLE, uid=FOLDER_UID)
    return True


def _put_dashboard(api: Any, url: str, name: str, dashboard: dict[str, Any]) -> str:
    answer = api.dashboard.update_dashboard(
        {"dashboard": dashboard, "folderUid": FOLDER_UID, "overwrite": True, "message": f"commonwatt: {name}"}
    )
    return f"{url.rstrip('/')}/d/{answer['uid']}"


def _translate(error: GrafanaException, url: str) -> RefusedError | StoreError | ConfigError:
    message = f"Grafana at {url}: {error.message}"
    if isinstance(error, GrafanaUnauthorizedError) or error.status_code == 403:
        return RefusedError(message, hint=_ACCESS_HINT)
    if isinstance(error, GrafanaClientError):
        return ConfigError(
            message,
            hint="provisioned dashboards and data sources cannot be pushed over: remove them from provisioning first",
        )
    return StoreError(message, hint="look into Grafana's log, then push again")
