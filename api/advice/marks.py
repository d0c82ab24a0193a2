"""The lights as shapes with a colour: a circle, a diamond, a square, a dashed ring, so that each is told without colour."""

from __future__ import annotations

from typing import Final

from energy.forecast.advice import Light

__all__ = ["COLOURS", "mark"]

COLOURS: Final = {  # ground, what stands on it
    Light.GREEN: ("#1a6a2d", "#ffffff"),
    Light.AMBER: ("#ffd45c", "#111a35"),
    Light.RED: ("#a81c1c", "#ffffff"),
    Light.UNKNOWN: ("#ffffff", "#111a35"),
}

_SHAPES: Final = {
    Light.GREEN: '<circle cx="12" cy="12" r="11" fill="{ground}"/>'
    '<path d="M6.5 12.5l4 4 7-8.5" fill="none" stroke="{ink}" stroke-width="2.6"/>',
    Light.AMBER: '<path d="M12 .8L23.2 12 12 23.2.8 12z" fill="{ground}" stroke="{ink}" stroke-width="1"/>'
    '<path d="M6.5 13.2c2-3 3.6-3 5.5-1.2s3.5 1.8 5.5-1.2" fill="none" stroke="{ink}" stroke-width="2.2"/>',
    Light.RED: '<rect x="1.5" y="1.5" width="21" height="21" rx="2" fill="{ground}"/>'
    '<path d="M9 7v10M15 7v10" fill="none" stroke="{ink}" stroke-width="3"/>',
    Light.UNKNOWN: '<circle cx="12" cy="12" r="10.5" fill="{ground}" stroke="{ink}" stroke-width="1.3" '
    'stroke-dasharray="2.5 2"/><path d="M9 9.5a3 3 0 1 1 4.3 2.7c-1 .5-1.3 1-1.3 2" fill="none" '
    'stroke="{ink}" stroke-width="1.8"/><circle cx="12" cy="17.3" r="1.2" fill="{ink}"/>',
}


def mark(light: Light) -> str:
    """The sign as SVG; it always stands beside its own words."""
    ground, ink = COLOURS[light]
    return f'<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">{_SHAPES[light].format(ground=ground, ink=ink)}</svg>'
