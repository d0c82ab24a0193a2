"""The key file of `settle`: the key model with metering points named by EAN, and presets by name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from energy.sharing.ean import Ean
from energy.sharing.key import Participant, Producers, SharingKey, Standing, expand_producers

__all__ = ["KeyFile"]


class _ProducersByEan(Producers):
    points: dict[Ean, Standing] = Field(default_factory=dict)


class KeyFile(SharingKey):
    """A sharing key whose points are EANs with a right check digit; `preset` may stand for its rounds."""

    participants: dict[Ean, Participant] | None = Field(default=None, min_length=1)
    producers: Annotated[_ProducersByEan, BeforeValidator(expand_producers)] = _ProducersByEan()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, written: Any) -> Any:
        if not isinstance(written, dict) or "preset" not in written:
            return written
        from energy.sharing.presets import with_preset
        from runtime.presets import shipped_presets

        return with_preset(written, shipped_presets().presets)
