"""The advice as HTML: a page for a phone and a poster of one sheet."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from api.advice.marks import mark
from api.advice.texts import LIGHTS, WORDS, day_name, day_of
from energy.forecast.advice import Advice, Light
from energy.forecast.advice_texts import LANGUAGES, sentence

__all__ = ["Sheet", "page", "poster"]

_HOUR_MS: Final = 3_600_000
_CAUTION: Final = (Light.UNKNOWN, Light.RED, Light.AMBER, Light.GREEN)
_NAMES: Final = {"fr": "Français", "nl": "Nederlands", "de": "Deutsch", "en": "English"}
_PARTS: Final = ((6, 12), (12, 18), (18, 24))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is shown: a community's advice as seen at `now_ms`, in a language."""

    community: str
    name: str
    timezone: str
    now_ms: int
    made_ms: int
    advice: Sequence[Advice]
    language: str

    def local(self, t_ms: int) -> datetime:
        """The community's local time."""
        return datetime.fromtimestamp(t_ms / 1000, ZoneInfo(self.timezone))

    def word(self, key: str, **values: str) -> str:
        """A text of the page, safe to stand in HTML."""
        return html.escape(WORDS[self.language][key].format(**values), quote=False)

    def light(self, light: Light) -> str:
        """What a light is called."""
        return html.escape(LIGHTS[self.language][light], quote=False)

    def at(self, t_ms: int) -> Light:
        """The light at an instant; unknown outside what is forecast."""
        return next((each.light for each in self.advice if each.start <= t_ms < each.end), Light.UNKNOWN)


def page(sheet: Sheet) -> str:
    """For a screen of any size."""
    links = " ".join(_language_link(sheet, each, "") for each in LANGUAGES)
    body = f"""<header><p class="community">{html.escape(sheet.name)}</p><h1>{sheet.word("title")}</h1></header>
<main>
{_now(sheet)}
<section aria-labelledby="ahead"><h2 id="ahead">{sheet.word("ahead")}</h2>
{_days(sheet)}
</section>
{_legend(sheet)}
</main>
<footer><p>{_made(sheet)}</p>
<nav aria-label="{sheet.word("languages")}">{links}</nav>
<p><a href="{sheet.community}/poster?lang={sheet.language}">{sheet.word("poster")}</a></p></footer>"""
    return _document(sheet, body, "page")


def poster(sheet: Sheet) -> str:
    """One sheet of A4: the hours of today and tomorrow."""
    links = " ".join(_language_link(sheet, each, "/poster") for each in LANGUAGES)
    today = sheet.local(sheet.now_ms)
    body = f"""<nav class="screen-only" aria-label="{sheet.word("languages")}">{links}
<a href="../{sheet.community}?lang={sheet.language}">{sheet.word("page")}</a></nav>
<header><p class="community">{html.escape(sheet.name)}</p><h1>{sheet.word("title")}</h1>
<p class="question">{_good(sheet)}</p></header>
<main><h2 class="spoken">{sheet.word("printed")}</h2>
{_hours(sheet, today, "today")}
{_hours(sheet, today + timedelta(days=1), "tomorrow")}
{_legend(sheet)}
</main>
<footer><p>{_made(sheet)}</p></footer>"""
    return _document(sheet, body, "poster")


def _document(sheet: Sheet, body: str, kind: str) -> str:
    up = "../" if kind == "poster" else ""
    return f"""<!doctype html>
<html lang="{sheet.language}"><head><meta charset="utf-8">
<title>{sheet.word("title")} &ndash; {html.escape(sheet.name)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{up}advice.css"></head>
<body class="{kind}">
{body}
</body></html>
"""


def _language_link(sheet: Sheet, language: str, end: str) -> str:
    here = ' aria-current="true"' if language == sheet.language else ""
    place = "poster" if end else sheet.community
    return f'<a href="{place}?lang={language}" lang="{language}" hreflang="{language}"{here}>{_NAMES[language]}</a>'


def _now(sheet: Sheet) -> str:
    current = next((each for each in sheet.advice if each.start <= sheet.now_ms < each.end), None)
    light = Light.UNKNOWN if current is None else current.light
    until = "" if current is None else _until(sheet, current.end)
    why = "" if current is None else html.escape(sentence(current, sheet.language), quote=False)
    return f"""<section class="now {light}" aria-labelledby="now">
<h2 id="now"><span class="small">{sheet.word("question")}</span> {mark(light)} <strong>{sheet.light(light)}</strong></h2>
<p>{why} <span class="until">({sheet.word("now")}, {until})</span></p>
<p class="best">{_best(sheet)}</p></section>"""


def _until(sheet: Sheet, end_ms: int) -> str:
    end, today = sheet.local(end_ms), sheet.local(sheet.now_ms)
    if end.date() == today.date():
        return sheet.word("until", time=f"{end:%H:%M}")
    return sheet.word("until_day", day=day_of(sheet.language, end, today), time=f"{end:%H:%M}")


def _best(sheet: Sheet) -> str:
    """The next green time, when it is not now."""
    greens = [each for each in sheet.advice if each.light is Light.GREEN and each.end > sheet.now_ms]
    if not greens:
        return sheet.word("none") if any(each.light is not Light.UNKNOWN for each in sheet.advice) else ""
    later = next((each for each in greens if each.start > sheet.now_ms), None)
    if later is None:
        return ""
    start, end = sheet.local(later.start), sheet.local(later.end)
    day = day_of(sheet.language, start, sheet.local(sheet.now_ms))
    return sheet.word("next", day=day, start=f"{start:%H:%M}", end=f"{end:%H:%M}")


def _good(sheet: Sheet) -> str:
    """All green times, for a sheet that hangs there for hours."""
    today = sheet.local(sheet.now_ms)
    times = []
    for each in sheet.advice:
        if each.light is Light.GREEN:
            for start, end in _by_day(sheet, each.start, each.end):
                until = "24:00" if end.date() != start.date() else f"{end:%H:%M}"
                times.append(f"{day_of(sheet.language, start, today)} {start:%H:%M}\u2013{until}")
    return sheet.word("good", times=", ".join(times)) if times else _best(sheet)


def _days(sheet: Sheet) -> str:
    """Each local day's periods, cut at midnight."""
    parts, today = [], sheet.local(sheet.now_ms)
    day: str | None = None
    for each in sheet.advice:
        for start, end in _by_day(sheet, max(each.start, sheet.now_ms), each.end):
            name = day_of(sheet.language, start, today)
            if name != day:
                parts.append(f"{'' if day is None else '</ul>'}<h3>{name[0].upper()}{name[1:]}</h3>\n<ul>")
                day = name
            until = "24:00" if end.date() != start.date() else f"{end:%H:%M}"
            why = html.escape(sentence(each, sheet.language), quote=False)
            parts.append(
                f'<li class="{each.light}"><span class="time">{start:%H:%M}&ndash;{until}</span> {mark(each.light)} '
                f"<span><strong>{sheet.light(each.light)}</strong> {why}</span></li>"
            )
    return "\n".join([*parts, "</ul>" if day is not None else ""])


def _by_day(sheet: Sheet, start_ms: int, end_ms: int) -> list[tuple[datetime, datetime]]:
    pieces = []
    while start_ms < end_ms:
        start = sheet.local(start_ms)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        stop = min(end_ms, int(midnight.timestamp() * 1000))
        pieces.append((start, sheet.local(stop)))
        start_ms = stop
    return pieces


def _hours(sheet: Sheet, day: datetime, key: str) -> str:
    """A day's hours from 6 to 24, each with the most careful light of its quarter-hours."""
    rows = []
    for first, last in _PARTS:
        cells = "".join(_hour(sheet, day, hour) for hour in range(first, last))
        rows.append(f'<ol class="hours" start="{first}">{cells}</ol>')
    name = day_name(sheet.language, day)
    return f'<section class="day"><h3>{sheet.word(key)} <span>{name}</span></h3>{"".join(rows)}</section>'


def _hour(sheet: Sheet, day: datetime, hour: int) -> str:
    start = day.replace(hour=hour, minute=0, second=0, microsecond=0)
    start_ms = int(start.timestamp() * 1000)
    quarters = [sheet.at(start_ms + quarter * _HOUR_MS // 4) for quarter in range(4)]
    past = start_ms + _HOUR_MS <= sheet.made_ms
    seen = [light for quarter, light in enumerate(quarters) if start_ms + quarter * _HOUR_MS // 4 >= sheet.made_ms]
    light = min(seen or quarters, key=_CAUTION.index)
    state = "past" if past else str(light)
    shown = "" if past else f"{mark(light)}<span>{sheet.light(light)}</span>"
    return f'<li class="{state}"><b>{hour}&ndash;{hour + 1}</b>{shown}</li>'


def _legend(sheet: Sheet) -> str:
    lights = (Light.GREEN, Light.AMBER, Light.RED, Light.UNKNOWN)
    marks = "".join(f"<li>{mark(light)} {sheet.light(light)}</li>" for light in lights)
    return f"""<section class="legend" aria-labelledby="legend"><h2 id="legend">{sheet.word("legend")}</h2>
<ul>{marks}</ul><p>{sheet.word("rule")}</p></section>"""


def _made(sheet: Sheet) -> str:
    made = sheet.local(sheet.made_ms)
    return sheet.word("made", day=day_name(sheet.language, made), time=f"{made:%H:%M}", name=sheet.name)
