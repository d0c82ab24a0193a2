"""A key as coefficients that a grid operator takes: parts of the injection in millionths, that add up to one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from energy.sharing.key import MILLIONTHS, SharingKey

__all__ = ["constant_parts", "millionths", "pair_parts", "spain_lines"]

_CUPS: Final = re.compile(r"ES\d{16}[A-Z]{2}(\d[A-Z])?")


def constant_parts(key: SharingKey) -> dict[str, int]:
    """The participants' weights in millionths. Raises ValueError where they do not add up to 1."""
    weights = {point: each.weight for point, each in (key.participants or {}).items()}
    total = sum(weights.values(), Fraction(0))
    if abs(total - 1) > Fraction(1, MILLIONTHS):
        raise ValueError(f"weights add up to {float(total):.6f}, and coefficients must to 1: a stake may be any amount")
    return dict(zip(weights, millionths(list(weights.values())), strict=True))


def millionths(parts: Sequence[Fraction]) -> list[int]:
    """Parts of their own sum, by largest remainder, ties to the last: thirds are 333,333 twice and 333,334."""
    total = sum(parts, Fraction(0))
    exact = [part * MILLIONTHS / total for part in parts]
    found = [int(part) for part in exact]
    order = sorted(range(len(parts)), key=lambda n: (exact[n] - found[n], n), reverse=True)
    for n in order[: MILLIONTHS - sum(found)]:
        found[n] += 1
    return found


def pair_parts(received: Sequence[int], given: int, injected: int, shared: int) -> list[int]:
    """What each consumer received of one producer, in millionths of what it injected: pro rata of all that each received.

    `given` of `injected` was shared by the producer, of `shared` in all. Together never more than was given.
    """
    if not given or not shared:
        return [0] * len(received)
    exact = [Fraction(each * given, shared) for each in received]
    return millionths([*exact, Fraction(injected) - sum(exact, Fraction(0))])[:-1]


def spain_lines(parts: Mapping[str, int | Sequence[int]]) -> Iterator[str]:
    """Of each CUPS its β, or one for each hour of the year: six decimals after a comma, hours as 0001.

    As somcomunitats-coop/odoo-ec writes them (read 2026-11-28). Raises ValueError for what is no CUPS.
    """
    for cups, own in parts.items():
        if not _CUPS.fullmatch(cups):
            raise ValueError(f"{cups!r} is no CUPS: ES, sixteen digits, two letters, and perhaps a digit and a letter")
        if isinstance(own, int):
            yield f"{cups};{_comma(own)}"
        else:
            yield from (f"{cups};{hour:04d};{_comma(part)}" for hour, part in enumerate(own, 1))


def _comma(part: int) -> str:
    return f"{part // MILLIONTHS},{part % MILLIONTHS:06d}"
