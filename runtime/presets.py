"""What is shipped as data, read from its file: sharing keys of operators, factors of buildings."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

from energy.buildings.factors import FactorsFile
from energy.sharing.presets import Presets
from runtime.config import load_config

__all__ = ["shipped_factors", "shipped_presets"]


@cache
def shipped_presets() -> Presets:
    """All presets of energy/sharing/presets.yaml."""
    with as_file(files("energy.sharing") / "presets.yaml") as path:
        return load_config(path, Presets, env={})


@cache
def shipped_factors() -> FactorsFile:
    """All of energy/buildings/factors.yaml."""
    with as_file(files("energy.buildings") / "factors.yaml") as path:
        return load_config(path, FactorsFile, env={}, kind="factors")
