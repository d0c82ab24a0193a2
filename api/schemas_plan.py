"""Plans and decisions in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas import Instant, MaybeInstant, Value, View

__all__ = ["PlanView"]

Price = Annotated[float, Field(description="EUR/kWh")]


class PlanStep(View):
    """A quarter-hour, all sites together, W. `low_w` to `high_w`: likely need of the grid before batteries, 10 to 90 %."""

    start: Instant
    pv_w: float
    consumption_w: float
    surplus_w: float
    low_w: float
    high_w: float
    battery_w: Annotated[float, Field(description="planned: discharge positive, charge negative")]
    grid_w: Annotated[float, Field(description="expected with the batteries")]
    stored_pct: Annotated[float | None, Field(description="of what the batteries may use; null: there are none")]
    import_eur_kwh: Price
    feed_in_eur_kwh: Price
    why: str
    shared_w: float | None = Field(default=None, description="what sites give each other; null: it costs no fee")
    fee_eur_kwh: float | None = Field(default=None, description="grid fee of a shared kWh, EUR; null: none")
    co2_g_kwh: float | None = Field(default=None, description="of an imported kWh; null: not known")
    counted_eur_kwh: float | None = Field(
        default=None, description="what an imported kWh counts in the plan, its CO2 too; null: its price"
    )
    internal_eur_kwh: float | None = Field(
        default=None, description="what members pay each other for it; null: not said"
    )


class PlannedStart(View):
    """When a machine is expected to begin, and when somebody wanted it to."""

    start: Instant
    said: Instant


class Plan(View):
    """What is expected and planned."""

    community: str
    t: Annotated[int, Field(description="when it was made, ms UTC")]
    days: Annotated[float, Field(description="days of the past it rests on")]
    estimated: Annotated[float, Field(description="part of that which was filled in, 0 to 1")]
    value_eur_kwh: Annotated[
        float | None, Field(description="of one more kWh stored now; null: there are no batteries")
    ]
    values: Annotated[
        dict[str, list[float]], Field(description="by battery: that value in each hundredth of its range")
    ]
    peak_target_w: Annotated[dict[str, float], Field(description="by site, where peaks cost")]
    steps: list[PlanStep]
    cars: dict[str, list[float]] = Field(
        default_factory=dict, description="by charger, W planned for its car in each quarter-hour, by price"
    )
    starts: dict[str, PlannedStart] = Field(
        default_factory=dict, description="by machine that somebody wants to run and that has not begun"
    )
    missing: Annotated[list[str], Field(description="what the plan had to do without")]


class DecisionView(View):
    """What the balancer has a device do."""

    device: str
    set: Annotated[dict[str, Value] | None, Field(description="null: its safe state, or it is left alone")]
    state: Literal["asked", "applied", "refused", "expired", "reverted", "failed", "released"]
    since: MaybeInstant
    reason: str


class NowView(View):
    """What the balancer decides."""

    t: MaybeInstant
    decisions: list[DecisionView]
    limits: Annotated[dict[str, list[str]], Field(description="by site, each limit in a sentence, the tightest first")]


class PlanView(View):
    """Plan and decisions of a community; `plan` null: nothing is planned here, or not yet."""

    community: str
    t: Instant
    plan: Plan | None
    now: NowView
