"""From the balancer's decision to a register of the simulator and back: collector, gateway and simulator in one loop, on real wires."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from collector.service import Collector
from collector.settings import CollectorSettings
from energy.balancing import chargers
from energy.community import Community
from gateway.config import GatewayConfig
from gateway.profile import BUILT_IN
from gateway.service import GatewayService
from runtime.clock import SystemClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from storage.dirty import DirtyQuarters
from storage.history.sqlite import SqliteHistory
from storage.register import Register
from storage.register.machines import Run, keep_run, runs

PLACE = {"latitude": 50.85, "longitude": 4.35}


async def eventually(condition, *, timeout_s=40.0):
    """The first true value of `condition`."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.05)
    return found


class Street:
    """One site with its devices, steered by a collector."""

    def __init__(self, folder: Path, mqtt, free_port) -> None:
        self.folder, self.mqtt, self.free_port = folder, mqtt, free_port
        self.clock = SystemClock()
        self.place = PLACE
        self.register = Register(folder / "register.db")
        self.history = SqliteHistory(folder / "history.db")

    def said(self, device: str) -> dict[str, float]:
        """What a device told last, as it stands in the store."""
        return {name: row.values for name, row in self.history.last([device]).items()}.get(device, {})

    def simulator(self, devices: list[dict[str, object]]) -> Simulator:
        site = {"id": "depot", **self.place, "load": {"profile": "depot", "annual_kwh": 10}, "devices": devices}
        return Simulator(SimulatorConfig.model_validate({"sites": [site], "tick_s": 0.25}), self.clock)

    def gateway(self, buses: dict[int, list[dict[str, object]]]) -> GatewayService:
        content = [
            {"id": f"bus-{port}", "url": f"tcp://127.0.0.1:{port}", "timeout_s": 1, "devices": devices}
            for port, devices in buses.items()
        ]
        config = {
            "gateway": "gw-depot", "community": "street", "data_dir": self.folder / "edge", "mqtt": self.mqtt,
            "commit_interval_s": 0.2, "profiles_dir": self.folder, "buses": content,
        }  # fmt: skip
        return GatewayService(GatewayConfig.model_validate(config), self.clock)

    def collector(self, devices: list[dict[str, object]], **site: object) -> Collector:
        community = {
            "id": "street", "name": "Street",
            "sites": [{"id": "depot", "name": "Depot", "gateway": "gw-depot", **self.place, **site, "devices": devices}],
            "balancer": {"cycle_s": 1, "ttl_s": 20, "settle_s": 0.5, "margin_pct": 0},
        }  # fmt: skip
        settings = CollectorSettings(flush_s=0.02, live_interval_s=0.2, rules_interval_s=0.2)
        marks = DirtyQuarters(self.folder / "dirty.db")
        return Collector(
            settings, [Community.model_validate(community)], self.mqtt, self.history, self.register, marks, self.clock
        )


@pytest.fixture
async def street(tmp_path, mosquitto, free_port):
    made = Street(tmp_path, mosquitto, free_port)
    yield made
    made.register.close()
    made.history.close()


@contextlib.asynccontextmanager
async def running(*services):
    """They run, and are cancelled and awaited in the opposite order."""
    tasks = []
    try:
        for service in services:
            tasks.append(asyncio.create_task(service.run()))
            await asyncio.wait([tasks[-1], asyncio.create_task(service.ready.wait())], return_when="FIRST_COMPLETED")
        yield
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def patient_for(profile: str, seconds: float, folder: Path) -> None:
    """The built-in profile with another pause between two switchings."""
    content = yaml.safe_load((BUILT_IN / f"{profile}.yaml").read_text())
    content["controls"][0]["transform"]["switch"]["pause_s"] = seconds
    (folder / f"{profile}.yaml").write_text(yaml.safe_dump(content))


async def test_little_room_is_drawn_from_one_phase_and_more_from_three(street, monkeypatch):
    monkeypatch.setattr(chargers, "_HOLD_S", 2.0)
    patient_for("alfen-ng9xx", 2, street.folder)
    meters, charging = street.free_port(), street.free_port()
    simulator = street.simulator(
        [
            {"id": "grid", "kind": "sdm630", "role": "grid", "port": meters},
            {"id": "ev-1", "kind": "alfen-ng9xx", "role": "ev", "port": charging, "rated_w": 11_040},
        ]
    )
    gateway = street.gateway(
        {
            meters: [{"device": "depot/grid", "profile": "eastron-sdm630", "interval_s": 0.5}],
            charging: [
                {
                    "device": "depot/ev-1", "profile": "alfen-ng9xx", "interval_s": 0.5, "switch_phases": True,
                    "limits": {"power_w": {"low": 0, "high": 11_040}},
                }
            ],
        }
    )  # fmt: skip
    ev = {"id": "ev-1", "role": "ev", "interval_s": 0.5, "rated_w": 11_040, "steer": {"one_phase": True}}
    collector = street.collector([{"id": "grid", "role": "grid", "interval_s": 0.5}, ev], import_limit_w=12_500)

    def charger(address, count=1):
        return simulator.registers("depot/ev-1", 3, address, count)

    async with running(simulator, gateway, collector):
        simulator.car("depot/ev-1", 50_000, 3600)
        simulator.load("depot", 9_500, 3600)
        await eventually(lambda: charger(1215) == [1])
        decision = await eventually(
            lambda: next((c for c in street.register.commands() if c.reason.startswith("May take ")), None)
        )
        assert " on one phase " in decision.reason
        assert 1_380 <= decision.set["power_w"] < 3_680
        await eventually(lambda: street.said("depot/ev-1").get("power_l1_w", 0) > 1_000)
        assert street.said("depot/ev-1")["power_l2_w"] == 0
        told = [step.reason for command in street.register.commands() for step in command.trail]
        assert any("one phase" in reason for reason in told)
        simulator.load("depot", 100, 3600)
        await eventually(lambda: charger(1215) == [3])
        await eventually(lambda: street.said("depot/ev-1")["power_l3_w"] > 1_000)


def where_it_is(solar_hour: int) -> dict[str, float]:
    """A place at which the sun stands now as it does at that hour."""
    now = datetime.now(UTC)
    longitude = 15 * (solar_hour - now.hour - now.minute / 60)
    return {"latitude": 50.85, "longitude": (longitude + 180) % 360 - 180}


@pytest.mark.parametrize(
    ("solar_hour", "state", "coils", "power_w"), [(0, "dimmed", [0, 1], 4200), (12, "off", [1, 0], 0)]
)
async def test_lamps_follow_the_sun_and_are_dimmed(street, solar_hour, state, coils, power_w):
    street.place = where_it_is(solar_hour)
    port = street.free_port()
    simulator = street.simulator(
        [
            {"id": "grid", "kind": "sdm630", "role": "grid", "port": port},
            {"id": "lighting", "kind": "relay-lighting", "role": "lighting", "port": port, "unit": 2, "rated_w": 7000},
        ]
    )
    gateway = street.gateway(
        {
            port: [
                {"device": "depot/grid", "profile": "eastron-sdm630", "interval_s": 0.5},
                {
                    "device": "depot/lighting", "profile": "lighting-relay", "unit": 2, "interval_s": 0.5,
                    "limits": {"state": {"allowed": ["on", "off", "dimmed"]}},
                },
            ]
        }
    )  # fmt: skip
    steer = {"switch": True, "dim_contact": True, "dim_pct": 60, "dim_from": "00:01", "dim_until": "00:00"}
    lamps = {"id": "lighting", "role": "lighting", "interval_s": 0.5, "rated_w": 7000, "steer": steer}
    collector = street.collector([{"id": "grid", "role": "grid", "interval_s": 0.5}, lamps])
    async with running(simulator, gateway, collector):
        await eventually(lambda: simulator.registers("depot/lighting", 1, 0, 2) == coils)
        await eventually(lambda: street.said("depot/lighting").get("state") == state)
        await eventually(lambda: street.said("depot/lighting").get("power_w") == power_w)
        (command,) = street.register.commands()
        assert command.set == {"state": state}
    assert simulator.registers("depot/lighting", 1, 0, 2) == [0, 0]  # the gateway's last act: a lit street


async def test_machine_that_somebody_wants_begins_as_planned_is_not_cut_and_ends(street):
    port, name = street.free_port(), "depot/boiler"
    simulator = street.simulator(
        [
            {"id": "grid", "kind": "sdm630", "role": "grid", "port": port},
            {"id": "boiler", "kind": "relay-machine", "role": "load", "port": port, "unit": 2, "rated_w": 2000},
        ]
    )
    gateway = street.gateway(
        {
            port: [
                {"device": "depot/grid", "profile": "eastron-sdm630", "interval_s": 0.5},
                {
                    "device": name, "profile": "waveshare-relay", "unit": 2, "interval_s": 0.5,
                    "limits": {"state": {"allowed": ["on", "off"]}},
                },
            ]
        }
    )  # fmt: skip
    boiler = {"id": "boiler", "role": "load", "interval_s": 0.5, "steer": {"run": "0.4@2000"}}
    collector = street.collector([{"id": "grid", "role": "grid", "interval_s": 0.5}, boiler])
    now_ms = street.clock.now_ms()
    with street.register.database.write() as connection:
        keep_run(connection, Run(name, now_ms, now_ms + 7_200_000, "a person", now_ms))

    def begun() -> int | None:
        with street.register.database.read() as connection:
            return next(iter(runs(connection, now_ms, [name]))).started_at

    async with running(simulator, gateway, collector):
        await eventually(lambda: simulator.registers(name, 1, 0, 1) == [1])
        started_at = await eventually(begun)
        await eventually(lambda: street.said("depot/grid").get("power_w", 0) >= 2000)
        await eventually(lambda: simulator.registers(name, 1, 0, 1) == [0])
        assert street.clock.now_ms() - started_at >= 23_000  # 24 s, through a renewal of its lease of 20 s
        on, off = sorted(street.register.commands(), key=lambda command: command.t)
        assert (on.set, on.reason, on.renewals > 0) == (
            {"state": "on"},
            "Starts: the plan finds no better time.",
            True,
        )
        assert off.set == {}
        assert "it has run" in off.reason
