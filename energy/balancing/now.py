"""What the step looks at, and what it answers. Powers in W, in the device's own sign (energy/quantities)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from energy.balancing.settings import USES, Use

__all__ = [
    "BLOCKED",
    "BOOST",
    "PHASES",
    "Answer",
    "Battery",
    "Charger",
    "CommunityNow",
    "Decision",
    "HeatPump",
    "Inverter",
    "Lamps",
    "Limits",
    "Machine",
    "Phases",
    "Rates",
    "SiteNow",
    "Standing",
]

BLOCKED: Final = "blocked"
BOOST: Final = "boost"
PHASES: Final = (0, 1, 2)
Phases = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a device is under by the balancer's own lease, and since when (s, monotonic) its `mode` is what it is."""

    value: float | str
    since_s: float
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a site must keep; None: not watched. `peak_w`: mean of a quarter-hour."""

    fuse_a: float | None = None
    import_w: float | None = None
    export_w: float | None = None
    peak_w: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is any limit on what is taken."""
        return self.fuse_a is not None or self.import_w is not None or self.peak_w is not None


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices now, EUR/kWh. `fee`: what a shared kWh costs on its way from one member to another."""

    buy: float = 0.30
    sell: float = 0.05
    fee: float = 0.0


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery that may be steered: discharge positive. `value`: worth of one more kWh in its cells; None: no plan."""

    id: str
    power_w: float
    soc_pct: float
    low_w: float
    high_w: float
    soc_min_pct: float = 10.0
    soc_max_pct: float = 95.0
    efficiency: float = 0.95  # each way
    wear: float = 0.0
    value: float | None = None
    wired: tuple[int, ...] = PHASES
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Charger:
    """A charging point. `amps`: what it draws from each phase of the grid connection now.

    `need_w`: mean power that gets its car ready in time; None: no deadline. `planned`: a plan found it, by price.
    `car`: False when none is plugged in.
    """

    id: str
    power_w: float
    amps: Phases
    high_w: float
    least_a: float = 6.0
    wired: tuple[int, ...] = PHASES
    one_phase: bool = False
    surplus_only: bool = False
    need_w: float | None = None
    planned: bool = False
    car: bool = True
    standing: Standing | None = None

    @property
    def switches(self) -> bool:
        """Whether it can charge on one of its phases."""
        return self.one_phase and len(self.wired) > 1


@dataclass(frozen=True, slots=True)
class HeatPump:
    """An SG-Ready heat pump. `rest_until_s`: it may not be blocked before."""

    id: str
    power_w: float
    rated_w: float
    rest_until_s: float = -1e18
    wired: tuple[int, ...] = PHASES
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Inverter:
    """A solar inverter whose production may be limited."""

    id: str
    power_w: float
    high_w: float
    wired: tuple[int, ...] = PHASES
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Lamps:
    """Lighting by the astronomical clock. `level`: share of full light that is due now, `reason` why."""

    id: str
    high_w: float
    level: float
    reason: str
    switch: bool = False
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that runs once. `power_w`: its highest; `runs`: it has begun; `due`: it is to begin now; `reason` why, or why not."""

    id: str
    power_w: float
    reason: str
    runs: bool = False
    due: bool = False
    wired: tuple[int, ...] = PHASES


@dataclass(frozen=True, slots=True)
class SiteNow:
    """One site. `unknown`: why nothing may be commanded here; None: all that is needed is known.

    `amps`: signed, per phase of the grid meter, empty: not told. `quarter_w`: energy drawn since the quarter-hour
    began over its full length, None: not known. `settled`: everything was read after the last change had time to act.
    """

    id: str
    grid_w: float = 0.0
    amps: tuple[float, ...] = ()
    quarter_w: float | None = None
    limits: Limits = Limits()
    batteries: tuple[Battery, ...] = ()
    chargers: tuple[Charger, ...] = ()
    heat_pumps: tuple[HeatPump, ...] = ()
    inverters: tuple[Inverter, ...] = ()
    lamps: tuple[Lamps, ...] = ()
    machines: tuple[Machine, ...] = ()
    unknown: str | None = None
    settled: bool = True


@dataclass(frozen=True, slots=True)
class CommunityNow:
    """Everything one step looks at.

    `left_s`: what is left of the quarter-hour. `unshared_wh`: injected minus withdrawn so far in it, None: unknown.
    `grid_target_w`: what the plan lets the community buy at most for storing; None: no plan. `margin`: part of fuses
    and connections that is left to what nobody here steers.
    """

    now_s: float
    left_s: float
    sites: tuple[SiteNow, ...]
    rates: Rates = Rates()
    unshared_wh: float | None = None
    grid_target_w: float | None = None
    priority: tuple[Use, ...] = USES
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What one device is to do: a setpoint, or None: its safe state; and why, in one sentence.

    `mode`: what may not change all the time, such as a charger's number of phases; "" for what may.
    """

    device: str
    value: float | str | None
    reason: str
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision per device that may be steered, and by site the limits in sentences, the tightest first."""

    decisions: tuple[Decision, ...] = ()
    limits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
