"""`commonwatt sharing`: the operators' keys by name, what if something were otherwise, and which key to choose."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import JsonOption
from cli.sharing_coefficients import coefficients_command, read_coefficients_command
from cli.sharing_reconcile import reconcile_command
from cli.sharing_why import why_command
from energy.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from cli.sharing_far_site import GridCosts
    from energy.sharing.advice import Option
    from energy.sharing.key import SharingKey
    from energy.sharing.settlement import QuarterReadings
    from energy.sharing.whatif import Gain
    from energy.sizing.store import Store

__all__ = ["sharing_app"]

_ROUND_TRIP = 0.9  # of a battery that is only asked about

sharing_app = typer.Typer(help="Sharing keys: by operator, what if, which one.", no_args_is_help=True)
sharing_app.command("reconcile")(reconcile_command)
sharing_app.command("coefficients")(coefficients_command)
sharing_app.command("read-coefficients")(read_coefficients_command)
sharing_app.command("why")(why_command)

ReadingsOption = Annotated[Path, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")]
KeyOption = Annotated[Path, typer.Option(help="YAML with the sharing key in force.")]


@sharing_app.command("presets")
def list_presets(
    on: Annotated[str | None, typer.Option(help="Those in use on that day, as 2026-07-01; without: today.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The grid operators' keys by name, with source and what is not verified."""
    from runtime.clock import clock_from_env
    from runtime.presets import shipped_presets

    today = datetime.fromtimestamp(clock_from_env().now_ms() / 1000, UTC).date()
    day = today if on is None else _day(on)
    found = shipped_presets().on(day).values()
    if as_json:
        print(json.dumps({"presets": [preset.model_dump(mode="json") for preset in found]}, ensure_ascii=False))
        return
    for preset in found:
        doubt = f"; not verified: {', '.join(preset.unverified)}" if preset.unverified else ""
        print(f"{preset.name}\t{preset.operator}: {preset.called['en']} ({preset.evidence}, {preset.source}{doubt})")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no day", field="--on", hint="write it as 2026-07-01") from None


@sharing_app.command("what-if")
def what_if(
    readings: ReadingsOption,
    key: KeyOption,
    other_key: Annotated[Path | None, typer.Option(help="YAML with another key.")] = None,
    more: Annotated[Path | None, typer.Option(help="Readings of members or roofs that would join.")] = None,
    battery: Annotated[str | None, typer.Option(help="A battery: EAN,kWh,kW of the point it would stand at.")] = None,
    terms: Annotated[
        Path | None, typer.Option(help="YAML with prices: what --more's grid type costs everybody.")
    ] = None,
    grid_types: Annotated[str, typer.Option(help="With --terms: grid type now and of --more, as B,D.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Who would have gained what by another key, a member more, another roof, a battery."""
    from energy.sharing.settlement import settle_quarters
    from energy.sharing.whatif import gains

    rules, was = _loaded(key, readings)
    then = _changed(rules, was, more, battery)
    if then is was and other_key is None:
        raise ConfigError("nothing would change", field="what-if", hint="give --other-key, --more or --battery")
    costs = _grid_costs(terms, grid_types, was, more)
    after = _open_to(_key(other_key) if other_key else rules, was, then)
    found = gains(settle_quarters(rules, was), settle_quarters(after, then))
    if as_json:
        print(json.dumps(_gains_json(found) | ({} if costs is None else {"grid_type": costs.facts()})))
        return
    print("\n".join([*_gains_text(found), *([] if costs is None else costs.text())]))


def _grid_costs(terms: Path | None, grid_types: str, was: QuarterReadings, more: Path | None) -> GridCosts | None:
    from cli.sharing_far_site import grid_costs

    if terms is None and not grid_types:
        return None
    if terms is None or more is None:
        hint = "give --terms, --more and --grid-types together"
        raise ConfigError("says what a joining site costs", field="--grid-types", hint=hint)
    return grid_costs(terms, grid_types, int(was.starts[-1]))


def _loaded(key: Path, readings: Path) -> tuple[SharingKey, QuarterReadings]:
    rules = _key(key)
    return rules, _readings(readings, rules)


def _key(path: Path) -> SharingKey:
    from cli.settle.command import load_key

    return load_key(path).model_copy(update={"resolution_wh": 1})


def _readings(path: Path, key: SharingKey) -> QuarterReadings:
    from cli.settle.readings import read_readings

    return read_readings(path, 1, key.interval).readings


def _changed(key: SharingKey, was: QuarterReadings, more: Path | None, battery: str | None) -> QuarterReadings:
    from energy.sharing.whatif import with_points
    from energy.sizing.change import with_battery

    then = was
    if more is not None:
        try:
            then = with_points(then, _readings(more, key))
        except ValueError as error:
            raise ConfigError(
                str(error), file=str(more), field="--more", hint="give new EANs over the same days"
            ) from None
    if battery is not None and key.interval != "15min":
        raise ConfigError("runs by quarter-hours", field="--battery", hint="leave it out, or give quarter-hours")
    if battery is not None:
        ean, planned = _battery(battery)
        if ean not in then.points:
            raise ConfigError(f"{ean} is not in the readings", field="--battery", hint="name one of their EANs")
        then = with_battery(then, ean, planned)
    return then


def _battery(text: str) -> tuple[str, Store]:
    from energy.sizing.store import Store

    try:
        ean, capacity, power = text.split(",")
        planned = Store(round(float(capacity) * 1000), round(float(power) * 1000), _ROUND_TRIP)
    except (ValueError, OverflowError, RefusedError):
        ean, planned = "", Store(0, 0, _ROUND_TRIP)
    if not 0 < planned.capacity_wh < 10**9 or not 0 < planned.power_w < 10**9:
        hint = "write 541448911000000003,10,5 for 10 kWh and 5 kW"
        raise ConfigError(f"{text!r} is no battery", field="--battery", hint=hint)
    return ean, planned


def _open_to(key: SharingKey, was: QuarterReadings, then: QuarterReadings) -> SharingKey:
    """A key with a list would leave out who joins: they are put on it, with no weight and no tier."""
    from energy.sharing.key import Participant

    if key.participants is None:
        return key
    withdraws = then.withdrawal_known.T.tolist()
    joined = [
        point for point, known in zip(then.points, withdraws, strict=True) if point not in was.points and any(known)
    ]
    return key.model_copy(update={"participants": {point: Participant() for point in joined} | key.participants})


def _gains_json(found: Sequence[Gain]) -> dict[str, Any]:
    return {
        "points": [
            {
                "ean": gain.point,
                "received_kwh": [float(gain.received_before_wh / 1000), float(gain.received_after_wh / 1000)],
                "given_kwh": [float(gain.given_before_wh / 1000), float(gain.given_after_wh / 1000)],
            }
            for gain in found
        ],
        "shared_more_kwh": float(sum(gain.received_wh for gain in found) / 1000),
    }


def _gains_text(found: Sequence[Gain]) -> Iterator[str]:
    for gain in found:
        yield (
            f"{gain.point}  receives {float(gain.received_wh / 1000):+,.3f} kWh "
            f"({float(gain.received_before_wh / 1000):,.3f} -> {float(gain.received_after_wh / 1000):,.3f}), "
            f"gives {float(gain.given_wh / 1000):+,.3f} kWh"
        )
    yield f"shared in all: {float(sum(gain.received_wh for gain in found) / 1000):+,.3f} kWh"


@sharing_app.command("recommend")
def recommend_key(
    readings: ReadingsOption,
    key: KeyOption,
    aim: Annotated[str, typer.Option(help="most-shared, most-equal or vulnerable-first.")],
    as_json: JsonOption = False,
) -> None:
    """Which key would have served an aim best, with the figures of each."""
    from energy.sharing.advice import Aim, recommend

    try:
        wanted = Aim(aim)
    except ValueError:
        raise ConfigError(f"{aim!r} is no aim", field="--aim", hint=f"one of {', '.join(Aim)}") from None
    rules, was = _loaded(key, readings)
    if wanted is Aim.VULNERABLE_FIRST and not any(each.tier == 1 for each in (rules.participants or {}).values()):
        raise ConfigError("nobody has tier 1", file=str(key), field="participants", hint="give the vulnerable tier: 1")
    ranked = recommend(rules, was, wanted)
    if as_json:
        print(json.dumps({"aim": wanted.value, "keys": [_option_json(option) for option in ranked]}))
        return
    print(f"for {wanted.value}: {ranked[0].name}")
    for option in ranked:
        print(f"  {_option_text(option)}")


def _option_json(option: Option) -> dict[str, Any]:
    facts = option.facts()
    return {"name": facts.pop("name"), "shared_kwh": option.figures.shared_wh / 1000} | facts


def _option_text(option: Option) -> str:
    figures, measures = option.figures, option.figures.fairness
    parts = [
        f"{option.name}: shared {figures.shared_wh / 1000:,.3f} kWh",
        f"coverage from {_told(measures.min_coverage)} up",
        f"Jain {_told(measures.jain_coverage)}",
        f"Gini {_told(measures.gini_coverage)}",
    ]
    if figures.vulnerable_coverage is not None:
        parts.append(f"tier 1 covered to {_told(figures.vulnerable_coverage)}")
    return ", ".join(parts)


def _told(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"
