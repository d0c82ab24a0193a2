"""Where the accounting of buildings finds the town's own factors, and which weather it goes by."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from energy.buildings.factors import Book, FactorsFile
from energy.names import Slug
from runtime.config import load_config
from runtime.presets import shipped_factors

__all__ = ["BuildingsSettings"]


class BuildingsSettings(BaseModel):
    """The part `buildings` of the centre's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factors: Path | None = Field(
        default=None, description="factors, prices, scales and targets of the town's own, which come before the shipped"
    )
    station: Slug = Field(default="uccle", description="whose temperatures and normal year count")

    def book(self) -> Book:
        """All factors. Raises ConfigError naming file, line and field."""
        own = () if self.factors is None else (load_config(self.factors, FactorsFile, env={}, kind="factors"),)
        return Book((*own, shipped_factors()))
