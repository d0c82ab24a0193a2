"""Live objects kept as the bytes that came: what must be known of them is read once, the rest is never decoded."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from energy.errors import DataError

__all__ = [
    "EXPIRED_MS",
    "AlertObject",
    "GridQuarter",
    "LiveObject",
    "grid_quarter",
    "read_alert",
    "read_live",
    "without_numbers",
]

EXPIRED_MS: Final = 30_000  # three of the collector's 10 s heartbeats: older is no longer "now"
_MAX_BYTES: Final = 262_144
_KEPT: Final = frozenset({"t", "of", "start", "until"})  # numbers that stay true when the values have expired


class GridQuarter(msgspec.Struct, frozen=True):
    """What a site took from the grid and gave to it since `start`, as far as `until`: ms UTC, Wh, None: unknown."""

    start: int
    until: int
    import_wh: float | None
    export_wh: float | None


class _Running(msgspec.Struct):
    """The part of a site's live object that sharing needs."""

    quarter: GridQuarter | None = None


class _Head(msgspec.Struct):
    """What of a live object must be known: whose it is and when it was computed."""

    id: str
    t: int
    community: str | None = None


class _AlertHead(msgspec.Struct):
    id: str
    state: str
    community: str
    site: str | None = None


_running = msgspec.json.Decoder(_Running)
_head = msgspec.json.Decoder(_Head)
_alert_head = msgspec.json.Decoder(_AlertHead)


class LiveObject:
    """One site or community as it was last published. `t`: of its computation, `expires`: no longer "now"; ms UTC."""

    __slots__ = ("_expired", "expires", "raw", "t")

    def __init__(self, raw: bytes, t: int, expires: int) -> None:
        self.raw = raw
        self.t = t
        self.expires = expires
        self._expired: bytes | None = None

    def at(self, now_ms: int) -> bytes:
        """The object to show at `now_ms`: its numbers unknown once it has expired."""
        if now_ms <= self.expires:
            return self.raw
        if self._expired is None:
            self._expired = without_numbers(self.raw)
        return self._expired


def grid_quarter(live: LiveObject, now_ms: int) -> GridQuarter | None:
    """The running quarter-hour of a site's object; None where it has expired, tells none or tells it otherwise."""
    if now_ms > live.expires:
        return None
    try:
        return _running.decode(live.raw).quarter
    except msgspec.DecodeError:
        return None


def read_live(payload: bytes, object_id: str, community: str | None, good_for_ms: int = EXPIRED_MS) -> LiveObject:
    """Checks that `payload` is the object its topic names, of `community` where one is given. Raises DataError."""
    head = _decode(_head, payload)
    if head.id != object_id or community not in {None, head.community}:
        raise DataError(f"is {head.id!r} of {head.community!r}, which its topic is not", field="id")
    return LiveObject(_one_line(payload), head.t, head.t + good_for_ms)


class AlertObject(NamedTuple):
    """An alert as it came; `site`: the one it is about, None for the community's."""

    raw: bytes
    state: str
    site: str | None


def read_alert(payload: bytes, alert_id: str, community: str) -> AlertObject:
    """Checks that `payload` is the alert its topic names. Raises DataError."""
    head = _decode(_alert_head, payload)
    if head.id != alert_id or head.community != community:
        raise DataError(f"is {head.id!r} of {head.community!r}, which its topic is not", field="id")
    return AlertObject(_one_line(payload), head.state, head.site)


def without_numbers(raw: bytes) -> bytes:
    """A live object whose values are too old to be shown as current: every number null, the quality missing."""
    expired = _expire(msgspec.json.decode(raw))
    expired["quality"] = "missing"
    if isinstance(expired.get("known"), dict):  # a sum over the sites where something is known: there is none now
        expired["known"] = {name: value if name == "of" else 0 for name, value in expired["known"].items()}
    return msgspec.json.encode(expired)


def _expire(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _expire(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [_expire(item, name) for item in node]
    if isinstance(node, bool):
        return True if name == "stale" else node
    if name == "quality":
        return "missing"
    return None if name == "state" or (isinstance(node, int | float) and name not in _KEPT) else node


def _decode(decoder: msgspec.json.Decoder[Any], payload: bytes) -> Any:
    if len(payload) > _MAX_BYTES:
        raise DataError(f"has {len(payload)} bytes, at most {_MAX_BYTES} are taken", field="payload")
    try:
        msgspec.json.decode(payload)  # all of it must be JSON: it is joined into answers unread
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(str(error), field="payload") from error


def _one_line(payload: bytes) -> bytes:
    """Line ends in JSON stand only between tokens; in an event stream they would end the event."""
    return payload.replace(b"\r", b" ").replace(b"\n", b" ")
