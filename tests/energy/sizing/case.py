"""Terms and readings that the tests of sizing share."""

from __future__ import annotations

from datetime import date

import numpy as np

from energy.quarters import QUARTER_MS
from energy.sharing.settlement import QuarterReadings
from energy.sizing.terms import SizingTerms

DAY = date(2026, 11, 28)
FROM = {"valid_from": "2026-01-01", "source": "made up"}
ENERGY = {**FROM, "tariff": {"import_eur_kwh": 0.30, "feed_in_eur_kwh": 0.04}}
TERMS = {
    "energy": [ENERGY],
    "sharing": [{**FROM, "eur_kwh": 0.14, "on_top_eur_kwh": 0.10, "paid_eur_kwh": 0.08}],
    "pv": [{**FROM, "eur_kwp": 1100, "upkeep_eur_kwp_year": 12, "lifetime_years": 25}],
    "battery": [
        {**FROM, "eur_kwh": 400, "upkeep_eur_kwh_year": 5, "lifetime_years": 10, "efficiency": 1, "kw_per_kwh": 1}
    ],
    "finance": [{**FROM, "discount_rate": 0.04}],
    "carbon": [{**FROM, "kg_kwh": 0.2}],
}


def terms(**other):
    """What holds on that day, with other entries than TERMS has; None: without."""
    content = {field: entries for field, entries in (TERMS | other).items() if entries is not None}
    return SizingTerms.model_validate(content).on(DAY)


def readings(withdrawals, injections):
    """Of points by name: Wh of each quarter-hour from 2026 on, None where unknown."""
    points = tuple(sorted({*withdrawals, *injections}))
    number = len(next(iter({**withdrawals, **injections}.values())))

    def grid(columns):
        cells = [columns.get(point, [None] * number) for point in points]
        values = np.array([[value or 0 for value in column] for column in cells], dtype=np.int64).T
        return values, np.array([[value is not None for value in column] for column in cells]).T

    starts = 1_767_225_600_000 + np.arange(number, dtype=np.int64) * QUARTER_MS
    return QuarterReadings(points, starts, *grid(withdrawals), *grid(injections))
