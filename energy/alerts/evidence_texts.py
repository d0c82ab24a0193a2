"""What happened in an alert's life, kept as a code with its values, as a sentence in the reader's language.

A sentence that a device, gateway or person wrote is a value of its own and stays as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from energy.languages import LANGUAGES
from energy.reasons import NOUNS, in_words, localized

__all__ = ["Said", "Values", "amount", "moment", "noun", "told"]

Values = Mapping[str, str | float | list[str | float | None]]
"""Texts and numbers; an amount is [number or null, unit, digits]; a moment [ms UTC, "utc"]."""

_SENTENCES: Final[dict[str, tuple[str, str, str, str]]] = {  # en, fr, nl, de
    "crossed_above": (
        "the {noun} of {name} rose to {value}, above {limit}",
        "{noun}, {name} : {value}, au-dessus de {limit}",
        "{noun}, {name}: {value}, boven {limit}",
        "{noun}, {name}: {value}, über {limit}",
    ),
    "crossed_below": (
        "the {noun} of {name} fell to {value}, below {limit}",
        "{noun}, {name} : {value}, au-dessous de {limit}",
        "{noun}, {name}: {value}, onder {limit}",
        "{noun}, {name}: {value}, unter {limit}",
    ),
    "raised_above": (
        "the {noun} of {name} stayed above {limit} for {seconds} s: {value} now",
        "{noun}, {name} : au-dessus de {limit} depuis {seconds} s, maintenant {value}",
        "{noun}, {name}: al {seconds} s boven {limit}, nu {value}",
        "{noun}, {name}: seit {seconds} s über {limit}, jetzt {value}",
    ),
    "raised_below": (
        "the {noun} of {name} stayed below {limit} for {seconds} s: {value} now",
        "{noun}, {name} : au-dessous de {limit} depuis {seconds} s, maintenant {value}",
        "{noun}, {name}: al {seconds} s onder {limit}, nu {value}",
        "{noun}, {name}: seit {seconds} s unter {limit}, jetzt {value}",
    ),
    "cleared_below": (
        "the {noun} of {name} fell to {value}, below {limit}",
        "{noun}, {name} : de nouveau {value}, au-dessous de {limit}",
        "{noun}, {name}: weer {value}, onder {limit}",
        "{noun}, {name}: wieder {value}, unter {limit}",
    ),
    "cleared_above": (
        "the {noun} of {name} rose to {value}, above {limit}",
        "{noun}, {name} : de nouveau {value}, au-dessus de {limit}",
        "{noun}, {name}: weer {value}, boven {limit}",
        "{noun}, {name}: wieder {value}, über {limit}",
    ),
    "cleared_unknown": (
        "the {noun} of {name} has been unknown for {minutes} minutes; silent: {silent}",
        "{noun}, {name} : inconnu depuis {minutes} minutes ; muets : {silent}",
        "{noun}, {name}: al {minutes} minuten onbekend; stil: {silent}",
        "{noun}, {name}: seit {minutes} Minuten unbekannt; stumm: {silent}",
    ),
    "rule_gone": (
        "the rule is no longer configured",
        "la règle n'est plus configurée",
        "de regel is niet meer ingesteld",
        "die Regel ist nicht mehr eingerichtet",
    ),
    "stands_again": (
        "the time given is over, and it still stands",
        "le délai est passé et l'alerte tient toujours",
        "de tijd is om en het alarm staat er nog",
        "die Frist ist um, und sie besteht noch",
    ),
    "asked": (
        "{device} was asked for {settings} for {seconds} s, renewed while the alert stands",
        "{device} a reçu la demande {settings} pour {seconds} s, renouvelée tant que l'alerte tient",
        "aan {device} is {settings} gevraagd voor {seconds} s, verlengd zolang het alarm staat",
        "von {device} wurde {settings} für {seconds} s verlangt, verlängert, solange der Alarm besteht",
    ),
    "not_asked": (
        "{device} could not be asked: {why}",
        "{device} n'a pu être sollicité : {why}",
        "{device} kon niet gevraagd worden: {why}",
        "{device} konnte nicht gefragt werden: {why}",
    ),
    "no_gateway": (
        "no gateway is known for {device}",
        "aucune passerelle n'est connue pour {device}",
        "er is geen gateway bekend voor {device}",
        "für {device} ist kein Gateway bekannt",
    ),
    "left_alone": (
        "{device} is left alone: it is under {holder}",
        "{device} est laissé tel quel : {holder}",
        "{device} wordt met rust gelaten: {holder}",
        "{device} wird in Ruhe gelassen: {holder}",
    ),
    "ended_cleared": (
        "the lease on {device} was ended: the alert cleared",
        "le mandat sur {device} a pris fin : l'alerte est levée",
        "de opdracht aan {device} is beëindigd: het alarm is voorbij",
        "der Auftrag an {device} wurde beendet: der Alarm ist vorbei",
    ),
    "ended_unknown": (
        "the lease on {device} was ended: the {noun} is unknown, so nothing is steered by it; silent: {silent}",
        "le mandat sur {device} a pris fin : {noun}, valeur inconnue, rien n'est piloté ; muets : {silent}",
        "de opdracht aan {device} is beëindigd: {noun} onbekend, er wordt niet gestuurd; stil: {silent}",
        "der Auftrag an {device} wurde beendet: {noun} unbekannt, es wird nicht gesteuert; stumm: {silent}",
    ),
    "ran_out": (
        "{text} (the lease ran out)",
        "{text} (le mandat a expiré)",
        "{text} (de opdracht is verlopen)",
        "{text} (der Auftrag ist abgelaufen)",
    ),
    "effect": (
        "{device} went from {before} to {after}, the {noun} from {value_before} to {value_after}",
        "{device} est passé de {before} à {after} ; {noun} : de {value_before} à {value_after}",
        "{device} ging van {before} naar {after}; {noun}: van {value_before} naar {value_after}",
        "{device} ging von {before} auf {after}; {noun}: von {value_before} auf {value_after}",
    ),
    "balancer": (
        "the balancer, {device}: {reason}",
        "l'équilibreur, {device} : {reason}",
        "de balancer, {device}: {reason}",
        "der Ausgleich, {device}: {reason}",
    ),
    "acknowledge": (
        "acknowledged by {by}{why}",
        "pris en charge par {by}{why}",
        "bevestigd door {by}{why}",
        "bestätigt von {by}{why}",
    ),
    "acknowledge_until": (
        "acknowledged by {by} until {until}{why}",
        "pris en charge par {by} jusqu'au {until}{why}",
        "bevestigd door {by} tot {until}{why}",
        "bestätigt von {by} bis {until}{why}",
    ),
    "mute_until": (
        "muted by {by} until {until}{why}",
        "mis en sourdine par {by} jusqu'au {until}{why}",
        "gedempt door {by} tot {until}{why}",
        "stummgeschaltet von {by} bis {until}{why}",
    ),
    "mute": (
        "muted by {by}{why}",
        "mis en sourdine par {by}{why}",
        "gedempt door {by}{why}",
        "stummgeschaltet von {by}{why}",
    ),
    "unmute": (
        "unmuted by {by}{why}",
        "sourdine levée par {by}{why}",
        "demping opgeheven door {by}{why}",
        "Stummschaltung aufgehoben von {by}{why}",
    ),
}
_UNKNOWN: Final = ("unknown", "inconnu", "onbekend", "unbekannt")
_NOBODY: Final = ("nobody", "personne", "niemand", "niemand")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as data: `code` names it; without one it is `text` as it stands."""

    code: str = ""
    values: Values = field(default_factory=dict)
    text: str = ""


def amount(value: float | None, unit: str, digits: int) -> list[str | float | None]:
    """A number of a sentence."""
    return [value, unit, float(digits)]


def moment(t: int) -> list[str | float | None]:
    """An instant of a sentence, ms UTC."""
    return [float(t), "utc"]


def noun(key: str, language: str = "en") -> str:
    """What a rule measures, in a language; what has no name is called by its key."""
    return NOUNS[key][LANGUAGES.index(language)] if key in NOUNS else key


def told(said: Said, language: str = "en") -> str:
    """The sentence in a language; one of an unknown code, written by a newer program, as its text stands."""
    sentences = _SENTENCES.get(said.code)
    if sentences is None:
        return said.text
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    shown = {name: _shown(name, value, place) for name, value in said.values.items()}
    try:
        return sentences[place].format_map(shown)
    except (KeyError, IndexError, ValueError, AttributeError):
        return said.text


def _shown(name: str, value: str | float | list[str | float | None], place: int) -> str:
    if isinstance(value, list):
        return _listed(value, place)
    if name == "noun":
        return noun(str(value), LANGUAGES[place])
    if name == "reason":
        return in_words(str(value), LANGUAGES[place])
    if name == "silent" and not value:
        return _NOBODY[place]
    return f"{value:g}" if isinstance(value, int | float) else value


def _listed(value: list[str | float | None], place: int) -> str:
    number, unit, *digits = value
    if unit == "utc" and isinstance(number, int | float):
        return f"{datetime.fromtimestamp(number / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    if not isinstance(number, int | float) or not digits or not isinstance(digits[0], int | float):
        return _UNKNOWN[place]
    return f"{localized(f'{number:,.{int(digits[0])}f}', LANGUAGES[place])} {unit}".rstrip()
