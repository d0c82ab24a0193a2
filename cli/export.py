"""`commonwatt export`: the readings of a period as CSV or Parquet, one value a row, from whatever store there is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from energy.errors import DataError, RefusedError, StoreError
from energy.quantities import QUANTITIES
from storage.history import DeviceTags, History

__all__ = ["Selection", "export", "instant_ms", "tell_on_stderr"]

_DAY_MS: Final = 86_400_000
_COLUMNS: Final = ("time", "community", "site", "device", "quantity", "unit", "value", "text")
_NAME: Final = pa.dictionary(pa.int32(), pa.string())
_SCHEMA: Final = pa.schema(
    [
        ("time", pa.timestamp("ms", tz="UTC")),
        *((name, _NAME) for name in _COLUMNS[1:6]),
        ("value", pa.float64()),
        ("text", pa.string()),
    ]
)
_Record = tuple[int, str, str, str, str, str, float | None, str | None]
_Put = Callable[[Sequence[_Record]], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """Readings in [start, end), ms UTC; without names: all."""

    start: int
    end: int
    sites: Sequence[str] = ()
    devices: Sequence[str] = ()
    quantities: Sequence[str] = ()


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
    """Writes `out` (`.csv` or `.parquet`), which appears when it is complete. Values that were bad have no value.

    Raises DataError for names nobody knows, RefusedError for other endings, StoreError.
    """
    chosen = _chosen(history.devices(), selection)
    values = 0
    with _writing(out) as put:
        for number, tags in enumerate(chosen, start=1):
            tell(f"{number}/{len(chosen)} {tags.device}")
            for records in _records(history, tags, selection):
                put(records)
                values += len(records)
    return {"file": str(out), "devices": len(chosen), "values": values}


def _chosen(devices: Sequence[DeviceTags], selection: Selection) -> list[DeviceTags]:
    if selection.start >= selection.end:
        raise DataError("the period is empty", field="--to", hint="it must be later than --from, and is not included")
    for field, asked, known in (
        ("--site", selection.sites, {tags.site for tags in devices}),
        ("--device", selection.devices, {tags.device for tags in devices}),
        ("--quantity", selection.quantities, set(QUANTITIES)),
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


def _records(history: History, tags: DeviceTags, selection: Selection) -> Iterator[list[_Record]]:
    """A day at a time."""
    start = selection.start
    while start < selection.end:
        first = history.after(tags.device, start)  # days without readings cost nothing
        if first is None or first.t >= selection.end:
            return
        end = min(selection.end, first.t // _DAY_MS * _DAY_MS + _DAY_MS)
        records = []
        for row in history.readings(tags.device, first.t, end):
            told = {**row.values, **dict.fromkeys(row.bad)}
            records += [_record(tags, row.t, name, told[name]) for name in QUANTITIES if name in told]
        wanted = set(selection.quantities)
        yield [record for record in records if record[4] in wanted] if wanted else records
        start = end


def _record(tags: DeviceTags, t: int, name: str, value: float | str | None) -> _Record:
    place = (t, tags.community, tags.site, tags.device, name, QUANTITIES[name].unit)
    return (*place, None, value) if isinstance(value, str) else (*place, value, None)


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
        writer.writerow(_COLUMNS[:-1])

        def put(records: Sequence[_Record]) -> None:
            for t, *names, value, text in records:
                writer.writerow((_iso(t), *names, text if text is not None else _number(value)))

        yield put


@contextmanager
def _parquet(path: Path) -> Iterator[_Put]:
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:

        def put(records: Sequence[_Record]) -> None:
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
