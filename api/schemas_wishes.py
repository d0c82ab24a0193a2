"""What a car wants, in the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Instant, View

__all__ = ["WishRequest", "WishView"]


class WishRequest(BaseModel):
    """How much the car at a charger wants, and until when."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"ready_at": 1_780_290_000_000, "energy_wh": 25_000}}
    )
    ready_at: int = Field(
        strict=True, ge=0, lt=1 << 53, description="when it is to be ready, ms UTC; within seven days"
    )
    energy_wh: float = Field(strict=True, gt=0, le=500_000, allow_inf_nan=False, description="from when it came, Wh")


class WishView(View):
    """The wish that counts for a charger until its time is over."""

    device: str
    ready_at: Instant
    energy_wh: float
    by: str
    t: Instant
