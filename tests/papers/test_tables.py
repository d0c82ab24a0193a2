"""CSV in both dialects: nothing rounded, nothing that a spreadsheet would change or run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal

from papers.tables import LINE, lines_csv, month_csv
from tests.papers.example import EAN, LEA, credit_note, invoice, preview, remuneration


def test_iso_keeps_every_figure_as_it_is():
    rows = list(csv.DictReader(io.StringIO(lines_csv(invoice().draft.lines).decode())))
    assert tuple(rows[0]) == LINE
    assert [Decimal(row["net"]) for row in rows] == [line.net for line in invoice().draft.lines]
    assert rows[0]["ean"] == EAN
    assert rows[0]["eur_kwh"] == "0.14"
    assert b"\r" not in lines_csv(invoice().draft.lines)


def test_excel_has_semicolons_commas_and_eans_with_all_digits():
    made = lines_csv(invoice().draft.lines, "excel-be").decode()
    assert made.startswith("\ufeffkind;name;")
    rows = list(csv.DictReader(io.StringIO(made[1:]), delimiter=";"))
    assert (rows[0]["net"], rows[2]["eur_kwh"]) == ("17,28", "0,0494061")
    assert rows[0]["ean"] == f'="{EAN}"'


def test_month_adds_up_and_a_credit_note_takes_away():
    papers = [invoice(), remuneration(), credit_note(invoice()), preview()]
    rows = list(csv.DictReader(io.StringIO(month_csv(papers).decode())))
    by_document = {}
    for row in rows:
        by_document[row["document"]] = by_document.get(row["document"], 0) + Decimal(row["net"])
    assert by_document["2026-000001"] == -by_document["2026-000003"] == invoice().draft.totals.net
    assert {row["credits"] for row in rows if row["document"] == "2026-000003"} == {"2026-000001"}
    assert {row["description"] for row in rows if row["name"] == "shared_energy"} == {"Énergie partagée"}


def test_name_that_a_spreadsheet_would_run_is_text():
    hostile = replace(LEA, name="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in month_csv([invoice(member=hostile)], "excel-be").decode()
    assert ";'+++202/6000" in month_csv([invoice()], "excel-be").decode()
