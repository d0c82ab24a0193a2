"""What the rules are told: live readings, statuses of gateways, leases in force, this machine. Never anything historical."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collector.live import LivePicture, LiveState
from collector.nights import Nights
from energy.alerts.facts import Facts, GatewayNow, HostNow, Seen, Setpoint
from energy.alerts.subjects import want_windows
from energy.alerts.windows import Windows
from energy.community import Community
from energy.errors import ConfigError
from messaging.codec import Command, CommandResult, Status
from runtime.certificates import read_certificate
from storage.history import Row

__all__ = ["Senses", "look_at_host"]

log = logging.getLogger(__name__)

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A lease on the wire: what power it sets, if any, and until when at most (ms UTC)."""

    device: str
    power_w: float | None
    ends: int


class Senses:
    """Collects for all communities; `facts` gives one community's as they are now."""

    def __init__(self, communities: Iterable[Community], live: LiveState, now_ms: int) -> None:
        self.host = HostNow()
        self.nights: Nights = {}
        self.reopened: Mapping[str, int] = {}
        self._live = live
        self._started = now_ms
        self._connected = False
        self._windows: dict[str, Windows] = {}
        self._gateways: dict[str, dict[str, GatewayNow]] = {}
        self._asked: dict[str, _Asked] = {}
        self._setpoints: dict[str, tuple[str, Setpoint]] = {}  # by device: command and what it set
        for community in communities:
            self._windows[community.id] = windows = Windows()
            for rule in community.rules:
                want_windows(rule, community, windows)
        self._wanted = {key: windows for windows in self._windows.values() for key in windows.wanted}

    def hear(self, rows: Iterable[Row]) -> None:
        """Takes live readings in."""
        for row in rows:
            windows = self._wanted.get(row.tags.device)
            if windows is not None:
                windows.add(row.tags.device, row.t, row.values)

    def connection(self, *, connected: bool, now_ms: int) -> None:
        """The broker came or went. What was silent while it was away was perhaps only not heard."""
        if connected and not self._connected:
            self._started = now_ms
        self._connected = connected

    def status(self, community: str, gateway: str, status: Status, now_ms: int) -> None:
        """What a gateway says of itself, or its last will of it."""
        known = self._gateways.setdefault(community, {})
        before = known.get(gateway)
        since = before.since if before is not None and before.online is status.online else now_ms
        until = status.certificate_until  # its last will does not tell
        if until is None and before is not None and not status.online:
            until = before.certificate_until
        known[gateway] = GatewayNow(status.online, since, status.outbox.oldest if status.online else None, until)

    def told_nights(self, nights: Nights) -> None:
        """What nights are usually like."""
        self.nights = nights

    def told_reopened(self, reopened: Mapping[str, int]) -> None:
        """How many settled months of each community late readings contradict."""
        self.reopened = reopened

    def command_seen(self, command: Command, now_ms: int) -> None:
        """A lease asked for, by whomever; one without time ends what the device was under."""
        if command.ttl_s <= 0:
            self._setpoints.pop(command.device, None)
            self._asked = {name: asked for name, asked in self._asked.items() if asked.device != command.device}
            return
        power = command.set.get("power_w")
        wanted = float(power) if isinstance(power, int | float) else None
        self._asked[command.id] = _Asked(command.device, wanted, now_ms + round(command.ttl_s * 1000))

    def result(self, result: CommandResult, now_ms: int) -> None:
        """What became of a lease."""
        asked = self._asked.get(result.id)
        if asked is None:
            return
        if result.state != "applied":
            del self._asked[result.id]
            if self._setpoints.get(asked.device, ("",))[0] == result.id:
                del self._setpoints[asked.device]
        elif asked.power_w is not None:
            _, before = self._setpoints.get(asked.device, ("", None))
            same = before is not None and before.power_w == asked.power_w
            since = before.since if before is not None and same else now_ms
            self._setpoints[asked.device] = (result.id, Setpoint(asked.power_w, since))

    def facts(self, community: Community, picture: LivePicture, now_ms: int) -> Facts:
        """Everything about one community at `now_ms`."""
        self._expire(now_ms)
        balance = next(balance for balance, _ in picture.communities if balance.id == community.id)
        facts = Facts(
            now=now_ms,
            started=self._started,
            connected=self._connected,
            community=community,
            balance=balance,
            sites={site.balance.id: site.balance for site in picture.sites if site.balance.community == community.id},
            devices=_LiveDevices(self._live),
            gateways=self._gateways.get(community.id, {}),
            setpoints={device: setpoint for device, (_, setpoint) in self._setpoints.items()},
            leased=frozenset(asked.device for asked in self._asked.values()),
            windows=self._windows[community.id],
            host=self.host,
            reopened=self.reopened.get(community.id),
            nights=self.nights,
        )
        facts.remember()
        return facts

    def _expire(self, now_ms: int) -> None:
        for name, asked in list(self._asked.items()):
            if asked.ends <= now_ms:
                del self._asked[name]
                if self._setpoints.get(asked.device, ("",))[0] == name:
                    del self._setpoints[asked.device]


class _LiveDevices(Mapping[str, Seen]):
    """The newest readings, looked up when a rule asks for them: there are many more devices than questions."""

    def __init__(self, live: LiveState) -> None:
        self._live = live

    def __getitem__(self, device: str) -> Seen:
        latest = self._live.latest[device]
        return Seen(latest.t, latest.values, device not in self._live.from_store)

    def __iter__(self) -> Iterator[str]:
        return iter(self._live.latest)

    def __len__(self) -> int:
        return len(self._live.latest)


def look_at_host(certificates: Sequence[Path], disks: Sequence[Path], now_ms: int) -> HostNow:
    """Days until the first of those certificates ends, and what is free on the fullest of those disks. Blocks."""
    days = [_days_left(path, now_ms) for path in certificates]
    free = [_free_pct(path) for path in disks]
    return HostNow(
        certificate_days=min((left for left in days if left is not None), default=None),
        disk_free_pct=min((left for left in free if left is not None), default=None),
    )


def _days_left(path: Path, now_ms: int) -> float | None:
    try:
        end = read_certificate(path).not_after
    except ConfigError as error:
        log.warning("how long the certificate lasts is not known: %s", error)
        return None
    return (end - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds() / _DAY_S


def _free_pct(path: Path) -> float | None:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return 100.0 * usage.free / usage.total if usage.total else None
