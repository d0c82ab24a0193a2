"""Whose lease a device is under: the rules' own ones and those seen on the wire from somebody else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from energy.reasons import say
from messaging.codec import Command, CommandResult

__all__ = ["BALANCER", "ForeignLeases", "Lease", "Order"]

BALANCER: Final = "balancer"
"""By what name the continuous balancer asks for leases."""

_RELEASED_S: Final = 300.0  # who ends a lease by hand does not want a rule to take the device at once
_ENDED: Final = frozenset({"refused", "expired", "reverted", "failed"})


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease one of our rules asked for. `ends_s`: on the monotonic clock."""

    command: Command
    ends_s: float


@dataclass(frozen=True, slots=True)
class Order:
    """A command to be recorded and then published to `gateway` of `community`."""

    community: str
    gateway: str
    command: Command


@dataclass(frozen=True, slots=True)
class _Foreign:
    id: str
    what: str
    ends_s: float
    released: bool


class ForeignLeases:
    """Leases of people and other programs. `own`: the issuers that are our rules, those of our former life included."""

    def __init__(self, own: Collection[str]) -> None:
        self._own = frozenset(own)
        self._by_device: dict[str, _Foreign] = {}

    def seen(self, command: Command, now_s: float) -> bool:
        """Takes note of a command on the wire; True when it is somebody else's."""
        if command.issued_by in self._own:
            return False
        if command.ttl_s > 0:
            lease = _Foreign(
                command.id, say("lease_person", by=command.issued_by), now_s + command.ttl_s, released=False
            )
        else:
            lease = _Foreign(
                command.id, say("release_person", by=command.issued_by), now_s + _RELEASED_S, released=True
            )
        self._by_device[command.device] = lease
        return True

    def told(self, result: CommandResult) -> None:
        """Takes note of what a gateway made of a lease."""
        if result.state in _ENDED:
            for device, lease in list(self._by_device.items()):
                if lease.id == result.id and not lease.released:
                    del self._by_device[device]

    def holder(self, device: str, now_s: float) -> str | None:
        """What keeps our rules from `device` now, in words; None when nothing does."""
        lease = self._by_device.get(device)
        if lease is None:
            return None
        if lease.ends_s <= now_s:
            del self._by_device[device]
            return None
        return lease.what
