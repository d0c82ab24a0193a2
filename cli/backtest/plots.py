"""Small SVG plots: bars and lines with axes, made as text."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.dispatch.storage import Floats

__all__ = ["Line", "bars", "lines"]

_WIDTH, _HEIGHT = 900, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 52, 28


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; NaN breaks it."""

    name: str
    colour: str
    values: Floats


def bars(title: str, values: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars of (name, value, colour) from zero."""
    height = 34 * len(values) + 36
    low, high = min(0.0, *(value for _, value, _ in values)), max(0.0, *(value for _, value, _ in values))
    span = (high - low) or 1.0
    parts = [_open(title, height)]
    for place, (name, value, colour) in enumerate(values):
        y = 34 + 34 * place
        start = 150 + (min(value, 0.0) - low) / span * (_WIDTH - 260)
        width = abs(value) / span * (_WIDTH - 260)
        parts.append(
            f'<text x="0" y="{y + 16}">{html.escape(name)}</text>'
            f'<rect x="{start:.1f}" y="{y}" width="{width:.1f}" height="22" fill="{colour}"/>'
            f'<text x="{start + width + 6:.1f}" y="{y + 16}">{value:,.2f}</text>'
        )
    return "".join(parts) + "</svg>"


def lines(title: str, x: Floats, drawn: Sequence[Line], ticks: Sequence[tuple[float, str]]) -> str:
    """Curves over `x` with a grid of round numbers and (place, label) ticks below."""
    everything = np.concatenate([line.values for line in drawn])
    finite = everything[np.isfinite(everything)]
    steps = _round_steps(float(min(finite.min(), 0.0)), float(max(finite.max(), 0.0))) if len(finite) else [0.0, 1.0]
    low, high = steps[0], steps[-1]
    first, last = float(x[0]), float(max(x[-1], ticks[-1][0]))
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def across(value: float) -> float:
        return _LEFT + (value - first) / ((last - first) or 1.0) * width

    def down(value: float) -> float:
        return _TOP + (high - value) / ((high - low) or 1.0) * height

    parts = [_open(title, _HEIGHT), _legend(drawn)]
    parts += [_grid_line(step, down(step)) for step in steps]
    parts += [
        f'<text x="{across(place):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{html.escape(label)}</text>'
        for place, label in ticks
    ]
    for line in drawn:
        points = [(across(float(a)), down(float(b))) for a, b in zip(x, line.values, strict=True)]
        parts.append(f'<path d="{_path(points)}" fill="none" stroke="{line.colour}" stroke-width="1.6"/>')
    return "".join(parts) + "</svg>"


def _grid_line(value: float, y: float) -> str:
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="#8a8f98" stroke-opacity="{0.9 if value == 0 else 0.25}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.6g}</text>'
    )


def _open(title: str, height: int) -> str:
    label = html.escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f'<text x="0" y="16" font-weight="600">{label}</text>'
    )


def _legend(drawn: Sequence[Line]) -> str:
    parts, x = [], float(_LEFT)
    for line in drawn:
        parts.append(
            f'<rect x="{x:.0f}" y="28" width="14" height="4" fill="{line.colour}"/>'
            f'<text x="{x + 20:.0f}" y="35">{html.escape(line.name)}</text>'
        )
        x += 48 + 7.0 * len(line.name)
    return "".join(parts)


def _path(points: Sequence[tuple[float, float]]) -> str:
    parts, drawing = [], False
    for x, y in points:
        if not math.isfinite(y):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing = True
    return "".join(parts)


def _round_steps(low: float, high: float) -> list[float]:
    """Three to seven round numbers that cover [low, high]."""
    span = (high - low) or 1.0
    size = 10 ** math.floor(math.log10(span / 4))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 6)
    return [step * number for number in range(math.floor(low / step), math.ceil(high / step) + 1)]
