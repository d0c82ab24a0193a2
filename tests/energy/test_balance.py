"""The live balance: signs, unknown parts, sharing now."""

import math
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from energy.balance import community_balance, observe, self_consumption, self_sufficiency, site_balance
from energy.community import Community, Device, Site
from energy.quantities import Quality, Role

NOW = 1_750_000_000_000
WATTS = st.floats(-1e6, 1e6, allow_nan=False)


class Latest(NamedTuple):
    t: int
    values: dict[str, float]


def _site(name: str, *roles: Role) -> Site:
    devices = tuple(
        Device(id=role.value, role=role, interval_s=10, capacity_wh=1000 if role is Role.BATTERY else None)
        for role in roles
    )
    return Site(id=name, name=name, gateway="gw", devices=devices)


def _balance(site: Site, powers: dict[str, float | None], *, age_ms: int = 0):
    latest = {
        f"{site.id}/{name}": Latest(NOW - age_ms, {} if power is None else {"power_w": power})
        for name, power in powers.items()
    }
    return site_balance(site, "c", observe(site, latest, NOW), NOW)


@given(grid=WATTS, pv=st.floats(0, 1e6), battery=WATTS)
def test_site_balance_consumption_is_grid_plus_pv_plus_battery(grid, pv, battery):
    balance = _balance(_site("s", Role.GRID, Role.PV, Role.BATTERY), {"grid": grid, "pv": pv, "battery": battery})
    assert math.isclose(balance.consumption_w, grid + pv + battery, abs_tol=1e-6)
    assert balance.quality is Quality.MEASURED


def test_site_balance_ev_and_heat_pump_are_part_of_consumption_not_added_to_it():
    balance = _balance(_site("s", Role.GRID, Role.PV, Role.EV), {"grid": 1000, "pv": 500, "ev": 700})
    assert balance.consumption_w == 1500


def test_site_balance_silent_inverter_makes_pv_and_consumption_unknown_never_zero():
    site = _site("s", Role.GRID, Role.PV)
    latest = {"s/grid": Latest(NOW, {"power_w": 800}), "s/pv": Latest(NOW - 31_000, {"power_w": 500})}
    balance = site_balance(site, "c", observe(site, latest, NOW), NOW)
    assert balance.pv_w is None
    assert balance.consumption_w is None
    assert balance.self_sufficiency is None
    assert balance.grid_w == 800
    assert balance.quality is Quality.MISSING
    assert balance.stale == ("s/pv",)


def test_site_balance_two_late_readings_are_not_silence():
    balance = _balance(_site("s", Role.GRID), {"grid": 800}, age_ms=30_000)
    assert balance.stale == ()
    assert balance.consumption_w == 800


def test_site_balance_invalid_value_is_unknown_but_not_stale():
    balance = _balance(_site("s", Role.GRID, Role.PV), {"grid": 800, "pv": None})
    assert balance.pv_w is None
    assert balance.stale == ()
    assert balance.quality is Quality.MISSING


def test_site_balance_without_grid_meter_is_unknown():
    balance = _balance(_site("s", Role.PV), {"pv": 500})
    assert balance.grid_w is None
    assert balance.consumption_w is None


def test_site_balance_soc_is_weighted_by_capacity():
    site = Site(
        id="s",
        name="s",
        gateway="gw",
        devices=(
            Device(id="battery-1", role=Role.BATTERY, capacity_wh=1000),
            Device(id="battery-2", role=Role.BATTERY, capacity_wh=3000),
        ),
    )
    latest = {"s/battery-1": Latest(NOW, {"soc_pct": 0}), "s/battery-2": Latest(NOW, {"soc_pct": 80})}
    assert site_balance(site, "c", observe(site, latest, NOW), NOW).soc_pct == 60


@given(st.lists(WATTS, min_size=1, max_size=12))
def test_community_balance_what_is_injected_is_shared_or_surplus(grids):
    community = Community(id="c", name="c")
    sites = [_balance(_site(f"s{n}", Role.GRID), {"grid": grid}) for n, grid in enumerate(grids)]
    balance = community_balance(community, sites, NOW)
    injected = sum(-grid for grid in grids if grid < 0)
    withdrawn = sum(grid for grid in grids if grid > 0)
    assert math.isclose(balance.shared_w + balance.surplus_w, injected, abs_tol=1e-3)
    assert math.isclose(balance.shared_w + balance.import_w, withdrawn, abs_tol=1e-3)
    assert min(balance.surplus_w, balance.import_w) <= 1e-3
    assert math.isclose(balance.grid_w, balance.import_w - balance.surplus_w, abs_tol=1e-3)


def test_community_balance_one_unknown_site_makes_the_sum_unknown_and_names_it():
    community = Community(id="c", name="c")
    good = _balance(_site("a", Role.GRID, Role.PV), {"grid": 500, "pv": 300})
    bad = _balance(_site("b", Role.GRID, Role.PV), {"grid": -200, "pv": None})
    balance = community_balance(community, [good, bad], NOW)
    assert balance.pv_w is None
    assert balance.consumption_w is None
    assert balance.shared_w == 200, "both grid meters are known, so what is shared is known"
    assert balance.quality is Quality.MISSING
    assert balance.stale == ("b",)
    assert (balance.known.pv_w, balance.known.consumption_w) == (300, 800)
    assert (balance.known.sites, balance.known.of) == (1, 2)


def test_indicators_without_denominator_are_unknown():
    assert self_sufficiency(0, 0) is None
    assert self_consumption(0, 0) is None
    assert self_sufficiency(None, 5) is None


def test_indicators_follow_their_published_example():
    """pv 12, load 10, direct use 6: self-consumption 50 %, self-sufficiency 60 %."""
    assert self_consumption(12, 6) == 0.5
    assert self_sufficiency(10, 4) == 0.6
