"""The devices of one file by number, and what each ever told, as its writer knows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from energy.quantities import QUANTITIES
from storage.history import DeviceTags
from storage.history.columns import Shape, Shapes, tags_of

__all__ = ["KnownDevices", "device_tags"]

_UPSERT: Final = (
    "INSERT INTO device (community, site, device, role) VALUES (?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET"
    " community = excluded.community, site = excluded.site, role = coalesce(excluded.role, role) RETURNING id"
)


class KnownDevices:
    """What stands in tables `device` and `device_quantity`, as far as this writer has met it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._tags: dict[str, DeviceTags] = {}
        self._told: dict[Shape, set[int]] = {}

    def forget(self) -> None:
        """After a transaction was undone: what it taught may not stand."""
        self._numbers.clear()
        self._tags.clear()
        self._told.clear()

    def numbered(self, connection: sqlite3.Connection, tags: Sequence[DeviceTags]) -> list[int]:
        """The number of each; those that are new or changed are written."""
        names = [each.device for each in tags]
        # Comparing lists looks at identity first: next to nothing where tags are the same objects each time.
        if list(map(self._tags.get, names)) != tags:
            for each in tags:
                if self._tags.get(each.device) != each:
                    record = (each.community, each.site, each.device, each.role)
                    self._numbers[each.device] = connection.execute(_UPSERT, record).fetchall()[0][0]
                    self._tags[each.device] = each
            return [self._numbers[name] for name in names]
        return list(map(self._numbers.__getitem__, names))

    def learn(self, connection: sqlite3.Connection, numbers: Sequence[int], shapes: Shapes) -> None:
        """Notes which quantities these devices have."""
        for shape in shapes.kinds:
            of_shape: Iterable[int] = numbers
            if len(shapes.kinds) > 1:
                of_shape = [number for number, other in zip(numbers, shapes.each, strict=True) if other == shape]
            told = self._told.setdefault(shape, set())
            fresh = set(of_shape) - told
            if fresh:
                names = [name for name in shape if name in QUANTITIES]
                pairs = [(number, name) for number in sorted(fresh) for name in names]
                connection.executemany("INSERT OR IGNORE INTO device_quantity VALUES (?, ?)", pairs)
                told |= fresh


def device_tags(connection: sqlite3.Connection) -> dict[int, DeviceTags]:
    """Every device by its number."""
    found = connection.execute("SELECT id, community, site, device, role FROM device")
    return {number: tags_of(*rest) for number, *rest in found}
