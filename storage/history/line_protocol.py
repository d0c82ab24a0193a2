"""Readings, quarter-hours and totals as InfluxDB line protocol, time stamps in milliseconds; told in docs/store-layout.md.

    reading                    tags community, site, device (`site/device`), role (absent when unknown)
                               fields: each numeric quantity as float, `state` as string, `bad` as string (quantities, by comma)
    device_quarter             tags community, site, device; fields import_wh, export_wh and the quantities (float), `state`,
                               role, quality, unknown (string)
    site_quarter               tags community, site; fields pv_wh ... consumption_wh (float), quality, unknown (string)
    device_day, device_month   tags as device_quarter; fields import_wh, export_wh and the quantities, `state`, quality,
                               quarters (float), counts (string)
    site_day, site_month       tags and energies as site_quarter; fields quality, quarters, counts

A field can be overwritten but not taken back, so a quarter-hour restated as unknown names the quantity in `unknown`
(by comma), which outranks the number. In a total `counts` does that: it names each quantity that not all `quarters` of
the period know, with how many do (`pv_wh:90`); 0 outranks the number. The role is a field of `device_quarter` because
tags are part of a point's identity: with a tag, a device given a role later would keep two versions of one quarter-hour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind
from energy.quarters import QUARTER_MS
from storage.history import DEVICE_ENERGIES, SITE_ENERGIES, DeviceQuarter, DeviceTags, Period, Row, SiteQuarter, Total

__all__ = [
    "device_quarter_line",
    "plain_lines",
    "plain_rows",
    "reading_line",
    "site_quarter_line",
    "total_line",
    "total_measurement",
]

_MEASUREMENT: Final = {Period.DAY: "day", Period.MONTH: "month"}
# The protocol escapes comma, equals sign and space in tags, but has no way to write a line break or a backslash that
# stands before one of them or at the end.
_UNWRITABLE: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_JSON_TO_FIELDS: Final = bytes.maketrans(b":", b"=")
_KNOWN: Final = QUANTITIES.keys()
_NUMERIC: Final = frozenset(name for name, quantity in QUANTITIES.items() if quantity.kind is not Kind.TEXT)
_TAG_ESCAPES: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT_ESCAPES: Final = str.maketrans({'"': r"\"", "\\": r"\\"})


def reading_line(row: Row) -> str | None:
    """`row` as a line; None when it has nothing to store. Raises DataError when its names cannot be written."""
    fields = _numbers(row.values) or _mixed(row.values)
    if row.bad:
        bad = _text("bad", ",".join(row.bad))
        fields = f"{fields},{bad}" if fields else bad
    if not fields:
        return None
    return f"{_reading_key(row.tags)} {fields} {row.t}"


def plain_rows(rows: Iterable[Row]) -> list[Row]:
    """Those that tell known numbers and nothing else: the usual ones."""
    return [row for row in rows if not row.bad and row.values and _NUMERIC.issuperset(row.values)]


def plain_lines(rows: Sequence[Row]) -> list[str] | None:
    """The lines of `plain_rows`, made together: half the work of one by one. None when one of them is not as usual: a
    value that is no finite number, or a name that cannot be written.
    """
    if not rows:
        return []
    try:
        written = msgspec.json.encode([row.values for row in rows])
        keys = [_reading_key(row.tags) for row in rows]
    except (OverflowError, TypeError, DataError):
        return None
    told = written[2:-2].translate(_JSON_TO_FIELDS, b'"')
    if len(written) - len(told) != 4 + 2 * sum([len(row.values) for row in rows]) or b"=null" in told:
        return None
    each = told.decode("ascii").split("},{")
    return [f"{key} {fields} {row.t}" for key, fields, row in zip(keys, each, rows, strict=True)]


def device_quarter_line(quarter: DeviceQuarter) -> str:
    """`quarter` as a line. Raises DataError when its names cannot be written."""
    energies = [(name, getattr(quarter, name)) for name in DEVICE_ENERGIES]
    fields = [*_energy_fields(energies), _text("quality", quarter.quality), _text("role", quarter.tags.role or "")]
    if quarter.values:
        fields.append(_numbers(quarter.values) or _mixed(quarter.values))
    return f"device_quarter{_device_tags(quarter.tags)} {','.join(fields)} {quarter.start}"


def site_quarter_line(quarter: SiteQuarter) -> str:
    """`quarter` as a line. Raises DataError when its names cannot be written."""
    energies = [(name, getattr(quarter, name)) for name in SITE_ENERGIES]
    fields = [*_energy_fields(energies), _text("quality", quarter.quality)]
    tags = f"{_tag('community', quarter.community)}{_tag('site', quarter.site)}"
    return f"site_quarter{tags} {','.join(fields)} {quarter.start}"


def total_measurement(period: Period, *, of_device: bool) -> str:
    """Where totals of that period stand."""
    return f"{'device' if of_device else 'site'}_{_MEASUREMENT[period]}"


def total_line(period: Period, total: Total) -> str:
    """`total` as a line. Raises DataError when its names cannot be written."""
    quarters = (total.end - total.start) // QUARTER_MS
    counts = dict.fromkeys(DEVICE_ENERGIES if total.device else SITE_ENERGIES, 0)
    counts |= {name: known.quarters for name, known in total.known.items()}
    fields = [
        *(_field(name, known.value) for name, known in total.known.items()),
        _text("quality", total.quality),
        _field("quarters", quarters),
        _text("counts", ",".join(f"{name}:{count}" for name, count in counts.items() if count != quarters)),
    ]
    if total.last:
        fields.append(_mixed(total.last))
    tags = f"{_tag('community', total.community)}{_tag('device', total.device or '')}{_tag('site', total.site)}"
    measurement = total_measurement(period, of_device=total.device is not None)
    return f"{measurement}{tags} {','.join(fields)} {total.start}"


@lru_cache(maxsize=65_536)
def _reading_key(tags: DeviceTags) -> str:
    return f"reading{_device_tags(tags)}{_tag('role', tags.role or '')}"


def _numbers(values: Mapping[str, float | int | str]) -> str:
    """The fields of values that are all known finite numbers; empty when they are not.

    JSON writes them four times as fast as formatting does. A text adds quotation marks, NaN and infinity become null.
    """
    if not values or not values.keys() <= _KNOWN:
        return ""
    try:
        written = msgspec.json.encode(values)
    except (OverflowError, TypeError):  # larger than 64 bits, or no number of Python's own
        return ""
    fields = written.translate(_JSON_TO_FIELDS, b'{"}')
    if len(written) - len(fields) != 2 + 2 * len(values) or b"=null" in fields:
        return ""
    return fields.decode("ascii")


def _mixed(values: Mapping[str, float | int | str]) -> str:
    return ",".join(_field(name, value) for name, value in values.items() if name in _KNOWN and _storable(value))


def _energy_fields(energies: Iterable[tuple[str, float | None]]) -> Iterable[str]:
    unknown = []
    for name, value in energies:
        if value is None:
            unknown.append(name)
        else:
            yield _field(name, value)
    yield _text("unknown", ",".join(unknown))


def _device_tags(tags: DeviceTags) -> str:
    return f"{_tag('community', tags.community)}{_tag('device', tags.device)}{_tag('site', tags.site)}"


def _tag(name: str, value: str) -> str:
    if not value:  # the protocol has no empty tag value: an absent tag reads back as empty
        return ""
    if _UNWRITABLE.search(value):
        raise DataError(f"{value!r} holds a backslash or control character", field=name)
    return f",{name}={value.translate(_TAG_ESCAPES)}"


def _storable(value: float | str) -> bool:
    return isinstance(value, str) or math.isfinite(value)


def _field(name: str, value: float | str) -> str:
    # A number without suffix is a float to InfluxDB: counters and gauges never change type, whatever a gateway sends.
    return _text(name, value) if isinstance(value, str) else f"{name}={value}"


def _text(name: str, value: str) -> str:
    return f'{name}="{value.translate(_TEXT_ESCAPES)}"'
