"""The presets of sharing keys that are shipped, read from their file."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

from energy.sharing.presets import Presets
from runtime.config import load_config

__all__ = ["shipped_presets"]


@cache
def shipped_presets() -> Presets:
    """All presets of energy/sharing/presets.yaml."""
    with as_file(files("energy.sharing") / "presets.yaml") as path:
        return load_config(path, Presets, env={})
