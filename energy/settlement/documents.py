"""Invoices, remunerations and credit notes of a run; a correction credits what was sent and says it anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from energy.settlement.lines import Line, Money, Side, Statement, negated, totals
from energy.settlement.money import ZERO, structured_communication

__all__ = [
    "Correction",
    "Delta",
    "Document",
    "DocumentKind",
    "Draft",
    "Payment",
    "corrected",
    "corrections",
    "drafts",
    "numbered",
    "payments",
]

DocumentKind = Literal["invoice", "remuneration", "credit_note"]
_MOST_A_YEAR = 10**6  # year and number share the ten digits of a structured communication


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that has no number yet. `credits`: the number of what a credit note takes back."""

    kind: DocumentKind
    member: str
    month: str
    lines: tuple[Line, ...]
    totals: Money
    credits: str | None = None

    @property
    def side(self) -> Side:
        """Whose it is: credit notes are on the side of what they take back."""
        return "producer" if any(line.kind == "remuneration" for line in self.lines) else "consumer"

    @property
    def owed(self) -> Decimal:
        """Euros that the member owes the community by it; negative: the community owes the member."""
        return -self.totals.gross if self.side == "producer" else self.totals.gross


@dataclass(frozen=True, slots=True)
class Document:
    """A draft that was issued: what was sent and is never changed."""

    number: str
    communication: str
    issued: date
    due: date
    draft: Draft


@dataclass(frozen=True, slots=True)
class Payment:
    """What is left to pay of one member's documents on one side. `owed`: to the community; negative: by it.

    `communication` and `due` are the last document's.
    """

    member: str
    side: Side
    owed: Decimal
    communication: str
    due: date
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """How a line changed, Wh and euros before VAT."""

    name: str
    ean: str | None
    energy_wh: int
    net: Decimal


@dataclass(frozen=True, slots=True)
class Correction:
    """What a later version changes for one member on one side. `before` or `after` None: there was or is no statement."""

    before: Statement | None
    after: Statement | None
    deltas: tuple[Delta, ...]


def drafts(statements: Sequence[Statement]) -> list[Draft]:
    """A document for each statement that charges or pays anything."""
    return [_draft(statement) for statement in statements if statement.lines]


def _draft(statement: Statement) -> Draft:
    kind: DocumentKind = "invoice" if statement.side == "consumer" else "remuneration"
    return Draft(kind, statement.member, statement.month, statement.lines, statement.totals)


def corrections(before: Sequence[Statement], after: Sequence[Statement]) -> list[Correction]:
    """Who is charged or paid otherwise than before, by member and side."""
    old, new = ({(each.member, each.side): each for each in version} for version in (before, after))
    found = []
    for place in sorted({*old, *new}):
        was, now = old.get(place), new.get(place)
        if (was.lines if was else ()) != (now.lines if now else ()):
            found.append(Correction(was, now, _deltas(was, now)))
    return found


def _deltas(before: Statement | None, after: Statement | None) -> tuple[Delta, ...]:
    changes: dict[tuple[str, str | None], tuple[int, Decimal]] = {}
    for sign, statement in ((-1, before), (1, after)):
        for line in statement.lines if statement else ():
            energy_wh, net = changes.get((line.name, line.ean), (0, ZERO))
            changes[line.name, line.ean] = (energy_wh + sign * (line.energy_wh or 0), net + sign * line.net)
    return tuple(Delta(*place, *change) for place, change in changes.items() if any(change))


def corrected(correction: Correction, sent: Document | None) -> list[Draft]:
    """The credit note on what was sent, and the document in its place."""
    made = []
    if sent is not None:
        lines = tuple(negated(line) for line in sent.draft.lines)
        made.append(Draft("credit_note", sent.draft.member, sent.draft.month, lines, totals(lines), sent.number))
    if correction.after is not None and correction.after.lines:
        made.append(_draft(correction.after))
    return made


def numbered(draft: Draft, year: int, sequence: int, issued: date, due_days: int) -> Document:
    """The document with the year's next number. Raises ValueError when the year has no more."""
    if not 0 < sequence < _MOST_A_YEAR:
        raise ValueError(f"{sequence} is no number of a document: a year has up to {_MOST_A_YEAR - 1:,}")
    return Document(
        number=f"{year}-{sequence:06d}",
        communication=structured_communication(year * _MOST_A_YEAR + sequence),
        issued=issued,
        due=issued + timedelta(days=due_days),
        draft=draft,
    )


def payments(documents: Sequence[Document]) -> list[Payment]:
    """What the documents of one version come to, credit notes settled with what takes their place; by member and side."""
    found = []
    for member, side in sorted({(each.draft.member, each.draft.side) for each in documents}):
        own = [each for each in documents if (each.draft.member, each.draft.side) == (member, side)]
        owed = sum((each.draft.owed for each in own), ZERO)
        found.append(
            Payment(member, side, owed, own[-1].communication, own[-1].due, tuple(each.number for each in own))
        )
    return found
