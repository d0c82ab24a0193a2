"""The library against the vendors' own tables: a slip of a digit, a scale, a word order or a sign fails here.

fixtures/vendor_registers.csv has the registers of the sources that the profiles name, in the vendors' units and with
what the vendors call positive. It is kept apart from the profiles and never made from them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from energy.quantities import QUANTITIES, Role
from gateway.profile import Library

LIBRARY = Library()
with (Path(__file__).parent / "fixtures" / "vendor_registers.csv").open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table))
UNITS = {"kWh": ("Wh", 1000.0), "kW": ("W", 1000.0), "VAh": ("Wh", 1.0), "min": ("s", 60.0), "ms": ("s", 0.001)}
SIGNS = {
    (Role.GRID, "import"): 1,
    (Role.GRID, "export"): -1,
    (Role.PV, "generating"): 1,
    (Role.PV, "charging"): 1,  # a hybrid's AC power plus what the battery takes
    (Role.BATTERY, "discharging"): 1,
    (Role.BATTERY, "charging"): -1,
    (Role.EV, "consumption"): 1,
}


def points_at(row):
    profile = LIBRARY.get(row["profile"])
    found = [one for one in profile.points if (one.function, one.address) == (row["function"], int(row["address"]))]
    return profile, found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['profile']}-{row['vendors_name']}")
def test_profile_has_the_vendors_register(row):
    profile, (point,) = points_at(row)
    unit, factor = UNITS.get(row["unit"], (row["unit"], 1.0))
    if unit == "VA" and point.name == "power_w":  # a charger that tells apparent power only
        unit = "W"
    if unit == "%" and point.name == "power_factor":
        unit, factor = "", 0.01
    assert point.type == row["type"]
    assert point.scale == pytest.approx(float(row["scale"]) * factor, rel=1e-12)
    assert point.unit == unit
    if point.register_type.words > 1 and point.register_type.kind != "text":
        assert (point.word_order or profile.word_order) == row["word_order"]
    if row["positive"]:
        assert point.sign == SIGNS[profile.role, row["positive"]]
    if row["sources"] == "1":
        assert point.one_source or profile.verified == "one-source"


def test_every_profile_at_fixed_addresses_is_in_the_table():
    """SunSpec's are compared with the standard's own definitions (test_profiles); relays have nothing but coils."""
    expected = {
        name
        for name in LIBRARY.names()
        for profile in [LIBRARY.get(name)]
        if profile.points and not profile.sunspec and not any(point.function == "coil" for point in profile.points)
    }
    assert expected <= {row["profile"] for row in ROWS}


def test_points_carry_the_unit_of_their_quantity():
    for name in LIBRARY.names():
        for point in LIBRARY.get(name).points:
            if point.name is not None:
                assert point.unit == QUANTITIES[point.name].unit, f"{name} {point.point}"
