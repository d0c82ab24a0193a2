"""The demonstration fleet as configuration: twelve sites of three municipalities, repeated for larger fleets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from simulator.config import ControlConfig, DeviceConfig, LoadConfig, SimulatorConfig, SiteConfig

__all__ = ["DemoBuilding", "DemoFleet", "DemoSite", "demo_fleet"]

DEGREES_APART = 0.004  # between a site and its repetition, some 400 m


@dataclass(frozen=True, slots=True)
class DemoBuilding:
    """The building of a site. `drifts`: how much more gas its boiler takes since some weeks."""

    area_m2: float
    opening_hours: str
    supplies: tuple[str, ...]
    water_m3: float
    gas_kwh: float = 0.0
    drifts: float = 0.0


@dataclass(frozen=True, slots=True)
class DemoSite:
    """What a centre's register says of a demonstration site. `original` False: it repeats another, and has no past."""

    id: str
    name: str
    kind: str
    community: str
    community_name: str
    latitude: float
    longitude: float
    building: DemoBuilding
    original: bool = True


@dataclass(frozen=True, slots=True)
class DemoFleet:
    """The simulator's configuration and what the rest of the system must know of its sites, in the same order."""

    config: SimulatorConfig
    sites: tuple[DemoSite, ...]


def demo_fleet(
    sites: int = 12,
    first_port: int | Callable[[], int] = 15020,
    *,
    seed: int = 1,
    tick_s: float = 1.0,
    state_file: Path | None = None,
    history_start: int | None = None,
    live_start: int | None = None,
    control_port: int | None = None,
) -> DemoFleet:
    """`sites` sites on ports counted from `first_port`, or given by it one by one. Instants are UTC milliseconds."""
    next_port = first_port if callable(first_port) else count(first_port).__next__
    content = _content()
    pattern = content["sites"]
    rows = [_repeat(pattern[index % len(pattern)], index // len(pattern)) for index in range(sites)]
    config = SimulatorConfig(
        seed=seed,
        tick_s=tick_s,
        state_file=state_file,
        history_start=history_start,
        live_start=live_start,
        control=None if control_port is None else ControlConfig(port=control_port),
        sites=tuple(_site(row, next_port) for row in rows),
    )
    communities = content["communities"]
    return DemoFleet(
        config,
        tuple(
            DemoSite(
                id=row["id"],
                name=row["name"],
                kind=row["kind"],
                community=row["community"],
                community_name=communities[row["community"]]["name"],
                latitude=row["latitude"],
                longitude=row["longitude"],
                building=DemoBuilding(**row["building"] | {"supplies": tuple(row["building"]["supplies"])}),
                original=index < len(pattern),
            )
            for index, row in enumerate(rows)
        ),
    )


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    text = (files("simulator") / "data" / "fleet.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _repeat(row: dict[str, Any], round_: int) -> dict[str, Any]:
    """The pattern's site for the first round, a neighbour with a number for the others."""
    if round_ == 0:
        return row
    east, north = round_ % 8, round_ // 8
    return {
        **row,
        "id": f"{row['id']}-{round_ + 1}",
        "name": f"{row['name']} {round_ + 1}",
        "latitude": round(row["latitude"] + north * DEGREES_APART, 5),
        "longitude": round(row["longitude"] + east * DEGREES_APART, 5),
    }


def _site(row: dict[str, Any], next_port: Callable[[], int]) -> SiteConfig:
    ports: dict[str, int] = {}
    devices = []
    for device in row["devices"]:
        settings = dict(device)
        bus = settings.pop("bus")
        if bus not in ports:
            ports[bus] = next_port()
        devices.append(DeviceConfig(port=ports[bus], **settings))
    return SiteConfig(
        id=row["id"],
        kind=row["kind"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        load=LoadConfig(**row["load"]),
        devices=tuple(devices),
    )
