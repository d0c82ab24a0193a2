"""Where the register is kept: a SQLite file by default, a PostgreSQL database by URL."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

__all__ = ["RegisterSettings"]

_POSTGRESQL: Final = ("postgresql+psycopg://", "postgresql://", "postgres://")


class RegisterSettings(BaseModel):
    """Where alerts, commands, quarantine, people and runs are kept, and what still has to be computed.

    `path` is also where the collector's small files lie when `url` names a PostgreSQL database.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Path("data/register.db")
    url: str | None = Field(
        default=None, description="postgresql+psycopg://user@host:5432/database; without it: SQLite at `path`"
    )
    password: SecretStr | None = Field(default=None, description="better: password_file, or the environment")
    password_file: Path | None = None

    @property
    def dirty_path(self) -> Path:
        """The collector's marks of quarter-hours to compute, beside the register."""
        return self.path.with_name("dirty.db")

    @field_validator("url")
    @classmethod
    def _one_driver(cls, url: str | None) -> str | None:
        """Every way to write PostgreSQL's URL, as the one that SQLAlchemy reads with psycopg."""
        if url is None:
            return None
        for prefix in _POSTGRESQL:
            if url.startswith(prefix):
                rest = url.removeprefix(prefix)
                if ":" in rest.rpartition("@")[0]:
                    raise ValueError("holds a password: take it out, and give `password_file` or the environment's")
                return _POSTGRESQL[0] + rest
        raise ValueError("must begin with postgresql+psycopg://; for SQLite give `path` instead")
