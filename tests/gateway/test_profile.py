"""The device library and its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy.errors import ConfigError
from energy.quantities import QUANTITIES
from gateway.profile import Library
from gateway.registers import decode, encode

NAMES = Library().names()
SHIPPED = {
    "alfen-ng9xx",
    "eastron-sdm630",
    "sg-ready-relay",
    "sunspec-inverter-103",
    "sunspec-meter-203",
    "sunspec-storage-704",
}


def test_library_holds_what_is_promised():
    assert set(NAMES) >= SHIPPED


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_loads_and_feeds_known_quantities(name):
    profile = Library().get(name)
    assert profile.source
    fed = {point.name for point in profile.points if point.name}
    assert fed <= set(QUANTITIES)
    assert fed or profile.protocol == "p1"
    if profile.points and profile.role in {"grid", "pv", "ev"}:
        assert "power_w" in fed


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_every_number_survives_its_registers(name):
    profile = Library().get(name)
    for point in profile.points:
        if point.register_type.kind == "text":
            continue
        words = encode(1, point.register_type, point.word_order or profile.word_order)
        assert decode(words, point.register_type, point.word_order or profile.word_order) == 1


COMMANDED = ("setpoint", "magnitude")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profile_every_control_is_read_back_and_has_its_timer_first(name):
    for control in Library().get(name).controls:
        assert any(write.verify for write in control.apply)
        assert any(write.verify for write in control.safe)
        values = [write.value for write in control.apply]
        if "watchdog_s" in values:
            assert values.index("watchdog_s") < min(values.index(name) for name in COMMANDED if name in values)


def test_library_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError) as caught:
        Library().get("eastron-sdm63")
    assert "eastron-sdm630" in str(caught.value.hint)


def _profile(tmp_path: Path, points: str, rest: str = "") -> Library:
    (tmp_path / "mine.yaml").write_text(
        "profile: mine\nmanufacturer: a\nmodel: b\nrole: grid\nsource: [x]\nverified: simulated\n"
        f"points:\n{points}\n{rest}",
        encoding="utf-8",
    )
    return Library(tmp_path)


def test_library_own_folder_adds_a_meter_without_code(tmp_path):
    library = _profile(tmp_path, "  - {point: P, name: power_w, address: 1, type: s32, word_order: little}")
    assert library.get("mine").point("P").register_type.words == 2


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("  - {point: P, name: watts, address: 1, type: s32}", "watts"),
        ("  - {point: P, name: power_w, address: 1, type: s33}", "s33"),
        ("  - {point: P, name: power_w, type: s32}", "address"),
        ("  - {point: P, name: power_w, address: 1, type: u16, function: coil}", "bitsN"),
        ("  - {point: P, name: power_w, address: 1, type: u16}\n  - {point: P, address: 2, type: u16}", "unique"),
        ("  - {point: P, name: power_w, models: [103], offset: 14, type: u16}", "SunSpec"),
        ("  - {point: P, name: power_w, address: 1, type: u16, scale_factor: 200}", "max_read"),
        ("  - {point: P, name: power_w, address: 1, type: u16, scal: 2}", "scal"),
    ],
)
def test_library_wrong_point_names_file_and_field(tmp_path, points, message):
    with pytest.raises(ConfigError) as caught:
        _profile(tmp_path, points).get("mine")
    assert message in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert caught.value.field is not None


def test_library_control_of_an_unknown_point_is_an_error(tmp_path):
    control = (
        "controls:\n  - {quantity: power_w, safe_state: none, apply: [{point: Q, value: setpoint}], "
        "safe: [{point: P, value: 0}]}"
    )
    with pytest.raises(ConfigError, match="unknown points Q"):
        _profile(tmp_path, "  - {point: P, name: power_w, address: 1, type: u16}", control).get("mine")


def test_library_file_named_unlike_its_profile_is_an_error(tmp_path):
    _profile(tmp_path, "  - {point: P, name: power_w, address: 1, type: u16}")
    (tmp_path / "mine.yaml").rename(tmp_path / "yours.yaml")
    with pytest.raises(ConfigError, match=r"yours\.yaml"):
        Library(tmp_path).get("yours")
