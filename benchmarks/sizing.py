"""What sizing costs: `python -m benchmarks.sizing [--steered]`: a year of 100 points, 4 x 4 sizes, as it is in memory."""

from __future__ import annotations

import argparse
import time
from datetime import date
from typing import Any, Final

import numpy as np

from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings
from energy.sizing.grid import size_up
from energy.sizing.study import Place, Question
from energy.sizing.terms import SizingTerms, TermsOfDay
from energy.sizing.yields import clear_sky_yield

_POINTS: Final = 100
_ROOFS: Final = 10
_YEAR: Final = 35_040
_START: Final = 1_735_689_600_000


def main() -> None:
    """Prints the seconds it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steered", action="store_true", help="the same batteries run by the planner")
    steered = parser.parse_args().steered
    place, sun = _place()
    question = Question((0, 50, 100, 150), (0, 50, 100, 200), sun, steered=steered)
    began, cpu = time.perf_counter(), time.process_time()
    found = size_up(place, question, _terms())
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{len(found.outcomes)} sizes, {_POINTS} points, {_YEAR:,} quarter-hours: {seconds:.1f} s, CPU {cpu_seconds:.1f} s"
    )


def _place() -> tuple[Place, Any]:
    random = np.random.default_rng(1)
    starts = _START + np.arange(_YEAR, dtype=np.int64) * QUARTER_MS
    sun = clear_sky_yield(starts, 50.85, 4.35, 950)
    withdrawal = random.integers(0, 2000, (_YEAR, _POINTS))
    injection = np.zeros((_YEAR, _POINTS), dtype=np.int64)
    injection[:, :_ROOFS] = (sun * 5)[:, None]
    known = np.ones(withdrawal.shape, dtype=bool)
    injects = np.broadcast_to(np.arange(_POINTS) < _ROOFS, known.shape).copy()
    points = tuple(f"p{number:03}" for number in range(_POINTS))
    readings = QuarterReadings(points, starts, withdrawal, known, injection, injects)
    return Place(readings, SharingKey.model_validate({"rounds": "prorata"}), "p050", "Europe/Brussels"), sun


def _terms() -> TermsOfDay:
    held = {"valid_from": "2026-01-01", "source": "made up"}
    content = {
        "energy": [{**held, "tariff": {"import_eur_kwh": 0.3, "feed_in_eur_kwh": 0.04}}],
        "sharing": [{**held, "eur_kwh": 0.14, "on_top_eur_kwh": 0.1, "paid_eur_kwh": 0.08}],
        "pv": [{**held, "eur_kwp": 1100, "upkeep_eur_kwp_year": 12, "lifetime_years": 25}],
        "battery": [
            {
                **held,
                "eur_kwh": 450,
                "upkeep_eur_kwh_year": 4,
                "lifetime_years": 12,
                "efficiency": 0.9,
                "kw_per_kwh": 0.5,
            }
        ],
        "finance": [{**held, "discount_rate": 0.04}],
    }
    return SizingTerms.model_validate(content).on(date(2026, 6, 1))


if __name__ == "__main__":
    main()
