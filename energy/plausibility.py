"""Finds what is wired or configured wrongly, from what a site's devices say at one moment or two. Pure.

Swapped signs and phases give numbers that look real. Each check here compares numbers that physics ties together: a
total with its phases, power with voltage times current, a building's balance, a counter with the direction of power,
the sun with the production. `fail`: cannot be; `warn`: may be so, look at it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from energy.quantities import Role

__all__ = [
    "Doubt",
    "Look",
    "Values",
    "doubts_of_counters",
    "doubts_of_device",
    "doubts_of_night",
    "doubts_of_site",
    "sun_elevation_deg",
]

Values = Mapping[str, float | int | str]
Severity = Literal["warn", "fail"]

NIGHT_BELOW_DEG: Final = -6.0  # civil twilight is over: no inverter produces
_PHASES: Final = (1, 2, 3)
_TOLERANCE_W: Final = 50.0
_TOLERANCE: Final = 0.05  # of what is compared: a total and its phases are not measured in the same instant
_STANDBY_W: Final = 100.0  # what inverters take at night
_LEAST_VA: Final = 300.0  # below, the power factor of a phase says nothing
_SWAPPED_BELOW: Final = 0.6  # a current measured against another phase's voltage shows cos 120 degrees of its power
_SCALE_ABOVE: Final = 1.2
_SCALES: Final = (10, 100, 1000)  # kW for W, a register in tenths or hundredths
_IDLE: Final = 10  # a phase with nearly only reactive power shows so little of it
_SCALE_TOLERANCE: Final = 0.3  # a power factor may hide in it
_NOMINAL_V: Final = 230.0
_BAND: Final = 0.10  # EN 50160: +-10 % of the nominal voltage
_DELTA_V: Final = _NOMINAL_V / math.sqrt(3)  # phase to a virtual neutral on Belgian 3x230 V networks
_LIFETIME_WH: Final = 10_000.0
_COUNTER_W: Final = 200.0
_COUNTER_FACTOR: Final = 8.0  # a counter grew by so many times more than its power can have given
_COUNTER_STEP_WH: Final = 200.0  # counters move in steps, the coarsest in 100 Wh
_SOC_STEP_PCT: Final = 0.5
_PRODUCERS: Final = frozenset({Role.PV, Role.BATTERY})
_CONSUMERS: Final = frozenset({Role.EV, Role.HEAT_PUMP, Role.LIGHTING, Role.LOAD})
_TURN: Final = "turn the current transformers or swap the meter's in and out; else the profile's sign is wrong for it"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that does not fit. `about` is the device's name, empty for the whole site."""

    severity: Severity
    what: str
    next_step: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one device said at one moment."""

    device: str
    role: Role
    values: Values


def doubts_of_device(role: Role, values: Values) -> list[Doubt]:
    """What does not fit within one device's own values."""
    found = [
        *_total_and_phases(values),
        *_direction(role, values),
        *_phase_factors(values),
        *_voltages(values),
        *_frequency(values),
        *_direct_current(role, values),
        *_lifetime(role, values),
    ]
    if values.get("state") in {"fault", "error"}:
        found.append(Doubt("fail", f"it reports {values['state']}", "read the fault on the device's own display"))
    return found


def doubts_of_night(role: Role, values: Values, elevation_deg: float) -> list[Doubt]:
    """PV that produces while the sun is far below the horizon."""
    power_w = _number(values, "power_w")
    if role is not Role.PV or power_w is None or elevation_deg > NIGHT_BELOW_DEG or abs(power_w) <= _STANDBY_W:
        return []
    return [
        Doubt(
            "fail",
            f"PV shows {_w(power_w)} at night (sun at {elevation_deg:.0f} degrees)",
            "this meter measures something else than PV, or the clock is wrong: check which cable it sits on",
        )
    ]


def doubts_of_site(looks: Sequence[Look]) -> list[Doubt]:
    """What does not fit between the devices behind one grid connection, read at the same moment."""
    grid = [look for look in looks if look.role is Role.GRID]
    if not grid:
        return []
    grid_w = _sum_power(grid)
    made_w = _sum_power([look for look in looks if look.role in _PRODUCERS])
    if grid_w is None or made_w is None:
        return []  # a balance with an unknown part is unknown
    has_producers = any(look.role in _PRODUCERS for look in looks)
    found = _balance(grid[0].device, grid_w, made_w, has_producers=has_producers)
    if abs(made_w) < _STANDBY_W:
        found += [doubt for look in grid for doubt in _phase_directions(look)]
    consumers = [look for look in looks if look.role in _CONSUMERS]
    used_w = _sum_power(consumers)
    tolerance = _tolerance(grid_w, made_w)
    if not found and consumers and used_w is not None and used_w > max(grid_w + made_w, 0) + tolerance:
        found.append(
            Doubt(
                "warn",
                f"the consumers take {_w(used_w)}, the whole building only {_w(grid_w + made_w)}",
                "a consumer is fed from another connection, or grid, PV or battery has the wrong sign or scale",
                grid[0].device,
            )
        )
    return found


def doubts_of_counters(role: Role, first: Values, second: Values, *, elapsed_s: float | None = None) -> list[Doubt]:
    """Counters and charge that do not follow the power, between two looks at one device `elapsed_s` apart."""
    before_w, after_w = _number(first, "power_w"), _number(second, "power_w")
    if before_w is None or after_w is None:
        return []
    found = _counter_scale(first, second, max(abs(before_w), abs(after_w)), elapsed_s)
    if min(abs(before_w), abs(after_w)) < _COUNTER_W or before_w * after_w < 0:
        return found
    return [*found, *_counter_direction(role, first, second, after_w), *_charge(role, first, second, after_w)]


def _counter_scale(first: Values, second: Values, most_w: float, elapsed_s: float | None) -> list[Doubt]:
    """`most_w` may have been more between the looks: only what is far beyond is told."""
    if elapsed_s is None:
        return []
    possible_wh = _COUNTER_STEP_WH + _COUNTER_FACTOR * max(most_w, 1000.0) * elapsed_s / 3600
    return [
        Doubt(
            "warn",
            f"the {direction} counter grew by {grown_wh:g} Wh in {elapsed_s:.0f} s at {_w(most_w)}",
            "the counter's scale is wrong in the profile (kWh for Wh?), or its two words stand the other way round",
        )
        for direction in ("import", "export")
        if (grown_wh := _growth(first, second, f"energy_{direction}_wh") or 0.0) > possible_wh
    ]


def _charge(role: Role, first: Values, second: Values, power_w: float) -> list[Doubt]:
    risen_pct = _growth(first, second, "soc_pct")
    if role is not Role.BATTERY or risen_pct is None or abs(risen_pct) < _SOC_STEP_PCT or risen_pct * power_w < 0:
        return []
    does = "discharges" if power_w > 0 else "charges"
    return [
        Doubt(
            "fail",
            f"it {does} with {_w(abs(power_w))} by its power, yet its charge went by {risen_pct:+.1f} %",
            "the sign of its power is wrong in the profile; command nothing until it is right",
        )
    ]


def _counter_direction(role: Role, first: Values, second: Values, after_w: float) -> list[Doubt]:
    delivers = (after_w > 0) == (role in _PRODUCERS)  # to the bus; the grid and consumers count the other way
    right, wrong = ("export", "import") if delivers else ("import", "export")
    wrong_wh = _growth(first, second, f"energy_{wrong}_wh")
    right_wh = _growth(first, second, f"energy_{right}_wh") or 0.0
    if not wrong_wh or wrong_wh <= right_wh:
        return []
    return [
        Doubt(
            "fail",
            f"power is {_w(after_w)}, yet the {wrong} counter grows ({wrong_wh:g} Wh) and {right} does not",
            "the sign of power or the two counters are swapped: turn the meter, or correct the profile",
        )
    ]


def sun_elevation_deg(t_ms: int, latitude: float, longitude: float) -> float:
    """The sun's height over the horizon without refraction, good to 0.1 degree from 1950 to 2050.

    Low precision formulas of the Astronomical Almanac. `t_ms`: UTC milliseconds; degrees north and east.
    """
    days = t_ms / 86_400_000 - 10_957.5  # since 2000-01-01 12:00 UTC
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude_of_sun = math.radians(
        280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly)
    )
    tilt = math.radians(23.439 - 4e-7 * days)
    declination = math.asin(math.sin(tilt) * math.sin(longitude_of_sun))
    ascension = math.atan2(math.cos(tilt) * math.sin(longitude_of_sun), math.cos(longitude_of_sun))
    sidereal = math.radians((18.697374558 + 24.06570982441908 * days) * 15 + longitude)
    north = math.radians(latitude)
    sine = math.sin(north) * math.sin(declination)
    sine += math.cos(north) * math.cos(declination) * math.cos(sidereal - ascension)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def _total_and_phases(values: Values) -> list[Doubt]:
    total, phases = _number(values, "power_w"), _each(values, "power_l{}_w")
    if total is None or len(phases) < 3:
        return []
    summed = sum(phases.values())
    tolerance = max(_TOLERANCE_W, _TOLERANCE * sum(map(abs, phases.values())))
    if abs(total - summed) <= tolerance:
        return []
    if abs(total + summed) <= tolerance:
        return [
            Doubt(
                "fail",
                f"power is {_w(total)}, but its phases add up to {_w(summed)}: opposite signs",
                "the sign of the total or of the phases is wrong in the profile or the meter's settings",
            )
        ]
    if (scale := _scale_between(total, summed)) is not None:
        return [
            Doubt(
                "fail",
                f"power is {_w(total)}, but its phases add up to {_w(summed)}: {scale} times as much or as little",
                "the scale of one of them is wrong in the profile, or the profile is another model's",
            )
        ]
    return [
        Doubt(
            "warn",
            f"power is {_w(total)}, but its phases add up to {_w(summed)}",
            "check the current transformers' ratio and direction on each phase, and that the profile is the right one",
        )
    ]


def _direction(role: Role, values: Values) -> list[Doubt]:
    power_w = _number(values, "power_w")
    if power_w is None:
        return []
    if role is Role.PV and power_w < -_STANDBY_W:
        return [Doubt("fail", f"PV takes {_w(-power_w)} instead of producing", _TURN)]
    if role in _CONSUMERS and power_w < -_TOLERANCE_W:
        return [Doubt("fail", f"a consumer delivers {_w(-power_w)}", _TURN)]
    return []


def _phase_factors(values: Values) -> list[Doubt]:
    powers, volts = _each(values, "power_l{}_w"), _each(values, "voltage_l{}_v")
    amperes = _each(values, "current_l{}_a")
    factors = {
        n: powers[n] / (volts[n] * abs(amperes[n]))
        for n in powers
        if n in volts and n in amperes and volts[n] * abs(amperes[n]) > _LEAST_VA
    }
    scales = {_scale_between(factor, 1.0) or 0 for factor in factors.values()}
    if len(scales) == 1 and max(scales) > (0 if max(map(abs, factors.values())) > 1 else _IDLE):
        return [
            Doubt(
                "fail",
                f"every phase has about {scales.pop()} times as much or as little power as voltage times current",
                "a scale is wrong in the profile, or the meter's transformer ratio is not set",
            )
        ]
    swapped = [n for n, factor in factors.items() if abs(factor) < _SWAPPED_BELOW]
    if len(swapped) >= 2:
        return [
            Doubt(
                "warn",
                f"{_names(swapped)}: much less power than voltage times current",
                "current transformers sit on each other's phases: L1's current must be measured with L1's voltage",
            )
        ]
    if any(abs(factor) > _SCALE_ABOVE for factor in factors.values()):
        return [
            Doubt(
                "warn",
                "a phase has more power than voltage times current",
                "check the transformers' ratio in the meter, and that the profile is the right one",
            )
        ]
    return []


def _scale_between(one: float, other: float) -> int | None:
    """The power of ten that lies between two numbers which should be alike; None where it is no such."""
    if not one or not other:
        return None
    ratio = max(abs(one / other), abs(other / one))
    return next((scale for scale in _SCALES if abs(ratio / scale - 1) <= _SCALE_TOLERANCE), None)


def _voltages(values: Values) -> list[Doubt]:
    volts = _each(values, "voltage_l{}_v")
    if not volts:
        return []
    dead = [n for n, volt in volts.items() if volt < 0.1 * _NOMINAL_V]
    if len(dead) == len(volts):
        return [
            Doubt(
                "fail",
                "no voltage on any phase",
                "check the fuses of the meter's voltage inputs; if all else is 0 too, the profile has the wrong word order",
            )
        ]
    found = []
    if len(dead) == 1 and len(volts) == 3:
        found.append(
            Doubt(
                "warn",
                f"no voltage on {_names(dead)}",
                "a blown fuse or a loose wire; right only for L2 on a 3x230 V network without neutral",
            )
        )
    odd = {n: volt for n, volt in volts.items() if n not in dead and not _is_mains(volt)}
    if odd:
        told = ", ".join(f"L{n} {volt:g} V" for n, volt in odd.items())
        found.append(Doubt("warn", f"{told}: not 230 V within 10 %", "measure it; check the scale in the profile"))
    return found


def _is_mains(volt: float) -> bool:
    return any(abs(volt - nominal) <= _BAND * nominal for nominal in (_NOMINAL_V, _DELTA_V))


def _frequency(values: Values) -> list[Doubt]:
    frequency_hz = _number(values, "frequency_hz")
    if frequency_hz is None or 49.0 <= frequency_hz <= 51.0:
        return []
    return [Doubt("warn", f"frequency is {frequency_hz:g} Hz", "no mains connected, or another profile is right")]


def _direct_current(role: Role, values: Values) -> list[Doubt]:
    ac_w, dc_w = _number(values, "power_w"), _number(values, "dc_power_w")
    if role is not Role.PV or ac_w is None or dc_w is None or dc_w < 10 * _STANDBY_W or 0.5 <= ac_w / dc_w <= 1.1:
        return []
    return [
        Doubt(
            "warn",
            f"{_w(dc_w)} come from the panels, {_w(ac_w)} go to the grid",
            "a scale is wrong, or part of it charges a battery behind this inverter",
        )
    ]


def _lifetime(role: Role, values: Values) -> list[Doubt]:
    imported, exported = _number(values, "energy_import_wh"), _number(values, "energy_export_wh")
    if imported is None or exported is None:
        return []
    if role is Role.PV and imported > max(exported, _LIFETIME_WH):
        return [Doubt("warn", "it counted more import than production over its life", _TURN)]
    if role in _CONSUMERS and exported > max(imported, _LIFETIME_WH):
        return [Doubt("warn", "it counted more export than consumption over its life", _TURN)]
    return []


def _balance(grid: str, grid_w: float, made_w: float, *, has_producers: bool) -> list[Doubt]:
    tolerance = _tolerance(grid_w, made_w)
    if grid_w + made_w >= -tolerance:
        return []
    if not has_producers:
        return [
            Doubt(
                "warn",
                f"the site exports {_w(-grid_w)} and nothing on it is known to produce",
                f"if there is no PV: {_TURN}. If there is, add it to the configuration",
                grid,
            )
        ]
    return [
        Doubt(
            "fail",
            f"the site exports {_w(-grid_w)} while PV and battery give {_w(made_w)}: it would consume less than nothing",
            f"most likely the grid meter counts the other way: {_TURN}",
            grid,
        )
    ]


def _phase_directions(look: Look) -> list[Doubt]:
    volts = _each(look.values, "voltage_l{}_v").values()
    if any(abs(volt - _NOMINAL_V) > _BAND * _NOMINAL_V for volt in volts):
        return []  # two-wattmeter metering of a network without neutral: one of its two powers may well be negative
    phases = _each(look.values, "power_l{}_w")
    backward = [n for n, power_w in phases.items() if power_w < -_TOLERANCE_W]
    if not backward or not any(power_w > _TOLERANCE_W for power_w in phases.values()):
        return []
    return [
        Doubt(
            "fail",
            f"{_names(backward)} runs backwards ({', '.join(_w(phases[n]) for n in backward)}) while nothing produces",
            f"turn the current transformer of {_names(backward)}, or put it on its own phase",
            look.device,
        )
    ]


def _sum_power(looks: Sequence[Look]) -> float | None:
    powers = [_number(look.values, "power_w") for look in looks]
    if any(power is None for power in powers):
        return None
    return sum(power for power in powers if power is not None)


def _tolerance(*powers_w: float) -> float:
    return max(_STANDBY_W, _TOLERANCE * sum(map(abs, powers_w)))


def _growth(first: Values, second: Values, counter: str) -> float | None:
    before, after = _number(first, counter), _number(second, counter)
    return None if before is None or after is None else after - before


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else None


def _each(values: Values, pattern: str) -> dict[int, float]:
    """A quantity of each phase the device gives one of."""
    each = {n: _number(values, pattern.format(n)) for n in _PHASES}
    return {n: value for n, value in each.items() if value is not None}


def _names(phases: Sequence[int]) -> str:
    return " and ".join(f"L{n}" for n in phases)


def _w(power_w: float) -> str:
    return f"{power_w / 1000:.2f} kW" if abs(power_w) >= 1000 else f"{power_w:.0f} W"
