"""The time-series store on an InfluxDB server, 1.x or 2.x; the layout of points is told in `line_protocol`."""

# ruff: noqa: S608 - every text from outside goes through _quoted

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind, Quality, Role
from energy.quarters import QUARTER_MS
from storage.history import (
    DEVICE_ENERGIES,
    SITE_ENERGIES,
    Columns,
    DeviceQuarter,
    DeviceTags,
    Known,
    Period,
    Row,
    Series,
    SiteQuarter,
    Total,
)
from storage.history.influx_client import InfluxClient, ResultSet
from storage.history.influx_setup import Shelf
from storage.history.influx_writer import InfluxWriter
from storage.history.line_protocol import total_measurement
from storage.history.settings import InfluxSettings

__all__ = ["InfluxHistory"]

_DAY_MS: Final = 86_400_000
_NAMED_DEVICES: Final = 100  # more than that are asked for all together and picked here
# A role of a later version reads as unknown.
_ROLES: Final[dict[str | None, Role]] = {role.value: role for role in Role}

_Record = dict[str, Any]


class InfluxHistory(InfluxWriter):
    """`History` on a server. Made without contact: every call raises StoreError while the server is away."""

    def __init__(self, settings: InfluxSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(InfluxClient(settings, monotonic=monotonic))
        self._raw_days = settings.raw_days

    def readings(self, device: str, start: int, end: int) -> list[Row]:
        return self._rows(f"WHERE device = {_quoted(device)} AND {_between(start, end)}")

    def columns(self, device: str, start: int, end: int) -> Columns:
        return Columns.of(self.readings(device, start, end))

    def before(self, device: str, t: int) -> Row | None:
        rows = self._rows(f"WHERE device = {_quoted(device)} AND time < {t}ms ORDER BY time DESC LIMIT 1")
        return rows[0] if rows else None

    def after(self, device: str, t: int) -> Row | None:
        rows = self._rows(f"WHERE device = {_quoted(device)} AND time >= {t}ms ORDER BY time LIMIT 1")
        return rows[0] if rows else None

    def series(self, device: str, quantity: str, start: int, end: int, step_ms: int | None) -> Series:
        known = QUANTITIES.get(quantity)
        if known is None:
            raise DataError(f"unknown quantity {quantity!r}", field="quantity")
        where = f"WHERE device = {_quoted(device)} AND {_between(start, end)}"
        if step_ms is None:
            return self._raw_series(quantity, where)
        function = "mean" if known.kind is Kind.GAUGE else "last"
        found = self._client.query(
            Shelf.RAW, f'SELECT {function}("{quantity}") FROM reading {where} GROUP BY time({step_ms}ms) fill(none)'
        )
        values = {int(t): _plain(value) for result in found for t, value in result.values}
        grid = list(range(start // step_ms * step_ms, end, step_ms))
        return Series(grid, [values.get(t) for t in grid])

    def _raw_series(self, quantity: str, where: str) -> Series:
        points: dict[int, Any] = {}
        for result in self._client.query(Shelf.RAW, f'SELECT "{quantity}", bad FROM reading {where}'):
            for t, value, bad in result.values:
                if value is not None or (t not in points and bad is not None and quantity in bad.split(",")):
                    points[t] = _plain(value)
        return Series(list(points), list(points.values()))

    def quantities(self, device: str) -> list[str]:
        found = self._client.query(Shelf.RAW, f"SELECT last(*) FROM reading WHERE device = {_quoted(device)}")
        names = {
            column.removeprefix("last_")
            for result in found
            for column, value in zip(result.columns, result.values[0], strict=True)
            if value is not None
        }
        return sorted(names & QUANTITIES.keys())

    def last(self, devices: Iterable[str] | None = None) -> dict[str, Row]:
        wanted = None if devices is None else set(devices)
        if wanted is not None and not wanted:
            return {}
        named = wanted is not None and len(wanted) <= _NAMED_DEVICES
        where = f"WHERE {_any_of('device', sorted(wanted))} " if wanted and named else ""
        rows = self._rows(f"{where}GROUP BY device ORDER BY time DESC LIMIT 1")
        return {row.tags.device: row for row in rows if wanted is None or row.tags.device in wanted}

    def devices(self) -> list[DeviceTags]:
        found: dict[str, DeviceTags] = {}
        for result in self._client.query(Shelf.RAW, "SHOW SERIES FROM reading"):
            for (key,) in result.values:
                tags = _tags(_series_tags(key))
                if tags.role is not None or tags.device not in found:
                    found[tags.device] = tags
        return [found[device] for device in sorted(found)]

    def device_quarters(self, device: str, start: int, end: int) -> list[DeviceQuarter]:
        found = self._records(
            Shelf.QUARTERS, f"SELECT * FROM device_quarter WHERE device = {_quoted(device)} AND {_between(start, end)}"
        )
        return [
            DeviceQuarter(
                tags=_tags(record),
                start=record["time"],
                quality=Quality(record["quality"]),
                **_energies(record, DEVICE_ENERGIES),
                values=_values(record),
            )
            for record in found
        ]

    def site_quarters(self, sites: Sequence[str], start: int, end: int) -> list[SiteQuarter]:
        if not sites:
            return []
        where = f"WHERE ({_any_of('site', sites)}) AND {_between(start, end)}"
        found = self._records(Shelf.QUARTERS, f"SELECT * FROM site_quarter {where}")
        quarters = [
            SiteQuarter(
                community=record.get("community") or "",
                site=record["site"],
                start=record["time"],
                quality=Quality(record["quality"]),
                **_energies(record, SITE_ENERGIES),
            )
            for record in found
        ]
        return sorted(quarters, key=lambda quarter: (quarter.start, quarter.site))

    def device_totals(self, period: Period, device: str, start: int, end: int) -> list[Total]:
        measurement = total_measurement(period, of_device=True)
        where = f"WHERE device = {_quoted(device)} AND {_between(start, end)}"
        return [_total(record) for record in self._records(Shelf.QUARTERS, f"SELECT * FROM {measurement} {where}")]

    def site_totals(self, period: Period, sites: Sequence[str], start: int, end: int) -> list[Total]:
        if not sites:
            return []
        measurement = total_measurement(period, of_device=False)
        where = f"WHERE ({_any_of('site', sites)}) AND {_between(start, end)}"
        found = [_total(record) for record in self._records(Shelf.QUARTERS, f"SELECT * FROM {measurement} {where}")]
        return sorted(found, key=lambda total: (total.start, total.site))

    def kept_since(self, now_ms: int) -> int:
        return 0 if self._raw_days is None else now_ms - self._raw_days * _DAY_MS

    def maintain(self, now_ms: int) -> bool:  # noqa: ARG002 - the server keeps its own house
        return False

    def check(self) -> None:
        self._client.query(Shelf.RAW, "SHOW MEASUREMENTS LIMIT 1")

    def _rows(self, rest: str) -> list[Row]:
        """Readings in the order asked for. A device whose role changed has two series: one instant is one reading."""
        rows: dict[tuple[str, int], Row] = {}
        for record in self._records(Shelf.RAW, f"SELECT * FROM reading {rest}"):
            row = _row(record)
            key = (row.tags.device, row.t)
            rows[key] = _merged(rows[key], row) if key in rows else row
        return list(rows.values())

    def _records(self, shelf: Shelf, query: str) -> list[_Record]:
        return [record for result in self._client.query(shelf, query) for record in _records(result)]


def _records(result: ResultSet) -> Iterator[_Record]:
    for values in result.values:
        yield {**result.tags, **dict(zip(result.columns, values, strict=True))}


def _row(record: _Record) -> Row:
    values = _values(record)
    bad = tuple(name for name in (record.get("bad") or "").split(",") if name and name not in values)
    return Row(_tags(record), record["time"], values, bad)


def _values(record: _Record) -> dict[str, Any]:
    return {name: _plain(record[name]) for name in QUANTITIES.keys() & record.keys() if record[name] is not None}


def _total(record: _Record) -> Total:
    """A total from its record; a quantity that `counts` names is known to so many quarter-hours, any other to all."""
    device, quarters = record.get("device"), int(record["quarters"])
    named = (count.rpartition(":") for count in (record.get("counts") or "").split(",") if count)
    counts = {name: int(count) for name, _, count in named}
    values = _values(record)
    averaged = {name: value for name, value in values.items() if QUANTITIES[name].kind is Kind.GAUGE}
    energies = _energies(record, DEVICE_ENERGIES if device else SITE_ENERGIES)
    summed = {name: value for name, value in energies.items() if value is not None}
    found = {name: Known(value, counts.get(name, quarters)) for name, value in {**summed, **averaged}.items()}
    return Total(
        community=record.get("community") or "",
        site=record.get("site") or "",
        device=device or None,
        start=record["time"],
        end=record["time"] + quarters * QUARTER_MS,
        quality=Quality(record["quality"]),
        known={name: known for name, known in found.items() if known.quarters},
        last={name: value for name, value in values.items() if name not in averaged},
    )


def _merged(one: Row, other: Row) -> Row:
    values = {**other.values, **one.values}
    bad = tuple(name for name in one.bad or other.bad if name not in values)
    return Row(one.tags if one.tags.role else other.tags, one.t, values, bad)


def _tags(record: _Record) -> DeviceTags:
    return DeviceTags(
        record.get("community") or "",
        record.get("site") or "",
        record.get("device") or "",
        _ROLES.get(record.get("role")),
    )


def _energies(record: _Record, names: Iterable[str]) -> dict[str, Any]:
    unknown = (record.get("unknown") or "").split(",")
    return {name: None if name in unknown else _plain(record.get(name)) for name in names}


def _plain(value: Any) -> Any:
    """JSON writes 5.0 as 5: numbers come back as float whatever they look like."""
    return float(value) if isinstance(value, int) else value


def _between(start: int, end: int) -> str:
    return f"time >= {start}ms AND time < {end}ms"


def _any_of(tag: str, names: Iterable[str]) -> str:
    return " OR ".join(f"{tag} = {_quoted(name)}" for name in names)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _series_tags(key: str) -> dict[str, str]:
    """The tags of a series key `reading,community=a,device=a/b`, whose commas, equals signs and spaces are escaped."""
    tags = {}
    for part in _split(key, ",")[1:]:
        name, value = _split(part, "=")
        tags[name] = value.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")
    return tags


def _split(text: str, separator: str) -> list[str]:
    """`text` at every `separator` that no backslash escapes."""
    parts = [""]
    escaped = False
    for character in text:
        if character == separator and not escaped:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts
