"""What OpenAPI says of settlement runs and statements. Money is text: a decimal that no reader may make a binary fraction of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CorrectionAsked", "FarSiteView", "IssuedView", "ReopenedMonthsView", "StatementView", "StatementsView"]

Euro = Annotated[str, Field(pattern=r"^-?\d+\.\d{2}$", description="EUR")]
Energy = Annotated[int, Field(description="whole Wh")]
Side = Literal["consumer", "producer"]


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class MoneyView(_View):
    """Sums of lines."""

    net: Euro
    vat: Euro
    gross: Euro


class StatementSummary(_View):
    """One member's month on one side; `id` leads to its lines."""

    id: str
    member: str
    side: Side
    totals: MoneyView
    warnings: list[str]


class DocumentView(_View):
    """What was sent: an invoice, a remuneration or a credit note on `credits`."""

    number: str
    kind: Literal["invoice", "remuneration", "credit_note"]
    member: str
    communication: str
    issued: str
    due: str
    gross: Euro
    credits: str | None


class DifferenceView(_View):
    """A metering point whose shared energy is not the same by the grid operator and by us.

    `causes`, all that two totals can tell: the point is in one of both only, quarter-hours are held by us or stand on
    estimates, the operator counted another withdrawal, it is less than a Wh a quarter-hour; `key`: none of these, so the
    operator shares by another key or among others. Empty: a run kept before causes were told.
    """

    ean: str
    direction: Literal["withdrawal", "injection"]
    ours_wh: Energy
    theirs_wh: Energy
    members: list[str]
    causes: list[Literal["only_ours", "only_theirs", "held", "readings", "estimated", "rounding", "key"]]


class DeltaView(_View):
    """How a line changed, before VAT."""

    name: str
    ean: str | None
    energy_wh: Energy
    net: Euro


class CorrectionView(_View):
    """What this version changes for one member on one side, against the last final one."""

    member: str
    side: Side
    lines: list[DeltaView]


class GapView(_View):
    """Quarter-hours that are held because this value of this metering point is unknown in each of them."""

    point: Annotated[str, Field(description="EAN")]
    direction: Literal["withdrawal", "injection"]
    start: Annotated[int, Field(description="ms UTC")]
    end: Annotated[int, Field(description="ms UTC")]
    quarters: int


class LateChangeView(_View):
    """What late readings change for a member on one side: shared energy, and euros with VAT."""

    member: str
    side: Side
    energy_wh: Energy
    gross: Euro


class LatePointView(_View):
    """Of how many quarter-hours a metering point's readings are others, and by how much; an unknown one counts as 0."""

    point: Annotated[str, Field(description="EAN")]
    quarters: int
    withdrawal_wh: Energy
    injection_wh: Energy


class ReopenedView(_View):
    """A settled month whose last version late readings contradict, since `at`, until it is corrected.

    `quarters`: of so many a reading is another, of which `points`; 0 and none where the month's own readings are not kept.
    """

    month: str
    version: int
    at: Annotated[int, Field(description="ms UTC")]
    by: str
    changes: list[LateChangeView]
    quarters: int
    points: list[LatePointView]


class ReopenedMonthsView(_View):
    """The community's reopened months, by time."""

    community: str
    months: list[ReopenedView]


class CorrectionAsked(BaseModel):
    """A reopened month and why it is corrected: credit notes say it to members, so name nobody."""

    model_config = ConfigDict(extra="forbid")

    month: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-06"])
    why: str = Field(min_length=1, max_length=500)


class StatementsView(_View):
    """A version of a community's month; `held`: quarter-hours without a result, `gaps`: which, and for whose sake.

    A quarter-hour may be held for several. Of gaps the first 500 are kept with a run, `gaps_left` says how many more there were.
    """

    community: str
    month: str
    versions: Annotated[int, Field(description="how many there are")]
    version: int
    status: Literal["preview", "final", "correction"]
    quarters: int
    held: int
    gaps: list[GapView]
    gaps_left: int
    statements: list[StatementSummary]
    documents: list[DocumentView]
    differences: list[DifferenceView]
    corrections: list[CorrectionView]
    reopened: Annotated[ReopenedView | None, Field(description="late readings contradict the last version")] = None


class LineView(_View):
    """Energy times price, half up to cents; `eur_kwh` null: an amount from elsewhere, as the source says."""

    kind: Literal["energy", "network", "levy", "remuneration", "reduction"]
    name: str
    ean: str | None
    energy_wh: Energy | None
    eur_kwh: str | None
    net: Euro
    vat_rate: str
    source: str


class DraftView(_View):
    """What a document says."""

    kind: Literal["invoice", "remuneration", "credit_note"]
    member: str
    month: str
    lines: list[LineView]
    totals: MoneyView
    credits: str | None


class IssuedView(_View):
    """A document as it was sent."""

    number: str
    communication: str
    issued: str
    due: str
    draft: DraftView


class StatementEnergy(_View):
    """A member's month. complementary = withdrawal - received, which its supplier bills."""

    withdrawal_wh: Energy
    received_wh: Energy
    complementary_wh: Energy
    injection_wh: Energy
    given_wh: Energy


class WithoutSharingView(_View):
    """What the received energy would have cost from a supplier, with VAT; `spared` is negative where that is less."""

    eur_kwh: str
    source: str
    cost: Euro
    spared: Euro


class StatementView(_View):
    """A statement with its lines. `labels`: names of lines by language; `without_sharing` null: the terms do not tell."""

    id: str
    community: str
    month: str
    version: int
    status: Literal["preview", "final", "correction"]
    member: str
    member_class: str
    side: Side
    grid_type: Literal["A", "B", "C", "D"] | None
    energy: StatementEnergy
    lines: list[LineView]
    totals: MoneyView
    warnings: list[str]
    labels: dict[str, dict[str, str]]
    without_sharing: WithoutSharingView | None


class DearerView(_View):
    """A member's month as it is and as it would be; `warnings` are the social guard's."""

    member: str
    received_wh: Energy
    before: Euro
    after: Euro
    more: Euro
    warnings: list[str]


class FarSiteView(_View):
    """What one site of a farther grid type would cost everybody, with VAT: `before` and `after` are the whole operation's."""

    community: str
    month: str
    before: Literal["A", "B", "C", "D"]
    after: Literal["A", "B", "C", "D"]
    members: list[DearerView]
    more: Euro
