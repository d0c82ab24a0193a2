"""Configuration models refuse what could not work."""

import pytest
from pydantic import ValidationError

from energy.alerts.rules import Balance
from energy.community import Community, Device, Site
from energy.quantities import QUANTITIES, Role


def _site(**changes):
    return {
        "id": "hall",
        "name": "Town hall",
        "gateway": "gw-hall",
        "devices": [{"id": "grid", "role": "grid"}],
        **changes,
    }


def test_site_with_a_gateway_named_like_a_topic_of_the_centre_is_refused():
    with pytest.raises(ValidationError, match="no gateway may be called 'live'"):
        Site.model_validate(_site(gateway="live"))


def test_site_with_two_devices_of_one_id_is_refused():
    with pytest.raises(ValidationError, match="unique"):
        Site.model_validate(_site(devices=[{"id": "pv", "role": "pv"}, {"id": "pv", "role": "pv"}]))


def test_community_rule_on_a_device_that_does_not_exist_is_refused():
    rule = {
        "id": "r",
        "metric": "surplus_w",
        "raise_above": 2,
        "clear_below": 1,
        "actions": [{"device": "hall/battery", "set": {"power_w": 1}}],
    }
    with pytest.raises(ValidationError, match="hall/battery"):
        Community.model_validate({"id": "c", "name": "C", "sites": [_site()], "rules": [rule]})


def test_rule_that_clears_above_where_it_raises_is_refused():
    with pytest.raises(ValidationError, match="flap"):
        Balance(id="r", metric="surplus_w", raise_above=1, clear_below=2)


@pytest.mark.parametrize("bad", ["", "Hall", "a/b", "-x", "x" * 64, "a b", "a+b", "a#"])
def test_identifier_that_could_not_stand_in_a_topic_is_refused(bad):
    with pytest.raises(ValidationError):
        Device(id=bad, role=Role.PV)


def test_role_is_told_by_a_device_name_or_not_at_all():
    assert Role.from_device_name("heat_pump-roof") is Role.HEAT_PUMP
    assert Role.from_device_name("pv") is Role.PV
    assert Role.from_device_name("pvx") is None


def test_quantities_carry_their_name_and_a_possible_range():
    assert all(name == quantity.name and quantity.low < quantity.high for name, quantity in QUANTITIES.items())
