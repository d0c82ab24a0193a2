"""Day-ahead prices as a program: an area and a span in, prices by start of quarter-hour out, as JSON.

entsoe-py asks ENTSO-E's transparency platform and brings pandas with it, which the collector has no room for.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import msgspec

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS
from runtime.child import answer_parent

__all__ = ["PriceQuestion"]


class PriceQuestion(msgspec.Struct, frozen=True):
    """Prices of `area` for [start, end), ms UTC. `url`: another address of the service."""

    area: str
    key: str
    start: int
    end: int
    url: str | None = None


def _answer(question: PriceQuestion) -> dict[int, float]:
    try:
        return _ask(question)
    except Exception as error:  # what a service on the internet answers is not ours: one line says it, without the key
        said = str(error).replace(question.key, "...") or "no prices are known for that time"
        sys.exit(f"{type(error).__name__}: {said}")


def _ask(question: PriceQuestion) -> dict[int, float]:
    """EUR/kWh by start of quarter-hour, ms UTC. Raises ConfigError without entsoe-py, and what that raises."""
    try:
        import entsoe.entsoe  # noqa: PLC0415  an extra
        import pandas as pd  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", hint="pip install 'commonwatt[prices]'") from error
    if question.url is not None:
        entsoe.entsoe.URL = question.url
    client = entsoe.entsoe.EntsoePandasClient(api_key=question.key, retry_count=1, retry_delay=1, timeout=30)
    begin, end = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (question.start, question.end))
    series = client.query_day_ahead_prices(question.area, start=begin, end=end)
    told = [(round(moment.timestamp() * 1000), float(price) / 1000) for moment, price in series.items()]
    found: dict[int, float] = {}
    for (start, price), (following, _) in pairwise([*told, (told[-1][0] + QUARTER_MS, 0.0)]):
        for quarter in range(start, following, QUARTER_MS):  # hours of the time before quarter-hours
            found[quarter] = price
    return found


if __name__ == "__main__":
    answer_parent(PriceQuestion, _answer)
