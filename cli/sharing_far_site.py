"""What the grid type of a site that joins costs everybody for each shared kWh: a part of what `sharing what-if` tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

from energy.errors import ConfigError
from energy.settlement.far_site import network_eur_kwh
from energy.settlement.terms import GridType, MemberClass, Month, Terms, least_local
from runtime.config import load_config

__all__ = ["GridCosts", "grid_costs"]


@dataclass(frozen=True, slots=True)
class GridCosts:
    """The operation's type now and with the site; network cost of a kWh with VAT, (before, after), of each member class."""

    before: GridType
    after: GridType
    eur_kwh: dict[MemberClass, tuple[Decimal, Decimal]]

    def facts(self) -> dict[str, Any]:
        """For programs; prices are text."""
        prices = {name: [f"{price.normalize():f}" for price in pair] for name, pair in self.eur_kwh.items()}
        return {"before": self.before, "after": self.after, "network_eur_kwh": prices}

    def text(self) -> Iterator[str]:
        """For people."""
        if self.before == self.after:
            yield f"grid type: the whole community stays {self.before}"
            return
        yield f"grid type: the whole community becomes {self.after}, it is {self.before}; network cost of each shared kWh, with VAT:"
        for name, (before, after) in self.eur_kwh.items():
            yield f"  {name}: {after:.4f} EUR instead of {before:.4f} ({after - before:+.4f})"


def grid_costs(path: Path, grid_types: str, at_ms: int) -> GridCosts:
    """By the terms of the month of that moment. Raises ConfigError."""
    known = get_args(GridType)
    types = [each.strip() for each in grid_types.split(",")]
    if len(types) != 2 or not {*types} <= {*known}:
        hint = f"write B,D: the type now and that of the joining site, each one of {', '.join(known)}"
        raise ConfigError(f"{grid_types!r} are no two grid types", field="--grid-types", hint=hint)
    before, joining = cast("list[GridType]", types)
    after = least_local([before, joining])
    terms = load_config(path, Terms, env={}, kind="terms")
    day = datetime.fromtimestamp(at_ms / 1000, UTC)
    month = Month(day.year, day.month)
    prices: dict[MemberClass, tuple[Decimal, Decimal]] = {}
    for each in get_args(MemberClass):
        if any(rate.classes is None or each in rate.classes for rate in terms.vat):
            prices[each] = (
                network_eur_kwh(terms, month, each, before),
                network_eur_kwh(terms, month, each, after),
            )
    return GridCosts(before, after, prices)
