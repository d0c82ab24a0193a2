"""Ids of a lease's renewals: they begin with the id of the first, so that all of them are one lease in the register."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["first_of", "numbered", "renewal_of", "replaced_by"]

_RENEWAL: Final = re.compile(r"(?s)(.+)~([1-9][0-9]{0,8})")


def first_of(lease_id: str) -> tuple[str, int]:
    """The id of the first of a lease and its renewals, and the number of this one; 0: it is the first."""
    found = _RENEWAL.fullmatch(lease_id)
    return (found[1], int(found[2])) if found else (lease_id, 0)


def numbered(first: str, number: int) -> str:
    """The id of the renewal `number` of the lease `first`; 0: its own."""
    return f"{first}~{number}" if number else first


def renewal_of(lease_id: str) -> str:
    """The id of what renews this lease or renewal: `c1`, `c1~1`, `c1~2`."""
    first, number = first_of(lease_id)
    return numbered(first, number + 1)


def replaced_by(lease_id: str) -> str:
    """What a gateway tells of a lease whose place another took."""
    return f"replaced by {lease_id}"
