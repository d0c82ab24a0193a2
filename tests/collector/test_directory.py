"""Who may say what about which device."""

import pytest

from collector.directory import Directory
from energy.errors import ConfigError, DataError
from energy.quantities import Role
from storage.history import DeviceTags

from .conftest import charge_rule, make_community


@pytest.fixture
def directory():
    return Directory([make_community()])


def test_a_configured_device_is_taken_from_its_gateway_only(directory):
    assert directory.place("ixelles", "gw-hall", "ixl-hall/pv").role is Role.PV
    for community, gateway in (("ixelles", "gw-school"), ("brussels", "gw-hall")):
        with pytest.raises(DataError) as refused:
            directory.place(community, gateway, "ixl-hall/pv")
        assert refused.value.hint


def test_an_unknown_site_is_bound_to_the_first_gateway_that_writes_it(directory):
    tags = directory.place("ixelles", "gw-a", "barn/pv-2")
    assert tags == DeviceTags("ixelles", "barn", "barn/pv-2", Role.PV)
    assert directory.place("ixelles", "gw-a", "barn/sauna").role is None
    with pytest.raises(DataError):
        directory.place("ixelles", "gw-b", "barn/pv-2")


def test_a_site_the_store_knows_from_another_community_is_not_given_away(directory):
    directory.remember([DeviceTags("brussels", "bxl-hall", "bxl-hall/pv", Role.PV)])
    with pytest.raises(DataError):
        directory.place("ixelles", "gw-a", "bxl-hall/pv")
    assert directory.unregistered == {}


def test_a_site_the_store_knows_is_shown_again_after_a_restart(directory):
    known = DeviceTags("ixelles", "barn", "barn/pv", Role.PV)
    directory.remember([known])
    assert directory.devices_of("barn") == [known]
    assert directory.place("ixelles", "gw-new", "barn/pv") == known


def test_unregistered_devices_are_limited():
    directory = Directory([make_community()], max_unregistered=2)
    directory.place("ixelles", "gw-a", "barn/pv")
    directory.place("ixelles", "gw-a", "barn/grid")
    with pytest.raises(DataError, match="max_unregistered_devices"):
        directory.place("ixelles", "gw-a", "barn/load")
    assert directory.place("ixelles", "gw-a", "barn/pv")


def test_a_device_nobody_configured_at_a_registered_site_is_an_extra(directory):
    extra = directory.place("ixelles", "gw-hall", "ixl-hall/lighting")
    assert directory.extras_of("ixl-hall") == [extra]
    assert extra not in directory.devices_of("ixl-hall")


def test_two_rules_with_one_name_are_refused():
    with pytest.raises(ConfigError):
        Directory([make_community(rules=[charge_rule(), charge_rule()])])
