"""Workbooks of grid operators damaged as spreadsheets, portals and strangers do it."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import datetime

import openpyxl
import pytest

from tests.damage.borders import GENERIC_ROWS, HALL, SIBELGA_HEADER, SIBELGA_ROWS, WALLOON_SHEETS, WORKBOOKS, workbook
from tests.damage.harness import Desk


@pytest.fixture(scope="module")
def desks(tmp_path_factory):
    """Desks by the border's name."""
    return {border.name: Desk(border, tmp_path_factory.mktemp("desk")) for border in WORKBOOKS}


def changed(content, change):
    """The workbook after `change(book)`."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    change(book)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def repacked(content, change):
    """The package after `change({part: bytes})`."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    change(parts)
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in parts.items():
            package.writestr(name, part)
    return saved.getvalue()


@pytest.mark.parametrize("border", WORKBOOKS, ids=lambda border: border.name)
def test_good_workbook_is_taken_in(border, desks):
    assert set(desks[border.name].try_it().wrote) == set(border.outs)


def lying(content):
    """A package whose directory says that its first sheet is small."""
    place = content.index(b"xl/worksheets/sheet1.xml", content.index(b"PK\x01\x02")) - 46
    return content[: place + 24] + struct.pack("<I", 10) + content[place + 28 :]


WHOLE = {
    "empty": (lambda content: b"", "is no workbook"),
    "half": (lambda content: content[: len(content) // 2], "is no workbook"),
    "text": (lambda content: b"EAN;Start;Afname\n", "is no workbook"),
    "zeros": (lambda content: bytes(5000), "is no workbook"),
    "other-zip": (lambda content: repacked(content, dict.clear), "is no workbook"),
    "without-sheet": (lambda content: repacked(content, lambda parts: parts.pop("xl/worksheets/sheet1.xml")), "is no workbook"),
    "broken-xml": (lambda content: repacked(content, lambda parts: parts.update({"xl/workbook.xml": b"<workbook"})), "is no workbook"),
    "password": (lambda content: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000), "is protected by a password"),
    "wrong-checksum": (lambda content: content.replace(b"PK\x01\x02", b"PK\x01\x03", 1), "is no workbook"),
    "lying-size": (lying, "is no workbook"),
}  # fmt: skip


@pytest.mark.parametrize("border", WORKBOOKS, ids=lambda border: border.name)
@pytest.mark.parametrize("name", WHOLE)
def test_file_that_is_no_workbook_is_refused(border, name, desks):
    damage, told = WHOLE[name]
    desks[border.name].try_bytes(damage(border.good)).refused("file.xlsx", told)


def test_workbook_that_unpacks_to_more_than_a_gigabyte_is_refused(desks):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for number in range(5):
            with package.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                for _ in range(256):
                    part.write(bytes(1 << 20))
    assert len(bomb.getvalue()) < 10 << 20
    desks["generic-xlsx"].try_bytes(bomb.getvalue()).refused("file.xlsx", "unpacks to 1.2 GiB")


@pytest.mark.parametrize("border", WORKBOOKS, ids=lambda border: border.name)
def test_one_cell_at_the_far_end_of_a_sheet_is_refused_by_its_place(border, desks):
    far = changed(border.good, lambda book: book.worksheets[0].cell(1_048_576, 16_384, "x"))
    desks[border.name].try_bytes(far).refused("file.xlsx", "XFD1048576", "cells on")


@pytest.mark.parametrize("border", WORKBOOKS, ids=lambda border: border.name)
def test_formula_that_nobody_calculated_is_refused_by_its_cell(border, desks):
    row = 5 if border.name.startswith("walloon") else 2
    formula = changed(border.good, lambda book: book.worksheets[0].cell(row, 3, "=1+1"))
    name = "Brut Rep" if border.name.startswith("walloon") else "Blad1"
    desks[border.name].try_bytes(formula).refused(f"file.xlsx {name} C{row}", "never calculated")


def test_formula_with_its_value_is_read_as_the_value(desks):
    desk = desks["generic-xlsx"]

    def calculated(parts):
        sheet = parts["xl/worksheets/sheet1.xml"]
        assert b"<v>1.5</v>" in sheet
        parts["xl/worksheets/sheet1.xml"] = sheet.replace(b"<v>1.5</v>", b"<f>1+0.5</f><v>1.5</v>")

    desk.try_bytes(repacked(desk.border.good, calculated)).same_as(desk.try_it())


@pytest.mark.parametrize("border", WORKBOOKS, ids=lambda border: border.name)
def test_merged_cells_among_the_data_are_refused(border, desks):
    first = 6 if border.name.startswith("walloon") else 3
    merged = changed(border.good, lambda book: book.worksheets[0].merge_cells(f"B{first}:C{first}"))
    desks[border.name].try_bytes(merged).refused(f"file.xlsx:{first}", "merged cells")


def test_hidden_sheet_is_not_added_silently(desks):
    def hide(book):
        copy = book.copy_worksheet(book.worksheets[0])
        copy.title = "Old"
        copy.sheet_state = "hidden"

    for name in ("generic-xlsx", "sibelga-xlsx"):
        desk = desks[name]
        desk.try_bytes(changed(desk.border.good, hide)).refused("file.xlsx Old", "is hidden")


def test_empty_hidden_sheet_does_no_harm(desks):
    desk = desks["generic-xlsx"]
    empty = changed(desk.border.good, lambda book: setattr(book.create_sheet("Old"), "sheet_state", "hidden"))
    desk.try_bytes(empty).same_as(desk.try_it())


def sheets(rows, place, cell):
    """The rows as the sheet Blad1, with one cell changed."""
    damaged = [list(row) for row in rows]
    damaged[place[0]][place[1]] = cell
    return workbook({"Blad1": damaged})


CELLS = [
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (0, 2), "Volume Partagé (Wh)", "file.xlsx:1 Blad1 shared_kwh: is in (Wh)"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (0, 2), "Volume Partagé (MWh)", "is in (MWh)"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (0, 0), "Klant", "no header says 'ean'"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 0), int(HALL), "file.xlsx:3 Blad1 ean"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 0), float(HALL), "file.xlsx:3 Blad1 ean"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 0), None, "file.xlsx:3 Blad1 ean"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 2), "#N/A", "file.xlsx Blad1 C3: holds an error"),
    ("sibelga-xlsx", [SIBELGA_HEADER, [HALL, "HI", None, 1, None, 1]], (1, 2), None, "file.xlsx:2 Blad1 shared_kwh: is empty"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 2), True, "file.xlsx:3 Blad1 shared_kwh"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 2), datetime(2026, 6, 1), "file.xlsx:3 Blad1 shared_kwh"),  # noqa: DTZ001
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 2), -1, "file.xlsx:3 Blad1 shared_kwh"),
    ("sibelga-xlsx", [SIBELGA_HEADER, *SIBELGA_ROWS], (2, 2), 1e300, "file.xlsx:3 Blad1 shared_kwh"),
    ("generic-xlsx", GENERIC_ROWS, (0, 2), "Afname (kW)", "file.xlsx:1 Blad1 withdrawal_kwh: is in (kW)"),
    ("generic-xlsx", GENERIC_ROWS, (2, 1), 46174.0104, "file.xlsx:3 Blad1 start"),
    ("generic-xlsx", GENERIC_ROWS, (2, 1), datetime(2026, 6, 1, 0, 7), "file.xlsx:3 Blad1 start"),  # noqa: DTZ001
    ("generic-xlsx", GENERIC_ROWS, (2, 1), datetime(2026, 6, 1), "file.xlsx:3 Blad1 ean, start"),  # noqa: DTZ001 - given twice
    ("generic-xlsx", GENERIC_ROWS, (2, 2), "1.234,5", "file.xlsx:3 Blad1 withdrawal_kwh"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rows", "place", "cell", "told"), CELLS)
def test_wrong_cell_is_told_by_sheet_row_and_column(name, rows, place, cell, told, desks):
    desks[name].try_bytes(sheets(rows, place, cell)).refused(told)


def walloon(**changes):
    """The Walloon workbook with other sheets; None takes one away."""
    return workbook({name: rows for name, rows in (WALLOON_SHEETS | changes).items() if rows is not None})


def with_cell(name, place, cell):
    """The Walloon workbook with one cell changed."""
    damaged = [list(row) for row in WALLOON_SHEETS[name]]
    damaged[place[0]][place[1]] = cell
    return walloon(**{name: damaged})


WALLOON = [
    (walloon(**{"Partagé Rep": None}), "has no sheet 'Partagé Rep', it has Brut Rep, Net Rep"),
    (walloon(**{"brut-rep": WALLOON_SHEETS["Brut Rep"]}), "has two sheets called 'brut-rep'"),
    (with_cell("Brut Rep", (1, 1), HALL[:-1] + "4"), "file.xlsx:2 Brut Rep column 2"),
    (with_cell("Partagé Rep", (1, 2), HALL), f"file.xlsx:2 Partagé Rep {HALL}: {HALL} has a column of injection in one sheet"),
    (with_cell("Brut Rep", (0, 1), "Gas"), "file.xlsx:1 Brut Rep header"),
    (with_cell("Brut Rep", (2, 1), "Wh"), "file.xlsx:3 Brut Rep column 2: is in Wh"),
    (with_cell("Brut Rep", (4, 1), "n/a"), f"file.xlsx:5 Brut Rep {HALL}"),
    (with_cell("Brut Rep", (4, 1), -1), f"file.xlsx:5 Brut Rep {HALL}"),
    (with_cell("Brut Rep", (4, 0), "yesterday"), "file.xlsx:5 Brut Rep start"),
    (with_cell("Brut Rep", (5, 0), datetime(2026, 6, 1)), f"file.xlsx:6 Brut Rep withdrawal_kwh: {HALL} has this quarter-hour twice"),  # noqa: DTZ001
    (with_cell("Net Rep", (4, 1), 1.4), f"file.xlsx:5 Net Rep {HALL}: gross"),
    (walloon(**{"Brut Rep": WALLOON_SHEETS["Brut Rep"][:4]}), "ends before its first quarter-hour"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told"), WALLOON, ids=[told for _, told in WALLOON])
def test_wrong_walloon_workbook_is_refused(content, told, desks):
    desks["walloon-xlsx"].try_bytes(content).refused("file.xlsx", told)
