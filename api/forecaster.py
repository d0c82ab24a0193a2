"""The forecaster as a program: one AheadRequest of energy/forecast/ahead in, its Ahead out, as JSON."""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

from energy.forecast.ahead import look_ahead
from energy.forecast.messages import AheadRequest

__all__ = ["main"]

_NICE: Final = 10  # the live page comes first


def main() -> None:
    """Answers what stands on the input."""
    os.nice(_NICE)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=AheadRequest)
    sys.stdout.buffer.write(msgspec.json.encode(look_ahead(request)))


if __name__ == "__main__":
    main()
