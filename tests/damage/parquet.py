"""The border by which readings come in as Parquet, with a file that is good."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from pyarrow import parquet as pq

from tests.damage.borders import HALL, KEY, SCHOOL
from tests.damage.harness import Border

__all__ = ["PARQUET", "columns", "parquet"]


def columns() -> dict[str, pa.Array]:
    """Of two points in four quarter-hours."""
    first = datetime(2026, 6, 1, tzinfo=UTC)
    starts = [first + timedelta(minutes=15 * n) for n in range(4) for _ in range(2)]
    return {
        "ean": pa.array([HALL, SCHOOL] * 4),
        "start": pa.array(starts, pa.timestamp("ms", "UTC")),
        "withdrawal_kwh": pa.array([0.512, 1.25] * 4),
        "injection_kwh": pa.array([None, 2.0] * 4),
    }


def parquet(cells: dict[str, pa.Array]) -> bytes:
    """A Parquet file with these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(cells), sink)
    return sink.getvalue()


PARQUET = [
    Border(
        "settle-parquet",
        "readings.parquet",
        {"readings.parquet": parquet(columns()), "key.yaml": KEY},
        (
            "settle",
            "--readings",
            "readings.parquet",
            "--key",
            "key.yaml",
            "--out",
            "out.csv",
            "--summary",
            "summary.json",
        ),
        outs=("out.csv", "summary.json"),
    )
]
