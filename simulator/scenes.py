"""What is asked to happen for a while: a cloud, a car, a load. Everything else stays as the world's seed has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from simulator.sessions import Session

__all__ = ["Scenes"]

_CURRENT_A = 16.0


@dataclass(slots=True)
class Scenes:
    """Scenes by place, each until an instant, ms UTC. They end with the simulator."""

    clouds: dict[str, tuple[float, int]] = field(default_factory=dict)
    cars: dict[str, tuple[Session, int]] = field(default_factory=dict)
    loads: dict[str, tuple[int, int]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def cloud(self, site: str, share: float, until_ms: int) -> None:
        """Leaves `share` of the light at a site."""
        self.clouds[site] = share, until_ms

    def car(self, device: str, energy_wh: float, until_ms: int) -> None:
        """A three-phase car of 11 kW that wants `energy_wh` and stays until then, in place of whoever is there."""
        key = f"scene/{next(self._numbers)}"
        self.cars[device] = Session(key, 0.0, 1440.0, energy_wh, _CURRENT_A, 3), until_ms

    def load(self, site: str, power_w: float, until_ms: int) -> None:
        """Lets a building draw so much more."""
        self.loads[site] = round(power_w), until_ms

    def light(self, site: str, t_ms: int) -> float:
        """The share of the weather's light that is left."""
        share, until_ms = self.clouds.get(site, (1.0, 0))
        return share if t_ms < until_ms else 1.0

    def car_at(self, device: str, t_ms: int) -> Session | None:
        """The car of a scene that is there, None: whoever is there by chance."""
        scene = self.cars.get(device)
        return scene[0] if scene is not None and t_ms < scene[1] else None

    def load_w(self, site: str, t_ms: int) -> int:
        """What the building draws beside its own."""
        power_w, until_ms = self.loads.get(site, (0, 0))
        return power_w if t_ms < until_ms else 0
