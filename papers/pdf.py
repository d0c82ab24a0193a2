"""A paper as PDF, with language, title and bookmarks.

The layout is paper.typ; what it shows is made here, as text in the reader's language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from energy.settlement.documents import Document
from energy.settlement.lines import Line
from energy.settlement.paper import Paper, Party
from energy.settlement.terms import Month
from papers.typeset import typeset
from papers.words import Words

__all__ = ["pdf"]


def pdf(paper: Paper) -> bytes:
    """The same paper gives the same bytes."""
    day = paper.document.issued if paper.document else Month.parse(paper.draft.month).end
    return typeset("papers", "paper.typ", _content(paper), day)


def _content(paper: Paper) -> dict[str, Any]:
    say = Words(paper.language)
    draft, document = paper.draft, paper.document
    kind = say(draft.kind if document else "preview")
    return {
        "language": paper.language,
        "title": f"{kind} {document.number}" if document else f"{kind}: {say(draft.kind)}",
        "author": paper.community.name,
        "subject": say("subject", month=say.month(Month.parse(draft.month).first)),
        "banner": "" if document else say("preview_note"),
        "from": [paper.community.name, *_address(paper.community), *_numbers(say, paper.community)],
        "to": {
            "label": say("for"),
            "lines": [paper.member.name, *_address(paper.member), *_numbers(say, paper.member)],
        },
        "facts": list(_facts(say, paper)),
        "lines": _lines(say, paper),
        "totals": _totals(say, paper),
        "payment": _payment(say, paper) if document else None,
        "energy": _table(say, "month_energy", "value", _energy(say, paper)) if paper.statement else None,
        "notes": {"heading": say("notes"), "items": list(_notes(say, paper))},
        "foot": " · ".join([paper.community.name, *_numbers(say, paper.community), paper.community.iban]).rstrip(" ·"),
        "page": say("page"),
        "of": say("of"),
    }


def _address(party: Party) -> list[str]:
    place = f"{party.postcode} {party.city}".strip()
    return [line for line in (party.street, place if party.country == "BE" else f"{party.country}-{place}") if line]


def _numbers(say: Words, party: Party) -> list[str]:
    if party.vat_number:
        return [say("vat_number", number=party.vat_number)]
    return [say("company_number", number=party.company_number)] if party.company_number else []


def _facts(say: Words, paper: Paper) -> Iterator[tuple[str, str]]:
    document, month = paper.document, Month.parse(paper.draft.month)
    if document:
        yield say("number"), document.number
        yield say("issued"), say.day(document.issued)
        if paper.draft.kind != "credit_note":
            yield say("due"), say.day(document.due)
    yield say("period"), say.month(month.first)
    yield say("member"), paper.draft.member
    if paper.credited:
        yield (
            say("credits"),
            say("credits_of", number=paper.credited.number, day=say.day(paper.credited.issued)),
        )


def _sign(paper: Paper) -> int:
    """A credit note shows what it takes back as positive amounts."""
    return -1 if paper.draft.kind == "credit_note" else 1


def _lines(say: Words, paper: Paper) -> dict[str, Any]:
    eans = dict.fromkeys(line.ean for line in paper.draft.lines)
    groups = [
        {
            "name": say("point", ean=ean) if ean else say("other_lines"),
            "rows": [_row(say, paper, line) for line in paper.draft.lines if line.ean == ean],
        }
        for ean in eans
    ]
    columns = [say(name) for name in ("description", "energy", "unit_price", "vat_rate", "net")]
    return {"heading": say("lines"), "columns": columns, "groups": groups}


def _row(say: Words, paper: Paper, line: Line) -> list[str]:
    sign = _sign(paper)
    return [
        say.line(line.name, paper.labels or {}),
        "" if line.energy_wh is None else say.kwh(sign * line.energy_wh),
        "" if line.eur_kwh is None else say.price(line.eur_kwh),
        say.percent(line.vat_rate),
        say.decimal(sign * line.net, "#,##0.00"),
    ]


def _totals(say: Words, paper: Paper) -> dict[str, Any]:
    sign, totals = _sign(paper), paper.draft.totals
    rows = [(say("total_net"), say.euros(sign * totals.net))]
    rows += [
        (say("vat_part", rate=say.percent(each.rate), net=say.euros(sign * each.net)), say.euros(sign * each.vat))
        for each in totals.by_rate
    ]
    name = "to_pay" if paper.draft.side == "consumer" else "to_receive"
    if paper.draft.kind == "credit_note":
        name = "credited" if paper.draft.side == "consumer" else "taken_back"
    return _table(say, "totals", "amount", rows) | {"total": [say(name), say.euros(sign * totals.gross)]}


def _table(say: Words, heading: str, column: str, rows: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"heading": say(heading), "columns": [say("description"), say(column)], "rows": list(rows)}


def _payment(say: Words, paper: Paper) -> dict[str, str]:
    document = paper.document
    assert document is not None
    communication = paper.payment.communication if paper.payment else document.communication
    return {"heading": say("payment"), "text": _to_do(say, paper, document), "whole": communication}


def _to_do(say: Words, paper: Paper, document: Document) -> str:
    """What is still to be done, once all that was issued together is settled."""
    payment = paper.payment
    owed, due, others = document.draft.owed, document.due, []
    communication = document.communication
    if payment is not None:
        owed, due, communication = payment.owed, payment.due, payment.communication
        others = [number for number in payment.documents if number != document.number]
    if others and payment is not None and payment.documents[-1] != document.number:
        return say("pay_settled", numbers=", ".join(others))
    told = _owed(say, paper, owed, due, communication)
    return f"{say('pay_balance', numbers=', '.join(others))} {told}" if others else told


def _owed(say: Words, paper: Paper, owed: Decimal, due: date, communication: str) -> str:
    amount, day, community, member = say.euros(abs(owed)), say.day(due), paper.community, paper.member
    if owed == 0:
        return say("pay_nothing")
    if owed < 0:
        if not member.iban:
            return say("pay_out_unknown", amount=amount)
        return say("pay_out", amount=amount, iban=_spaced(member.iban), due=day, communication=communication)
    if member.mandate and community.creditor_id:
        return say(
            "pay_debit",
            amount=amount,
            due=day,
            iban=_spaced(member.iban),
            mandate=member.mandate,
            communication=communication,
        )
    iban = _spaced(community.iban)
    return say("pay_by", amount=amount, due=day, iban=iban, name=community.name, communication=communication)


def _spaced(iban: str) -> str:
    return "\u00a0".join(iban[place : place + 4] for place in range(0, len(iban), 4))


def _energy(say: Words, paper: Paper) -> Iterator[tuple[str, str]]:
    assert paper.statement is not None
    energy = paper.statement.energy

    def kwh(value_wh: int) -> str:
        return f"{say.kwh(value_wh)}\u00a0kWh"

    if paper.statement.side == "consumer":
        yield say("withdrawn"), kwh(energy.withdrawal_wh)
        yield say("received"), kwh(energy.received_wh)
        yield say("complementary"), kwh(energy.complementary_wh)
        if energy.withdrawal_wh:
            yield say("coverage"), say.percent(Decimal(energy.received_wh) / energy.withdrawal_wh)
    else:
        yield say("injected"), kwh(energy.injection_wh)
        yield say("given"), kwh(energy.given_wh)
        yield say("surplus"), kwh(energy.injection_wh - energy.given_wh)
    if paper.spared_eur is not None:
        yield say("spared"), say.euros(paper.spared_eur)
    if energy.estimated:
        yield say("estimated"), say.decimal(Decimal(energy.estimated), "#,##0")
    if paper.statement.grid_type:
        yield say("grid_type"), paper.statement.grid_type
    yield say("key"), ", ".join(paper.keys)
    yield say("version"), str(paper.version)


def _notes(say: Words, paper: Paper) -> Iterator[str]:
    if paper.why:
        yield say("reason", why=paper.why)
    for each in paper.draft.totals.by_rate:
        if each.reason:
            yield say("exemption", rate=say.percent(each.rate), reason=each.reason)
    if paper.draft.side == "producer":
        yield say("self_billed")
    elif paper.network_by_supplier:
        yield say("network_by_supplier")
    yield say("question")
