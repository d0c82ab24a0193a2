"""What stands in the time-series store: measurements with their tags and fields, by which every query is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from energy.quantities import QUANTITIES

__all__ = ["MEASUREMENTS", "Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One InfluxDB measurement."""

    tags: frozenset[str]
    fields: frozenset[str]


_DEVICE_TAGS: Final = frozenset({"community", "site", "device"})

MEASUREMENTS: Final[dict[str, Measurement]] = {
    "reading": Measurement(_DEVICE_TAGS | {"role"}, frozenset(QUANTITIES) | {"bad"}),
    "device_quarter": Measurement(_DEVICE_TAGS, frozenset({"import_wh", "export_wh", "quality", "role", "unknown"})),
    "site_quarter": Measurement(
        frozenset({"community", "site"}),
        frozenset(
            {"pv_wh", "import_wh", "export_wh", "charge_wh", "discharge_wh", "consumption_wh", "quality", "unknown"},
        ),
    ),
}
"""`device` is `site/device`; a quarter-hour's time is its start; a value that is unknown has no field, and
one that became unknown is named in the field `unknown`, which outranks the number it had."""
