"""Drawings of the report as SVG, the same on screen and on paper. Shape and label tell what colour tells, too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Line", "bars", "lines", "sparkline"]

INK: Final = "#1d2b33"
SOFT: Final = "#5b6770"
GRID: Final = "#d9dfe3"
NOW: Final = "#0b5d8a"
BEFORE: Final = "#9fb4c0"
SHADE: Final = "#f6dfb3"
_STYLES: Final = ((NOW, 2.0, ""), ("#b04a00", 1.6, "6 4"))  # the first measured, the second what it is held against
_WIDTH, _HEIGHT = 640, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None: unknown, a gap."""

    name: str
    values: Sequence[float | None]


def bars(labels: Sequence[str], now: Line, before: Line, say: Mapping[str, str], *, alt: str) -> str:
    """Two bars for each label: the year before behind, hatched by its paler tone and its outline, this year beside it."""
    top, ticks = _scale([*now.values, *before.values])
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    parts = _frame(ticks, top, say)
    for place, label in enumerate(labels):
        x = _LEFT + place * step
        for offset, value, fill, edge in (
            (0.14, before.values[place], "#ffffff", SOFT),
            (0.5, now.values[place], NOW, NOW),
        ):
            if value is not None:
                y = _y(value, top)
                parts.append(
                    f'<rect x="{x + offset * step:.1f}" y="{y:.1f}" width="{0.34 * step:.1f}" '
                    f'height="{_HEIGHT - _BOTTOM - y:.1f}" fill="{fill}" stroke="{edge}"/>'
                )
        parts.append(_text(x + step / 2, _HEIGHT - 10, label))
    parts += _legend([(before.name, "#ffffff", SOFT, ""), (now.name, NOW, NOW, "")])
    return _svg(parts, alt)


def lines(x: Sequence[str], drawn: Sequence[Line], marked: Sequence[bool], say: Mapping[str, str], *, alt: str) -> str:
    """Lines over `x` (only some of which are labels: empty ones are left out), `marked` places shaded."""
    top, ticks = _scale([value for line in drawn for value in line.values])
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(x))
    shade = [
        f'<rect x="{_LEFT + first * step:.1f}" y="{_TOP}" width="{(end - first) * step:.1f}" '
        f'height="{_HEIGHT - _BOTTOM - _TOP}" fill="{SHADE}"/>'
        for first, end in _runs(marked)
    ]
    parts = [*shade, *_frame(ticks, top, say)]
    for place, label in enumerate(x):
        if label:
            parts.append(_text(_LEFT + (place + 0.5) * step, _HEIGHT - 10, label))
    for line, (colour, width, dash) in zip(drawn, _STYLES, strict=False):
        path = _path(line.values, step, top)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>')
    names = [(line.name, "none", colour, dash) for line, (colour, _, dash) in zip(drawn, _STYLES, strict=False)]
    return _svg([*parts, *_legend(names)], alt)


def sparkline(values: Sequence[float | None], *, alt: str, width: int = 96, height: int = 22) -> str:
    """Twelve months as a line with a dot at the last one that is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    top = max(known) or 1.0
    step = width / max(1, len(values))
    points = [
        None if value is None else (round((place + 0.5) * step, 1), round(height - 3 - value / top * (height - 6), 1))
        for place, value in enumerate(values)
    ]
    path, pen = "", "M"
    for point in points:
        path += "" if point is None else f"{pen}{point[0]} {point[1]}"
        pen = "M" if point is None else "L"
    last = next(point for point in reversed(points) if point is not None)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label={quoteattr(alt)}><path d="{path}" fill="none" stroke="{NOW}" stroke-width="1.5"/>'
        f'<circle cx="{last[0]}" cy="{last[1]}" r="2.2" fill="{NOW}"/></svg>'
    )


def _svg(parts: Sequence[str], alt: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label={quoteattr(alt)} font-family="Libertinus Serif, Georgia, serif" font-size="12">'
        f"{''.join(parts)}</svg>"
    )


def _scale(values: Sequence[float | None]) -> tuple[float, list[float]]:
    """A round top above all values, and where the grid lies."""
    highest = max((value for value in values if value is not None), default=0.0) or 1.0
    size = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(size * by for by in (1, 2, 2.5, 5, 10) if size * by * 4 >= highest)
    count = math.ceil(highest / step - 1e-9)
    return step * count, [step * place for place in range(count + 1)]


def _frame(ticks: Sequence[float], top: float, say: Mapping[str, str]) -> list[str]:
    parts = []
    for tick in ticks:
        y = _y(tick, top)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        text = f"{tick:.4g}".replace(".", say.get("point", "."))
        parts.append(_text(_LEFT - 8, y + 4, text, anchor="end"))
    parts.append(_text(_LEFT - 8, _TOP - 12, say["unit"], anchor="end"))
    return parts


def _legend(entries: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """(name, fill, edge, dash): a box for bars, a stroke for lines."""
    parts, x = [], _WIDTH - _RIGHT
    for name, fill, edge, dash in reversed(entries):
        x -= round(7.0 * len(name)) + 34
        if fill == "none":
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            parts.append(f'<line x1="{x}" x2="{x + 22}" y1="11" y2="11" stroke="{edge}" stroke-width="2"{dashed}/>')
        else:
            parts.append(f'<rect x="{x + 8}" y="5" width="12" height="12" fill="{fill}" stroke="{edge}"/>')
        parts.append(_text(x + 27, 15, name, anchor="start"))
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - max(0.0, value) / top * (_HEIGHT - _BOTTOM - _TOP)


def _path(values: Sequence[float | None], step: float, top: float) -> str:
    path, pen = "", "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path += f"{pen}{_LEFT + (place + 0.5) * step:.1f} {_y(value, top):.1f}"
        pen = "L"
    return path


def _runs(marked: Sequence[bool]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place, flag in enumerate(marked):
        if flag and runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        elif flag:
            runs.append((place, place + 1))
    return runs
