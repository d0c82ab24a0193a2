"""The local rule: with the centre silent its leases reach the devices, and end when the centre speaks."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt

import pytest

from gateway.commands import Commands
from gateway.config import GatewayConfig
from gateway.control import DeviceControl
from gateway.leases import Permit
from gateway.local_rule import ISSUER, LocalRule
from gateway.metrics import Metrics
from gateway.modbus import Bus
from gateway.polling import FieldDevice
from gateway.profile import Library
from gateway.service import GatewayService
from messaging.codec import Command, Reading, encode
from runtime.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from tests.gateway.centre import NAMES, Centre, task

LIBRARY = Library()
BATTERY = 40_002 + 2 + 65 + 155 + 9  # address of model 704 behind 1 (65), 701 (153) and 713 (7)
W_SET_ENA, W_SET = BATTERY + 22, BATTERY + 24
MAX_CURRENT, CONTACTS = 1210, 0
PERMITS = {
    "site/battery": {"power_w": {"low": -5000, "high": 5000}},
    "site/ev": {"power_w": {"low": 0, "high": 11_040}},
    "site/heat_pump": {"state": {"allowed": ["normal", "blocked"]}},
}
PROFILES = {
    "site/grid": "eastron-sdm630",
    "site/battery": "sunspec-storage-704",
    "site/ev": "alfen-ng9xx",
    "site/heat_pump": "sg-ready-relay",
}


def configuration(url="tcp://127.0.0.1:502", **fallback) -> GatewayConfig:
    devices = [
        {"device": name, "profile": profile, "unit": unit, "interval_s": 10, "limits": PERMITS.get(name, {})}
        for unit, (name, profile) in enumerate(PROFILES.items(), 1)
    ]
    return GatewayConfig.model_validate(
        {
            "gateway": NAMES[1],
            "community": NAMES[0],
            "data_dir": "unused",
            "fallback": {"rule": "self_consumption", **fallback},
            "buses": [{"id": "roof", "url": url, "timeout_s": 0.2, "devices": devices}],
        }
    )


class Rig:
    """Real devices, real commands, the rule, and a clock moved by hand; what the meters say is the test's to decide."""

    def __init__(self, server, **fallback):
        self.server = server
        self.clock = ManualClock()
        self.results = []
        self.values = {}
        config = configuration(server.url, **fallback)
        self.bus = Bus(server.address, timeout_s=0.2)
        self.controls = {
            device.device: DeviceControl(
                FieldDevice(device.device, device.unit, LIBRARY.get(device.profile), 10.0),
                self.bus,
                {name: Permit("", limit.low, limit.high, limit.allowed) for name, limit in device.limits.items()},
                self.clock,
                self.tell,
            )
            for device in config.buses[0].devices
            if device.limits
        }
        self.commands = Commands(list(self.controls.values()), self.clock, self.tell, Metrics())
        self.rule = LocalRule(config, LIBRARY, self.commands, self.clock)
        self.tasks = [asyncio.create_task(run()) for run in (self.commands.run, self.rule.run)]

    def tell(self, result):
        told = self.rule.told(result)
        if told is not None:
            self.results.append(told)

    def read(self, device, **values):
        """What the meter says from now on; None: it is silent."""
        self.values[device] = values

    async def advance(self, seconds):
        """Lets time pass second by second, a reading of every device each ten, real time for the answers between."""
        for _ in range(round(seconds)):
            if round(self.clock.monotonic()) % 10 == 0:
                for device, values in self.values.items():
                    self.rule.observe(Reading(f"site/{device}", self.clock.now_ms(), values))
            await self.clock.advance(1)
            await asyncio.sleep(0.004)
        await asyncio.sleep(0.05)

    def words(self, device, address, count=1, function="holding"):
        unit = list(PROFILES).index(f"site/{device}") + 1
        return self.server.units[unit].words(function, address, count)

    @property
    def setpoint_w(self):
        """What the battery is told, None without setpoint."""
        high, low = self.words("battery", W_SET, 2)
        return (
            (high << 16 | low) - (1 << 32 if high & 0x8000 else 0) if self.words("battery", W_SET_ENA) == [1] else None
        )

    @property
    def told(self):
        return [(result.state, result.reason) for result in self.results]

    async def close(self):
        for running in self.tasks:
            running.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.bus.close()


@pytest.fixture
async def rig(serve, devices, until):
    """Makes a rig with everything safe; cancelled at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**fallback) -> Rig:
            units = [devices.sdm630(), devices.storage(), devices.charger(), devices.heat_pump()]
            made = Rig(await serve(dict(enumerate(units, 1))), **fallback)
            stack.push_async_callback(made.close)
            await until(lambda: all(control.safe for control in made.controls.values()))
            return made

        yield make


async def test_silence_lets_the_battery_follow_the_meter_and_not_before(rig):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(59)
    assert made.setpoint_w is None
    assert not made.rule.active
    await made.advance(3)
    assert made.setpoint_w == -3000
    made.read("grid", power_w=2000.0)
    made.read("battery", power_w=-3000, soc_pct=50.0)
    await made.advance(12)
    assert made.setpoint_w == -1000
    assert [state for state, _ in made.told] == ["applied", "reverted", "applied"]
    assert made.told[0][1].startswith("site/battery: power_w = -3000.0 for 60 s, read back")
    assert made.told[0][1].endswith(f"({ISSUER}: charges from the surplus)")


async def test_setpoint_that_goes_on_is_renewed_and_told_once(rig):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(62)
    made.read("grid", power_w=0.0)
    made.read("battery", power_w=-3000, soc_pct=50.0)
    await made.advance(200)
    assert made.setpoint_w == -3000
    assert len(made.results) == 1
    made.rule.heard()
    await made.advance(1)
    assert made.setpoint_w is None
    assert [(result.id, result.state) for result in made.results] == [
        (made.results[0].id, "applied"),
        (made.results[0].id, "reverted"),
    ]
    assert "the centre is back" in made.told[-1][1]


async def test_rule_that_dies_leaves_a_lease_that_lapses(rig):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(62)
    assert made.setpoint_w == -3000
    made.tasks[1].cancel()
    await made.advance(61)
    assert made.setpoint_w is None
    assert made.told[-1][0] == "expired"


async def test_silent_meter_ends_the_setpoint(rig):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(62)
    assert made.setpoint_w == -3000
    del made.values["grid"]
    await made.advance(35)
    assert made.setpoint_w is None
    assert made.told[-1][0] == "reverted"
    assert "no basis" in made.told[-1][1]


async def test_centre_s_command_stands_after_the_local_lease_it_ends(rig):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(62)
    assert made.setpoint_w == -3000
    made.rule.heard()  # as the service does with every message, before it looks at it
    wanted = Command("c1", "site/battery", {"power_w": 1500}, 60.0, "centre", "", made.clock.now_ms())
    made.commands.receive(encode(wanted), retained=False)
    await made.advance(10)
    assert made.setpoint_w == 1500
    assert [state for state, _ in made.told] == ["applied", "reverted", "applied"]


async def test_centre_s_lease_that_still_stands_is_left_to_run_out(rig):
    made = await rig(after_s=20)
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    wanted = Command("c1", "site/battery", {"power_w": 1500}, 60.0, "centre", "", made.clock.now_ms())
    made.commands.receive(encode(wanted), retained=False)
    await made.advance(50)
    assert made.rule.active
    assert made.setpoint_w == 1500
    await made.advance(15)
    assert made.setpoint_w == -3000
    assert [state for state, _ in made.told] == ["applied", "expired", "applied"]


async def test_overloaded_fuse_cuts_the_charger_even_under_the_centre_s_lease(rig):
    made = await rig(after_s=20, fuse_a=25)
    made.read("grid", power_w=18_000.0, current_l1_a=27.0, current_l2_a=26.0, current_l3_a=25.0)
    made.read("ev", power_w=11_040.0)
    wanted = Command("c1", "site/ev", {"power_w": 11_040}, 300.0, "centre", "", made.clock.now_ms())
    made.commands.receive(encode(wanted), retained=False)
    await made.advance(23)
    assert made.words("ev", MAX_CURRENT, 2) == f32_words((11_040 - 2 * 690) / 690)
    assert "replaced by local-" in made.told[1][1]


async def test_heat_pump_is_blocked_over_the_import_limit_and_free_when_the_centre_is_back(rig):
    made = await rig(after_s=20, import_limit_w=5000)
    made.read("grid", power_w=7000.0)
    made.read("heat_pump", power_w=3000.0)
    await made.advance(23)
    assert made.words("heat_pump", CONTACTS, 2, "coil") == [1, 0]
    made.rule.heard()
    await made.advance(1)
    assert made.words("heat_pump", CONTACTS, 2, "coil") == [0, 0]


async def test_device_that_fails_is_told_once_and_left_alone_for_a_while(rig, until):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(58)
    made.server.units[2].exceptions = [4] * 3
    await made.advance(5)
    await until(lambda: made.results)
    await made.advance(15)
    assert [state for state, _ in made.told] == ["failed"]
    assert made.setpoint_w is None
    await made.advance(30)
    assert made.setpoint_w == -3000


@pytest.mark.parametrize("hours", [-1, 1])
async def test_wall_clock_that_steps_neither_begins_nor_ends_the_rule(rig, hours):
    made = await rig()
    made.read("grid", power_w=-3000.0)
    made.read("battery", power_w=0, soc_pct=50.0)
    await made.advance(30)
    made.clock.step_wall(hours * 3600)
    await made.advance(29)
    assert not made.rule.active
    await made.advance(3)
    assert made.setpoint_w == -3000
    made.clock.step_wall(-hours * 3600)
    await made.advance(90)
    assert made.setpoint_w == -3000
    assert "expired" not in [state for state, _ in made.told]


def f32_words(value):
    import struct

    return list(struct.unpack(">HH", struct.pack(">f", value)))


# the whole way: simulated devices, a broker that dies and comes back, a centre that confirms


def simulated(port) -> SimulatorConfig:
    site = {"id": "site", "latitude": 50.85, "longitude": 4.35, "load": {"profile": "town_hall", "annual_kwh": 15_000}}
    devices = [
        {"id": "grid", "kind": "sdm630", "role": "grid", "unit": 1},
        {"id": "pv", "kind": "sunspec-inverter", "role": "pv", "unit": 2, "rated_w": 10_000},
        {"id": "battery", "kind": "sunspec-storage", "role": "battery", "unit": 3, "rated_w": 8000, "capacity_wh": 2e4},
    ]
    site["devices"] = [{**device, "port": port} for device in devices]
    return SimulatorConfig.model_validate({"tick_s": 0.25, "sites": [site]})


def gateway(port, settings, tmp_path, clock) -> GatewayService:
    profiles = {"grid": "eastron-sdm630", "battery": "sunspec-storage-704"}
    devices = [
        {"device": f"site/{name}", "profile": profile, "unit": unit, "interval_s": 0.5}
        for (name, profile), unit in zip(profiles.items(), (1, 3), strict=True)
    ]
    devices[1]["limits"] = {"power_w": {"low": -8000, "high": 8000}}
    config = {
        "gateway": NAMES[1],
        "community": NAMES[0],
        "data_dir": str(tmp_path / "data"),
        "mqtt": settings.model_dump(mode="json"),
        "commit_interval_s": 0.5,
        "uplink": {"resend_after_s": 1},
        "fallback": {"rule": "self_consumption", "after_s": 2},
        "buses": [{"id": "roof", "url": f"tcp://127.0.0.1:{port}", "timeout_s": 0.5, "devices": devices}],
    }
    return GatewayService(GatewayConfig.model_validate(config), clock)


@pytest.mark.parametrize(("hour", "sign"), [(12, -1), (0, 1)])
async def test_battery_follows_the_site_while_the_broker_is_dead_and_results_come_when_it_is_back(
    broker, free_port, tmp_path, real_time, until, hour, sign
):
    then = dt.datetime(2026, 6, 21, hour, tzinfo=dt.UTC)
    real_time.offset_ms = round(then.timestamp() * 1000) - real_time.now_ms()
    simulator = Simulator(simulated(free_port()), real_time)
    port = simulator.config.sites[0].devices[0].port
    centre = Centre(broker.settings)
    battery = simulator.world.devices["site/battery"]

    def site():
        return simulator.truth()["sites"]["site"]

    async with task(simulator.run), task(centre.connection.run):
        await until(simulator.ready.is_set)
        service = gateway(port, broker.settings, tmp_path, real_time)
        async with task(service.run):
            await until(lambda: service.metrics.confirmed >= 6, 10)
            assert not service.local_rule.active
            assert not battery.setpoint_on
            assert site()["grid_w"] * sign > 300  # a surplus at noon, a deficit at night
            broker.kill()
            await until(lambda: service.local_rule.active, 5)
            await until(lambda: abs(site()["grid_w"]) <= 200, 15)
            assert site()["battery_w"] * sign > 300
            assert battery.setpoint_on
            broker.start()
            await until(lambda: not service.local_rule.active, 10)
            await until(lambda: not battery.setpoint_on, 5)
            await until(lambda: centre.results and centre.results[-1].state == "reverted", 5)
            assert centre.results[0].state == "applied"
            assert "site/battery: power_w = " in centre.results[0].reason
            assert ISSUER in centre.results[0].reason
            assert "the centre is back" in centre.results[-1].reason
            begun = {result.id for result in centre.results if result.state == "applied"}
            ended = {result.id for result in centre.results if result.state == "reverted"}
            assert begun == ended


# configuration


@pytest.mark.parametrize(
    ("fallback", "message"),
    [
        ({"after_s": 15}, "after_s: must be at least 20"),
        ({"soc_min_pct": 90}, "at least 10 above"),
        ({"fuse_a": 0}, "greater than 0"),
        ({"rule": "magic"}, "none"),
    ],
)
def test_fallback_that_makes_no_sense_is_refused(fallback, message):
    with pytest.raises(ValueError, match=message):
        configuration(**fallback)


@pytest.mark.parametrize(
    ("device", "changes", "message"),
    [
        ("site/grid", {"device": "site/kitchen"}, "no site has both a grid meter"),
        ("site/grid", {"device": "other/grid"}, "no site has both a grid meter"),
        ("site/grid", {"interval_s": 30}, "site/grid must be read every 20 s"),
        ("site/battery", {"interval_s": 30}, "site/battery must be read every 20 s"),
        (
            "site/ev",
            {"device": "site/grid-2", "limits": {}},
            "site: this site with a fallback rule and its grid meter stands more than once",
        ),
    ],
)
def test_fallback_that_could_never_steer_is_refused(device, changes, message):
    content = configuration().model_dump(mode="json")
    for listed in content["buses"][0]["devices"]:
        if listed["device"] == device:
            listed.update(changes)
    with pytest.raises(ValueError, match=message):
        GatewayConfig.model_validate(content)


def test_no_rule_is_the_default():
    content = configuration().model_dump(mode="json")
    del content["fallback"]
    assert GatewayConfig.model_validate(content).fallback.rule == "none"
