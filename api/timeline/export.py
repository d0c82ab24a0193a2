"""Series as files: CSV for programs, CSV for spreadsheets of this country, Parquet. One row for each point."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from api.negotiation import liked
from api.timeline.query import Answer
from api.timeline.values import Value

__all__ = ["MEDIA_TYPES", "Format", "file_of", "wanted_format"]


class Format(StrEnum):
    """How series are given."""

    JSON = "json"
    CSV = "csv"
    CSV_EXCEL = "csv-excel"
    PARQUET = "parquet"


MEDIA_TYPES: Final = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.CSV_EXCEL: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_BY_MEDIA_TYPE: Final = {
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
    "application/vnd.apache.parquet": Format.PARQUET,
    "application/x-parquet": Format.PARQUET,  # what it was called before it had a registered name
    "application/parquet": Format.PARQUET,
}
_COLUMNS: Final = ("time", "site", "device", "quantity", "unit", "value")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def wanted_format(asked: Format | None, accept: str) -> Format:
    """What was asked for by name, else what the Accept header likes most, else JSON."""
    return asked or _BY_MEDIA_TYPE[liked(accept, tuple(_BY_MEDIA_TYPE))]


def file_of(answer: Answer, site: str, form: Format, timezone: str) -> bytes:
    """The series as a file of that format (not JSON). An unknown value is an empty cell, in Parquet a null."""
    if form is Format.PARQUET:
        return _parquet(answer, site)
    return _excel(answer, site, ZoneInfo(timezone)) if form is Format.CSV_EXCEL else _csv(answer, site)


def _csv(answer: Answer, site: str) -> bytes:
    """Commas, points, ISO 8601 in UTC (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for t, device, value in _rows(answer):
        writer.writerow((_iso(t), site, device or "", answer.quantity, answer.unit, "" if value is None else value))
    return text.getvalue().encode()


def _excel(answer: Answer, site: str, zone: ZoneInfo) -> bytes:
    """Semicolons, decimal commas, local time and a byte order mark: what Excel opens here with a double click."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(("time_local", "time_utc", *_COLUMNS[1:]))
    for t, device, value in _rows(answer):
        local = datetime.fromtimestamp(t / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
        cells = (site, device or "", answer.quantity, answer.unit, value)
        writer.writerow((local, _iso(t), *map(_excel_cell, cells)))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _excel_cell(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value  # a text from a device must not run as a formula
    return "" if value is None else str(value).replace(".", ",")


def _parquet(answer: Answer, site: str) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - 40 MB, which beside InfluxDB nothing else needs
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = list(_rows(answer))
    is_text = any(isinstance(value, str) for _, _, value in rows)
    values = [value if is_text or value is None else float(value) for _, _, value in rows]
    count = len(rows)
    table = pa.table(
        {
            "time": pa.array([t for t, _, _ in rows], pa.timestamp("ms", tz="UTC")),
            "site": pa.array([site] * count, pa.string()).dictionary_encode(),
            "device": pa.array([device for _, device, _ in rows], pa.string()).dictionary_encode(),
            "quantity": pa.array([answer.quantity] * count, pa.string()).dictionary_encode(),
            "unit": pa.array([answer.unit] * count, pa.string()).dictionary_encode(),
            "value": pa.array(values, pa.string() if is_text else pa.float64()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _rows(answer: Answer) -> Iterator[tuple[int, str | None, Value]]:
    return ((t, line.device, value) for line in answer.series for t, value in line.points)


def _iso(t: int) -> str:
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
