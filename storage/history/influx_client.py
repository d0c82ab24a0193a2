"""HTTP to an InfluxDB 1.x or 2.x server through influxdb-client: finished lines in, InfluxQL out, errors as StoreError."""

# influxdb-client says it is typed and mostly is not.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from energy.errors import DataError, StoreError
from runtime.secret_file import read_secret
from storage.history.influx_setup import Shelf, Source, ready_buckets, ready_database, taken_as_it_is
from storage.history.settings import InfluxSettings

__all__ = ["InfluxClient", "RejectedError", "ResultSet"]

log = logging.getLogger(__name__)

_REJECTED: Final = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
# The points are good, the server is set too small for them: they are kept and tried again, not given up.
_SERVER_LIMITS: Final = ("max-series-per-database", "max-values-per-tag")
_DISK_FULL: Final = "no space left"
_FORBIDDEN: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_LONGEST_WAIT_S: Final = 600.0  # whatever a server asks for, it is asked again after that
_GZIP_LEVEL: Final = 1  # a seventh of the size for 2 µs a line; level 9: a twelfth for 18 µs
_POOL: Final = 16  # one connection for each thread that may ask at a time


class ResultSet(msgspec.Struct, frozen=True):
    """One series of an InfluxQL answer: the tags it was grouped by, its column names and its rows."""

    columns: list[str]
    values: list[list[Any]]
    name: str = ""
    tags: dict[str, str] = {}


class _Statement(msgspec.Struct, frozen=True):
    series: list[ResultSet] = []
    error: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    results: list[_Statement] = []
    error: str | None = None


_answer: Final = msgspec.json.Decoder(_Answer)


class RejectedError(DataError):
    """Raised when the server is well but will never take these lines as they are; `reason` is its own word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InfluxClient:
    """One server. Made without contact; databases or buckets are made or checked at the first call, or `only_lines`
    are sent to a server that has none.

    A server that answers Retry-After is sent no lines before that time has passed on `monotonic`.
    """

    def __init__(
        self,
        settings: InfluxSettings,
        *,
        only_lines: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._closed_until_s = float("-inf")
        self._closed: StoreError | None = None
        self._shelves: dict[Shelf, Source] | None = None
        self._only_lines = only_lines
        self._ready_lock = threading.Lock()
        self._client: Any = InfluxDBClient(
            settings.url,
            token=_credentials(settings) or "",
            auth_basic=settings.version == 1 and settings.username is not None,
            org=settings.org,
            timeout=round(settings.timeout_s * 1000),
            ssl_ca_cert=str(settings.ca_file) if settings.ca_file else None,
            connection_pool_maxsize=_POOL,
        )

    def write(self, shelf: Shelf, body: bytes) -> None:
        """Sends lines in one request. Raises StoreError when the server cannot now, RejectedError when it never will."""
        if self._closed is not None and self._monotonic() < self._closed_until_s:
            raise StoreError(self._closed.message, hint=self._closed.hint)
        source = self._ready()[shelf]
        try:
            if self._settings.version == 2:
                where = {"org": self._settings.org, "bucket": source.bucket, "precision": "ms"}
                self._post("/api/v2/write", where, body=body)
            else:
                self._post("/write", {"db": source.database, "rp": source.policy, "precision": "ms"}, body=body)
        except ApiException as error:
            reason = _reason(error)
            if error.status in _REJECTED and not any(limit in reason for limit in _SERVER_LIMITS):
                raise RejectedError(reason) from error
            raise self._explained(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error

    def query(self, shelf: Shelf, statement: str) -> list[ResultSet]:
        """The series an InfluxQL SELECT or SHOW gives; times in ms. Raises StoreError."""
        source = self._ready()[shelf]
        try:
            return self._asked(statement, {"db": source.database, "rp": source.policy})
        except ApiException as error:
            raise self._explained(error) from error
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _asked(self, statement: str, where: Mapping[str, str]) -> list[ResultSet]:
        data = self._post("/query", {**where, "epoch": "ms"}, form={"q": statement})
        try:
            answer = _answer.decode(data)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"{self._settings.url} does not answer like InfluxDB: {error}", hint="check `url`"
            ) from error
        problem = answer.error or next((result.error for result in answer.results if result.error), None)
        if problem:
            self._shelves = None  # a database dropped meanwhile is created again
            raise StoreError(f"InfluxDB at {self._settings.url} cannot answer: {problem}", hint=_query_hint(problem))
        return [series for result in answer.results for series in result.series]

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _post(
        self, path: str, query: dict[str, str], *, body: bytes | None = None, form: dict[str, str] | None = None
    ) -> bytes:
        content = "application/x-www-form-urlencoded" if form else "text/plain; charset=utf-8"
        encoding = {}
        if body is not None and self._settings.compressed:
            body = gzip.compress(body, _GZIP_LEVEL)
            encoding = {"Content-Encoding": "gzip"}
        response = self._client.api_client.call_api(
            path,
            "POST",
            query_params=list(query.items()),
            header_params={"Content-Type": content, "Accept": "application/json", **encoding},
            body=body,
            post_params=form,
            _return_http_data_only=True,
            _preload_content=False,
        )
        data: bytes = response.data
        return data

    def _ready(self) -> dict[Shelf, Source]:
        """The shelves of the server, readied at the first call and again after an error."""
        shelves = self._shelves
        if shelves is not None:
            return shelves
        with self._ready_lock:
            if self._shelves is None:
                try:
                    if self._only_lines:
                        self._shelves = taken_as_it_is(self._settings)
                    elif self._settings.version == 1:
                        self._shelves = ready_database(self._records, self._settings)
                    else:
                        self._shelves = ready_buckets(self._client, self._settings)
                except ApiException as error:
                    raise self._explained(error) from error
                except HTTPError as error:
                    raise self._unreachable(error) from error
            return self._shelves

    def _records(self, statement: str) -> list[Mapping[str, Any]]:
        return [
            dict(zip(result.columns, values, strict=True))
            for result in self._asked(statement, {})
            for values in result.values
        ]

    def _explained(self, error: ApiException) -> StoreError:
        self._shelves = None
        reason = _reason(error)
        limit = next((name for name in _SERVER_LIMITS if name in reason), None)
        wait_s = _asked_wait_s(error.headers or {})
        if error.status in _FORBIDDEN:
            hint = (
                "check username and password_file" if self._settings.version == 1 else "check token_file and its rights"
            )
        elif error.status == HTTPStatus.NOT_FOUND:
            hint = f"check `url` and `version` (is it a {3 - self._settings.version}.x server?), and that the database or bucket exists"
        elif limit:
            hint = f"raise `{limit}` in the server's configuration; nothing is lost until then"
        elif _DISK_FULL in reason:
            hint = "make room on the server's disk, then restart it twice; docs/store-layout.md says why"
        elif wait_s is not None:
            hint = f"the server asks to wait {wait_s:.0f} s before the next try, and is given them"
        else:
            hint = "look at the server's log; it is tried again"
        told = StoreError(f"InfluxDB at {self._settings.url} answers {error.status}: {reason}", hint=hint)
        if wait_s is not None:
            self._closed_until_s, self._closed = self._monotonic() + wait_s, told
        return told

    def _unreachable(self, error: HTTPError) -> StoreError:
        return StoreError(
            f"InfluxDB at {self._settings.url} does not answer: {error}",
            hint="start the server, or correct `url`; it is tried again",
        )


def _credentials(settings: InfluxSettings) -> str | None:
    """The token of a 2.x server, `user:password` for a 1.x one, or None."""
    given, path, field = settings.password, settings.password_file, "store.password_file"
    if settings.version == 2:
        given, path, field = settings.token, settings.token_file, "store.token_file"
    if given is not None:
        secret = given.get_secret_value()
    elif path is not None:
        secret = read_secret(path, field)
    else:
        return None
    return secret if settings.version == 2 else f"{settings.username}:{secret}"


def _reason(error: ApiException) -> str:
    """The server's own words: `error` (1.x) or `message` (2.x) of its JSON body."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        content = None
    if isinstance(content, Mapping):
        body = str(content.get("error") or content.get("message") or body)
    return body.strip()[:500] or str(error.reason)


def _asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, as seconds or as a date (RFC 9110, 10.2.3); None when it asks for nothing readable."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), _LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(asked).timestamp()
        told = headers.get("Date")  # by the server's own clock, if it tells it
        now = parsedate_to_datetime(told).timestamp() if told else time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(until - now, 0.0), _LONGEST_WAIT_S)


def _query_hint(problem: str) -> str:
    if "database not found" in problem:
        return "create the database, or give the user the right to create it"
    return "look at the server's log"
