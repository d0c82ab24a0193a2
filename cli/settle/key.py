"""The key file of `settle`: the key model with metering points named by EAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from energy.sharing.ean import Ean
from energy.sharing.key import Participant, Producers, SharingKey, Standing, expand_producers

__all__ = ["KeyFile"]


class _ProducersByEan(Producers):
    points: dict[Ean, Standing] = Field(default_factory=dict)


class KeyFile(SharingKey):
    """A sharing key whose points are EANs with a right check digit."""

    participants: dict[Ean, Participant] | None = Field(default=None, min_length=1)
    producers: Annotated[_ProducersByEan, BeforeValidator(expand_producers)] = _ProducersByEan()
