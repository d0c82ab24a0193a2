"""The planner as a program: one PlanRequest of energy/dispatch/rolling in, its PlanAnswer out, as JSON."""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

from energy.dispatch.request import PlanRequest
from energy.dispatch.rolling import plan_ahead

__all__ = ["main"]

_NICE: Final = 10  # readings and commands come first


def main() -> None:
    """Answers what stands on the input."""
    os.nice(_NICE)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=PlanRequest)
    sys.stdout.buffer.write(msgspec.json.encode(plan_ahead(request)))


if __name__ == "__main__":
    main()
