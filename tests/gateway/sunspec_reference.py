"""pysunspec2, the SunSpec Alliance's own client, as an oracle for what registers say."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import sunspec2

FOLDER = Path(sunspec2.__file__).parent / "models" / "json"
MODELS = sorted(int(path.stem.removeprefix("model_")) for path in FOLDER.glob("model_*.json"))


def points_of(group, prefix=""):
    """Every point of pysunspec2's tree by our path."""
    for point in group.points.values():
        yield prefix + point.pdef["name"], point
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for index, one in enumerate(inner, 1):
                yield from points_of(one, f"{prefix}{name}[{index}].")
        else:
            yield from points_of(inner, f"{prefix}{name}.")


def oracle_value(point):
    """pysunspec2's computed value; None where it has none, or where its scale factor is not implemented."""
    factor = point.pdef.get("sf")
    if isinstance(factor, str):
        scale = point.group.points.get(factor) or point.model.points.get(factor)
        if scale is None or scale.value is None:
            return None
    value = point.cvalue
    if point.pdef["type"] == "ipaddr" and value is not None:
        return str(ipaddress.IPv4Address(value))
    if point.pdef["type"] == "ipv6addr" and value is not None:
        return str(ipaddress.IPv6Address(bytes.fromhex(value.replace(":", ""))))
    return value or None if isinstance(value, str) else value


def counts_of(group):
    """Names of the points that tell how often a group repeats."""
    own = {group["count"]} if isinstance(group.get("count"), str) else set()
    return own.union(*map(counts_of, group.get("groups", ())))
