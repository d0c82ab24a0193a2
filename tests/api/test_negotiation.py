"""Which form an Accept header likes most."""

from __future__ import annotations

import pytest

from api.negotiation import liked
from api.papers import form_of
from api.timeline.export import Format, wanted_format

FORMS = ("application/json", "application/pdf", "text/csv")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.6, application/pdf; q=0.55", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/*;q=0.2, text/csv;q=0.1", "application/json"),
        ("*/*, application/json;q=0", "application/pdf"),
        ("application/json;q=0, application/*", "application/pdf"),
        ("text/*", "text/csv"),
        ("image/png", "application/json"),
        ("text/csv;q=much", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
def test_accept_header_gives_the_form_it_likes_most(accept: str, form: str):
    assert liked(accept, FORMS) == form


@pytest.mark.parametrize("name", ["vnd.apache.parquet", "x-parquet", "parquet"])
def test_parquet_goes_by_all_its_names(name: str):
    assert wanted_format(None, f"application/{name}, application/json;q=0.9") is Format.PARQUET


def test_named_format_is_stronger_than_the_header():
    assert wanted_format(Format.CSV_EXCEL, "application/json") is Format.CSV_EXCEL


def test_statement_asked_for_as_json_first_is_no_pdf():
    assert form_of("application/json, application/pdf;q=0.1") is None
    assert form_of("application/pdf, application/json;q=0.1") == "application/pdf"
