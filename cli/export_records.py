"""What an export tells, a record a value: raw readings, quarter-hours, days or months, each with its quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from energy.quantities import QUANTITIES, Quality
from energy.quarters import QUARTER_MS
from storage.history import (
    DEVICE_ENERGIES,
    SITE_ENERGIES,
    DeviceQuarter,
    DeviceTags,
    History,
    Period,
    Row,
    SiteQuarter,
    Total,
)

__all__ = ["STEPS", "Record", "Selection", "Step", "device_records", "quantities_of", "site_records"]

Step = Literal["raw", "15m", "1d", "1M"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
_DAY_MS: Final = 86_400_000
_ENERGIES: Final = tuple(dict.fromkeys([*SITE_ENERGIES, *DEVICE_ENERGIES]))


@dataclass(frozen=True, slots=True)
class Selection:
    """Of [start, end), ms UTC, what begins there; without names: all."""

    start: int
    end: int
    sites: Sequence[str] = ()
    devices: Sequence[str] = ()
    quantities: Sequence[str] = ()
    step: Step = "raw"


class Record(NamedTuple):
    """One value. `known`: the share of the period's quarter-hours that it is made of; `device` is empty for a site's."""

    time: int
    community: str
    site: str
    device: str
    quantity: str
    unit: str
    value: float | None
    text: str | None
    quality: str
    known: float


def quantities_of(step: Step) -> tuple[str, ...]:
    """What an export of that step can tell, in its order."""
    return tuple(QUANTITIES) if step == "raw" else (*_ENERGIES, *QUANTITIES)


def device_records(history: History, tags: DeviceTags, selection: Selection) -> Iterator[list[Record]]:
    """A device's records by time, a day or a month at a time."""
    name = tags.device
    if selection.step == "raw":
        yield from _raw(history, tags, selection)
    elif selection.step == "15m":
        for start, end in _months(selection):
            yield [r for quarter in history.device_quarters(name, start, end) for r in _of_quarter(quarter, tags)]
    else:
        totals = history.device_totals(Period(selection.step), name, selection.start, selection.end)
        yield [record for total in totals for record in _of_total(total, DEVICE_ENERGIES)]


def site_records(history: History, site: str, selection: Selection) -> Iterator[list[Record]]:
    """A site's own records by time; there are none of raw readings."""
    if selection.step == "15m":
        for start, end in _months(selection):
            yield [r for quarter in history.site_quarters([site], start, end) for r in _of_site_quarter(quarter)]
    elif selection.step != "raw":
        totals = history.site_totals(Period(selection.step), [site], selection.start, selection.end)
        yield [record for total in totals for record in _of_total(total, SITE_ENERGIES)]


def _months(selection: Selection) -> Iterator[tuple[int, int]]:
    """The period in pieces that fit into memory, of however many devices."""
    for start in range(selection.start, selection.end, 31 * _DAY_MS):
        yield start, min(start + 31 * _DAY_MS, selection.end)


def _raw(history: History, tags: DeviceTags, selection: Selection) -> Iterator[list[Record]]:
    start = selection.start
    while start < selection.end:
        first = history.after(tags.device, start)  # days without readings cost nothing
        if first is None or first.t >= selection.end:
            return
        end = min(selection.end, first.t // _DAY_MS * _DAY_MS + _DAY_MS)
        yield [record for row in history.readings(tags.device, first.t, end) for record in _of_reading(row, tags)]
        start = end


def _of_reading(row: Row, tags: DeviceTags) -> list[Record]:
    told = {**row.values, **dict.fromkeys(row.bad)}
    return _records((row.t, tags.community, tags.site, tags.device), told, Quality.MEASURED)


def _of_quarter(quarter: DeviceQuarter, tags: DeviceTags) -> list[Record]:
    place = (quarter.start, tags.community, tags.site, tags.device)
    energies = {name: getattr(quarter, name) for name in DEVICE_ENERGIES}
    return [*_records(place, energies, quarter.quality), *_records(place, quarter.values, Quality.MEASURED)]


def _of_site_quarter(quarter: SiteQuarter) -> list[Record]:
    energies = {name: getattr(quarter, name) for name in SITE_ENERGIES}
    return _records((quarter.start, quarter.community, quarter.site, ""), energies, quarter.quality)


def _of_total(total: Total, energies: Sequence[str]) -> list[Record]:
    place = (total.start, total.community, total.site, total.device or "")
    quarters = (total.end - total.start) // QUARTER_MS
    told = {name: known.value for name, known in total.known.items()} | total.last
    records = _records(place, {**dict.fromkeys(energies), **told}, total.quality)
    shares = {name: known.quarters / quarters for name, known in total.known.items()}
    return [record._replace(known=shares.get(record.quantity, record.known)) for record in records]


def _records(
    place: tuple[int, str, str, str], told: Mapping[str, float | str | None], quality: Quality
) -> list[Record]:
    names = [name for name in (*_ENERGIES, *QUANTITIES) if name in told]
    return [_record(place, name, told[name], quality) for name in names]


def _record(place: tuple[int, str, str, str], name: str, value: float | str | None, quality: Quality) -> Record:
    unit = QUANTITIES[name].unit if name in QUANTITIES else "Wh"
    if value is None:
        return Record(*place, name, unit, None, None, Quality.MISSING, 0.0)
    if quality is Quality.MISSING:  # of the whole; this part is known, and by what is not told
        quality = Quality.ESTIMATED
    number, text = (None, value) if isinstance(value, str) else (float(value), None)
    return Record(*place, name, unit, number, text, quality, 1.0)
