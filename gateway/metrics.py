"""Counters of a gateway's work, for its status and for export."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Metrics"]


@dataclass(slots=True)
class Metrics:
    """Counts since the start."""

    polls: int = 0
    poll_errors: Counter[str] = field(default_factory=Counter)
    """by DeviceError.kind"""
    batches: int = 0
    published: int = 0
    resent: int = 0
    confirmed: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    """by result state"""
    malformed: int = 0
    """messages from the centre that could not be read"""
