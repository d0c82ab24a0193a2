"""Years and savings of buildings, computed once and kept for some minutes: they change by the day."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypeVar, cast
from zoneinfo import ZoneInfo

from api.buildings.sources import Place, Sources
from energy.buildings.annual import Climate
from energy.buildings.days import Days
from energy.buildings.factors import Benchmark, Book
from energy.buildings.indicators import Building, BuildingYear, Metered, building_year
from energy.buildings.portfolio import Likes, TargetState, like_buildings, target_state
from energy.buildings.savings.drift import RECENT_DAYS
from energy.buildings.savings.find import base_load_w, find_savings
from energy.buildings.savings.saving import Looked
from energy.community import Community
from runtime.clock import Clock
from storage.history import History
from storage.register import Register
from storage.register.readings_by_hand import entries
from storage.register.weather import temperatures

__all__ = ["Account", "Accounts"]

_KEPT_S: Final = 600.0
_MOST_KEPT: Final = 5_000
_LEAST_LIKES: Final = 2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Account:
    """All that is told of a building's year."""

    place: Place
    year: BuildingYear
    metered: Metered
    looked: Looked
    likes: Likes | None
    benchmark: Benchmark | None


class Accounts:
    """The buildings of these communities. Methods block and may raise StoreError; threads may call them at once."""

    def __init__(
        self,
        communities: Sequence[Community],
        history: History,
        register: Register,
        book: Book,
        station: str,
        clock: Clock,
    ) -> None:
        self.places = {site.id: Place(community, site) for community in communities for site in community.sites}
        self.book = book
        self.station = station
        self._sources = Sources(history, book)
        self._register = register
        self._clock = clock
        self._kept: dict[tuple[object, ...], tuple[float, object]] = {}
        self._lock = threading.Lock()

    def today(self, community: Community) -> date:
        """The local day."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, ZoneInfo(community.timezone)).date()

    def year(self, community: Community, year: int) -> Days:
        """The calendar year; of the one that runs, the twelve months before today."""
        today = self.today(community)
        return Days.year_until(today) if year == today.year else Days.of_year(year)

    def forget(self) -> None:
        """Something was entered: everything is computed again."""
        with self._lock:
            self._kept.clear()

    def of_community(self, community: str) -> list[Place]:
        """Its buildings."""
        return [place for place in self.places.values() if place.community.id == community]

    def account(self, site: str, days: Days) -> Account:
        """A building's year, what could be saved, and those like it."""
        place = self.places[site]
        year = self.building_year(place, days)
        years = [self.building_year(one, days) for one in self._alike(place)]
        return Account(
            place=place,
            year=year,
            metered=self._metered(place, days),
            looked=self.looked(place, days.end),
            likes=like_buildings(year, years),
            benchmark=self.book.benchmark(place.site.kind, place.community.region, days.end),
        )

    def building_year(self, place: Place, days: Days) -> BuildingYear:
        """Its indicators."""
        return self._once(
            ("year", place.site.id, days),
            lambda: building_year(building_of(place), self._metered(place, days), days, self._climate()),
        )

    def looked(self, place: Place, end: date) -> Looked:
        """What could be saved, as it looked before `end`."""
        return self._once(("looked", place.site.id, end), lambda: self._look(place, end))

    def targets(self, municipality: str, years: Sequence[BuildingYear], on: date) -> list[TargetState]:
        """Where its buildings stand to the targets of a municipality."""
        return [target_state(target, years) for target in self.book.targets(municipality, on)]

    def municipalities(self, community: str) -> list[str]:
        """Whose buildings a community has."""
        return sorted({place.municipality for place in self.of_community(community)})

    def _look(self, place: Place, end: date) -> Looked:
        return find_savings(
            building_of(place),
            self._metered(place, Days.year_until(end)),
            self._sources.load(place, end),
            self._climate(),
            end,
            like_base_w_m2=self._like_base(place, end),
        )

    def _like_base(self, place: Place, end: date) -> float | None:
        """The median base load of like buildings of the community, W/m²."""
        found = [
            base / area
            for other in self._alike(place)
            if (area := other.site.floor_area_m2) and (base := self._base(other, end)) is not None
        ]
        return statistics.median(found) if len(found) >= _LEAST_LIKES else None

    def _base(self, place: Place, end: date) -> float | None:
        def compute() -> float | None:
            load = self._sources.load(place, end, RECENT_DAYS)
            return None if load is None else base_load_w(load, end)

        return self._once(("base", place.site.id, end), compute)

    def _alike(self, place: Place) -> list[Place]:
        same = self.of_community(place.community.id)
        return [one for one in same if one.site.kind == place.site.kind and one.site.id != place.site.id]

    def _metered(self, place: Place, days: Days) -> Metered:
        """Two years, so that the one before can be compared, and the fits of the savings have what they need."""

        def compute() -> Metered:
            with self._register.database.read() as connection:
                by_hand = entries(connection, [place.site.id]) if place.site.meters else []
            before = days.year_before()
            return self._sources.metered(place, Days(before.first - timedelta(days=31), days.end), by_hand)

        return self._once(("metered", place.site.id, days), compute)

    def _climate(self) -> Climate:
        def compute() -> Climate:
            with self._register.database.read() as connection:
                return Climate(temperatures(connection, self.station), self.station, self.book)

        return self._once(("climate",), compute)

    def _once(self, key: tuple[object, ...], compute: Callable[[], _T]) -> _T:
        now_s = self._clock.monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now_s - kept[0] < _KEPT_S:
            return cast("_T", kept[1])
        found = compute()
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (now_s, found)
        return found


def building_of(place: Place) -> Building:
    """What the configuration says of it."""
    site = place.site
    return Building(
        id=site.id,
        name=site.name,
        kind=site.kind,
        community=place.community.id,
        municipality=place.municipality,
        region=place.community.region,
        area_m2=site.floor_area_m2,
        opening_hours=site.opening_hours,
        supplies=site.supplies,
    )
