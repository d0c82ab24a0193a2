"""Papers as PDF: accessible, the same every time, and with everything on them in each language."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from decimal import Decimal
from shutil import which

import pikepdf
import pytest

from energy.settlement.lines import totals
from papers.pdf import pdf
from papers.words import Words
from tests.papers.example import COMMUNITY, LEA, TOWN, credit_note, invoice, preview, remuneration

LANGUAGES = ("fr", "nl", "en", "de")


def read(made: bytes) -> str:
    """Its text as a screen reader gets it, on one line."""
    if which("pdftotext") is None:
        pytest.skip("poppler-utils is not installed")
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=made, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def tags(made: bytes) -> list[str]:
    """Every structure element's kind, in the order of reading."""
    found = []

    def walk(element):
        if isinstance(element, pikepdf.Array):
            for each in element:
                walk(each)
        elif isinstance(element, pikepdf.Dictionary):
            if "/S" in element:
                found.append(str(element.S))
            if "/K" in element:
                walk(element.K)

    with pikepdf.open(io.BytesIO(made)) as document:
        walk(document.Root.StructTreeRoot.K)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_pdf_is_tagged_titled_bookmarked_and_says_its_language(language):
    made = pdf(invoice(language))
    with pikepdf.open(io.BytesIO(made)) as document:
        root = document.Root
        assert str(root.Lang) == language
        assert bool(root.MarkInfo.Marked)
        assert bool(root.ViewerPreferences.DisplayDocTitle)
        with document.open_metadata() as metadata:
            assert metadata["dc:title"] == f"{Words(language)('invoice')} 2026-000001"
            assert metadata["pdfuaid:part"] == "1"
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("2", "A")
        with document.open_outline() as outline:
            (title,) = outline.root
            assert [each.title for each in title.children][:2] == [Words(language)("lines"), Words(language)("totals")]
    kinds = tags(made)
    assert kinds.count("/Table") == 4
    assert kinds.count("/TH") == 5 + 5 + 2 + 2
    assert "/H1" in kinds
    assert kinds.count("/H2") == 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_stands_on_it_in_its_language(language):
    say = Words(language)
    told = read(pdf(invoice(language))).replace("\u00a0", " ")
    wanted = [
        COMMUNITY.name,
        "Chaussée d'Ixelles 168",
        say("vat_number", number="BE0123456749"),
        LEA.name,
        "2026-000001",
        say.day(invoice().document.due),
        "541448910000123453",
        say("shared_energy"),
        say.kwh(123_457),
        say.price(Decimal("0.0494061")),
        "17,28" if language != "en" else "17.28",
        say("never_worse_off"),
        say("total_net"),
        say("to_pay"),
        "+++202/6000/00192+++",
        "BE62 5100 0754 7061",
        "M-0012",
        say.kwh(500_000 - 201_234),
        "ixelles-2026",
    ]
    assert [each for each in wanted if each.replace("\u00a0", " ") not in told] == []


def test_the_same_paper_gives_the_same_bytes():
    assert pdf(invoice()) == pdf(invoice())


def test_preview_says_that_nothing_is_to_be_paid():
    told = read(pdf(preview("en")))
    assert "This is a preview, not an invoice" in told
    assert "+++" not in told


def test_credit_note_shows_positive_amounts_and_what_it_takes_back():
    first = invoice("en")
    told = read(pdf(credit_note(first, "en")))
    assert "Credit note 2026-000003" in told
    assert "2026-000001 of 3 July 2026" in told
    assert f"In your favour {first.draft.totals.gross}" in told.replace("\u00a0€", "")
    assert "will be paid to your account BE62" in told.replace("\u00a0", " ")


def test_corrected_invoice_asks_for_the_difference_only():
    first = invoice("en", member=TOWN)
    less = first.draft.lines[:3]
    note, again = credit_note(first, "en", replace(first.draft, lines=less, totals=totals(less)))
    assert "This amount is settled with 2026-000004" in read(pdf(note))
    told = read(pdf(again)).replace("\u00a0", " ")
    difference = first.draft.totals.gross - totals(less).gross
    assert f"Settled with 2026-000003. {difference} € will be paid to your account BE71" in told


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("fr", "Motif : the meter was late"),
        ("nl", "Reden: the meter was late"),
        ("en", "Reason: the meter was late"),
        ("de", "Grund: the meter was late"),
    ],
)
def test_credit_note_and_what_takes_its_place_say_the_reason(language, told):
    first = replace(invoice(language), why="the meter was late")
    for paper in credit_note(first, language, first.draft):
        assert told in read(pdf(paper))
    assert told not in read(pdf(invoice(language)))


def test_document_that_leaves_nothing_to_pay_says_so_in_a_sentence():
    first = invoice("en")
    _, again = credit_note(first, "en", first.draft)
    assert "Settled with 2026-000003. Nothing remains to be paid." in read(pdf(again))


@pytest.mark.parametrize(
    ("paper", "told"),
    [
        (remuneration("en"), "will be paid to your account BE71"),
        (remuneration("en", member=replace(TOWN, iban="")), "Please tell us your account number"),
        (invoice("en", member=replace(LEA, mandate="")), "to account BE68 5390 0754 7034 in the name of"),
        (remuneration("en"), "VAT 0 %: small enterprise"),
        (remuneration("en"), "Issued by the community in the producer's name"),
        (invoice("en", network_by_supplier=True), "Your supplier bills the network cost of all your kWh"),
        (invoice("en", labels={"excise": "Federal levy, band 1"}), "Federal levy, band 1"),
    ],
)
def test_what_is_to_be_done_and_known_is_said(paper, told):
    assert told in read(pdf(paper)).replace("\u00a0", " ")


def test_invoice_of_many_points_goes_on_over_pages_with_its_columns_repeated():
    first = invoice("en")
    many = tuple(
        replace(line, ean=f"5414489100000{place:05d}") for place in range(40) for line in first.draft.lines if line.ean
    )
    made = pdf(replace(first, draft=replace(first.draft, lines=many, totals=totals(many))))
    with pikepdf.open(io.BytesIO(made)) as document:
        pages = len(document.pages)
    assert pages > 3
    assert read(made).count("Description kWh €/kWh") == pages - 1  # the last page has the totals alone


def test_text_that_looks_like_markup_stays_text():
    hostile = replace(LEA, name='#panic("x") *bold* $x$ <tag> @ref', street="[a](b) \\ `code`")
    told = read(pdf(invoice("en", member=hostile)))
    assert '#panic("x") *bold* $x$ <tag> @ref' in told.replace("“", '"').replace("”", '"')
