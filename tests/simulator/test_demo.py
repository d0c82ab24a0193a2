"""The demonstration fleet: who belongs where, and that the sun gives each community more than it uses."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from itertools import count

import pytest

from energy.quantities import Role
from simulator.demo import demo_fleet
from simulator.weather import Weather
from simulator.world import World


def test_fleet_twelve_sites_of_three_municipalities() -> None:
    fleet = demo_fleet()
    assert Counter(site.community for site in fleet.sites) == {"brussels": 4, "ixelles": 4, "schaerbeek": 4}
    assert {site.community_name for site in fleet.sites} == {"City of Brussels", "Ixelles", "Schaerbeek"}
    assert [site.id for site in fleet.sites] == [site.id for site in fleet.config.sites]
    assert {site.kind for site in fleet.sites} == {"town_hall", "school", "depot", "social_housing", "pool"}


def test_fleet_every_site_has_grid_and_pv_and_every_community_a_battery() -> None:
    fleet = demo_fleet()
    batteries = set()
    for site, config in zip(fleet.sites, fleet.config.sites, strict=True):
        roles = {device.role for device in config.devices}
        assert {Role.GRID, Role.PV} <= roles
        if Role.BATTERY in roles:
            batteries.add(site.community)
        if config.kind == "depot":
            assert Role.EV in roles
    assert batteries == {"brussels", "ixelles", "schaerbeek"}


def test_fleet_device_ids_announce_their_roles() -> None:
    for site in demo_fleet().config.sites:
        for device in site.devices:
            assert Role.from_device_name(device.id) is device.role


@pytest.mark.parametrize("sites", [1, 3, 12, 13, 100, 250])
def test_fleet_of_any_size_has_its_own_ids_names_and_ports(sites: int) -> None:
    fleet = demo_fleet(sites, first_port=2000)
    assert len({site.id for site in fleet.sites}) == len({site.name for site in fleet.sites}) == sites
    ports: dict[int, set[str]] = defaultdict(set)
    for site in fleet.config.sites:
        for device in site.devices:
            ports[device.port].add(site.id)
    assert min(ports) == 2000
    assert all(len(owners) == 1 for owners in ports.values())
    assert sorted(ports) == list(range(2000, 2000 + len(ports)))


def test_fleet_takes_ports_from_a_callable() -> None:
    numbers = count(40_000)
    fleet = demo_fleet(2, first_port=lambda: next(numbers))
    assert min(device.port for site in fleet.config.sites for device in site.devices) == 40_000


@pytest.mark.parametrize(("day", "weekend"), [(dt.date(2026, 6, 24), False), (dt.date(2026, 12, 13), True)])
def test_fleet_on_a_clear_day_each_community_has_a_surplus_at_noon(
    day: dt.date, weekend: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Weather, "cover", lambda _self, _t: -1.0)
    assert (day.weekday() >= 5) is weekend
    noon_ms = round(dt.datetime.combine(day, dt.time(11, 30), dt.UTC).timestamp() * 1000)
    fleet = demo_fleet()
    world = World(fleet.config, noon_ms - 1000)
    world.advance(noon_ms)
    surplus = defaultdict(int)
    for site in fleet.sites:
        truth = world.truth()["sites"][site.id]
        surplus[site.community] += truth["pv_w"] - truth["consumption_w"]
    assert min(surplus.values()) > 50_000
