"""Forecasts and advice in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas import Instant, MaybeInstant, View
from energy.forecast.advice import Light, Reason

__all__ = ["ForecastView"]

Watts = Annotated[float | None, Field(description="mean of the quarter-hour, W; null: unknown")]


class ForecastStep(View):
    """A quarter-hour of the whole community. What comes is below `low` once in ten times, and above `high` once."""

    start: Instant
    pv_w: Watts
    pv_low_w: Watts
    pv_high_w: Watts
    consumption_w: Watts
    consumption_low_w: Watts
    consumption_high_w: Watts
    surplus_w: Annotated[float | None, Field(description="PV minus consumption, below 0: what is lacking, W")]
    surplus_low_w: Watts
    surplus_high_w: Watts
    price_eur_kwh: Annotated[float | None, Field(description="import, EUR/kWh; null: not known")]


class AccuracyView(View):
    """Mean absolute errors over the past that is known, W; null: not known yet."""

    hour_ahead_w: float | None
    day_ahead_w: float | None
    yesterday_w: Annotated[float | None, Field(description="had yesterday's value been told")]
    mean_w: Annotated[float | None, Field(description="mean of what came")]
    in_band_day_ahead: Annotated[float | None, Field(description="part that fell between low and high, 0.8 is right")]


class AdviceView(View):
    """One light over a time; `text`: why, by language."""

    start: Instant
    end: Instant
    light: Light
    reason: Reason
    share: Annotated[float | None, Field(description="of the consumption that the sun covers, 0 to 1")]
    text: Annotated[dict[str, str], Field(description="fr, nl, de, en")]


class ForecastView(View):
    """36 hours by quarter-hour; `known_days` 0: nothing is known, and every value is null."""

    community: str
    name: str
    timezone: str
    t: Annotated[int, Field(description="start of the first quarter-hour, ms UTC")]
    known_days: Annotated[float, Field(description="days of the past it rests on")]
    newest: MaybeInstant
    steps: list[ForecastStep]
    accuracy: Annotated[dict[str, AccuracyView], Field(description="of pv and consumption")]
    advice: Annotated[list[AdviceView], Field(description="without gaps, from `t` on")]
