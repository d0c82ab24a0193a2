"""What stands in the time-series store: measurements with their tags and fields, by which every query is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from energy.quantities import QUANTITIES

__all__ = ["MEASUREMENTS", "Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One InfluxDB measurement; `policy` None: it stands in the database's default retention policy."""

    tags: frozenset[str]
    fields: frozenset[str]
    policy: str | None = "quarters"


_SITE_TAGS: Final = frozenset({"community", "site"})
_DEVICE_TAGS: Final = _SITE_TAGS | {"device"}
_DEVICE_FIELDS: Final = frozenset(QUANTITIES) | {"import_wh", "export_wh", "quality"}
_SITE_FIELDS: Final = frozenset(
    {"pv_wh", "import_wh", "export_wh", "charge_wh", "discharge_wh", "consumption_wh", "quality"}
)
_OF_TOTALS: Final = frozenset({"quarters", "counts"})

MEASUREMENTS: Final[dict[str, Measurement]] = {
    "reading": Measurement(_DEVICE_TAGS | {"role"}, frozenset(QUANTITIES) | {"bad"}, None),
    "device_quarter": Measurement(_DEVICE_TAGS, _DEVICE_FIELDS | {"role", "unknown"}),
    "site_quarter": Measurement(_SITE_TAGS, _SITE_FIELDS | {"unknown"}),
    "device_day": Measurement(_DEVICE_TAGS, _DEVICE_FIELDS | _OF_TOTALS),
    "site_day": Measurement(_SITE_TAGS, _SITE_FIELDS | _OF_TOTALS),
    "device_month": Measurement(_DEVICE_TAGS, _DEVICE_FIELDS | _OF_TOTALS),
    "site_month": Measurement(_SITE_TAGS, _SITE_FIELDS | _OF_TOTALS),
}
"""`device` is `site/device`; a quarter-hour's, day's or month's time is its start; a value that is unknown has no field,
and one that became unknown is named in the field `unknown` or `counts`, which outrank the number it had."""
