"""What a person can be to the system."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["UserRole"]


class UserRole(StrEnum):
    """What each may do stands in api/access.py."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMIN = "admin"
    PARTICIPANT = "participant"
    TECHNICIAN = "technician"
    COUNCILLOR = "councillor"
