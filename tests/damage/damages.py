"""Damages of a table that are made in the same way at every border: of the whole text, of its header, of one cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.damage.harness import Border, Table

__all__ = ["Damage", "cell_damages", "harmless", "text_damages"]

_NUMBERS: Final = (
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "1,234.5",
    "1.234,5",
    "1 234,5",
    "1'234.5",
    "1_000",
    "\u0663",
    "0x10",
    "12kWh",
    "#N/A",
    "=1+1",
    "1\x002",
)
_NO_EAN: Final = (
    "541448910000123454",  # its last digit is not the check digit
    "41448910000123453",  # a digit is lost
    "5.41448910000123E+17", "541448910000123000", "54144891000012345x", "\u06651448910000123453", "",
)  # fmt: skip
_NO_TIME: Final = (
    "",
    "yesterday",
    "2026-13-01T00:00:00Z",
    "2026-06-31T00:00:00Z",
    "46174.0104",
    "2026-06-01T25:00:00Z",
    "\x00",
)
_OFF_GRID: Final = ("2026-06-01T00:07:00Z", "2026-06-01T00:15:01Z")
_NO_LOCAL: Final = ("2026-03-29T02:15", "0001-01-01T00:00", "9999-12-31T23:45")
_BAD: Final = {
    "ean": _NO_EAN,
    "instant": (*_NO_TIME, "2026-06-01T00:15:00", "2026-06-01"),
    "local": (*_NO_TIME, *_OFF_GRID, *_NO_LOCAL),
    "day": ("", "yesterday", "32-06-2026", "2026-06-31", "\x00"),
    "time": ("half past", "25:00:00", "00:07:00", "\x00"),
    "date": ("", "yesterday", "2026-06-31", "01/06/2026", "2026-06-01T00:00:00", "\x00"),
    "energy": (*_NUMBERS, "1e10", "1,5"),
    "amount": (*_NUMBERS, "100000000000000"),
    "power": ("nan", "inf", "-1", "1e400", "1_000", "\u0663", "12kWh", "", "1e8", "\x00"),
    "price": ("nan", "inf", "1e400", "91.2e1", "1_0", "\u0663", "", "\x00"),
    "temperature": ("nan", "inf", "-90", "70", "1_4", "\u0663", "", "14,5°", "\x00"),
    "word": ("", "Gas", "\x00"),
    "any": (),
}  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """A damaged file. `told`: what the message must say besides the file."""

    name: str
    content: bytes
    told: tuple[str, ...] = ()


def text_damages(border: Border) -> Iterator[Damage]:
    """Of the text as a whole and of its header."""
    table, good = _table(border), border.good.decode()
    header, first, *rest = good.splitlines()
    names = header.split(table.delimiter)
    yield Damage("empty", b"")
    if not table.may_be_empty:
        yield Damage("header-only", header.encode() + b"\n")
    yield Damage("latin-1", good.encode() + "é".encode("latin-1"), ("UTF-8",))
    yield Damage("utf-16", good.encode("utf-16"), ("UTF-8",))
    yield Damage("utf-16-without-mark", good.encode("utf-16-le"))
    yield Damage("binary", bytes(range(256)) * 40)
    yield Damage("zeros", b"\0" * 4096)
    yield Damage("other-delimiter", good.replace(table.delimiter, "|").encode())
    yield Damage("long-cell", f"{header}\n{'9' * 300_000}{table.delimiter}{first}\n".encode())
    yield Damage("unclosed-quote", "\n".join([header, '"' + first, *rest, ""]).encode())
    for place, name in enumerate(names):
        if name in table.columns and name not in table.optional:
            yield Damage(
                f"without-{name}", _mapped(good, table.delimiter, lambda cells, at=place: cells[:at] + cells[at + 1 :])
            )  # type: ignore[misc]
            yield Damage(f"renamed-{name}", good.replace(name, "unheard of", 1).encode())
        if name in table.columns:
            yield Damage(f"twice-{name}", _mapped(good, table.delimiter, lambda cells, at=place: [*cells, cells[at]]))  # type: ignore[misc]
    if table.strict:
        yield Damage("column-more", _mapped(good, table.delimiter, lambda cells: [*cells, "more"]))
        yield Damage("cell-more", "\n".join([header, first + table.delimiter + "1", *rest, ""]).encode(), (":2",))
        yield Damage(
            "cell-less", "\n".join([header, first.rpartition(table.delimiter)[0], *rest, ""]).encode(), (":2",)
        )


def cell_damages(border: Border) -> Iterator[Damage]:
    """Of each known column, one cell in line 3; and a row given twice, as it is and with another number."""
    table, lines = _table(border), border.good.decode().splitlines()
    names = lines[0].split(table.delimiter)
    for place, name in enumerate(names):
        kind = table.columns.get(name)
        for bad in _BAD[kind] if kind is not None else ():
            cells = lines[2].split(table.delimiter)
            cells[place] = f'"{bad}"' if table.delimiter in bad else bad
            damaged = [*lines[:2], table.delimiter.join(cells), *lines[3:]]
            told = (":3", *([table.told_as.get(name, name)] if name in table.columns else []))
            yield Damage(f"{name}={bad!r}", ("\n".join(damaged) + "\n").encode(), told)
    yield Damage("row-twice", ("\n".join([*lines, lines[1]]) + "\n").encode())


def harmless(border: Border) -> Iterator[Damage]:
    """Files that look otherwise and say the same."""
    lines = border.good.decode().splitlines()
    yield Damage("byte-order-mark", b"\xef\xbb\xbf" + border.good)
    yield Damage("crlf", "\r\n".join([*lines, ""]).encode())
    yield Damage("no-last-line-end", border.good.rstrip(b"\n"))
    yield Damage("empty-lines", ("\n".join([*lines, "", ""]) + "\n").encode())


def _table(border: Border) -> Table:
    assert border.table is not None
    return border.table


def _mapped(text: str, delimiter: str, change) -> bytes:  # type: ignore[no-untyped-def]
    return "".join(delimiter.join(change(line.split(delimiter))) + "\n" for line in text.splitlines()).encode()
