"""What a person or the holder of a key can be to the system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

__all__ = ["AccessRole", "scope_problem"]


class AccessRole(StrEnum):
    """What each may do stands in api/rights.py. `member` is another word for `participant`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMIN = "admin"
    TECHNICIAN = "technician"
    REGION = "region"
    MUNICIPALITY = "municipality"
    BUILDING = "building"
    COUNCILLOR = "councillor"
    PARTICIPANT = "participant"
    GATEWAY = "gateway"

    @classmethod
    def _missing_(cls, value: object) -> AccessRole | None:
        return cls.PARTICIPANT if value == "member" else None


def scope_problem(role: AccessRole, scope: Mapping[str, Sequence[str]]) -> str | None:
    """Why that role cannot have that scope, None when it can. An empty scope is none of its business."""
    if role is AccessRole.BUILDING and (scope.get("communities") or scope.get("municipalities")):
        return "building is a role for single sites"
    if role is AccessRole.MUNICIPALITY and scope.get("communities"):
        return "municipality is a role for municipalities and single sites"
    return None
