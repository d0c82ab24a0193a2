"""The sharing keys of grid operators by name: dated facts with their source, which a key may take over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from energy.sharing.key import ProducerMethod, Round, expand_rounds

__all__ = ["Preset", "Presets", "with_preset"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preset(_Model):
    """An operator's key. `called`: its name by language; `unverified`: what nobody has confirmed yet."""

    name: str = Field(pattern=r"^[a-z]+(-[a-z]+)+$")
    operator: str
    called: dict[str, str]
    rounds: Annotated[tuple[Round, ...], BeforeValidator(expand_rounds)]
    producers: ProducerMethod = ProducerMethod.PRORATA
    two_sided: bool = False
    coefficients: Literal["constant", "by_quarter", "by_pair"] = "constant"
    evidence: Literal["published", "secondary", "unverified"]
    source: str
    as_of: date
    valid_from: date | None = None
    valid_to: date | None = None
    unverified: tuple[str, ...] = ()

    def holds(self, on: date) -> bool:
        """Whether the operator used it on that day, as far as is known."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class Presets(_Model):
    """The file of them. A name may come again for other days."""

    presets: tuple[Preset, ...]

    @field_validator("presets")
    @classmethod
    def _once_a_day(cls, presets: tuple[Preset, ...]) -> tuple[Preset, ...]:
        for place, one in enumerate(presets):
            for other in presets[place + 1 :]:
                if one.name == other.name and _overlap(one, other):
                    raise ValueError(f"{one.name} stands twice for the same days")
        return presets

    def on(self, day: date) -> dict[str, Preset]:
        """Those in use on that day, by name."""
        return {preset.name: preset for preset in self.presets if preset.holds(day)}


def _overlap(one: Preset, other: Preset) -> bool:
    return (one.valid_from or date.min) < (other.valid_to or date.max) and (other.valid_from or date.min) < (
        one.valid_to or date.max
    )


def with_preset(key: dict[str, Any], presets: Sequence[Preset]) -> dict[str, Any]:
    """The key as it is written, its `preset` put in place of the rounds. Raises ValueError for one that is not there."""
    name = key["preset"]
    found = next((preset for preset in presets if preset.name == name), None)
    if found is None:
        raise ValueError(f"there is no preset {name!r}; there are {', '.join(preset.name for preset in presets)}")
    if "rounds" in key:
        raise ValueError("give either a preset or rounds: the preset has its own")
    rounds = [round_.model_dump(mode="json") for round_ in found.rounds]
    own: dict[str, Any] = {"rounds": rounds, "two_sided": found.two_sided, "coefficients": found.coefficients}
    if other := sorted(field for field in own if field != "rounds" and key.get(field, own[field]) != own[field]):
        raise ValueError(f"{name} has its own {' and '.join(other)}: leave out what the key says of it")
    producers = {"producers": found.producers.value} if found.producers is not ProducerMethod.PRORATA else {}
    return producers | {field: value for field, value in key.items() if field != "preset"} | own
