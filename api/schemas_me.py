"""What OpenAPI says of one's own data and of sums over members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ConsentsView", "MeView", "MembersHistoryView", "OwnEnergyView", "OwnStatementsView"]

Instant = Annotated[int, Field(description="ms UTC")]
MaybeEnergy = Annotated[int | None, Field(description="Wh, null: unknown")]
Energies = Annotated[list[int | None], Field(description="Wh of each quarter-hour; null: unknown")]


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class OwnParticipant(_View):
    """A membership of the caller, with its metering points today."""

    id: str
    community: str
    community_name: str
    member_class: str
    metering_points: list[str]


class MeView(_View):
    """Who asks, and what it may."""

    name: str
    role: str
    rights: list[str]
    participants: list[OwnParticipant]
    language: str


class OwnPointView(_View):
    """A metering point's quarter-hours. residual = withdrawn - received, surplus = injected - given."""

    ean: str
    participant: str
    withdrawn_wh: Energies
    received_wh: Energies
    residual_wh: Energies
    injected_wh: Energies
    given_wh: Energies
    surplus_wh: Energies
    status: list[Literal["final", "estimate", "missing"]]


class OwnRunningView(_View):
    """A metering point in the quarter-hour that runs, as far as `until`: an estimate that changes until it is over."""

    ean: str
    participant: str
    t: Instant
    until: Instant
    quality: Literal["estimated", "missing"]
    withdrawn_wh: MaybeEnergy
    received_wh: MaybeEnergy
    residual_wh: MaybeEnergy
    injected_wh: MaybeEnergy
    given_wh: MaybeEnergy
    surplus_wh: MaybeEnergy


class OwnEnergyView(_View):
    """`t`: the starts of the quarter-hours that every list of `points` is about.

    `running`: of points that are their site's only one, where the period reaches into the quarter-hour that runs.
    """

    t: list[Instant]
    step: Literal["15m"]
    points: list[OwnPointView]
    running: Annotated[list[OwnRunningView], Field(description="for the caller's own alone")] = []


class OwnStatementView(_View):
    """One's own side of a settled month; `id` leads to its lines."""

    id: str
    community: str
    month: str
    version: int
    status: Literal["final", "correction"]
    member: str
    side: Literal["consumer", "producer"]
    energy_wh: int
    net: str
    vat: str
    gross: str


class OwnStatementsView(_View):
    """One's own statements, the newest month first."""

    statements: list[OwnStatementView]


class MembersHistoryView(_View):
    """Sums over the members; null where the caller could tell of fewer than five from it."""

    community: str
    t: list[Instant]
    step: Literal["15m"]
    withdrawn_wh: Energies
    received_wh: Energies
    injected_wh: Energies
    given_wh: Energies
    members: Annotated[list[int], Field(description="how many are in each sum; 0: nothing is told")]


class ConsentView(_View):
    """What one agreed to, or did until it was withdrawn."""

    purpose: str
    given_at: Instant
    withdrawn_at: Instant | None


class PurposeView(_View):
    """What can be agreed to, and whether it is."""

    purpose: str
    given: bool


class ConsentsView(_View):
    """All purposes there are, and every consent that was ever given."""

    purposes: list[PurposeView]
    history: list[ConsentView]
