"""Time series: one protocol, an embedded implementation (SQLite) and a server one (InfluxDB).

All calls block; services make them in a worker thread. Every write is durable when it returns and idempotent: a
reading is identified by (device, t), a quarter-hour by (device or site, start), a total by (period, device or site, start).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind, Quality, Role

__all__ = [
    "DEVICE_ENERGIES",
    "SITE_ENERGIES",
    "Columns",
    "DeviceQuarter",
    "DeviceTags",
    "History",
    "Known",
    "Period",
    "Row",
    "Series",
    "SiteQuarter",
    "Total",
    "Unstorable",
    "UnstorableError",
    "number_of",
]

QUARTER_MS = 900_000
DEVICE_ENERGIES: Final = ("import_wh", "export_wh")
SITE_ENERGIES: Final = ("pv_wh", "import_wh", "export_wh", "charge_wh", "discharge_wh", "consumption_wh")


class DeviceTags(msgspec.Struct, frozen=True, gc=False):
    """Where a device belongs. `device` is `site/device`; role None: not in any configuration yet."""

    community: str
    site: str
    device: str
    role: Role | None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One device at one instant (ms UTC). `bad`: quantities asked for that gave no valid value."""

    tags: DeviceTags
    t: int
    values: dict[str, float | int | str]
    bad: tuple[str, ...] = ()


class DeviceQuarter(msgspec.Struct, frozen=True):
    """Energy of one device in the quarter-hour starting at `start` (ms UTC), seen from the site's AC bus; None: unknown.

    `values`: its readings in that quarter-hour, gauges as mean, counters and texts as the last; what nobody told is left out.
    """

    tags: DeviceTags
    start: int
    import_wh: float | None
    export_wh: float | None
    quality: Quality
    values: dict[str, float | str] = {}


class SiteQuarter(msgspec.Struct, frozen=True, gc=False):
    """Energy of one site in the quarter-hour starting at `start` (ms UTC), Wh, all >= 0; None: unknown.

    consumption = import - export + pv + discharge - charge
    """

    community: str
    site: str
    start: int
    pv_wh: float | None
    import_wh: float | None
    export_wh: float | None
    charge_wh: float | None
    discharge_wh: float | None
    consumption_wh: float | None
    quality: Quality


class Period(StrEnum):
    """What quarter-hours are rolled up to, in local time, by its name as a step of the history routes."""

    DAY = "1d"
    MONTH = "1M"


class Known(NamedTuple):
    """Of the quarter-hours that know a quantity: the sum of an energy (Wh) or the mean of a gauge, and how many they are."""

    value: float
    quarters: int


@dataclass(frozen=True, slots=True)
class Total:
    """The quarter-hours of a site, or of one `device`, in the local day or month [start, end) (ms UTC), rolled up.

    `known`: the energies of a SiteQuarter or DeviceQuarter and a device's gauges; what no quarter-hour knows is left out.
    `last`: the last counters and texts of a device. `quality`: the worst of the quarter-hours that stand; how many are
    missing is told by the counts.
    """

    community: str
    site: str
    device: str | None
    start: int
    end: int
    quality: Quality
    known: dict[str, Known]
    last: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one device by time as columns, each as long as `t` (ms UTC); of quantities that are known.

    `numbers`: NaN where a reading does not tell the quantity; `texts`: None there.
    """

    t: array[int]
    numbers: Mapping[str, array[float]]
    texts: Mapping[str, Sequence[str | None]]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """From readings by time."""
        names = QUANTITIES.keys() & {name for row in rows for name in row.values}
        texts = {name for name in names if QUANTITIES[name].kind is Kind.TEXT}
        return cls(
            array("q", [row.t for row in rows]),
            {name: array("d", [number_of(row, name) for row in rows]) for name in names - texts},
            {name: [_text_of(row, name) for row in rows] for name in texts},
        )


def number_of(row: Row, name: str) -> float:
    """A value of a reading, NaN where it has none."""
    value = row.values.get(name)
    return value if isinstance(value, int | float) else math.nan


def _text_of(row: Row, name: str) -> str | None:
    """A text of a reading."""
    value = row.values.get(name)
    return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time: `t` ascending (ms UTC), `values` as long, None where unknown."""

    t: list[int] = field(default_factory=list)
    values: list[float | str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unstorable:
    """A reading that a store will never take as it is, and the store's own reason."""

    row: Row
    reason: str


class UnstorableError(DataError):
    """Raised when a store took every reading of a call but those `refused`, which it will never take."""

    def __init__(self, refused: Sequence[Unstorable]) -> None:
        super().__init__(f"{len(refused)} readings will never be stored; the first: {refused[0].reason}")
        self.refused = refused


class History(Protocol):
    """What collector and API need of a time-series store. Raises StoreError when it is not available."""

    def prepare(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The same readings in the form in which `write` takes them soonest. Raises DataError as `write` would.

        Asks the store nothing. For who writes in another thread than that which made the readings: values are far
        apart in memory, and fetching them from another core costs as much as storing them.
        """

    def write(self, rows: Sequence[Row]) -> None:
        """Stores readings; durable on return.

        The same (device, t) again changes nothing, a fuller one completes it; of two values the last one written stands.
        Raises UnstorableError when all are stored but some that never will be.
        """

    def write_quarters(self, devices: Sequence[DeviceQuarter], sites: Sequence[SiteQuarter]) -> None:
        """Stores quarter-hours, replacing what stood there: they are derived and may be restated."""

    def write_totals(self, period: Period, totals: Sequence[Total]) -> None:
        """Stores days or months, replacing what stood there: they are derived and may be restated."""

    def readings(self, device: str, start: int, end: int) -> list[Row]:
        """Raw readings of `device` with start <= t < end, by t."""

    def columns(self, device: str, start: int, end: int) -> Columns:
        """The same readings as columns."""

    def before(self, device: str, t: int) -> Row | None:
        """The last reading of `device` strictly before `t`."""

    def after(self, device: str, t: int) -> Row | None:
        """The first reading of `device` at or after `t`."""

    def series(self, device: str, quantity: str, start: int, end: int, step_ms: int | None) -> Series:
        """One quantity of `device` in [start, end).

        With `step_ms`: one point for every step of the grid aligned to the Unix epoch, `t` its start; gauges as mean,
        counters and texts as the last value of the step, None where there is no reading. Without: the raw readings,
        None where the reading names the quantity bad.
        """

    def quantities(self, device: str) -> list[str]:
        """Names of the quantities ever stored for `device`, sorted."""

    def last(self, devices: Iterable[str] | None = None) -> dict[str, Row]:
        """The newest reading of each device (of all devices when None)."""

    def devices(self) -> list[DeviceTags]:
        """Every device that ever wrote, ordered by device."""

    def device_quarters(self, device: str, start: int, end: int) -> list[DeviceQuarter]:
        """Quarter-hours of a device with start <= q < end, by start."""

    def site_quarters(self, sites: Sequence[str], start: int, end: int) -> list[SiteQuarter]:
        """Quarter-hours of sites with start <= q < end, by (start, site)."""

    def device_totals(self, period: Period, device: str, start: int, end: int) -> list[Total]:
        """Days or months of a device with start <= their start < end, by start."""

    def site_totals(self, period: Period, sites: Sequence[str], start: int, end: int) -> list[Total]:
        """Days or months of sites with start <= their start < end, by (start, site)."""

    def kept_since(self, now_ms: int) -> int:
        """Readings before this instant may be gone: what was computed from them stands, and is never computed again."""

    def maintain(self, now_ms: int) -> bool:
        """One small step of the store's housekeeping, beside everything else; True when there may be more to do."""

    def check(self) -> None:
        """Returns when the store answers; raises StoreError when not."""

    def close(self) -> None:
        """Releases what is held."""
