"""One look at a rule: what it watches and what was found at this moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from energy.alerts.rules import Rule
from energy.alerts.states import Watch
from energy.alerts.subjects import Subject

__all__ = ["Look"]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a rule: what it watches, its watch, the value and what is silent, at this moment.

    `measured`: the value with the effect of its own actions in it, as a meter would tell it.
    """

    rule: Rule
    subject: Subject
    name: str
    watch: Watch
    value: float | None
    measured: Callable[[], float | None]
    silent: tuple[str, ...]
    now_ms: int
    now_s: float
