"""The gateway's configuration and what is wrong with it."""

from __future__ import annotations

import pytest

from energy.errors import ConfigError
from gateway.config import GatewayConfig
from runtime.config import load_config

GOOD = """
gateway: gw-town-hall
community: brussels
data_dir: /var/lib/commonwatt
mqtt: {host: broker.example, port: 8883}
buses:
  - id: roof
    url: tcp://10.0.0.5:502
    devices:
      - {device: town-hall/pv, profile: sunspec-inverter-103, unit: 1, interval_s: 10, limits: {power_w: {low: 0, high: 50000}}}
      - {device: town-hall/grid, profile: eastron-sdm630, unit: 2}
  - id: cellar
    url: rtu:///dev/ttyUSB0?baud=9600
    devices:
      - {device: town-hall/heat_pump, profile: sg-ready-relay, limits: {state: {allowed: [normal, boost]}}}
"""


def load(tmp_path, text):
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, GatewayConfig, env={})


def test_config_as_documented_loads(tmp_path):
    config = load(tmp_path, GOOD)
    assert config.buses[0].devices[0].limits["power_w"].high == 50_000
    assert config.commit_interval_s == 1.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("eastron-sdm630", "eastron-sdm360", "did you mean `eastron-sdm630`"),
        ("town-hall/grid", "town-hall/pv", "town-hall/pv: this device stands more than once"),
        ("id: cellar", "id: roof", "roof: this bus stands more than once"),
        ("rtu:///dev/ttyUSB0?baud=9600", "tcp://10.0.0.5:502", "one connection carries all"),
        ("tcp://10.0.0.5:502", "10.0.0.5", "tcp://host:502"),
        ("town-hall/grid", "grid", "pattern"),
        ("unit: 2", "unit: 300", "255"),
        ("unit: 2", "unit: 2, limits: {power_w: {low: 0, high: 1}}", "cannot command"),
        ("{low: 0, high: 50000}", "{low: -10, high: 50000}", "takes 0"),
        ("{low: 0, high: 50000}", "{low: 9, high: 5}", "low must not exceed high"),
        ("{low: 0, high: 50000}", "{high: 5}", "low and high"),
        ("{low: 0, high: 50000}", "{allowed: [normal]}", "needs low and high"),
        ("[normal, boost]", "[normal, turbo]", "known: normal, blocked, boost, forced"),
        ("gateway: gw-town-hall", "gateway: live", "no gateway may be called"),
        ("limits: {state", "safe_state: {state: forced}, limits: {state", "outside the limits"),
        ("unit: 2", "unit: 2, safe_state: {power_w: 1}", "needs limits"),
    ],
)
def test_config_wrong_says_what_and_where(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(caught.value)
    assert "gateway.yaml" in str(caught.value)


def test_safe_state_that_the_device_would_drop_is_refused(tmp_path):
    charger = "{device: depot/ev, profile: alfen-ng9xx, limits: {power_w: {low: 0, high: 22000}}, safe_state: {power_w: 4140}}"
    with pytest.raises(ConfigError, match="drops every setpoint"):
        load(tmp_path, GOOD.replace("{device: town-hall/grid, profile: eastron-sdm630, unit: 2}", charger))
