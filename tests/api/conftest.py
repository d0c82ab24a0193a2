"""A whole API over a real store and register in a temporary folder, with a clock set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.keys import KeyStore
from api.live.feed import LiveFeed
from api.settings import ApiSettings
from energy.community import Community, Device
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS
from messaging.connection import Message
from runtime.clock import ManualClock
from storage.history import DeviceQuarter, DeviceTags, Row, SiteQuarter
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.keys import create, revoke

ROLES = ("viewer", "operator", "participant", "technician", "councillor", "gateway")
NOW = 1_750_000_500_000  # 2025-06-15 15:15:00 UTC, 17:15 in Brussels; starts a quarter-hour
DAY = 86_400_000


def site(site_id: str, gateway: str) -> dict[str, Any]:
    return {
        "id": site_id,
        "name": f"Hall {site_id}",
        "kind": "town_hall",
        "gateway": gateway,
        "latitude": 50.83,
        "longitude": 4.37,
        "floor_area_m2": 1000,
        "opening_hours": "Mo-Fr 08:00-18:00",
        "supplies": ["electricity", "gas"],
        "meters": [{"id": "gas", "carrier": "gas", "unit": "kWh", "digits": 7}],
        "devices": [
            {"id": "grid", "role": "grid", "interval_s": 10},
            {"id": "pv", "role": "pv", "interval_s": 10, "rated_w": 10_000},
            {"id": "battery", "role": "battery", "interval_s": 10, "capacity_wh": 20_000},
        ],
    }


COMMUNITIES = (
    Community.model_validate(
        {
            "id": "ixelles",
            "name": "Ixelles",
            "municipality": "Ixelles",
            "sites": [site("ixl-hall", "gw-ixl"), site("ixl-pool", "gw-ixl-2")],
        }
    ),
    Community.model_validate(
        {
            "id": "schaerbeek",
            "name": "Schaerbeek",
            "municipality": "Schaerbeek",
            "sites": [site("sch-hall", "gw-sch")],
        }
    ),
)


def live_site(community: str, site_id: str, t: int, **values: Any) -> dict[str, Any]:
    """A live site object as the collector publishes it."""
    return {
        "id": site_id,
        "community": community,
        "t": t,
        "pv_w": 5120.0,
        "grid_w": -300.0,
        "battery_w": 0.0,
        "consumption_w": 4820.0,
        "soc_pct": 55.0,
        "self_sufficiency": 1.0,
        "self_consumption": 0.94,
        "quality": "measured",
        "stale": [],
        "devices": [
            {
                "id": f"{site_id}/pv",
                "role": "pv",
                "t": t,
                "power_w": 5120.0,
                "soc_pct": None,
                "state": "mppt",
                "stale": False,
                "historical": False,
            }
        ],
        "today": {
            "pv_wh": 20_000.0,
            "import_wh": 10.0,
            "export_wh": 500.0,
            "charge_wh": 0.0,
            "discharge_wh": 0.0,
            "consumption_wh": 19_510.0,
            "self_sufficiency": 0.99,
            "quality": "measured",
        },
    } | values


def live_community(community: str, t: int, **values: Any) -> dict[str, Any]:
    """A live community object as the collector publishes it."""
    return {
        "id": community,
        "t": t,
        "pv_w": 5120.0,
        "grid_w": -300.0,
        "battery_w": 0.0,
        "consumption_w": 4820.0,
        "shared_w": 0.0,
        "surplus_w": 300.0,
        "import_w": 0.0,
        "self_sufficiency": 1.0,
        "self_consumption": 0.94,
        "quality": "measured",
        "stale": [],
        "known": {"pv_w": 5120.0, "grid_w": -300.0, "battery_w": 0.0, "consumption_w": 4820.0, "sites": 2, "of": 2},
        "today": {
            "pv_wh": 1.0,
            "import_wh": 1.0,
            "export_wh": 1.0,
            "shared_wh": 1.0,
            "consumption_wh": 1.0,
            "self_sufficiency": 1.0,
            "quality": "measured",
        },
    } | values


def alert(community: str, alert_id: str, t: int, **values: Any) -> dict[str, Any]:
    """An alert as register and wire hold it."""
    return {
        "id": alert_id,
        "rule": "surplus",
        "community": community,
        "severity": "warning",
        "state": "firing",
        "metric": "surplus_w",
        "value": 12_000.0,
        "raise_above": 10_000.0,
        "clear_below": 5_000.0,
        "since": t,
        "raised_at": t,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "cleared_at": None,
        "actions": [],
        "evidence": [{"t": t, "event": "raised", "text": "surplus 12.0 kW above 10.0 kW"}],
    } | values


def tags(community: str, device: str, role: Role | None) -> DeviceTags:
    return DeviceTags(community, device.partition("/")[0], device, role)


class Keys(KeyStore):
    """Keys that a test makes and ends, known to the API at once."""

    def __init__(self, register: Register, clock: ManualClock) -> None:
        self.database = register.database
        self.clock = clock
        super().__init__(register.database, COMMUNITIES, clock)

    def create(self, name: str, role: str, communities: Sequence[str] = (), **more: Any) -> str:
        with self.database.write() as connection:
            now = self.clock.now_ms()
            made = create(connection, name, role, communities=communities, by="a test", now_ms=now, **more)
        self.look()
        return made

    def revoke(self, name: str) -> bool:
        with self.database.write() as connection:
            done = revoke(connection, name, by="a test", now_ms=self.clock.now_ms())
        self.look()
        return done


@dataclass
class Api:
    """The app and all it stands on."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    live: LiveFeed
    history: SqliteHistory
    register: Register
    keys: Keys
    headers: dict[str, dict[str, str]]  # by role, of all communities; `ixelles`, `schaerbeek`: viewers of one

    async def get(self, path: str, role: str = "viewer", **parameters: Any) -> httpx.Response:
        return await self.client.get(path, params=parameters or None, headers=self.headers[role])

    async def publish(self, topic: str, payload: Any, *, retained: bool = False) -> None:
        """A message as the broker would hand it on."""
        body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        self.live.on_messages([Message(topic, body, retained)])

    async def publish_live(self, community: str, site_id: str, **values: Any) -> None:
        now = self.clock.now_ms()
        await self.publish(f"cw/v1/{community}/live/site/{site_id}", live_site(community, site_id, now, **values))
        await self.publish(f"cw/v1/{community}/live/community", live_community(community, now))

    def write(self, device: str, t: int, community: str = "ixelles", role: Role | None = None, **values: Any) -> None:
        role = role or Role.from_device_name(device.partition("/")[2])
        self.history.write([Row(tags(community, device, role), t, values)])

    def write_power(self, device: str, start: int, powers: list[float | None], every_ms: int = 10_000) -> None:
        """Readings from `start`; None: no reading."""
        role = Role.from_device_name(device.partition("/")[2])
        known = tags("ixelles", device, role)
        self.history.write(
            [
                Row(known, start + index * every_ms, {"power_w": power})
                for index, power in enumerate(powers)
                if power is not None
            ]
        )

    def write_quarters(self, site_id: str, start: int, count: int, community: str = "ixelles", **wh: Any) -> None:
        """The same quarter-hour `count` times from `start`."""
        flows = {"pv_wh": 1000.0, "import_wh": 200.0, "export_wh": 100.0, "charge_wh": 50.0, "discharge_wh": 25.0}
        energy = flows | {"consumption_wh": 1075.0} | wh
        self.history.write_quarters(
            [
                DeviceQuarter(
                    tags(community, f"{site_id}/pv", Role.PV), start + n * QUARTER_MS, 0.0, 1000.0, Quality.MEASURED
                )
                for n in range(count)
            ],
            [
                SiteQuarter(community, site_id, start + n * QUARTER_MS, **energy, quality=Quality.MEASURED)
                for n in range(count)
            ],
        )

    def command(self, command_id: str, device: str, ttl_s: float = 60) -> None:
        now = self.clock.now_ms()
        self.register.record_command(
            command_id,
            device,
            {"power_w": -3000},
            ttl_s,
            issued_by="somebody",
            reason="a test",
            t=now,
            ends_at=now + int(ttl_s * 1000),
        )


def add_devices(api: Api, site_id: str, more: Sequence[Device]) -> None:
    """Gives a site of the configuration these devices as well."""
    context = api.app.state.context
    changed = []
    for community in context.communities:
        sites = tuple(
            site.model_copy(update={"devices": (*site.devices, *more)}) if site.id == site_id else site
            for site in community.sites
        )
        changed.append(community.model_copy(update={"sites": sites}))
    object.__setattr__(context, "communities", changed)


def bearer(plaintext: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plaintext}"}


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    return ApiSettings(port=0, keys_file=tmp_path / "keys.json", page_dir=tmp_path / "page", rate_per_s=0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[SqliteHistory]:
    store = SqliteHistory(tmp_path / "history.db")
    yield store
    store.close()


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    opened = Register(tmp_path / "register.db")
    yield opened
    opened.close()


@pytest.fixture
def keys(register: Register, clock: ManualClock) -> Keys:
    return Keys(register, clock)


@pytest.fixture
def headers(keys: Keys) -> dict[str, dict[str, str]]:
    every = {role: bearer(keys.create(role, role, ["*"])) for role in ROLES}
    one = {name: bearer(keys.create(name, "viewer", [name])) for name in ("ixelles", "schaerbeek")}
    operators = {f"{name}-operator": bearer(keys.create(f"{name}-operator", "operator", [name])) for name in one}
    return every | one | operators


@pytest.fixture
async def api(
    settings: ApiSettings,
    clock: ManualClock,
    history: SqliteHistory,
    register: Register,
    keys: Keys,
    headers: dict[str, dict[str, str]],
) -> AsyncIterator[Api]:
    live = LiveFeed(COMMUNITIES, clock)
    app = create_app(settings, COMMUNITIES, history, register, clock, live, keys)
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield Api(app, client, clock, live, history, register, keys, headers)
