"""Roles as options and arguments of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from energy.errors import RefusedError
from storage.register.roles import AccessRole

__all__ = ["RoleOption", "read_role"]

RoleOption = Annotated[str | None, typer.Option(help=f"One of {', '.join(AccessRole)}.")]


def read_role(text: str) -> AccessRole:
    """The role of that name; `member` is a participant. Raises RefusedError."""
    try:
        return AccessRole(text)
    except ValueError:
        raise RefusedError(f"{text!r} is no role", hint=f"one of {', '.join(AccessRole)}") from None
