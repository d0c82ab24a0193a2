"""The words of the advice page and poster."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from energy.forecast.advice import Light

__all__ = ["LIGHTS", "WORDS", "chosen_language", "day_name", "day_of"]

LIGHTS: Final[dict[str, dict[Light, str]]] = {
    "fr": {
        Light.GREEN: "Allez-y",
        Light.AMBER: "Convient",
        Light.RED: "Mieux vaut attendre",
        Light.UNKNOWN: "Pas de conseil",
    },
    "nl": {
        Light.GREEN: "Nu doen",
        Light.AMBER: "Kan",
        Light.RED: "Beter wachten",
        Light.UNKNOWN: "Geen raad",
    },
    "de": {
        Light.GREEN: "Jetzt gut",
        Light.AMBER: "Geht",
        Light.RED: "Besser warten",
        Light.UNKNOWN: "Kein Rat",
    },
    "en": {
        Light.GREEN: "Go ahead",
        Light.AMBER: "Fine",
        Light.RED: "Better wait",
        Light.UNKNOWN: "No advice",
    },
}

WORDS: Final[dict[str, dict[str, str]]] = {
    "fr": {
        "title": "Quand utiliser notre électricité\xa0?",
        "question": "Lessive, vaisselle, voiture\xa0: maintenant\xa0?",
        "now": "Maintenant",
        "until": "jusqu'à {time}",
        "until_day": "jusqu'à {day} {time}",
        "next": "Prochain bon moment\xa0: {day}, de {start} à {end}.",
        "good": "Bons moments\xa0: {times}.",
        "none": "Aucune période verte dans les 36 heures à venir.",
        "ahead": "Les 36 heures à venir",
        "today": "Aujourd'hui",
        "tomorrow": "Demain",
        "poster": "Affiche à imprimer",
        "page": "À l'écran",
        "made": "Prévision du {day} à {time} pour toute la communauté\xa0: {name}. Elle peut se tromper.",
        "rule": "Vert\xa0: nos toits couvrent toute notre consommation. Orange\xa0: une bonne part, ou l'électricité est bon marché. Rouge\xa0: peu.",
        "legend": "Ce que disent les signes",
        "languages": "Langue",
        "hours": "Heures",
        "printed": "Heure par heure",
    },
    "nl": {
        "title": "Wanneer gebruiken we onze stroom?",
        "question": "Was, vaat, auto: nu?",
        "now": "Nu",
        "until": "tot {time}",
        "until_day": "tot {day} {time}",
        "next": "Volgend goed moment: {day}, van {start} tot {end}.",
        "good": "Goede momenten: {times}.",
        "none": "Geen groene periode in de komende 36 uur.",
        "ahead": "De komende 36 uur",
        "today": "Vandaag",
        "tomorrow": "Morgen",
        "poster": "Affiche om af te drukken",
        "page": "Op het scherm",
        "made": "Voorspelling van {day} om {time} voor de hele gemeenschap: {name}. Ze kan fout zijn.",
        "rule": "Groen: onze daken dekken al ons verbruik. Oranje: een goed deel, of stroom is goedkoop. Rood: weinig.",
        "legend": "Wat de tekens zeggen",
        "languages": "Taal",
        "hours": "Uren",
        "printed": "Uur per uur",
    },
    "de": {
        "title": "Wann nutzen wir unseren Strom?",
        "question": "Wäsche, Geschirr, Auto: jetzt?",
        "now": "Jetzt",
        "until": "bis {time}",
        "until_day": "bis {day} {time}",
        "next": "Nächste gute Zeit: {day}, von {start} bis {end}.",
        "good": "Gute Zeiten: {times}.",
        "none": "Keine grüne Zeit in den nächsten 36 Stunden.",
        "ahead": "Die nächsten 36 Stunden",
        "today": "Heute",
        "tomorrow": "Morgen",
        "poster": "Plakat zum Drucken",
        "page": "Am Bildschirm",
        "made": "Vorhersage vom {day} um {time} für die ganze Gemeinschaft: {name}. Sie kann irren.",
        "rule": "Grün: Unsere Dächer decken unseren ganzen Verbrauch. Orange: einen guten Teil, oder Strom ist billig. Rot: wenig.",
        "legend": "Was die Zeichen sagen",
        "languages": "Sprache",
        "hours": "Stunden",
        "printed": "Stunde für Stunde",
    },
    "en": {
        "title": "When to use our electricity?",
        "question": "Washing, dishes, car: now?",
        "now": "Now",
        "until": "until {time}",
        "until_day": "until {day} {time}",
        "next": "Next good time: {day}, from {start} to {end}.",
        "good": "Good times: {times}.",
        "none": "No green time in the next 36 hours.",
        "ahead": "The next 36 hours",
        "today": "Today",
        "tomorrow": "Tomorrow",
        "poster": "Poster to print",
        "page": "On the screen",
        "made": "Forecast of {day} at {time} for the whole community: {name}. It can be wrong.",
        "rule": "Green: our roofs cover all we use. Amber: a good part, or electricity is cheap. Red: little.",
        "legend": "What the signs say",
        "languages": "Language",
        "hours": "Hours",
        "printed": "Hour by hour",
    },
}

_DAYS: Final = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "nl": ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


def chosen_language(asked: str | None, accepted: str | None) -> str:
    """What the reader asked for, else the first of the browser's languages that there is, else French."""
    tags = [asked or "", *(part.partition(";")[0] for part in (accepted or "").split(","))]
    names = (tag.strip().lower().partition("-")[0] for tag in tags)
    return next((name for name in names if name in WORDS), "fr")


def day_name(language: str, day: datetime) -> str:
    """`samedi 28/11`."""
    return f"{_DAYS[language][day.weekday()]} {day.day}/{day.month}"


def day_of(language: str, day: datetime, today: datetime) -> str:
    """Today, tomorrow, or the day's name; small, for inside a sentence."""
    ahead = (day.date() - today.date()).days
    if ahead in (0, 1):
        word = WORDS[language]["today" if ahead == 0 else "tomorrow"]
        return word[0].lower() + word[1:]
    return day_name(language, day)
