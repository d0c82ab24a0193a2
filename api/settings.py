"""What an operator may set of the API service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from energy.sizing.terms import SizingTerms
from runtime.config import load_config

__all__ = ["BUILT_PAGE", "ApiSettings", "OidcSettings"]

BUILT_PAGE = Path(__file__).parent / "web" / "dist"


class OidcSettings(BaseModel):
    """An identity provider whose bearer tokens are taken. A token stands for the user whose `login` its claim says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="its address, as `iss` has it; https, but for this machine's own")
    audience: str = Field(min_length=1, description="what `aud` must hold: the name by which the issuer knows this API")
    claim: str = Field(default="sub", min_length=1, description="which claim is a user's `login`: sub, email, ...")

    @field_validator("issuer")
    @classmethod
    def _safe(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not parts.hostname or parts.scheme not in ({"https", "http"} if local else {"https"}):
            raise ValueError("must be an https:// address")
        return issuer


class ApiSettings(BaseModel):
    """The `api` part of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on; put a TLS proxy in front of any other")
    port: int = Field(default=8800, ge=0, le=65535, description="0 takes a free one")
    keys_file: Path = Field(
        default=Path("keys.json"),
        description="a file of API keys from before the register had them: taken over at the start",
    )
    oidc: OidcSettings | None = Field(
        default=None, description="people come in with tokens of an identity provider, too"
    )
    open_to_loopback: Literal["none", "viewer"] = Field(
        default="none", description="viewer: requests from this machine may read everything without a key"
    )
    public_advice: bool = Field(
        default=False,
        description="show /advice/<community> to everybody without a key, for communities of five sites or more",
    )
    investment_file: Path | None = Field(
        default=None, description="what PV, batteries and energy cost, for sizing (docs/sizing.md)"
    )
    page_dir: Path | None = Field(default=None, description="built page; default: the one that comes along")
    max_points: int = Field(default=50_000, ge=1, le=1_000_000, description="points one history answer may hold")
    max_scanned: int = Field(
        default=4_000_000, ge=1_000, description="readings one history answer may be computed from (estimated)"
    )
    query_timeout_s: float = Field(
        default=20.0, gt=0, le=600, description="how long one answer may read the history; then 503 `too_slow`"
    )
    rate_per_s: float = Field(default=50.0, ge=0, description="requests a second per key, in the long run; 0: no limit")
    rate_burst: int = Field(default=200, ge=1, description="requests a key may make at once")
    max_streams: int = Field(default=1_000, ge=1, description="event streams open at the same time")
    docs: bool = Field(default=True, description="serve /docs and /openapi.json")

    def investment(self) -> SizingTerms | None:
        """What the file says. Raises ConfigError naming file, line and field."""
        return (
            None
            if self.investment_file is None
            else load_config(self.investment_file, SizingTerms, env={}, kind="investment")
        )
