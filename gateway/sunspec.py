"""Walks the chain of SunSpec models of a device: which it has, where, how long.

The chain is `SunS`, then (ID, length, body)... until ID 0xFFFF. Addresses are never assumed: float instead of integer
inverter models, or a common model of 65 instead of 66 registers, shift all that follows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from energy.errors import DeviceError
from gateway.profile import SunSpec
from gateway.registers import decode, parse_type

__all__ = ["HEADER", "Identity", "ModelBlock", "identify", "read_chain", "walk"]

HEADER: Final = 2  # ID and length registers of every model
_MARKER: Final = [0x5375, 0x6E53]
_END: Final = 0xFFFF
_MAX_MODELS: Final = 64  # a chain that never ends is garbage, not a device

ReadHolding = Callable[[int, int], Awaitable[list[int]]]


@dataclass(frozen=True, slots=True)
class ModelBlock:
    """One model: `address` of its ID register, `length` of its body in registers as the device says."""

    model: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What the common model says; empty where it says nothing."""

    manufacturer: str
    model: str
    serial: str
    version: str


async def identify(read: ReadHolding, chain: dict[int, ModelBlock]) -> Identity:
    """Reads the common model (1): Mn, Md, SN, Vr at their offsets. Raises DeviceError."""
    block = chain.get(1)
    if block is None or block.length < 65:
        return Identity("", "", "", "")
    words = await read(block.address + HEADER, 64)

    def text(offset: int, registers: int) -> str:
        start = offset - HEADER
        return str(decode(words[start : start + registers], parse_type(f"str{registers}")) or "")

    return Identity(text(2, 16), text(18, 16), text(50, 16), text(42, 8))


async def walk(read: ReadHolding, wanted: SunSpec) -> dict[int, ModelBlock]:
    """The first block of each model, of those that are needed the n-th. `read(address, count)` reads holding registers.

    Raises DeviceError when there is no chain, it does not end, or a needed model is missing.
    """
    blocks = await read_chain(read, wanted.base)
    chain = {block.model: block for block in reversed(blocks)}
    for group in wanted.needs:
        mine = [block for block in blocks if block.model in group]
        for block in mine[: wanted.occurrence - 1]:
            if chain.get(block.model) is block:
                del chain[block.model]
        for block in reversed(mine[wanted.occurrence - 1 :]):
            chain[block.model] = block
    _check_needs(chain, wanted)
    return chain


async def read_chain(read: ReadHolding, bases: tuple[int, ...]) -> list[ModelBlock]:
    """Every block in its order, those of a model that comes again too. Raises DeviceError."""
    address = await _find_marker(read, bases) + len(_MARKER)
    blocks: list[ModelBlock] = []
    for _ in range(_MAX_MODELS):
        model, length = await read(address, HEADER)
        if model == _END:
            return blocks
        blocks.append(ModelBlock(model, address, length))
        address += HEADER + length
        if address > _END:
            break
    raise DeviceError("its SunSpec chain of models has no end", kind="garbage")


async def _find_marker(read: ReadHolding, bases: tuple[int, ...]) -> int:
    for base in bases:
        try:
            if await read(base, len(_MARKER)) == _MARKER:
                return base
        except DeviceError as error:
            if error.kind != "exception":  # an illegal address only says: not here
                raise
    raise DeviceError(
        f"no SunSpec marker at {', '.join(map(str, bases))}",
        kind="profile",
        hint="enable SunSpec Modbus on the device, or choose the vendor's own profile",
    )


def _check_needs(chain: dict[int, ModelBlock], wanted: SunSpec) -> None:
    for group in wanted.needs:
        if not any(model in chain for model in group):
            raise DeviceError(
                f"it has no SunSpec model {' or '.join(map(str, group))}, only {', '.join(map(str, chain))}",
                kind="profile",
                hint="choose the profile that fits its models",
            )
