"""A community, a member and the papers of a June in which both shared."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from energy.settlement.documents import Draft, drafts, numbered, payments
from energy.settlement.lines import negated, totals
from energy.settlement.paper import Paper, Party, spared_eur
from energy.settlement.statement import Member, statements
from tests.energy.settlement.example import EAN, OTHER, SUN, setting, volume

COMMUNITY = Party(
    name="Énergie commune d'Ixelles ASBL",
    street="Chaussée d'Ixelles 168",
    postcode="1050",
    city="Ixelles",
    vat_number="BE0123456749",
    company_number="0123456749",
    peppol="0208:0123456749",
    iban="BE68539007547034",
    bic="GKCCBEBB",
    creditor_id="BE81ZZZ0123456749",
)
LEA = Party(
    name="Léa Dubois-Łęcka",
    street="Rue du Trône 12",
    postcode="1050",
    city="Ixelles",
    iban="BE62510007547061",
    mandate="M-0012",
    mandate_signed=date(2026, 1, 5),
)
TOWN = Party(
    name="Commune d'Ixelles",
    street="Chaussée d'Ixelles 168",
    postcode="1050",
    city="Ixelles",
    vat_number="BE0987654394",
    company_number="0987654394",
    peppol="0208:0987654394",
    iban="BE71096123456769",
)
SETTING = setting("B")
VOLUMES = [
    volume(123_457, withdrawal_wh=400_000),
    volume(77_777, point=OTHER, withdrawal_wh=100_000),
    volume(0, member="town", point=SUN, given_wh=201_234, withdrawal_wh=0),
]
MEMBERS = [Member("m-1", "citizen", social_tariff=True), Member("town", "municipality")]
STATEMENTS = statements(SETTING, MEMBERS, VOLUMES)
DOCUMENTS = [numbered(draft, 2026, place, date(2026, 7, 3), 30) for place, draft in enumerate(drafts(STATEMENTS), 1)]


def invoice(language="fr", member=LEA, **fields):
    """m-1's invoice of two points, with the social guard's reduction: 17.28 + 7.12 + 6.10 EUR at the first."""
    return _paper(0, member, language, **fields)


def remuneration(language="fr", member=TOWN, **fields):
    """What the town is paid for 201.234 kWh."""
    return _paper(1, member, language, **fields)


def preview(language="fr"):
    return invoice(language, document=None, payment=None)


def credit_note(of, language="fr", again=None):
    """On the document of that paper; `again`: the document in its place."""
    sent = of.document
    lines = tuple(negated(line) for line in sent.draft.lines)
    draft = Draft("credit_note", sent.draft.member, sent.draft.month, lines, totals(lines), sent.number)
    issued = [numbered(draft, 2026, 3, date(2026, 8, 1), 30)]
    if again is not None:
        issued.append(numbered(again, 2026, 4, date(2026, 8, 1), 30))
    (payment,) = payments(issued)
    made = [
        replace(
            of,
            draft=document.draft,
            document=document,
            language=language,
            payment=payment,
            version=2,
            status="correction",
            statement=None if document.draft.credits else of.statement,
            credited=sent if document.draft.credits else None,
        )
        for document in issued
    ]
    return made if again is not None else made[0]


def _paper(place, member, language, **fields):
    document, statement = DOCUMENTS[place], STATEMENTS[place]
    paid = {number: payment for payment in payments(DOCUMENTS) for number in payment.documents}
    paper = Paper(
        draft=document.draft,
        document=document,
        statement=statement,
        community=COMMUNITY,
        member=member,
        language=language,
        version=1,
        status="final",
        keys=("ixelles-2026",),
        spared_eur=spared_eur(statement, Decimal("0.39")),
        payment=paid[document.number],
    )
    return replace(paper, **fields)


__all__ = [
    "COMMUNITY",
    "DOCUMENTS",
    "EAN",
    "LEA",
    "OTHER",
    "SUN",
    "TOWN",
    "credit_note",
    "invoice",
    "preview",
    "remuneration",
]
