"""`commonwatt export`: a period as CSV or Parquet, one value a row, from whatever store there is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cli.export_records import STEPS, Record, Selection, device_records, quantities_of, site_records
from energy.errors import DataError, RefusedError, StoreError
from storage.history import DeviceTags, History

__all__ = ["export", "instant_ms", "tell_on_stderr"]

_TEXTS: Final = ("community", "site", "device", "quantity", "unit")
_NAME: Final = pa.dictionary(pa.int32(), pa.string())
_SCHEMA: Final = pa.schema(
    [
        ("time", pa.timestamp("ms", tz="UTC")),
        *((name, _NAME) for name in _TEXTS),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", _NAME),
        ("known", pa.float64()),
    ]
)
_CSV_COLUMNS: Final = ("time", *_TEXTS, "value", "quality", "known")
_Put = Callable[[Sequence[Record]], None]


def instant_ms(text: str, field: str) -> int:
    """An ISO 8601 instant or day, UTC unless it says otherwise. Raises DataError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(
            f"{text!r} is no instant", field=field, hint="write 2026-11-27 or 2026-11-27T14:15:00Z"
        ) from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def export(history: History, selection: Selection, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Writes `out` (`.csv` or `.parquet`), which appears when it is complete. What is not known has no value.

    Raises DataError for names nobody knows, RefusedError for other endings, StoreError.
    """
    devices = _chosen(history.devices(), selection)
    sites = sorted({tags.site for tags in devices}) if not selection.devices and selection.step != "raw" else []
    parts = {site: site_records(history, site, selection) for site in sites}
    parts |= {tags.device: device_records(history, tags, selection) for tags in devices}
    wanted = set(selection.quantities or quantities_of(selection.step))
    values = 0
    with _writing(out) as put:
        for number, (name, pieces) in enumerate(parts.items(), start=1):
            tell(f"{number}/{len(parts)} {name}")
            for piece in pieces:
                records = [record for record in piece if record.quantity in wanted]
                put(records)
                values += len(records)
    return {"file": str(out), "devices": len(devices), "values": values}


def _chosen(devices: Sequence[DeviceTags], selection: Selection) -> list[DeviceTags]:
    if selection.start >= selection.end:
        raise DataError("the period is empty", field="--to", hint="it must be later than --from, and is not included")
    if selection.step not in STEPS:
        raise DataError(f"there is no step {selection.step!r}", field="--step", hint=f"one of {', '.join(STEPS)}")
    for field, asked, known in (
        ("--site", selection.sites, {tags.site for tags in devices}),
        ("--device", selection.devices, {tags.device for tags in devices}),
        ("--quantity", selection.quantities, set(quantities_of(selection.step))),
    ):
        for name in asked:
            if name not in known:
                raise DataError(f"there is no {name!r}", field=field, hint=f"there are {', '.join(sorted(known)[:40])}")
    return [
        tags
        for tags in devices
        if (not selection.sites or tags.site in selection.sites)
        and (not selection.devices or tags.device in selection.devices)
    ]


@contextmanager
def _writing(out: Path) -> Iterator[_Put]:
    if out.suffix not in {".csv", ".parquet"}:
        raise RefusedError(f"{out} ends in neither .csv nor .parquet", hint="the ending decides the format")
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        with _csv(unfinished) if out.suffix == ".csv" else _parquet(unfinished) as put:
            yield put
        unfinished.rename(out)
    except OSError as error:
        raise StoreError(f"{out}: {error}", hint="check the folder, the disk's free space and your rights") from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _csv(path: Path) -> Iterator[_Put]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_CSV_COLUMNS)

        def put(records: Sequence[Record]) -> None:
            for t, *names, value, text, quality, known in records:
                told = text if text is not None else _number(value)
                writer.writerow((_iso(t), *names, told, quality, f"{known:.4g}"))

        yield put


@contextmanager
def _parquet(path: Path) -> Iterator[_Put]:
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:

        def put(records: Sequence[Record]) -> None:
            if records:
                columns = zip(*records, strict=True)
                arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
                writer.write_table(pa.table(arrays, schema=_SCHEMA))

        yield put


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


def _iso(t: int) -> str:
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tell_on_stderr(line: str) -> None:
    """Progress, out of the way of what is printed."""
    print(line, file=sys.stderr)
