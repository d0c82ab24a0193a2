"""What a document or statement says before it is given a form: the figures, both identities, and what was credited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from energy.settlement.documents import Document, Draft, Payment
from energy.settlement.lines import Statement
from energy.settlement.money import ZERO, energy_price
from energy.settlement.month import RunStatus
from energy.settlement.terms import Language

__all__ = ["Paper", "Party", "spared_eur"]


@dataclass(frozen=True, slots=True)
class Party:
    """Who issues or gets a document, as it stands on it. Empty: has none.

    `peppol` is scheme and address, as `0208:0123456749`. `creditor_id` collects by direct debit; `mandate` of the day
    `mandate_signed` lets it be collected from `iban`.
    """

    name: str
    street: str = ""
    postcode: str = ""
    city: str = ""
    country: str = "BE"
    vat_number: str = ""
    company_number: str = ""
    peppol: str = ""
    iban: str = ""
    bic: str = ""
    creditor_id: str = ""
    mandate: str = ""
    mandate_signed: date | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A draft with all that stands around it. `document` None: a preview, which is no invoice.

    `statement` is the member's month on the document's side, None where nothing of it is left. `labels`: names of lines
    that the terms give. `spared_eur`: what the same energy from a supplier would have cost more. `payment`: what is left
    to pay of it together with what was issued beside it. `why`: the reason of a correction.
    """

    draft: Draft
    document: Document | None
    statement: Statement | None
    community: Party
    member: Party
    language: Language
    version: int
    status: RunStatus
    keys: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    network_by_supplier: bool = False
    credited: Document | None = None
    spared_eur: Decimal | None = None
    payment: Payment | None = None
    why: str = ""


def spared_eur(statement: Statement, reference_eur_kwh: Decimal | None) -> Decimal | None:
    """Euros with VAT that the received energy would have cost more from a supplier; negative: less."""
    if reference_eur_kwh is None or statement.side == "producer":
        return None
    return energy_price(statement.energy.received_wh, reference_eur_kwh) - (statement.totals.gross or ZERO)
