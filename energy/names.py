"""Names that stand on the wire, in the store and in files: what they may be made of."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

__all__ = ["RESERVED_GATEWAYS", "Slug", "device_id"]

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""Identifiers stand in topics, URLs and file names: lower case letters, digits, `-` and `_`, at most 63."""
RESERVED_GATEWAYS: Final = frozenset({"live", "alerts"})
"""Topic levels of the centre."""


def device_id(site: str, device: str) -> str:
    """The name of a device on the wire and in the store: `site/device`."""
    return f"{site}/{device}"
