"""Says what it is that a P1 port sends instead of telegrams: another speed, seven bits, an encrypted meter. Pure.

Sources: Netbeheer Nederland "P1 Companion Standard" 2.2 (9600 baud 7E1) and 5.0.2 (115200 baud 8N1, signal inverted by
an open collector); Luxembourg's Smarty P1 specification 1.1.3: telegrams in a DLMS general-glo-ciphering frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.p1 import seven_bits

__all__ = ["Noise", "explain_noise"]

_LEAST: Final = 40  # bytes from which something can be said
_MOSTLY: Final = 0.95
_IDENT: Final = re.compile(rb"/[A-Za-z]{3}[0-9][^\r\n]*\r?\n")
_ENCRYPTED: Final = re.compile(rb"\xdb\x08.{8}\x82..[\x00-\x3f]", re.DOTALL)
_NOT_TEXT: Final = bytes({*range(256)} - {0x0A, 0x0D, *range(0x20, 0x7F)})


@dataclass(frozen=True, slots=True)
class Noise:
    """What the bytes are, and what to do about it."""

    what: str
    next_step: str


def explain_noise(heard: bytes) -> Noise | None:
    """What `heard`, bytes without one whole telegram, looks like; None where they are too few, or a telegram's part."""
    if _ENCRYPTED.search(heard):
        return Noise(
            "this meter encrypts its telegrams, as those of Luxembourg do; encrypted telegrams cannot be read",
            "read the meter's pulses or a meter of your own instead; Belgian meters are not encrypted",
        )
    if len(heard) < _LEAST or _IDENT.search(heard):
        return None
    stripped = seven_bits(heard)
    if _share_of_text(stripped) >= _MOSTLY > _share_of_text(heard):
        return Noise(
            "it sends seven bits with even parity, as meters before DSMR 4 do",
            "write the bus's url with ?baud=9600&parity=E",
        )
    if _share_of_text(heard) < _MOSTLY:
        return Noise(
            f"{len(heard)} bytes came that are no text: another speed, or the signal is inverted",
            "use a P1 cable (it turns the signal round); meters since DSMR 4 speak 115200 baud, older ones "
            "?baud=9600&parity=E",
        )
    return Noise("text comes, but no telegram", "is this really a P1 port? Look at it with `picocom -b 115200`")


def _share_of_text(data: bytes) -> float:
    return len(data.translate(None, _NOT_TEXT)) / len(data)
