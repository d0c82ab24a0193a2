"""Which time-series store and where, as configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = ["EmbeddedSettings", "InfluxSettings", "StoreSettings"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddedSettings(_Settings):
    """The store that needs nothing installed: a SQLite file, and a folder of Parquet files beside it."""

    kind: Literal["embedded"] = "embedded"
    path: Path = Path("data/history.db")
    raw_days: int | None = Field(
        default=90, ge=36, description="raw readings older than this go, quarter-hours stay; null: all are kept"
    )


class InfluxSettings(_Settings):
    """An InfluxDB server. Version 1: `database`, `username`; version 2: `org`, `bucket`, `token_file`.

    Readings stand in the database's default policy or in `bucket`; quarter-hours, days and months beside them in the
    policy `quarters` or in the bucket `{bucket}/quarters`, for ever.
    """

    kind: Literal["influxdb"] = "influxdb"
    url: str = Field(default="http://127.0.0.1:8086", pattern=r"^https?://[^\s]+$")
    version: Literal[1, 2] = 2
    database: str = Field(default="commonwatt", min_length=1, description="version 1")
    username: str | None = Field(default=None, description="version 1")
    password: SecretStr | None = Field(default=None, description="version 1; better: password_file, or the environment")
    password_file: Path | None = Field(default=None, description="version 1")
    org: str = Field(default="commonwatt", min_length=1, description="version 2")
    bucket: str = Field(default="commonwatt", min_length=1, description="version 2")
    token: SecretStr | None = Field(default=None, description="version 2; better: token_file, or the environment")
    token_file: Path | None = Field(default=None, description="version 2: may write and read both buckets")
    raw_days: int | None = Field(
        default=90, ge=36, description="the server's retention of readings, quarter-hours stay; null: all are kept"
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of an https server of one's own")
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    gzip: bool | None = Field(default=None, description="compress what is sent; null: unless to this machine")

    @property
    def compressed(self) -> bool:
        """Whether requests are sent compressed."""
        if self.gzip is not None:
            return self.gzip
        return urlsplit(self.url).hostname not in {"localhost", "127.0.0.1", "::1"}

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.version == 2 and self.token is None and self.token_file is None:
            raise ValueError("version 2 needs token_file, the path of a file with the token and nothing else")
        if self.version == 1 and (self.username is None) != (self.password is None and self.password_file is None):
            raise ValueError("username and password_file belong together")
        return self


StoreSettings = Annotated[EmbeddedSettings | InfluxSettings, Field(discriminator="kind")]
