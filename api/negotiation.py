"""Which form of an answer a request's Accept header likes most (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["liked"]


def liked(accept: str, offered: Sequence[str]) -> str:
    """The media type of `offered` that is liked most, of equals the one named first; the first when none is liked."""
    wanted: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.lower().split(",")):
        name, *parameters = (word.strip() for word in part.split(";"))
        wanted.setdefault(name, (_weight(parameters), -place))
    liking = {form: _liking(form, wanted) for form in offered}
    best = max(offered, key=lambda form: liking[form])
    return best if liking[best][0] > 0 else offered[0]


def _liking(form: str, wanted: dict[str, tuple[float, int]]) -> tuple[float, int]:
    """Weight and place of the narrowest range that holds `form`."""
    for name in (form, f"{form.partition('/')[0]}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0, 0


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
