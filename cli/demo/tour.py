"""The demonstration's tour: what happens on a roof, one thing after the other, so that people see what follows from it.

Each scene is asked of the simulator's side door; the system knows nothing of it and answers as it would to the real thing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from energy.errors import DataError
from runtime.clock import Clock

__all__ = ["SCENES", "Scene", "play", "tour"]

_BEGINS_S: Final = 90.0
_BETWEEN_S: Final = 180.0
_AGAIN_S: Final = 1800.0
_ANSWER_S: Final = 5.0
_TRIES: Final = 60
_RETRY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens, what to look for, and what the simulator is asked."""

    happens: str
    look_for: str
    asked: Sequence[Mapping[str, Any]]


_ROOFS: Final = ("brussels-town-hall", "brussels-depot", "brussels-school", "brussels-social-housing")
SCENES: Final = (
    Scene(
        "a cloud covers Brussels",
        "the community buys: an alert, the battery stops charging and gives, the depot's first car waits",
        [{"do": "cloud", "site": site, "share": 0.05, "for_s": 150} for site in _ROOFS],
    ),
    Scene(
        "two cars arrive at the depot in Brussels",
        "an alert for each, and they share what is left",
        [{"do": "car", "device": f"brussels-depot/ev-{n}", "energy_wh": 15_000, "for_s": 1500} for n in (1, 2)],
    ),
    Scene(
        "the homes in Rue Querelle draw much more than usual",
        "the connection is near its limit: an alert, the heat pump is blocked",
        [{"do": "load", "site": "brussels-social-housing", "power_w": 60_000, "for_s": 150}],
    ),
    Scene(
        "the depot's inverter answers nothing any more",
        "its sun is unknown, not zero: an alert, and no car charges from it",
        [{"do": "fault", "device": "brussels-depot/pv", "kind": "silent", "for_s": 150}],
    ),
)


async def tour(port: int, clock: Clock) -> None:
    """Plays all scenes again and again until cancelled; what could not be played is said."""
    await clock.sleep(_BEGINS_S)
    while True:
        for scene in SCENES:
            print(f"  tour: {scene.happens}: {scene.look_for}", flush=True)
            await _played(scene, port, clock)
            await clock.sleep(_BETWEEN_S)
        await clock.sleep(_AGAIN_S)


async def _played(scene: Scene, port: int, clock: Clock) -> None:
    """A simulator that is not there yet, or busy, is asked again; what it refuses is said, and the tour goes on."""
    for left in reversed(range(_TRIES)):
        try:
            return await play(scene, port)
        except DataError as error:
            return print(f"  tour: not played: {error.message}", flush=True)
        except (OSError, TimeoutError) as error:
            if not left:
                print(f"  tour: not played: {error}", flush=True)
        await clock.sleep(_RETRY_S)
    return None


async def play(scene: Scene, port: int) -> None:
    """Asks the simulator at its side door. Raises OSError, TimeoutError, and DataError when it refuses."""
    async with asyncio.timeout(_ANSWER_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for question in scene.asked:
                writer.write(json.dumps(question).encode() + b"\n")
                answer = json.loads(await reader.readline())
                if "error" in answer:
                    raise DataError(str(answer["error"]))
        finally:
            writer.close()
