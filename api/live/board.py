"""The newest live object of each site and community, and the joined bytes of GET /live, made once per change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from api.live.objects import GridQuarter, LiveObject, grid_quarter
from api.rights import Scope, sees

__all__ = ["LiveBoard", "LiveKey"]

_MAX_SCOPES: Final = 100  # cached answers: one per set of communities that some key may see
_FOREVER: Final = 1 << 62


class LiveKey(NamedTuple):
    """Which object: `kind` is also the name of its event."""

    community: str
    kind: Literal["site", "community"]
    id: str

    @property
    def site(self) -> str | None:
        """The site it is about, None for a community's."""
        return self.id if self.kind == "site" else None

    def seen_by(self, scope: Scope) -> bool:
        """Whether a reader of that scope may see it."""
        return sees(scope, self.community, self.site)


class _Answer(NamedTuple):
    newest: int | None
    good_until: int
    tail: bytes


class LiveBoard:
    """Objects by key. All instants are ms UTC."""

    def __init__(self) -> None:
        self.newest_of: dict[str, int] = {}  # by community
        self._objects: dict[LiveKey, LiveObject] = {}
        self._answers: dict[Scope, _Answer] = {}
        self._told_expired: set[LiveKey] = set()

    @property
    def newest(self) -> int | None:
        """When the newest object of all was computed; None: there is none."""
        return max(self.newest_of.values(), default=None)

    def put(self, key: LiveKey, live: LiveObject) -> None:
        """Takes a newer object."""
        self._objects[key] = live
        self.newest_of[key.community] = max(live.t, self.newest_of.get(key.community, 0))
        self._told_expired.discard(key)
        self._answers.clear()

    def remove(self, key: LiveKey) -> None:
        """Forgets an object that was withdrawn."""
        self._objects.pop(key, None)
        self._answers.clear()

    def answer(self, scope: Scope, now_ms: int) -> tuple[int | None, bytes]:
        """(newest computation among them, `"communities":[...],"sites":[...]}`) of what `scope` may see."""
        answer = self._answers.get(scope)
        if answer is None or now_ms > answer.good_until:
            answer = self._build(scope, now_ms)
            if len(self._answers) >= _MAX_SCOPES:
                self._answers.clear()
            self._answers[scope] = answer
        return answer.newest, answer.tail

    def quarters(self, community: str, now_ms: int) -> dict[str, GridQuarter]:
        """What each site of a community told of the quarter-hour that runs; those that told nothing are left out."""
        told = {
            key.id: grid_quarter(live, now_ms)
            for key, live in list(self._objects.items())  # other threads ask too
            if key.community == community and key.kind == "site"
        }
        return {site: quarter for site, quarter in told.items() if quarter is not None}

    def newly_expired(self, now_ms: int) -> Iterator[tuple[LiveKey, bytes]]:
        """Objects that have become too old to be shown as current since this was last asked."""
        for key, live in self._objects.items():
            if now_ms > live.expires and key not in self._told_expired:
                self._told_expired.add(key)
                yield key, live.at(now_ms)

    def _build(self, scope: Scope, now_ms: int) -> _Answer:
        visible = [(key, self._objects[key]) for key in sorted(self._objects) if key.seen_by(scope)]
        communities = b",".join(live.at(now_ms) for key, live in visible if key.kind == "community")
        sites = b",".join(live.at(now_ms) for key, live in visible if key.kind == "site")
        return _Answer(
            newest=max((live.t for _, live in visible), default=None),
            good_until=min((live.expires for _, live in visible if now_ms <= live.expires), default=_FOREVER),
            tail=b'"communities":[%s],"sites":[%s]}' % (communities, sites),
        )
