"""What a version's documents leave to be collected and paid out, and by which way each of it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from energy.settlement.paper import Paper, Party

__all__ = ["Transaction", "Way", "transactions"]

# debit: by the member's mandate; out: to the member's account; itself: the member pays; no_account: nobody knows where to
Way = Literal["debit", "out", "itself", "no_account"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """`amount` euros, above 0. `reference` is the last document's number, `communication` its structured one."""

    way: Way
    member: str
    party: Party
    amount: Decimal
    due: date
    reference: str
    communication: str


def transactions(papers: Sequence[Paper]) -> list[Transaction]:
    """One for each member and side with anything left to pay, by member."""
    found: dict[tuple[str, str], Transaction] = {}
    for paper in papers:
        payment = paper.payment
        if payment is None or payment.owed == 0:
            continue
        found[payment.member, payment.side] = Transaction(
            way=_way(paper, payment.owed),
            member=payment.member,
            party=paper.member,
            amount=abs(payment.owed),
            due=payment.due,
            reference=payment.documents[-1],
            communication=payment.communication,
        )
    return [found[place] for place in sorted(found)]


def _way(paper: Paper, owed: Decimal) -> Way:
    if owed < 0:
        return "out" if paper.member.iban else "no_account"
    return "debit" if paper.member.mandate and paper.community.creditor_id else "itself"
