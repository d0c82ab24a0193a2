"""The patience a bus has: what its devices' profiles need, unless the configuration says otherwise."""

from __future__ import annotations

import pytest

from gateway.buses import make_bus
from gateway.config import BusConfig
from gateway.profile import Library

LIBRARY = Library()


def bus(*profiles, **options):
    devices = [{"device": f"s/d{n}", "profile": name, "unit": n} for n, name in enumerate(profiles, 1)]
    return make_bus(BusConfig.model_validate({"id": "b", "url": "tcp://h", "devices": devices, **options}), LIBRARY)


@pytest.mark.parametrize(
    ("profiles", "options", "expected"),
    [
        (["eastron-sdm630"], {}, (1.0, 0.0, {})),
        (["huawei-sun2000", "eastron-sdm630"], {}, (5.0, 2.0, {1: 0.05})),
        (["huawei-sun2000"], {"timeout_s": 2.0, "connect_delay_s": 0.0}, (2.0, 0.0, {1: 0.05})),
    ],
)
def test_bus_takes_the_longest_need_of_its_devices_unless_told(profiles, options, expected):
    made = bus(*profiles, **options)
    assert (made.timeout_s, made._connect_delay_s, made._unit_gaps_s) == expected


def test_pause_of_one_device_may_be_set_in_the_configuration():
    devices = [{"device": "s/pv", "profile": "huawei-sun2000", "unit": 1, "request_gap_s": 0.2}]
    made = make_bus(BusConfig.model_validate({"id": "b", "url": "tcp://h", "devices": devices}), LIBRARY)
    assert made._unit_gaps_s == {1: 0.2}
