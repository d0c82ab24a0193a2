"""The demonstration's configuration files: the same kinds that a real installation has, written by the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.demo.past import METERS
from cli.register.command import open_database
from energy.quantities import Role
from messaging.connection import MqttSettings
from runtime.clock import SystemClock
from simulator.config import DeviceConfig, SiteConfig
from simulator.demo import DemoBuilding, DemoFleet, demo_fleet
from storage.register.database import RegisterDatabase
from storage.register.key_file import take_over
from storage.register.keys import EVERYWHERE, create, revoke
from storage.register.roles import AccessRole
from storage.register.settings import RegisterSettings

__all__ = ["DemoFiles", "write_files"]

_PROFILES = {
    "sunspec-inverter": "sunspec-inverter-103",
    "sunspec-storage": "sunspec-storage-704",
    "sdm630": "eastron-sdm630",
    "alfen-ng9xx": "alfen-ng9xx",
    "sg-ready-heat-pump": "sg-ready-relay",
    "relay-lighting": "lighting-relay",
}
_SHORTEST_LEASE_S = 60
_LONGEST_LEASE_S = 300

_SURPLUS_RAISE_W, _SURPLUS_CLEAR_W = 12_000, 1_000
_IMPORT_RAISE_W, _IMPORT_CLEAR_W = 90_000, 70_000
_CAR_RAISE_W, _CAR_CLEAR_W = 1_000, 500
_LIMITS = {  # by the end of a site's name: what its connection bears and what it is to keep
    "depot": {"fuse_a": 300, "import_limit_w": 60_000},
    "social-housing": {"import_limit_w": 100_000, "peak_limit_w": 100_000},
}
_TARIFF = {"import_eur_kwh": 0.32, "feed_in_eur_kwh": 0.05, "shared_fee_eur_kwh": 0.06}
_SWITCHES_PHASES = frozenset({"ev-2"})
_WAITS = {"brussels-depot/ev-2": {"charge": "by_deadline", "ready_by": "07:00"}}  # its cars may be told what they want
_CHARGER_W, _CHARGER_SAFE_A = 11_040, 10.0  # 16 A on three phases instead of 10 A


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """Where the files are; `operator_key` is the plaintext of the key made for this folder."""

    simulator: Path
    centre: Path
    gateways: tuple[Path, ...]
    processes: Path
    control_port: int
    operator_key: str
    fleet: DemoFleet


def write_files(
    folder: Path,
    *,
    sites: int,
    mqtt: MqttSettings,
    api_port: int,
    interval_s: float,
    history_start: int,
    live_start: int,
    free_port: Callable[[], int],
    speed: float = 1.0,
) -> DemoFiles:
    """Writes all configuration into `folder`. Ports are new at every start, what is measured is not touched."""
    control_port = free_port()
    fleet = demo_fleet(
        sites,
        free_port,
        state_file=folder / "simulator-state.json",
        history_start=history_start,
        live_start=live_start,
        control_port=control_port,
    )
    gateways = folder / "gateways"
    gateways.mkdir(exist_ok=True)
    for stale in gateways.glob("*.yaml"):
        stale.unlink()
    broker = mqtt.model_dump(mode="json", exclude_none=True)
    for demo_site, site in zip(fleet.sites, fleet.config.sites, strict=True):
        content = _gateway(site, demo_site.community, folder, broker, interval_s)
        _write(gateways / f"{content['gateway']}.yaml", content)
    files = DemoFiles(
        simulator=folder / "simulator.yaml",
        centre=folder / "centre.yaml",
        gateways=tuple(sorted(gateways.glob("*.yaml"))),
        processes=folder / "processes.json",
        control_port=control_port,
        operator_key=_operator_key(folder),
        fleet=fleet,
    )
    _write(files.simulator, _simulator(fleet))
    _write(folder / "factors.yaml", _factors())
    _write(files.centre, _centre(fleet, folder, broker, api_port, interval_s, speed))
    return files


def _write(path: Path, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# Written by `commonwatt demo` at every start.\n{text}", encoding="utf-8")


def _operator_key(folder: Path) -> str:
    """The key stands in the folder, readable by its owner only: a demonstration's operator must be able to find it."""
    path = folder / "operator.key"
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    now_ms = SystemClock().now_ms()
    with open_database(RegisterSettings(path=folder / "register.db")) as database:
        take_over(database, folder / "keys.json", now_ms)
        plaintext = _new_operator_key(database, now_ms)
    path.touch(mode=0o600)
    path.write_text(plaintext + "\n", encoding="utf-8")
    return plaintext


def _new_operator_key(database: RegisterDatabase, now_ms: int) -> str:
    with database.write() as connection:
        revoke(connection, "demo operator", by="demo", now_ms=now_ms)
        return create(
            connection, "demo operator", AccessRole.OPERATOR, communities=[EVERYWHERE], by="demo", now_ms=now_ms
        )


def _simulator(fleet: DemoFleet) -> dict[str, Any]:
    content: dict[str, Any] = fleet.config.model_dump(mode="json", exclude_none=True)
    for site in content["sites"]:
        for device in site["devices"]:
            if device["role"] == Role.EV:
                device["safe_current_a"] = _CHARGER_SAFE_A
    return content


def _gateway(
    site: SiteConfig, community: str, folder: Path, broker: dict[str, Any], interval_s: float
) -> dict[str, Any]:
    buses: dict[str, dict[str, Any]] = {}
    for device in site.devices:
        scheme = "rtutcp" if device.framing == "rtu" else "tcp"
        url = f"{scheme}://{device.host}:{device.port}"
        bus = buses.setdefault(url, {"id": f"bus-{len(buses) + 1}", "url": url, "timeout_s": 0.5, "devices": []})
        bus["devices"].append(
            {
                "device": f"{site.id}/{device.id}",
                "profile": _PROFILES[device.kind],
                "unit": device.unit,
                "interval_s": interval_s,
                **_limits(device),
            }
        )
    name = _gateway_id(site.id)
    return {
        "gateway": name,
        "community": community,
        "data_dir": str(folder / "edge" / name),
        "mqtt": broker,
        "commit_interval_s": min(60.0, interval_s / 2),
        "buses": list(buses.values()),
    }


def _gateway_id(site: str) -> str:
    return f"gw-{site}"


def _limits(device: DeviceConfig) -> dict[str, Any]:
    match device.role:
        case Role.BATTERY:
            return {"limits": {"power_w": {"low": -(device.rated_w or 0), "high": device.rated_w}}}
        case Role.EV:
            limits = {"power_w": {"low": 0, "high": device.rated_w}}
            return {"limits": limits, "switch_phases": device.id in _SWITCHES_PHASES}
        case Role.HEAT_PUMP:
            return {"limits": {"state": {"allowed": ["normal", "boost", "blocked"]}}}
        case Role.LIGHTING:
            return {"limits": {"state": {"allowed": ["on", "off", "dimmed"]}}}
        case _:
            return {}


def _centre(
    fleet: DemoFleet, folder: Path, broker: dict[str, Any], api_port: int, interval_s: float, speed: float
) -> dict[str, Any]:
    communities: dict[str, dict[str, Any]] = {}
    for demo_site, site in zip(fleet.sites, fleet.config.sites, strict=True):
        community = communities.setdefault(
            demo_site.community,
            {
                "id": demo_site.community,
                "name": demo_site.community_name,
                "municipality": demo_site.community_name,
                "tariff": _TARIFF,
                "balancer": _balancer(interval_s, speed),
                "sites": [],
                "rules": [],
            },
        )
        community["sites"].append(
            {
                "id": site.id,
                "name": demo_site.name,
                "kind": demo_site.kind,
                "gateway": _gateway_id(site.id),
                "latitude": demo_site.latitude,
                "longitude": demo_site.longitude,
                **_building(demo_site.building),
                **next((limits for end, limits in _LIMITS.items() if end in site.id), {}),
                "devices": [_device(site.id, device, interval_s) for device in site.devices],
            }
        )
    ttl_s = _ttl_s(interval_s)
    for community in communities.values():
        community["rules"] = [
            *_rules(community["sites"], ttl_s, interval_s),
            *_watching(community["sites"], interval_s),
        ]
    return {
        "communities": list(communities.values()),
        "mqtt": broker,
        "store": {"kind": "embedded", "path": str(folder / "history.db")},
        "register": {"path": str(folder / "register.db")},
        "collector": {"live_interval_s": min(60.0, max(1.0, interval_s / 2))},
        "buildings": {"factors": str(folder / "factors.yaml")},
        "api": {"port": api_port, "keys_file": str(folder / "keys.json"), "open_to_loopback": "viewer"},
    }


def _building(building: DemoBuilding) -> dict[str, Any]:
    meters = [
        meter.model_dump(mode="json", exclude_defaults=True)
        for meter in METERS
        if meter.carrier.value in building.supplies
    ]
    return {
        "floor_area_m2": building.area_m2,
        "opening_hours": building.opening_hours,
        "supplies": list(building.supplies),
        "meters": meters,
    }


def _factors() -> dict[str, Any]:
    """What a town would write itself; here everything is made up, and says so wherever it is shown."""
    made_up = {"evidence": "unverified", "source": "made up for this demonstration", "as_of": "2026-11-28"}
    letters = {"A": 45, "B": 95, "C": 150, "D": 210, "E": 275, "F": 345}
    kinds = ["town_hall", "school", "depot", "pool"]
    usual = {"town_hall": 95, "school": 105, "depot": 70, "pool": 480, "social_housing": 110}
    target = {"carriers": ["electricity", "gas"], "reference_year": 2023, "reduction": 0.1, "due": "2028-12-31"}
    reference = {"City of Brussels": 2_750_000, "Ixelles": 2_650_000, "Schaerbeek": 2_600_000}
    return {
        "factors": [
            {"what": "price", "carrier": "electricity", "value": 0.29, "unit": "EUR/kWh", **made_up},
            {"what": "price", "carrier": "gas", "value": 0.082, "unit": "EUR/kWh", **made_up},
            {"what": "price", "carrier": "water", "value": 5.1, "unit": "EUR/m³", **made_up},
        ],
        "scales": [{"name": "demonstration", "kinds": kinds, "bounds": letters, "beyond": "G", **made_up}],
        "benchmarks": [{"kind": kind, "kwh_m2": kwh_m2, **made_up} for kind, kwh_m2 in usual.items()],
        "targets": [
            {
                "id": f"demo-plage-{number}",
                "municipality": name,
                "reference_kwh": kwh,
                "penalty_eur_kwh": 0.06,
                **target,
                **made_up,
            }
            for number, (name, kwh) in enumerate(reference.items(), 1)
        ],
    }


def _ttl_s(interval_s: float) -> int:
    return int(min(_LONGEST_LEASE_S, max(_SHORTEST_LEASE_S, 4 * interval_s)))


def _balancer(interval_s: float, speed: float) -> dict[str, Any]:
    """With a fast clock readings are far apart, and the simulated world moves in longer steps."""
    return {
        "cycle_s": min(60.0, max(2.0, interval_s / 2)),
        "ttl_s": _ttl_s(interval_s),
        "settle_s": min(60.0, max(3.0, 0.75 * speed)),
    }


def _device(site: str, device: DeviceConfig, interval_s: float) -> dict[str, Any]:
    steered = device.role in {Role.BATTERY, Role.EV, Role.HEAT_PUMP, Role.LIGHTING}
    steer: dict[str, Any] = {"one_phase": True} if device.id in _SWITCHES_PHASES else {}
    steer |= _WAITS.get(f"{site}/{device.id}", {})
    if device.role is Role.LIGHTING:
        steer = {"switch": True, "dim_contact": True, "dim_pct": 60, "dim_from": "22:00", "dim_until": "06:00"}
    facts: dict[str, Any] = {
        "rated_w": device.rated_w,
        "capacity_wh": device.capacity_wh,
        "steer": steer if steered else None,
    }
    return {
        "id": device.id,
        "role": device.role.value,
        "interval_s": interval_s,
        **{key: value for key, value in facts.items() if value is not None},
    }


def _rules(sites: list[dict[str, Any]], ttl_s: int, interval_s: float) -> list[dict[str, Any]]:
    """Rules that act beside the balancer: what they lease is theirs while they stand."""
    first_charger = _devices(sites, Role.EV)[:1]

    def actions(devices: list[str], **wanted: float | str) -> list[dict[str, Any]]:
        return [{"device": device, "set": wanted, "ttl_s": ttl_s} for device in devices]

    return [
        {  # before the surplus, which the grid meters go on to tell: an earlier rule has the device
            "use": "device-silent",
            "id": "inverter-silent",
            "scope": {"devices": _devices(sites, Role.PV)},
            **_silence(interval_s),
            "actions": actions(first_charger, power_w=0),
        },
        {
            "id": "surplus",
            "metric": "surplus_w",
            "raise_above": _SURPLUS_RAISE_W,
            "clear_below": _SURPLUS_CLEAR_W,
            "for_s": 60,
            "severity": "info",
            "actions": actions(first_charger, power_w=_CHARGER_W),
        },
        {
            "id": "import-peak",
            "metric": "import_w",
            "raise_above": _IMPORT_RAISE_W,
            "clear_below": _IMPORT_CLEAR_W,
            "for_s": 0,
            "clear_for_s": 30,
            "severity": "warning",
            "actions": actions(first_charger, power_w=0),
        },
        {
            "id": "car-arrives",
            "kind": "quantity_above",
            "quantity": "power_w",
            "scope": {"devices": _devices(sites, Role.EV)},
            "raise_above": _CAR_RAISE_W,
            "clear_below": _CAR_CLEAR_W,
            "for_s": 0,
            "severity": "info",
            "texts": _CAR_ARRIVES,
        },
        {
            "use": "connection-near-limit",
            "for_s": 10,
            "actions": actions(_devices(sites, Role.HEAT_PUMP), state="blocked"),
        },
    ]


_CAR_ARRIVES = {
    "en": {"title": "A car charges", "means": "A car is plugged in.", "do": "Nothing: cars share what is left."},
    "fr": {
        "title": "Une voiture charge",
        "means": "Une voiture est branchée.",
        "do": "Rien : les voitures partagent ce qui reste.",
    },
    "nl": {
        "title": "Een auto laadt",
        "means": "Er is een auto aangesloten.",
        "do": "Niets: auto's delen wat overblijft.",
    },
    "de": {
        "title": "Ein Auto lädt",
        "means": "Ein Auto ist angesteckt.",
        "do": "Nichts: Autos teilen sich, was übrig ist.",
    },
}


def _silence(interval_s: float) -> dict[str, float]:
    """With a fast clock readings are far apart, and silence is longer."""
    return {"raise_above": max(60.0, 5 * interval_s), "clear_below": max(30.0, 2 * interval_s), "clear_for_s": 10.0}


def _watching(sites: list[dict[str, Any]], interval_s: float) -> list[str | dict[str, Any]]:
    """Ready rules that only tell."""
    others = [device for role in Role if role is not Role.PV for device in _devices(sites, role)]
    return [
        {"use": "device-silent", "scope": {"devices": others}, **_silence(interval_s)},
        {"use": "gateway-offline", "raise_above": max(300.0, 5 * interval_s)},
        {"use": "battery-not-following", "settle_s": max(30.0, 3 * interval_s)},
        "inverter-below-expectation",
        "phase-missing",
        "voltage-limit",
        "meters-disagree",
        "disk-ending",
        "month-reopened",
    ]


def _devices(sites: list[dict[str, Any]], role: Role) -> list[str]:
    return [
        f"{site['id']}/{device['id']}" for site in sites for device in site["devices"] if device["role"] == role.value
    ]
