"""Papers of a kept run: each document, or statement, with both identities as they were on its day."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from energy.errors import RefusedError
from energy.settlement.documents import Document, Draft, drafts, payments
from energy.settlement.lines import Statement
from energy.settlement.month import MonthRun
from energy.settlement.paper import Paper, spared_eur
from energy.settlement.terms import Month, Terms
from storage.register.documents import documents, month_of
from storage.register.month_runs import kept
from storage.register.participants import PARTICIPANTS
from storage.register.parties import Parties
from storage.register.people import PEOPLE
from storage.register.places import COMMUNITIES
from storage.register.runs import runs

__all__ = ["document_paper", "document_papers", "statement_paper", "statement_papers"]


def document_papers(connection: Connection, community: str, month: str, version: int) -> list[Paper]:
    """Of every document that a version of a month issued, by number. Raises ConfigError when an identity is missing."""
    run = kept(connection, community, month)[version - 1]
    desk = _Desk(connection, run, version)
    return [desk.paper(document.draft, document) for document in run.documents]


def statement_papers(connection: Connection, community: str, month: str, version: int) -> list[Paper]:
    """Of every statement of a version: its document where one was issued, else a preview of it."""
    run = kept(connection, community, month)[version - 1]
    desk = _Desk(connection, run, version)
    return [desk.statement(draft) for draft in drafts(run.statements)]


def statement_paper(connection: Connection, of: Statement, version: int) -> Paper:
    """Of one statement of a version, as `statement_papers`. A statement without lines has none: raises RefusedError."""
    if not of.lines:
        raise RefusedError(f"{of.member} was charged and paid nothing in {of.month}", hint="its JSON says its energy")
    run = kept(connection, of.community, of.month)[version - 1]
    return _Desk(connection, run, version).statement(drafts([of])[0])


def document_paper(connection: Connection, community: str, number: str) -> Paper | None:
    """Of the document with that number; None: there is none."""
    month = month_of(connection, community, number)
    if month is None:
        return None
    for version, run in enumerate(kept(connection, community, month), 1):
        for document in run.documents:
            if document.number == number:
                return _Desk(connection, run, version).paper(document.draft, document)
    return None


class _Desk:
    """What the papers of one run have in common."""

    def __init__(self, connection: Connection, run: MonthRun, version: int) -> None:
        self._run = run
        self._version = version
        inputs = run.inputs
        self._terms = Terms.model_validate(inputs.terms)
        self._known_at = runs(connection, inputs.community, inputs.month)[version - 1].created
        self._parties = Parties(connection, self._known_at)
        self._documents = {each.number: each for each in documents(connection, inputs.community, inputs.month)}
        self._standing = {
            (each.draft.member, each.draft.kind): each for each in self._documents.values() if self._is_of_run(each)
        }
        self._payments = {number: each for each in payments(run.documents) for number in each.documents}
        self._languages = {each.id: each.language for each in PEOPLE.all(connection)}
        self._persons = {each.id: each.person for each in PARTICIPANTS.all(connection)}
        self._statements = {(each.member, each.side): each for each in run.statements}
        zone = next(
            (each.timezone for each in COMMUNITIES.all(connection) if each.id == inputs.community), "Europe/Brussels"
        )
        self._day = datetime.fromtimestamp(self._known_at / 1000, UTC).astimezone(ZoneInfo(zone)).date()

    def _is_of_run(self, document: Document) -> bool:
        """Issued by this version or an earlier one: what a statement of this version stands on."""
        last = self._run.documents[-1].number if self._run.documents else ""
        return document.number <= last

    def statement(self, draft: Draft) -> Paper:
        """With the document that says the same, where it was issued."""
        document = self._standing.get((draft.member, draft.kind))
        return self.paper(draft, document if document is not None and document.draft.lines == draft.lines else None)

    def paper(self, draft: Draft, document: Document | None) -> Paper:
        """One paper."""
        day = document.issued if document else self._day
        language = self._languages.get(self._persons.get(draft.member) or "", "fr")
        statement = None if draft.kind == "credit_note" else self._statements.get((draft.member, draft.side))
        compared = self._terms.compared(Month.parse(draft.month), statement.member_class) if statement else None
        return Paper(
            draft=draft,
            document=document,
            statement=statement,
            community=self._parties.of(self._run.inputs.community, day),
            member=self._parties.of(draft.member, day),
            language=language,
            version=self._version,
            status=self._run.status,
            keys=tuple(key.id for key in self._run.inputs.keys),
            labels={charge.name: charge.label[language] for charge in self._terms.charges if language in charge.label},
            network_by_supplier=self._terms.network == "billed_by_supplier",
            why=self._run.why if self._run.status == "correction" and document in self._run.documents else "",
            payment=self._payments.get(document.number) if document else None,
            credited=self._documents.get(draft.credits) if draft.credits else None,
            spared_eur=spared_eur(statement, compared.eur_kwh) if statement and compared else None,
        )
