"""What is looked at in a workbook before its cells are read: password, unpacked size, far cells, formulas nobody calculated, errors."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from energy.errors import DataError

__all__ = ["check_package"]

_PASSWORD: Final = bytes.fromhex("d0cf11e0a1b11ae1")  # an encrypted .xlsx is no zip but an OLE file
_MOST_BYTES: Final = 1 << 30
_FAR: Final = 50  # times as many places as cells
_FEW_PLACES: Final = 1_000_000
_PLACE: Final = re.compile(rb'\sr="([A-Z]{1,3})(\d{1,7})"')
_UNCALCULATED: Final = re.compile(
    rb'<(?:\w+:)?c\s[^>]*?r="([A-Z]{1,3}\d{1,7})"[^>]*>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_FAILED: Final = re.compile(rb'<(?:\w+:)?c\s(?=[^>]*?\st="e")[^>]*?r="([A-Z]{1,3}\d{1,7})"')
_AGAIN: Final = "save it as .xlsx again"


def check_package(path: Path) -> None:
    """Raises DataError naming file, and sheet and cell where it is about one; OSError."""
    with path.open("rb") as file:
        begins = file.read(len(_PASSWORD))
    suffix = path.suffix.lower()
    if begins == _PASSWORD and suffix != ".xls":
        raise DataError("is protected by a password", field=str(path), hint="save it as .xlsx without a password")
    if suffix == ".xls":
        return
    try:
        with zipfile.ZipFile(path) as package:
            _check_size(path, package)
            for name, content in _sheets(package) if suffix in {".xlsx", ".xlsm"} else ():
                _check_sheet(path, name, content)
    except (
        zipfile.BadZipFile,
        zlib.error,
        ET.ParseError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise DataError(f"is no workbook: {error}", field=str(path), hint=_AGAIN) from error
    except (KeyError, ValueError) as error:
        raise DataError("is no workbook: it names parts that it has not", field=str(path), hint=_AGAIN) from error


def _check_size(path: Path, package: zipfile.ZipFile) -> None:
    """Reads all of it, too: zipfile stops at the size that is told, and finds out that more was there."""
    size = sum(part.file_size for part in package.infolist())
    if size > _MOST_BYTES:
        told = f"unpacks to {size / 2**30:.1f} GiB, more than {_MOST_BYTES >> 30}"
        raise DataError(told, field=str(path), hint="give it in several files, month by month")
    if (damaged := package.testzip()) is not None:
        raise zipfile.BadZipFile(f"{damaged} is damaged")


def _sheets(package: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """(name, XML) of each worksheet."""
    targets = {
        each.get("Id"): posixpath.normpath(posixpath.join("xl", str(each.get("Target")))).lstrip("/")
        for each in ET.fromstring(package.read("xl/_rels/workbook.xml.rels"))  # noqa: S314 - expat bounds entities
    }
    for each in ET.fromstring(package.read("xl/workbook.xml")).iter():  # noqa: S314
        if each.tag.endswith("}sheet"):
            part = next((targets.get(value) for name, value in each.attrib.items() if name.endswith("}id")), None)
            if part is not None and part.startswith("xl/worksheets/"):
                yield str(each.get("name")), package.read(part)


def _check_sheet(path: Path, name: str, content: bytes) -> None:
    if found := _UNCALCULATED.search(content):
        raise DataError(
            "holds a formula that was never calculated",
            field=f"{path} {name} {found[1].decode()}",
            hint="open it in a spreadsheet program and save it, or put values in place of formulas",
        )
    if found := _FAILED.search(content):
        raise DataError(
            "holds an error in place of a value",
            field=f"{path} {name} {found[1].decode()}",
            hint="correct it, or empty the cell if the value is unknown",
        )
    count, columns, last_row, furthest = 0, set(), 0, ""
    for place in _PLACE.finditer(content):
        count += 1
        columns.add(place[1])
        if int(place[2]) >= last_row:
            last_row, furthest = int(place[2]), (place[1] + place[2]).decode()
    places = last_row * max(map(_column, columns), default=0)
    if places > max(_FEW_PLACES, _FAR * count):
        raise DataError(
            f"has {count} cells on {places:,} places", field=f"{path} {name} {furthest}", hint="delete cells far off"
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
