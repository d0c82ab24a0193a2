"""A saving as a card of the report: what it is, in a sentence, what it is worth, and the pattern drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from api.buildings.accounts import Account
from api.buildings.report import charts
from api.buildings.report.words import Words
from energy.buildings.savings.saving import Kind, Pattern, Saving

__all__ = ["also", "saving_card", "sentence"]


def saving_card(say: Words, account: Account, saving: Saving) -> dict[str, Any]:
    """What stands on paper."""
    axis = say(f"axis_{saving.pattern.axis}")
    text = sentence(say, saving)
    return {
        "name": say.pair(account.year.building.name, say(f"kind_{saving.kind}")),
        "worth": _worth(say, saving),
        "text": text,
        "axis": axis,
        "svg": _drawn(say, saving.pattern, alt=f"{text} {axis}"),
    }


def also(say: Words, account: Account, saving: Saving) -> str:
    """A saving in one line."""
    name = f"{account.year.building.name}, {say(f'kind_{saving.kind}')}"
    return f"{say.pair(name, _worth(say, saving))}. {sentence(say, saving)}"


def sentence(say: Words, saving: Saving) -> str:
    """What was found, in words."""
    facts = saving.facts
    since = "" if saving.since is None else say.day(saving.since)
    match saving.kind:
        case Kind.BASE_LOAD:
            key = f"say_base_load_{facts['reference']}"
            return say(key, base=say.power(_f(facts, "base_w")), rise=say.share(_f(facts, "rise")), since=since)
        case Kind.OUT_OF_HOURS:
            closed, working, base = (say.power(_f(facts, name)) for name in ("closed_w", "open_w", "base_w"))
            return say("say_out_of_hours", closed=closed, open=working, base=base)
        case Kind.PEAKS:
            return say(
                "say_peaks",
                share=say.share(_f(facts, "share")),
                time=facts["time"],
                peak=say.power(_f(facts, "peak_w")),
                busy=say.power(_f(facts, "busy_w")),
            )
        case Kind.SIMULTANEOUS:
            return say(
                "say_simultaneous",
                days=say.number(_f(facts, "days")),
                heating=say.number(_f(facts, "heating_c"), "°C", 1),
                cooling=say.number(_f(facts, "cooling_c"), "°C", 1),
            )
        case Kind.DRIFT:
            ratio = say.share(_f(facts, "ratio"))
            return say("say_drift", since=since, ratio=ratio, carrier=say(f"carrier_{saving.carrier}"))


def _f(facts: Mapping[str, float | str], name: str) -> float:
    return float(facts[name])


def _worth(say: Words, saving: Saving) -> str:
    if saving.kind is Kind.PEAKS:
        return say("to_spread", kwh=say.energy(saving.kwh))
    return say("saving_worth", kwh=say.energy(saving.kwh), eur=say.euro(saving.eur))


def _drawn(say: Words, pattern: Pattern, *, alt: str) -> str:
    drawn = [charts.Line(say(f"line_{name}"), values) for name, values in pattern.lines.items()]
    unit = {"unit": pattern.unit, "point": "." if say.language == "en" else ","}
    return charts.lines(_labels(say, pattern), drawn, pattern.marked, unit, alt=alt)


def _labels(say: Words, pattern: Pattern) -> list[str]:
    """Only as many as can be read; the others are empty."""
    x = pattern.x
    if pattern.axis == "week_hour":
        weekdays = say("weekdays").split(" ")
        return [weekdays[place // 24] if place % 24 == 12 else "" for place in range(len(x))]
    if pattern.axis == "day_hour":
        return [text if text.endswith(":00") and int(text[:2]) % 3 == 0 else "" for text in x]
    if pattern.axis == "temperature":
        return [text if int(text) % 5 == 0 else "" for text in x]
    every = max(1, round(len(x) / 6))
    return [
        say.short_day(date.fromisoformat(text)) if place % every == every // 2 else "" for place, text in enumerate(x)
    ]
