"""The forecaster as a program: one AheadRequest of energy/forecast/ahead in, its Ahead out, as JSON."""

from __future__ import annotations

from energy.forecast.ahead import look_ahead
from energy.forecast.messages import AheadRequest
from runtime.child import answer_parent

__all__: list[str] = []

if __name__ == "__main__":
    answer_parent(AheadRequest, look_ahead)
