"""What a machine is wanted to do, in the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Instant, MaybeInstant, View

__all__ = ["RunRequest", "RunView"]


class RunRequest(BaseModel):
    """One run, and by when it is to be over."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"finish_by": 1_780_290_000_000}})
    finish_by: int = Field(
        strict=True, ge=0, lt=1 << 53, description="when it is to be over, ms UTC; within seven days"
    )
    earliest: int | None = Field(
        strict=True, default=None, ge=0, lt=1 << 53, description="it may begin from then on, ms UTC; default: now"
    )


class RunView(View):
    """The run that is wanted of a machine, until its time is over."""

    device: str
    earliest: Instant
    finish_by: Instant
    by: str
    t: Instant
    started_at: MaybeInstant
