"""The demonstration's buildings have two years behind them from which every indicator can be told."""

from __future__ import annotations

from datetime import date

import pytest

from api.buildings.accounts import Accounts
from api.buildings.settings import BuildingsSettings
from cli.demo.past import METERS, write_past
from energy.buildings.savings.saving import Kind
from energy.community import Community
from energy.quarters import local_midnight
from runtime.clock import ManualClock
from simulator.demo import demo_fleet
from storage.history.sqlite import SqliteHistory
from storage.register import Register

END = date(2026, 11, 21)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("past")
    start = local_midnight(END, "Europe/Brussels")
    Register(folder / "register.db").close()
    write_past(folder / "register.db", 1, start, 14)
    fleet = demo_fleet(14)
    communities: dict[str, dict] = {}
    for site, config in zip(fleet.sites, fleet.config.sites, strict=True):
        of = {"id": site.community, "name": site.community_name, "municipality": site.community_name, "sites": []}
        communities.setdefault(site.community, of)["sites"].append(
            {
                "id": site.id,
                "name": site.name,
                "kind": site.kind,
                "gateway": "gw",
                "floor_area_m2": site.building.area_m2,
                "supplies": list(site.building.supplies),
                "meters": [one.model_dump() for one in METERS if one.carrier.value in site.building.supplies],
                "devices": [{"id": device.id, "role": device.role.value} for device in config.devices],
            }
        )
    history, register = SqliteHistory(folder / "history.db"), Register(folder / "register.db")
    book = BuildingsSettings().book()
    parsed = [Community.model_validate(one) for one in communities.values()]
    yield Accounts(parsed, history, register, book, "uccle", ManualClock(start))
    history.close()
    register.close()


def test_every_building_has_a_whole_year_and_one_to_compare_with(accounts):
    for site in demo_fleet(12).sites:
        place = accounts.places[site.id]
        year = accounts.building_year(place, accounts.year(place.community, 2026))
        assert year.coverage == pytest.approx(1.0), site.id
        assert 30 < year.energy_kwh_m2 < 700, site.id
        assert year.normalised_kwh is not None, site.id
        assert all(one.year.change is not None for one in year.carriers.values()), site.id


def test_boiler_that_drifts_is_the_only_saving_found(accounts):
    found = {}
    for site in demo_fleet(12).sites:
        savings = accounts.looked(accounts.places[site.id], END).savings
        if savings:
            found[site.id] = savings
    assert set(found) == {"schaerbeek-school"}
    (saving,) = found["schaerbeek-school"]
    assert saving.kind is Kind.DRIFT
    assert saving.facts["ratio"] == pytest.approx(0.24, abs=0.05)


def test_repeated_sites_have_no_past(accounts):
    repeated = next(site for site in demo_fleet(14).sites if not site.original)
    place = accounts.places[repeated.id]
    assert accounts.building_year(place, accounts.year(place.community, 2026)).energy_kwh is None


def test_behind_a_roof_what_was_used_and_what_was_bought_are_told_apart(accounts):
    place = accounts.places["ixelles-depot"]
    electricity = accounts.building_year(place, accounts.year(place.community, 2026)).carriers["electricity"]
    assert electricity.bought < 0.8 * electricity.year.amount
