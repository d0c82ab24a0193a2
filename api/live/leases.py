"""Leases as seen on the wire: who holds which device now, with the trail of what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from api.rights import Scope, sees
from energy.languages import LANGUAGES
from energy.reasons import in_words
from messaging.codec import Command, CommandResult

__all__ = ["ACTIVE", "Lease", "Leases"]

ACTIVE: Final = frozenset({"asked", "applied"})
_GRACE_MS: Final = 60_000  # how long an ended lease is kept for a late result


@dataclass(slots=True)
class Lease:
    """A lease as the API shows it: `view` is the Command object of the API. `gateway`: whom it was asked of."""

    community: str
    gateway: str | None
    view: dict[str, Any]

    @property
    def site(self) -> str:
        """Where its device is."""
        return str(self.view["device"]).partition("/")[0]

    def active(self, now_ms: int) -> bool:
        """Whether it may still hold the device."""
        return self.view["state"] in ACTIVE and self.view["ends_at"] is not None and self.view["ends_at"] > now_ms


class Leases:
    """Leases by id, forgotten a while after they ended."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    def restore(self, community: str, gateway: str | None, view: dict[str, Any]) -> None:
        """Takes over a lease known from before, whose trail goes on."""
        self._leases.setdefault(view["id"], Lease(community, gateway, {**_told(view), "trail": list(view["trail"])}))

    def asked(self, community: str, gateway: str, command: Command, now_ms: int) -> Lease:
        """A lease was asked for."""
        self._forget(now_ms)
        view = {
            "id": command.id,
            "device": command.device,
            "set": dict(command.set),
            "ttl_s": command.ttl_s,
            "issued_by": command.issued_by,
            "reason": command.reason,
            "t": command.t,
            "state": "asked",
            "ends_at": command.t + int(command.ttl_s * 1000),
            "trail": [{"t": command.t, "state": "asked", "reason": command.reason}],
        }
        return self._leases.setdefault(command.id, Lease(community, gateway, _told(view)))

    def answered(self, community: str, gateway: str, result: CommandResult) -> Lease | None:
        """The gateway told what became of a lease; None when it is not known here, or another gateway's."""
        lease = self._leases.get(result.id)
        if lease is None or (lease.community, lease.gateway) != (community, gateway):
            return None
        lease.view["state"] = result.state
        if result.state not in ACTIVE:
            lease.view["ends_at"] = result.t
        lease.view["trail"].append({"t": result.t, "state": result.state, "reason": result.reason})
        return lease

    def active(self, scope: Scope, now_ms: int) -> list[dict[str, Any]]:
        """What is in force now in the places of `scope`, newest first."""
        views = [lease.view for lease in self._visible(scope) if lease.active(now_ms)]
        return sorted(views, key=lambda view: (view["t"], view["id"]), reverse=True)

    def _visible(self, scope: Scope) -> Iterable[Lease]:
        return (lease for lease in self._leases.values() if sees(scope, lease.community, lease.site))

    def _forget(self, now_ms: int) -> None:
        ended = [name for name, lease in self._leases.items() if (lease.view["ends_at"] or 0) + _GRACE_MS < now_ms]
        for name in ended:
            del self._leases[name]


def _told(view: dict[str, Any]) -> dict[str, Any]:
    """The view with its reason in every language; what a person or another program wrote stays in all of them as it is."""
    return {**view, "reasons": {language: in_words(view["reason"], language) for language in LANGUAGES}}
