"""What can be set about a collector."""

from __future__ import annotations

import socket

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CollectorSettings"]


class CollectorSettings(BaseModel):
    """The `collector` part of a configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    communities: tuple[str, ...] = Field(
        default=(), description="ids of the communities served here; none named: all of the file"
    )
    stands_by: bool = Field(
        default=False,
        description="other collectors are set up for the same communities, and one of them serves at a time; they"
        " need the same InfluxDB and the same register",
    )
    name: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        description="what tells collectors that stand by for each other apart; default: the machine's name",
    )
    live_interval_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="how often communities and rules are computed; a site is, as soon as it is heard of",
    )
    flush_rows: int = Field(default=500, ge=1, description="readings that are stored at once without waiting longer")
    flush_s: float = Field(default=0.2, gt=0, le=10, description="longest wait before readings are stored")
    max_buffered_readings: int = Field(
        default=100_000,
        ge=1,
        description="readings kept while the store is away; then the gateways keep theirs and send again",
    )
    max_unregistered_devices: int = Field(
        default=1000, ge=0, description="devices outside every configuration that are taken in"
    )
    quarters_interval_s: float = Field(default=5.0, gt=0, le=300, description="how often quarter-hours are computed")
    rules_interval_s: float = Field(
        default=10.0, gt=0, le=300, description="how often rules without actions are looked at; the others always are"
    )
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=1, le=65535, description="Prometheus metrics; none when unset")
