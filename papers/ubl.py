"""A document as Peppol BIS Billing 3 (UBL 2.1): invoice, credit note, and in a producer's name their self-billed twins.

Rules and codes are those of EN 16931 and of the Peppol specifications; the order of elements is the schema's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from xml.etree import ElementTree as ET

from energy.errors import RefusedError
from energy.settlement.documents import Document
from energy.settlement.lines import Line, Money, VatTotal
from energy.settlement.money import cents
from energy.settlement.paper import Paper, Party
from energy.settlement.terms import Month
from papers.words import Words

__all__ = ["ubl"]

_URN: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_CAC, _CBC = f"{{{_URN}CommonAggregateComponents-2}}", f"{{{_URN}CommonBasicComponents-2}}"
_BILLING: Final = (
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
    "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
)
_SELF_BILLING: Final = (
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0",
    "urn:fdc:peppol.eu:2017:poacc:selfbilling:01:1.0",
)
# UNTDID 1001: (invoice or credit note, side)
_TYPES: Final = {
    ("Invoice", "consumer"): "380",
    ("CreditNote", "consumer"): "381",
    ("Invoice", "producer"): "389",
    ("CreditNote", "producer"): "261",
}
_TRANSFER, _DIRECT_DEBIT = "30", "59"  # UNTDID 4461
_ENTERPRISE: Final = "0208"  # ISO 6523: Belgian enterprise number


def ubl(paper: Paper) -> bytes:
    """The document's XML. Raises RefusedError for a preview, or when a party has no Peppol address."""
    document = paper.document
    if document is None:
        raise RefusedError("a preview is no invoice", hint="settle the month with --status final first")
    _check(paper, document)
    root = "CreditNote" if paper.draft.kind == "credit_note" else "Invoice"
    ET.register_namespace("cac", _CAC[1:-1])
    ET.register_namespace("cbc", _CBC[1:-1])
    tree = ET.Element(f"{{{_URN}{root}-2}}{root}")
    _head(tree, paper, document, root)
    _parties(tree, paper)
    _means(tree, paper, document)
    _amounts(tree, paper, root)
    ET.indent(tree)
    ET.register_namespace("", f"{_URN}{root}-2")
    written: bytes = ET.tostring(tree, encoding="UTF-8", xml_declaration=True)
    return written


def _check(paper: Paper, document: Document) -> None:
    for party, whose in ((paper.community, "the community"), (paper.member, paper.draft.member)):
        if not party.peppol:
            raise RefusedError(
                f"{document.number} cannot go by Peppol: {whose} has no Peppol address",
                hint="add `peppol` to its party, or send the PDF",
            )


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    """A child: of basic components when it has text, of aggregates when not."""
    child = ET.SubElement(parent, f"{_CAC if text is None else _CBC}{name}", attributes)
    child.text = text
    return child


def _money(parent: ET.Element, name: str, amount: Decimal) -> None:
    _add(parent, name, f"{amount:.2f}", currencyID="EUR")


def _head(tree: ET.Element, paper: Paper, document: Document, root: str) -> None:
    say, draft = Words(paper.language), paper.draft
    month = Month.parse(draft.month)
    customization, profile = _BILLING if draft.side == "consumer" else _SELF_BILLING
    _add(tree, "CustomizationID", customization)
    _add(tree, "ProfileID", profile)
    _add(tree, "ID", document.number)
    _add(tree, "IssueDate", document.issued.isoformat())
    if root == "Invoice":
        _add(tree, "DueDate", document.due.isoformat())
    _add(tree, f"{root}TypeCode", _TYPES[root, draft.side])
    note = say("subject", month=say.month(month.first))
    _add(tree, "Note", f"{note}. {say('reason', why=paper.why)}" if paper.why else note)
    _add(tree, "DocumentCurrencyCode", "EUR")
    _add(tree, "BuyerReference", draft.member)
    period = _add(tree, "InvoicePeriod")
    _add(period, "StartDate", month.first.isoformat())
    _add(period, "EndDate", month.last.isoformat())
    if paper.credited:
        reference = _add(_add(tree, "BillingReference"), "InvoiceDocumentReference")
        _add(reference, "ID", paper.credited.number)
        _add(reference, "IssueDate", paper.credited.issued.isoformat())


def _parties(tree: ET.Element, paper: Paper) -> None:
    """A producer sells to the community, which writes the document."""
    seller, buyer = paper.community, paper.member
    if paper.draft.side == "producer":
        seller, buyer = buyer, seller
    _party(_add(_add(tree, "AccountingSupplierParty"), "Party"), seller)
    _party(_add(_add(tree, "AccountingCustomerParty"), "Party"), buyer)


def _party(into: ET.Element, party: Party) -> None:
    scheme, _, address = party.peppol.partition(":")
    _add(into, "EndpointID", address, schemeID=scheme)
    postal = _add(into, "PostalAddress")
    for name, text in (("StreetName", party.street), ("CityName", party.city), ("PostalZone", party.postcode)):
        if text:
            _add(postal, name, text)
    _add(_add(postal, "Country"), "IdentificationCode", party.country)
    if party.vat_number:
        tax = _add(into, "PartyTaxScheme")
        _add(tax, "CompanyID", party.vat_number)
        _add(_add(tax, "TaxScheme"), "ID", "VAT")
    entity = _add(into, "PartyLegalEntity")
    _add(entity, "RegistrationName", party.name)
    if party.company_number:
        _add(entity, "CompanyID", party.company_number, schemeID=_ENTERPRISE)


def _means(tree: ET.Element, paper: Paper, document: Document) -> None:
    """How it is paid: to the seller's account, or from the member's by its mandate."""
    community, member = paper.community, paper.member
    credit, producer = paper.draft.kind == "credit_note", paper.draft.side == "producer"
    debit = not credit and not producer and bool(member.mandate and community.creditor_id)
    payee = member if producer else community
    means = _add(tree, "PaymentMeans")
    _add(means, "PaymentMeansCode", _DIRECT_DEBIT if debit else _TRANSFER)
    if credit:
        _add(means, "PaymentDueDate", document.due.isoformat())
    _add(means, "PaymentID", document.communication)
    if debit:
        mandate = _add(means, "PaymentMandate")
        _add(mandate, "ID", member.mandate)
        _add(_add(mandate, "PayerFinancialAccount"), "ID", member.iban)
    elif payee.iban:
        account = _add(means, "PayeeFinancialAccount")
        _add(account, "ID", payee.iban)
        if payee.bic:
            _add(_add(account, "FinancialInstitutionBranch"), "ID", payee.bic)


def _amounts(tree: ET.Element, paper: Paper, root: str) -> None:
    sign = -1 if root == "CreditNote" else 1
    totals = paper.draft.totals
    tax = _add(tree, "TaxTotal")
    _money(tax, "TaxAmount", sign * totals.vat)
    for each in totals.by_rate:
        _subtotal(_add(tax, "TaxSubtotal"), each, sign)
    _monetary(_add(tree, "LegalMonetaryTotal"), totals, sign)
    for number, line in enumerate(paper.draft.lines, 1):
        _line(_add(tree, f"{root}Line"), paper, line, number, root)


def _subtotal(into: ET.Element, total: VatTotal, sign: int) -> None:
    _money(into, "TaxableAmount", sign * total.net)
    _money(into, "TaxAmount", sign * total.vat)
    category = _add(into, "TaxCategory")
    _add(category, "ID", total.category)
    if total.category != "O":
        _add(category, "Percent", _plain(total.rate * 100))
    if total.reason:
        _add(category, "TaxExemptionReason", total.reason)
    _add(_add(category, "TaxScheme"), "ID", "VAT")


def _monetary(into: ET.Element, totals: Money, sign: int) -> None:
    for name, amount in (
        ("LineExtensionAmount", totals.net),
        ("TaxExclusiveAmount", totals.net),
        ("TaxInclusiveAmount", totals.gross),
        ("PayableAmount", totals.gross),
    ):
        _money(into, name, sign * amount)


def _line(into: ET.Element, paper: Paper, line: Line, number: int, root: str) -> None:
    """Energy times price, or one piece of an amount. A price is never below 0: then the quantity is."""
    net = -line.net if root == "CreditNote" else line.net
    priced = line.eur_kwh is not None and line.energy_wh is not None
    price = abs(line.eur_kwh) if priced and line.eur_kwh is not None else abs(net)
    size = Decimal(abs(line.energy_wh or 0)).scaleb(-3) if priced else Decimal(1)
    quantity = -size if net < 0 else size
    _add(into, "ID", str(number))
    name = "CreditedQuantity" if root == "CreditNote" else "InvoicedQuantity"
    _add(into, name, _plain(quantity), unitCode="KWH" if priced else "C62")
    _money(into, "LineExtensionAmount", cents(net))
    item = _add(into, "Item")
    _add(item, "Name", Words(paper.language).line(line.name, paper.labels or {}))
    category = _add(item, "ClassifiedTaxCategory")
    _add(category, "ID", line.vat_category)
    if line.vat_category != "O":
        _add(category, "Percent", _plain(line.vat_rate * 100))
    _add(_add(category, "TaxScheme"), "ID", "VAT")
    if line.ean:
        point = _add(item, "AdditionalItemProperty")
        _add(point, "Name", "EAN")
        _add(point, "Value", line.ean)
    _add(_add(into, "Price"), "PriceAmount", _plain(price), currencyID="EUR")


def _plain(number: Decimal) -> str:
    """Without an exponent or zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
