"""What every register map is: legal addresses, an image of words, and writes that are taken whole or refused."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Literal, Protocol

__all__ = ["READ_SPACES", "Refusal", "RegisterMap", "Space", "WordMap", "WorldTime"]

Space = Literal["coil", "discrete", "holding", "input"]
READ_SPACES: dict[int, Space] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
"""Modbus read functions and what they read."""


class WorldTime(Protocol):
    """The instant the registers show."""

    now_ms: int


class Refusal(IntEnum):
    """Modbus exception codes a map answers with."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3


class RegisterMap(ABC):
    """The registers of one unit, made from the device's state when they are read."""

    @property
    @abstractmethod
    def ranges(self) -> dict[Space, tuple[range, ...]]:
        """Legal addresses by address space."""

    @abstractmethod
    def read(self, space: Space, address: int, count: int, *, blank: bool = False) -> list[int] | Refusal:
        """Registers, or coils as 0 and 1. `blank` shows every measured value as not available."""

    def write(self, space: Space, address: int, values: Sequence[int], now_ms: int) -> Refusal | None:  # noqa: ARG002
        """Applies a whole write or refuses it whole."""
        return Refusal.ILLEGAL_FUNCTION

    def is_legal(self, space: Space, address: int, count: int) -> bool:
        """Whether every address asked for exists."""
        return any(address in legal and address + count <= legal.stop for legal in self.ranges.get(space, ()))


class WordMap(RegisterMap):
    """A map of 16-bit registers in one address space, cut from one image."""

    space: Space = "holding"
    max_read = 125

    @property
    @abstractmethod
    def start(self) -> int:
        """Address of the image's first register."""

    @abstractmethod
    def image(self, *, blank: bool) -> bytearray:
        """All registers from `start` on, big-endian."""

    def read(self, space: Space, address: int, count: int, *, blank: bool = False) -> list[int] | Refusal:
        if space != self.space:
            return Refusal.ILLEGAL_FUNCTION
        if not self.is_legal(space, address, count):
            return Refusal.ILLEGAL_ADDRESS
        if count > self.max_read:
            return Refusal.ILLEGAL_VALUE
        return list(struct.unpack_from(f">{count}H", self.image(blank=blank), 2 * (address - self.start)))
