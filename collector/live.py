"""The live picture: newest readings in memory, and from them what every site and community does now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from collector.directory import Directory
from collector.today import (
    LONGEST_DAY_MS,
    CommunityToday,
    Parts,
    Recent,
    RunningQuarter,
    SiteToday,
    Today,
    community_today,
    site_today,
)
from energy.balance import (
    STALE_INTERVALS,
    CommunityBalance,
    SiteBalance,
    community_balance,
    observe,
    site_balance,
)
from energy.community import Device, Site
from energy.metering import SiteEnergy
from energy.quarters import QUARTER_MS, local_day, quarter_start
from runtime.clock import Clock
from storage.history import History, Row

__all__ = ["LivePicture", "LiveSite", "LiveState"]

_AHEAD_MS: Final = 60_000  # a device whose clock runs further ahead would look alive long after it died
_TODAY_S: Final = 5.0  # energy since midnight is summed this often: it moves slowly
_AGAIN_MS: Final = 100  # a site that is heard of all the time, as after an outage, is not computed more often
_REPEAT_MS: Final = 10_000  # readers take a longer silence for the end of the collector
_SHOWABLE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # a site nobody registered becomes a topic level
_BEFORE_MS: Final = 120_000  # the reading before the quarter-hour is most likely within this


class LiveSite(NamedTuple):
    """A site now, today and in the quarter-hour that runs. `from_store`: devices whose newest reading was not heard live since the start."""

    balance: SiteBalance
    today: SiteToday
    from_store: frozenset[str]
    registered: bool
    quarter: RunningQuarter | None


class _Shown(NamedTuple):
    """A site as it was computed, when, and until when that is so if nothing is heard, ms UTC."""

    site: LiveSite
    t: int
    until: int


class LivePicture(NamedTuple):
    """Everything the collector knows to be going on."""

    communities: list[tuple[CommunityBalance, CommunityToday]]
    sites: list[LiveSite]


class LiveState:
    """Newest live readings by device; what is shown is computed from them and from nothing else."""

    def __init__(self, directory: Directory, clock: Clock, *, interval_s: float = 1.0) -> None:
        self.recent = Recent()
        self.today = Today(self.recent)
        self._directory = directory
        self._clock = clock
        self._latest: dict[str, Row] = {}
        self._from_store: set[str] = set()
        self._before: dict[str, int] = {}
        self._parts: dict[str, Parts] = {}
        self._site_todays: dict[str, SiteToday] = {}
        self._running: dict[str, RunningQuarter | None] = {}
        self._todays: dict[str, CommunityToday] = {}
        self._shown: dict[str, _Shown] = {}
        self._changed: set[str] = set()
        self._news: dict[str, LiveSite] = {}
        self._spread = max(1, round(_TODAY_S / interval_s))
        self._pictures = 0

    def load(self, history: History) -> None:
        """Begins where the store stands, so that fresh values are back at once after a restart. Blocks."""
        now_ms = self._clock.now_ms()
        since = quarter_start(now_ms) - QUARTER_MS
        for device, newest in history.last().items():
            if not self._directory.knows(device):
                continue  # another collector's
            fresh = newest.t >= since
            rows = history.readings(device, since - _BEFORE_MS, now_ms + _AHEAD_MS) if fresh else [newest]
            self._take(rows, now_ms + _AHEAD_MS)
            self._from_store.add(device)
        sites = [*self._directory.places, *self._directory.unregistered]
        self.today.written(history.site_quarters(sites, now_ms - LONGEST_DAY_MS, now_ms))

    def hear(self, rows: Iterable[Row]) -> None:
        """Takes live readings in; older ones than known and ones from the future change nothing."""
        self._take(rows, self._clock.now_ms() + _AHEAD_MS)

    def recall(self, rows: Iterable[Row]) -> None:
        """Takes late readings in: they count for the energy of today, never for what is going on now."""
        now_ms = self._clock.now_ms()
        since = quarter_start(now_ms) - QUARTER_MS - _BEFORE_MS
        for row in rows:
            if since <= row.t <= now_ms:
                self.recent.add(row)

    @property
    def latest(self) -> Mapping[str, Row]:
        """The newest reading of each device, heard or read from the store."""
        return self._latest

    @property
    def from_store(self) -> AbstractSet[str]:
        """Devices of which nothing was heard since the start."""
        return self._from_store

    def picture(self) -> LivePicture:
        """What is going on now."""
        now_ms = self._clock.now_ms()
        self._sum_today(now_ms)
        sites: list[LiveSite] = []
        communities: list[tuple[CommunityBalance, CommunityToday]] = []
        for community in self._directory.communities.values():
            own = [self._current(site.id, now_ms) for site in community.sites]
            balance = community_balance(community, [site.balance for site in own], now_ms)
            communities.append((balance, self._todays[community.id]))
            sites.extend(own)
        sites.extend(self._current(name, now_ms) for name, _ in self._unregistered())
        return LivePicture(communities, sites)

    @property
    def waiting(self) -> bool:
        """Whether more was heard than `take_news` has told: it is told soon, when asked again."""
        return bool(self._changed)

    def take_news(self) -> list[LiveSite]:
        """The sites that are not as they were when this was last asked, as they are now."""
        now_ms = self._clock.now_ms()
        soon = {name for name in self._changed if self._is_fresh(name, now_ms)}
        for name in self._changed - soon:
            if name in self._directory.places or self._is_shown(name):
                self._current(name, now_ms)
        self._changed = soon
        news, self._news = self._news, {}
        return list(news.values())

    def repeat_all(self) -> None:
        """Makes news of every site again."""
        self._news = {name: shown.site for name, shown in self._shown.items()}

    def quarter(self, site: str) -> SiteEnergy | None:
        """Energy of `site` in the running quarter-hour, as far as it was summed; None: unknown."""
        return self._parts.get(site, {}).get(quarter_start(self._clock.now_ms()))

    def power_w(self, device: str) -> float | None:
        """What `device` said it did last, W."""
        value = self._latest[device].values.get("power_w") if device in self._latest else None
        return float(value) if isinstance(value, int | float) else None

    def heard_at(self, device: str) -> int | None:
        """Time of the newest reading of `device`, ms UTC."""
        latest = self._latest.get(device)
        return latest.t if latest else None

    def _take(self, rows: Iterable[Row], latest_ms: int) -> None:
        latest, add = self._latest, self.recent.add
        here = ""  # the site of the row before: most often the same
        for row in rows:
            device, t = row.tags.device, row.t
            known = latest.get(device)
            if t > latest_ms or (known is not None and t <= known.t):
                continue
            if known is not None:
                self._before[device] = known.t
            latest[device] = row
            add(row)
            if row.tags.site != here:
                here = row.tags.site
                self._changed.add(here)
            if self._from_store:
                self._from_store.discard(device)

    def _interval_s(self, device: str) -> float:
        """Time between the last two readings of `device`; 0 when there was one only."""
        before = self._before.get(device)
        return 0.0 if before is None else min(900.0, (self._latest[device].t - before) / 1000)

    def _current(self, name: str, now_ms: int) -> LiveSite:
        """A site now; computed again when something was heard of it, has gone stale, or was not said for long."""
        shown = self._shown.get(name)
        if shown is None or now_ms > shown.until or name in self._changed:
            self._changed.discard(name)
            shown = self._shown[name] = self._compute(name, now_ms)
            self._news[name] = shown.site
        return shown.site

    def _is_fresh(self, name: str, now_ms: int) -> bool:
        shown = self._shown.get(name)
        return shown is not None and 0 <= now_ms - shown.t < _AGAIN_MS

    def _compute(self, name: str, now_ms: int) -> _Shown:
        place = self._directory.places.get(name)
        community = place.community.id if place else self._directory.community_of(name) or ""
        site = place.site if place else self._unregistered_site(name)
        balance = site_balance(site, community, observe(site, self._latest, now_ms), now_ms)
        from_store = frozenset(device.id for device in balance.devices if device.id in self._from_store)
        today = self._site_todays.get(name) or site_today({})
        live = LiveSite(balance, today, from_store, place is not None, self._running.get(name))
        until = now_ms + round(_REPEAT_MS * self._clock.speed)
        for device, now in zip(site.devices, balance.devices, strict=True):
            if now.t is not None and not now.stale:
                until = min(until, now.t + round(STALE_INTERVALS * device.interval_s * 1000))
        return _Shown(live, now_ms, until)

    def _unregistered(self) -> Iterable[tuple[str, str]]:
        """(site, community) of those in no configuration that are shown."""
        for name in list(self._directory.unregistered):
            if name not in self._directory.places and self._is_shown(name):
                yield name, self._directory.community_of(name) or ""

    def _is_shown(self, name: str) -> bool:
        ours = self._directory.community_of(name) in self._directory.communities
        return ours and _SHOWABLE.fullmatch(name) is not None

    def _unregistered_site(self, name: str) -> Site:
        """A site as its own messages describe it: roles from the names of its devices, intervals as observed."""
        return Site.model_construct(
            id=name,
            name=name,
            gateway="",
            devices=tuple(
                Device.model_construct(
                    id=tags.device.partition("/")[2],
                    role=tags.role,
                    interval_s=max(10.0, self._interval_s(tags.device)),
                    capacity_wh=None,
                )
                for tags in self._directory.unregistered[name].values()
                if tags.role is not None
            ),
        )

    def _sum_today(self, now_ms: int) -> None:
        """Sums a share of sites and communities in every picture, each one every `_TODAY_S`; all in the first."""
        turn, every = self._pictures % self._spread, self._pictures == 0
        if turn == 0:
            self.today.forget(now_ms)
        for index, (site, community) in enumerate(self._summed_sites()):
            if every or index % self._spread == turn or site not in self._parts:
                self._sum_site(site, self._directory.communities[community].timezone, now_ms)
        for index, served in enumerate(self._directory.communities.values()):
            if every or index % self._spread == turn:
                self._todays[served.id] = community_today([self._parts.get(site.id, {}) for site in served.sites])
        self._pictures += 1

    def _sum_site(self, site: str, timezone: str, now_ms: int) -> None:
        midnight, _ = local_day(now_ms, timezone)
        devices = [(tags.device, tags.role) for tags in self._directory.devices_of(site) if tags.role]
        parts = self.today.parts(site, devices, midnight, now_ms)
        running = self.today.running(devices, quarter_start(now_ms))
        if running != self._running.get(site):
            self._running[site] = running
            self._changed.add(site)
        if parts != self._parts.get(site):
            self._parts[site] = parts
            self._site_todays[site] = site_today(parts)
            self._changed.add(site)

    def _summed_sites(self) -> Iterable[tuple[str, str]]:
        for name, place in self._directory.places.items():
            yield name, place.community.id
        yield from self._unregistered()
