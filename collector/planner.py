"""The planner as a program: one PlanRequest of energy/dispatch/rolling in, its PlanAnswer out, as JSON."""

from __future__ import annotations

from energy.dispatch.request import PlanRequest
from energy.dispatch.rolling import plan_ahead
from runtime.child import answer_parent

__all__: list[str] = []

if __name__ == "__main__":
    answer_parent(PlanRequest, plan_ahead)
