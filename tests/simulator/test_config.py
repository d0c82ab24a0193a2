"""Configuration files: what is read, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy.errors import ConfigError
from runtime.config import load_config
from simulator.config import SimulatorConfig

GOOD = """
seed: 3
history_start: 2026-06-01T00:00:00Z
live_start: "2026-06-08T02:00:00+02:00"
sites:
  - id: hall
    latitude: 50.85
    longitude: 4.35
    load: {profile: town_hall, annual_kwh: 100000}
    devices:
      - {id: grid, kind: sdm630, role: grid, port: 5020}
      - {id: pv, kind: sunspec-inverter, role: pv, port: 5021, rated_w: 50000}
"""


def load(tmp_path: Path, text: str) -> SimulatorConfig:
    path = tmp_path / "simulator.yaml"
    path.write_text(text)
    return load_config(path, SimulatorConfig, env={})


def test_config_reads_instants_with_their_offset(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert config.history_start == 1_780_272_000_000
    assert config.live_start == 1_780_272_000_000 + 7 * 86_400_000
    assert config.sites[0].devices[0].host == "127.0.0.1"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("role: grid", "role: pv", "cannot be pv; it can be: grid, lighting, load"),
        (", rated_w: 50000", "", "pv needs rated_w"),
        ("port: 5021", "port: 5020", "both unit 1 on port 5020"),
        ("port: 5021", "port: 5020, unit: 2, framing: rtu", "speaks rtu on port 5020"),
        ("id: pv", "id: grid", "must be unique"),
        ("kind: sunspec-inverter, role: pv", "kind: sdm630, role: grid", "more than one grid meter"),
        ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00", "needs its offset"),
        ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z", "must not be after live_start"),
        ("profile: town_hall", "profile: castle", "town_hall"),
        ("rated_w", "ratedw", "unknown setting"),
    ],
)
def test_config_mistake_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=says) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert caught.value.file is not None
    assert caught.value.line is not None
