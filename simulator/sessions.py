"""Cars at a charger: real charging sessions dealt out to days, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simulator.load import read_table
from simulator.local_time import LocalTime
from simulator.noise import seed_of, uniform

__all__ = ["Session", "Sessions"]

WORKDAY_CHANCE = 0.92
WEEKEND_CHANCE = 0.45
SECOND_CAR_SHARE = 0.5  # as likely as the first, times this


@dataclass(frozen=True, slots=True)
class Session:
    """One car's stay: local minutes of one day, what it wants and what it can take."""

    key: str  # unique over a charger's life
    arrives_min: float
    leaves_min: float
    energy_wh: float
    current_a: float
    phases: int


@lru_cache(maxsize=1)
def _measured() -> dict[str, list[tuple[float, float, float]]]:
    table: dict[str, list[tuple[float, float, float]]] = {"workday": [], "weekend": []}
    for row in read_table("ev_sessions.csv"):
        table[row["day"]].append((float(row["arrival_min"]), float(row["stay_min"]), float(row["energy_kwh"]) * 1000))
    return table


class Sessions:
    """The cars of one socket, day by day."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed = seed_of(seed, f"{name}/cars")
        self._day: tuple[int, list[Session]] = (-1, [])

    def at(self, local: LocalTime) -> Session | None:
        """The car plugged in at that time, or None."""
        if self._day[0] != local.ordinal:
            self._day = (local.ordinal, self._plan(local))
        for session in self._day[1]:
            if session.arrives_min <= local.minute < session.leaves_min:
                return session
        return None

    def _plan(self, local: LocalTime) -> list[Session]:
        weekend = local.weekday >= 5
        chance = WEEKEND_CHANCE if weekend else WORKDAY_CHANCE
        first = self._draw(local.ordinal, 0, chance, weekend=weekend)
        second = self._draw(local.ordinal, 1, chance * SECOND_CAR_SHARE, weekend=weekend)
        cars = sorted((car for car in (first, second) if car is not None), key=lambda car: car.arrives_min)
        if len(cars) == 2 and cars[1].arrives_min < cars[0].leaves_min:
            cars.pop()  # the socket was taken
        return cars

    def _draw(self, ordinal: int, index: int, chance: float, *, weekend: bool) -> Session | None:
        def draw(question: int) -> float:
            return uniform(self._seed, ordinal, index * 10 + question)

        if draw(0) >= chance:
            return None
        measured = _measured()["weekend" if weekend else "workday"]
        arrives, stay, energy_wh = measured[int(draw(1) * len(measured))]
        current_a, phases = (16.0, 3) if draw(2) < 0.75 else (32.0, 1)  # most cars 11 kW, some 7.4 kW
        return Session(f"{ordinal}/{index}", arrives, min(arrives + stay, 1440.0), energy_wh, current_a, phases)
