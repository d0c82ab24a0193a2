"""What the limits of a site leave: the room that a step hands out, and each limit in one sentence.

What may be taken is counted for the worst case, in which everything draws all that it may; what may be given is
counted from what is drawn now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from energy.balancing.now import PHASES, Battery, HeatPump, SiteNow
from energy.balancing.settings import PHASE_V
from energy.reasons import say

__all__ = ["QUARTER_S", "SOC_HYSTERESIS_PCT", "Room", "able_to_give_w", "bounds_of", "kilowatts", "may_take_w"]

QUARTER_S: Final = 900.0
_LAST_S: Final = 60.0  # a quarter-hour's last minute does not make up for a tenth of its energy
_MOST_OVER_PEAK: Final = 1.5  # what a quiet beginning leaves is not drawn all at once
SOC_HYSTERESIS_PCT: Final = 2.0
_FOLLOWS: Final = 0.9  # a battery that gives less than this of what it was told is not believed a second time


def kilowatts(power_w: float) -> str:
    """A power as people read it."""
    return f"{power_w / 1000:.1f} kW" if abs(power_w) >= 1000 else f"{power_w:.0f} W"


def may_take_w(peak_w: float, quarter_w: float | None, left_s: float) -> float:
    """What may be drawn on average until the quarter-hour ends so that its mean stays at `peak_w`."""
    if quarter_w is None:
        return peak_w
    left = max(_LAST_S, min(QUARTER_S, left_s)) / QUARTER_S
    return min(max(0.0, peak_w - quarter_w) / left, _MOST_OVER_PEAK * peak_w)


class Room:
    """What a site may still take and give in this step. Handing out changes it.

    `take_w`, `take_a`: what else may be taken. `expected_w`: the grid as it will be. `drawn_w`, `flow_a`: as it would
    be if nothing drew more than now, which is what feeding in may rely on.
    `relief_w`: what batteries must give because the limits are exceeded without them.
    """

    def __init__(self, site: SiteNow, left_s: float, sheddable: Sequence[HeatPump], margin: float = 0.0) -> None:
        self.site = site
        self._margin = margin
        batteries_w = sum(battery.power_w for battery in site.batteries)
        cars_w = sum(charger.power_w for charger in site.chargers)
        self._peak_w = None if site.limits.peak_w is None else may_take_w(site.limits.peak_w, site.quarter_w, left_s)
        self._left_s = left_s
        base_w = site.grid_w + batteries_w - cars_w
        shed_w = sum(pump.power_w for pump in sheddable)
        self.expected_w = self.drawn_w = base_w - shed_w
        self.surplus_w = -base_w
        self._watched = site.limits.fuse_a is not None
        self.flow_a = _without_ours(site, sheddable)
        fuse_a = math.inf if site.limits.fuse_a is None else site.limits.fuse_a
        self.take_a = [fuse_a - amps for amps in self.flow_a]
        self.take_w = self._limit_w - self.expected_w
        excess_w = max(0.0, base_w - self._limit_w, self._over_fuse_w(sheddable))
        self.relief_w = min(excess_w, self._reliable_w())
        self.take_w += self.relief_w
        self.take_a = [amps + self.relief_w / (max(1, len(site.amps)) * PHASE_V) for amps in self.take_a]

    def as_it_is(self) -> None:
        """Nothing is handed out here in this step: what is drawn now goes on."""
        self.expected_w = -self.surplus_w + sum(charger.power_w for charger in self.site.chargers)

    @property
    def _limit_w(self) -> float:
        limits = self.site.limits
        return min(
            math.inf if limits.import_w is None else limits.import_w, math.inf if self._peak_w is None else self._peak_w
        )

    def _reliable_w(self) -> float:
        """What the site's batteries can be relied on to give evenly, as far as it may be fed in."""
        ours = [battery for battery in self.site.batteries if self.relieves(battery)]
        all_w = sum(bounds_of(battery)[1] for battery in self.site.batteries)
        share = sum(bounds_of(battery)[1] for battery in ours) / all_w if all_w > 0 else 0.0
        return min(sum(map(able_to_give_w, ours)), max(0.0, self.may_give_w()) * share if share else 0.0)

    def relieves(self, battery: Battery) -> bool:
        """Whether what it gives lowers every phase that a fuse watches."""
        return not self._watched or len(battery.wired) == len(self.site.amps)

    def spare_w(self, wired: Sequence[int], *, kept: bool = True) -> float:
        """What a load that draws evenly from the phases `wired` may take, W; below 0: too much is taken already.

        `kept`: without the margin that is kept for what nobody here steers.
        """
        take_w, fewest_a = self.take_w, min(self.take_a[phase] for phase in wired)
        limits, kept_w = self.site.limits, 0.0
        if kept and limits.import_w is not None:
            kept_w = max(0.0, self._limit_w - (1 - self._margin) * limits.import_w)
        if kept and limits.fuse_a is not None:
            fewest_a -= self._margin * limits.fuse_a
        return min(take_w - kept_w, len(wired) * PHASE_V * fewest_a)

    def take(self, power_w: float, wired: Sequence[int], *, expected_w: float, drawn_w: float) -> None:
        """Hands out a power that may be drawn from the phases `wired`; of it `expected_w` will be, `drawn_w` is already."""
        self.take_w -= power_w
        self.expected_w += expected_w
        self.drawn_w += drawn_w
        for phase in wired:
            self.take_a[phase] -= power_w / (len(wired) * PHASE_V)
            self.flow_a[phase] += drawn_w / (len(wired) * PHASE_V)

    def give(self, power_w: float, wired: Sequence[int]) -> None:
        """Enters what a battery does, discharge positive."""
        self.take_w -= max(0.0, -power_w)
        self.expected_w -= power_w
        self.drawn_w -= power_w
        for phase in wired:
            self.take_a[phase] -= max(0.0, -power_w) / (len(wired) * PHASE_V)
            self.flow_a[phase] -= power_w / (len(wired) * PHASE_V)

    def may_give_w(self) -> float:
        """How much more the site may be given by batteries until its feed-in or its fuse is at the limit, W."""
        limits = self.site.limits
        export_w = math.inf if limits.export_w is None else self.drawn_w + limits.export_w
        fuse_w = math.inf if limits.fuse_a is None else 3 * PHASE_V * (limits.fuse_a + min(self.flow_a))
        return min(export_w, fuse_w)

    def tightest(self) -> str:
        """The limit that leaves least, as the end of a sentence."""
        limits = self.site.limits
        fullest_w = 3 * PHASE_V * min(self.take_a)
        if limits.fuse_a is not None and fullest_w <= self.take_w:
            return say("keeps_fuse", amps=f"{limits.fuse_a:g}")
        if self._peak_w is not None and self._peak_w <= self._limit_w:
            return say("keeps_quarter", power=kilowatts(limits.peak_w or 0))
        if limits.import_w is not None:
            return say("keeps_connection", power=kilowatts(limits.import_w))
        return say("keeps_none")

    def sentences(self) -> tuple[str, ...]:
        """Each limit of the site in one sentence, the tightest first."""
        site, limits = self.site, self.site.limits
        told: list[tuple[float, str]] = []
        if limits.fuse_a is not None and site.amps:
            most_a = max(abs(amps) for amps in site.amps)
            text = say("fuse", amps=f"{limits.fuse_a:g}", most=f"{most_a:.0f}")
            told.append((most_a / limits.fuse_a, text))
        if limits.import_w is not None:
            taken_w = max(0.0, site.grid_w)
            text = say("connection", power=kilowatts(limits.import_w), taken=kilowatts(taken_w))
            told.append((taken_w / limits.import_w, text))
        if limits.export_w is not None:
            given_w = max(0.0, -site.grid_w)
            text = say("feed_in", power=kilowatts(limits.export_w), given=kilowatts(given_w))
            told.append((given_w / max(1.0, limits.export_w), text))
        if limits.peak_w is not None and self._peak_w is not None:
            told.append((max(0.0, site.grid_w) / max(1.0, self._peak_w), self._quarter(limits.peak_w, self._peak_w)))
        return tuple(text for _, text in sorted(told, reverse=True))

    def _quarter(self, peak_w: float, may_w: float) -> str:
        minutes, mean_w = max(1, round(self._left_s / 60)), self.site.quarter_w
        power, may = kilowatts(peak_w), kilowatts(may_w)
        if mean_w is None:
            return say("quarter_unknown", power=power, may=may, minutes=minutes)
        return say("quarter", power=power, mean=kilowatts(mean_w), may=may, minutes=minutes)

    def _over_fuse_w(self, sheddable: Sequence[HeatPump]) -> float:
        """What must be given evenly to all phases so that none is above the fuse, heat pumps running."""
        if not self._watched:
            return 0.0
        taken = [
            -amps + sum(pump.power_w / (len(pump.wired) * PHASE_V) for pump in sheddable if phase in pump.wired)
            for phase, amps in zip(PHASES, self.take_a, strict=True)
        ]
        return 3 * PHASE_V * max(0.0, *taken)


def _without_ours(site: SiteNow, sheddable: Sequence[HeatPump]) -> list[float]:
    """The current of each phase without chargers, batteries and heat pumps that may be blocked, A."""
    amps = [*site.amps, 0.0, 0.0, 0.0][:3]
    for phase in PHASES:
        amps[phase] -= sum(charger.amps[phase] for charger in site.chargers)
        amps[phase] += sum(_share(battery.power_w, battery.wired, phase) for battery in site.batteries)
        amps[phase] -= sum(_share(pump.power_w, pump.wired, phase) for pump in sheddable)
    return amps


def _share(power_w: float, wired: Sequence[int], phase: int) -> float:
    return power_w / (len(wired) * PHASE_V) if phase in wired else 0.0


def bounds_of(battery: Battery) -> tuple[float, float]:
    """Its limits without the direction its charge forbids; a bound that was reached is left two points later."""
    told = battery.standing.value if battery.standing is not None else 0.0
    value = told if isinstance(told, float) else 0.0
    lowest_pct = battery.soc_min_pct + (0.0 if value > 0 else SOC_HYSTERESIS_PCT)
    highest_pct = battery.soc_max_pct - (0.0 if value < 0 else SOC_HYSTERESIS_PCT)
    low_w = 0.0 if battery.soc_pct >= highest_pct else min(0.0, battery.low_w)
    return low_w, 0.0 if battery.soc_pct <= lowest_pct else max(0.0, battery.high_w)


def able_to_give_w(battery: Battery) -> float:
    """What a battery can be relied on to give, W: one that did not follow is not believed a second time."""
    _, high_w = bounds_of(battery)
    told = battery.standing.value if battery.standing is not None else None
    if isinstance(told, float) and told > 0 and battery.power_w < _FOLLOWS * told:
        return min(high_w, max(0.0, battery.power_w))
    return high_w
