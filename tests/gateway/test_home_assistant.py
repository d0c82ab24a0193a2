"""Home Assistant discovery: what is announced can be read there, and is taken back when it is switched off."""

from __future__ import annotations

import asyncio
import json

import jinja2
import pytest

from gateway.config import GatewayConfig
from gateway.home_assistant import HomeAssistant, HomeAssistantConfig, announcement
from gateway.profile import Library
from gateway.service import GatewayService
from messaging.codec import Reading, Status, encode
from messaging.connection import Connection
from tests.gateway.centre import task

LIBRARY = Library()
NAMES = ("brussels", "gw-1")
# "Device discovery payload", "MQTT sensor" and "Sensor: available device classes and units" of Home Assistant's documentation
TOP_KEYS = {
    "device",
    "origin",
    "components",
    "state_topic",
    "availability_topic",
    "availability_template",
}
COMPONENT_KEYS = {
    "platform",
    "unique_id",
    "name",
    "value_template",
    "expire_after",
    "unit_of_measurement",
    "device_class",
    "state_class",
}
UNITS = {
    "power": {"W"},
    "reactive_power": {"var"},
    "apparent_power": {"VA"},
    "voltage": {"V"},
    "current": {"A"},
    "frequency": {"Hz"},
    "energy": {"Wh"},
    "temperature": {"°C"},
    "irradiance": {"W/m²"},
    "battery": {"%"},
    "power_factor": {None, "%"},
    "gas": {"m³"},
    "water": {"m³"},
    None: {None, "%"},
}


class Broker:
    """What is retained."""

    def __init__(self):
        self.retained = {}

    async def publish(self, topic, payload):
        if payload:
            self.retained[topic] = payload
        else:
            self.retained.pop(topic, None)


def rendered(template, payload):
    return jinja2.Environment(autoescape=False).from_string(template).render(value_json=json.loads(payload))


@pytest.mark.parametrize("name", LIBRARY.names())
def test_announcement_has_only_documented_keys_classes_and_units(name):
    told = announcement(NAMES, "town-hall/pv", LIBRARY.get(name), 10.0, "1.0")
    assert set(told) == TOP_KEYS
    assert set(told["device"]) == {"identifiers", "name", "manufacturer", "model"}
    assert told["origin"]["name"] == "commonwatt"
    assert told["components"]
    identifiers = {component["unique_id"] for component in told["components"].values()}
    assert len(identifiers) == len(told["components"])
    for quantity, component in told["components"].items():
        assert set(component) <= COMPONENT_KEYS
        assert component["platform"] == "sensor"
        assert component.get("unit_of_measurement") in UNITS[component.get("device_class")], quantity
        counter = component.get("device_class") in {"energy", "gas", "water"}
        assert component.get("state_class") in ({"total_increasing"} if counter else {"measurement", None})


def test_templates_give_the_value_and_unknown_for_one_that_is_missing():
    components = announcement(NAMES, "s/pv", LIBRARY.get("eastron-sdm630"), 10.0, "1.0")["components"]
    payload = json.dumps({"t": 1, "v": {"power_w": -12.5}})
    assert rendered(components["power_w"]["value_template"], payload) == "-12.5"
    assert rendered(components["frequency_hz"]["value_template"], payload) == "None"
    available = announcement(NAMES, "s/pv", LIBRARY.get("eastron-sdm630"), 10.0, "1.0")["availability_template"]
    assert rendered(available, encode(Status(online=True))) == "online"
    assert rendered(available, encode(Status(online=False))) == "offline"


def announcer(tmp_path, broker, *, enabled, devices=("s/pv", "s/grid")):
    fleet = {device: (LIBRARY.get("eastron-sdm630"), 10.0) for device in devices}
    config = HomeAssistantConfig(enabled=enabled)
    return HomeAssistant(config, NAMES, fleet, tmp_path / "ha.json", broker.publish, version="1.0")


async def test_what_is_switched_off_or_gone_is_taken_back(tmp_path):
    broker = Broker()
    first = announcer(tmp_path, broker, enabled=True)
    await first.connected()
    first.observe(Reading("s/pv", 1, {"power_w": 5}))
    first.observe(Reading("s/grid", 1, {"power_w": 6}))
    await first.send()
    assert len(broker.retained) == 4
    await announcer(tmp_path, broker, enabled=True, devices=("s/pv",)).connected()
    assert set(broker.retained) == {
        "homeassistant/device/commonwatt_brussels_gw-1_s_pv/config",
        "cw/v1/brussels/gw-1/state/s/pv",
    }
    await announcer(tmp_path, broker, enabled=False).connected()
    assert broker.retained == {}
    assert not (tmp_path / "ha.json").exists()


async def test_gas_that_comes_by_the_hour_stands_beside_newer_readings(tmp_path):
    broker = Broker()
    told = announcer(tmp_path, broker, enabled=True)
    told.observe(Reading("s/grid", 1, {"gas_m3": 12.5}))
    for t in (2, 3):
        told.observe(Reading("s/grid", t, {"power_w": t}))
        await told.send()
        state = json.loads(broker.retained["cw/v1/brussels/gw-1/state/s/grid"])
        assert state == {"t": t, "v": {"power_w": t, "gas_m3": 12.5}}


async def test_switched_off_nothing_is_ever_published(tmp_path):
    broker = Broker()
    off = announcer(tmp_path, broker, enabled=False)
    await off.connected()
    off.observe(Reading("s/pv", 1, {"power_w": 5}))
    await off.send()
    assert broker.retained == {}


async def test_gateway_announces_its_meter_and_its_newest_reading_is_retained(
    serve, devices, mosquitto, tmp_path, real_time, until
):
    server = await serve({1: devices.sdm630()})
    meter = {"device": "site/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 0.3}
    config = GatewayConfig.model_validate(
        {
            "gateway": NAMES[1],
            "community": NAMES[0],
            "data_dir": str(tmp_path),
            "mqtt": mosquitto.model_dump(mode="json"),
            "commit_interval_s": 0.1,
            "home_assistant": {"enabled": True},
            "buses": [{"id": "roof", "url": server.url, "devices": [meter]}],
        }
    )
    heard = asyncio.Queue()
    async with task(GatewayService(config, real_time, version="1.0").run):
        await asyncio.sleep(1)
    listener = Connection(mosquitto, "ha", subscriptions=["homeassistant/#", "cw/v1/+/+/state/#"], on_message=heard.put)
    async with task(listener.run):
        messages = [await asyncio.wait_for(heard.get(), 5) for _ in range(2)]
    assert all(message.retained for message in messages)
    told = {message.topic: json.loads(message.payload) for message in messages}
    announced = told["homeassistant/device/commonwatt_brussels_gw-1_site_grid/config"]
    state = told[announced["state_topic"]]
    assert rendered(announced["components"]["power_w"]["value_template"], json.dumps(state)) == "1500.0"
