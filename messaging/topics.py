"""Topics of the wire: `cw/v1/{community}/{gateway}/{channel}` and the centre's retained `live` and `alerts`."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from energy.errors import DataError

__all__ = [
    "ROOT",
    "GatewayTopic",
    "ack",
    "alert",
    "command",
    "data",
    "live_balancer",
    "live_collector",
    "live_community",
    "live_plan",
    "live_site",
    "parse_gateway_topic",
    "result",
    "state",
    "status",
]

ROOT: Final = "cw/v1"
_CHANNELS: Final = frozenset({"status", "data", "ack", "command", "command/result"})
_CENTRE_LEVELS: Final = frozenset({"live", "alerts"})


class GatewayTopic(NamedTuple):
    """Who speaks on a gateway topic, and on which channel."""

    community: str
    gateway: str
    channel: str


def state(community: str, gateway: str, device: str) -> str:
    """Retained: the newest reading of one device, published only where Home Assistant discovery is switched on."""
    return f"{ROOT}/{community}/{gateway}/state/{device}"


def status(community: str, gateway: str) -> str:
    """Retained, last will: is the gateway there and how is it."""
    return f"{ROOT}/{community}/{gateway}/status"


def data(community: str, gateway: str) -> str:
    """Batches of readings."""
    return f"{ROOT}/{community}/{gateway}/data"


def ack(community: str, gateway: str) -> str:
    """Batches the store has."""
    return f"{ROOT}/{community}/{gateway}/ack"


def command(community: str, gateway: str) -> str:
    """Leases asked of a gateway's devices; never retained."""
    return f"{ROOT}/{community}/{gateway}/command"


def result(community: str, gateway: str) -> str:
    """What became of a lease."""
    return f"{ROOT}/{community}/{gateway}/command/result"


def live_site(community: str, site: str) -> str:
    """Retained: the live balance of one site."""
    return f"{ROOT}/{community}/live/site/{site}"


def live_balancer(community: str) -> str:
    """Retained: what the balancer decided, and why, and the limits it keeps."""
    return f"{ROOT}/{community}/live/balancer"


def live_collector(community: str) -> str:
    """Retained: which collector serves, where several stand by for each other; taken away by its last will."""
    return f"{ROOT}/{community}/live/collector"


def live_community(community: str) -> str:
    """Retained: the live balance of the community."""
    return f"{ROOT}/{community}/live/community"


def live_plan(community: str) -> str:
    """Retained: the newest plan of the community."""
    return f"{ROOT}/{community}/live/plan"


def alert(community: str, alert_id: str) -> str:
    """Retained: one alert, as the API shows it."""
    return f"{ROOT}/{community}/alerts/{alert_id}"


@lru_cache(maxsize=65_536)  # a gateway says the same few topics for ever
def parse_gateway_topic(topic: str) -> GatewayTopic:
    """Splits a gateway topic. Raises DataError when it is none."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[3] in _CENTRE_LEVELS or parts[4] not in _CHANNELS:
        raise DataError(
            f"{topic!r} is no gateway topic", field="topic", hint=f"publish on {ROOT}/<community>/<gateway>/data"
        )
    return GatewayTopic(parts[2], parts[3], parts[4])
