"""`commonwatt move`: readings, quarter-hours, days and months of one store into another, a day of a device at a time.

Writing twice changes nothing, so what was under way when it was stopped is simply written again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from energy.errors import StoreError
from storage.history import DeviceTags, History, Period, UnstorableError

__all__ = ["Progress", "move"]

_DAY_MS: Final = 86_400_000
_EVER: Final = 2**42  # the year 2109, ms


class Progress:
    """What is copied already, in a file: {device: instant up to which}. Another pair of stores begins anew."""

    def __init__(self, path: Path, source: BaseModel, target: BaseModel) -> None:
        self.path = path
        self._pair = [source.model_dump_json(), target.model_dump_json()]
        self._upto: dict[str, int] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["pair"] == self._pair:
                self._upto = {str(device): int(t) for device, t in stored["upto"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # nothing was copied yet as far as we know: all is copied again

    def upto(self, device: str) -> int:
        """Readings before this instant are copied."""
        return self._upto.get(device, 0)

    def note(self, device: str, t: int) -> None:
        """Raises StoreError when it cannot be written."""
        self._upto[device] = t
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps({"pair": self._pair, "upto": self._upto}), encoding="utf-8")
            unfinished.rename(self.path)
        except OSError as error:
            raise StoreError(f"{self.path}: {error}", hint="give this user the right to write there") from error


def move(old: History, new: History, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Copies what is newer than `progress` says. Raises StoreError; then it goes on there the next time.

    `refused`: readings that the new store will never take, as those of a server older than its retention.
    """
    devices = old.devices()
    readings = refused = quarters = totals = 0
    for number, tags in enumerate(devices, start=1):
        tell(f"{number}/{len(devices)} {tags.device}")
        stored, lost = _readings(old, new, tags.device, progress, tell)
        readings, refused = readings + stored, refused + lost
        quarters += _device_quarters(old, new, tags)
        totals += sum(_device_totals(old, new, tags.device, period) for period in Period)
    for site in sorted({tags.site for tags in devices}):
        tell(f"quarter-hours of {site}")
        quarters += _site_quarters(old, new, site)
        totals += sum(_site_totals(old, new, site, period) for period in Period)
    return {
        "devices": len(devices),
        "readings": readings,
        "refused": refused,
        "quarters": quarters,
        "totals": totals,
    }


def _readings(
    old: History, new: History, device: str, progress: Progress, tell: Callable[[str], None]
) -> tuple[int, int]:
    """How many were stored, and how many refused."""
    count = refused = 0
    while (first := old.after(device, progress.upto(device))) is not None:
        end = first.t // _DAY_MS * _DAY_MS + _DAY_MS
        rows = old.readings(device, first.t, end)
        try:
            new.write(rows)
        except UnstorableError as error:
            tell(f"{device}: {len(error.refused)} readings refused: {error.refused[0].reason}")
            refused += len(error.refused)
        count += len(rows)
        last_one = old.after(device, end) is None
        progress.note(device, rows[-1].t + 1 if last_one else end)  # of the newest day more may come
    return count - refused, refused


def _device_quarters(old: History, new: History, tags: DeviceTags) -> int:
    found = old.device_quarters(tags.device, 0, _EVER)
    new.write_quarters(found, [])
    return len(found)


def _site_quarters(old: History, new: History, site: str) -> int:
    found = old.site_quarters([site], 0, _EVER)
    new.write_quarters([], found)
    return len(found)


def _device_totals(old: History, new: History, device: str, period: Period) -> int:
    found = old.device_totals(period, device, 0, _EVER)
    new.write_totals(period, found)
    return len(found)


def _site_totals(old: History, new: History, site: str, period: Period) -> int:
    found = old.site_totals(period, [site], 0, _EVER)
    new.write_totals(period, found)
    return len(found)
